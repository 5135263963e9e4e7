"""The anchors of the published detectors, number by number."""

import numpy as np
import pytest
from parity.golden import PUBLISHED, RATIOS_300, SSD300_COCO, SSD300_VOC, STEPS_300

from ssd_keras.boxes.anchors import ScaledAnchors
from ssd_keras.boxes.formats import xyxy_to_cxcywh


@pytest.mark.parametrize("name", PUBLISHED)
def test_checksums(name):
    golden = PUBLISHED[name]
    boxes = golden.boxes().astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert len(boxes) == golden.count
    for axis in (0, 1):
        assert boxes[:, axis].sum() == pytest.approx(golden.sum_x0, abs=1e-3)
        assert boxes[:, axis + 2].sum() == pytest.approx(golden.sum_x1, abs=1e-3)
        assert sides[:, axis].sum() == pytest.approx(golden.sum_width, abs=1e-3)
    assert sides.prod(axis=1).sum() == pytest.approx(golden.sum_area, abs=1e-3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_inside_the_image(name):
    boxes = PUBLISHED[name].boxes()
    assert ((boxes >= 0) & (boxes <= 1)).all(axis=1).sum() == PUBLISHED[name].inside


@pytest.mark.parametrize("name", PUBLISHED)
def test_first_anchor_of_each_layer(name):
    golden = PUBLISHED[name]
    sizes = [(side, side) for side in golden.feature_sides]
    layers = golden.anchors.per_layer((golden.side, golden.side), sizes)
    counts = [len(layer) for layer in layers]
    assert tuple(np.cumsum([0, *counts[:-1]])) == golden.first
    for first, layer in zip(golden.first, layers, strict=True):
        np.testing.assert_array_equal(golden.boxes()[first], layer[0])


@pytest.mark.parametrize(
    ("first", "centre", "widths", "heights"),
    [
        (0, 4, [30, 42.4264, 42.4264, 21.2132], [30, 42.4264, 21.2132, 42.4264]),
        (
            *(5776, 8),
            [60, 81.6088, 84.8528, 42.4264, 103.9230, 34.6410],
            [60, 81.6088, 42.4264, 84.8528, 34.6410, 103.9230],
        ),
        (
            *(7942, 16),
            [111, 134.0969, 156.9777, 78.4889, 192.2576, 64.0859],
            [111, 134.0969, 78.4889, 156.9777, 64.0859, 192.2576],
        ),
        (
            *(8542, 32),
            [162, 185.7579, 229.1026, 114.5513, 280.5922, 93.5307],
            [162, 185.7579, 114.5513, 229.1026, 93.5307, 280.5922],
        ),
        (8692, 50, [213, 237.1329, 301.2275, 150.6138], [213, 237.1329, 150.6138, 301.2275]),
        (8728, 150, [264, 288.3747, 373.3524, 186.6762], [264, 288.3747, 186.6762, 373.3524]),
    ],
)
def test_first_cell_of_each_layer_of_ssd300(first, centre, widths, heights):
    boxes = SSD300_VOC.boxes()[first : first + len(widths)].astype(np.float64)
    cell = xyxy_to_cxcywh(boxes) * 300
    np.testing.assert_allclose(cell[:, :2], centre, atol=1e-4)
    np.testing.assert_allclose(cell[:, 2], widths, atol=1e-4)
    np.testing.assert_allclose(cell[:, 3], heights, atol=1e-4)


@pytest.mark.parametrize(
    ("golden", "scales"),
    [
        (SSD300_VOC, (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05)),
        (SSD300_COCO, (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)),
    ],
)
def test_the_port_describes_the_same_anchors_of_ssd300(golden, scales):
    ratios = tuple((1, *(r for ratio in layer for r in (ratio, 1 / ratio))) for layer in RATIOS_300)
    port = ScaledAnchors(scales, ratios, steps=STEPS_300, offsets=(0.5,) * 6)
    sizes = [(side, side) for side in golden.feature_sides]
    np.testing.assert_allclose(port.boxes((300, 300), sizes), golden.boxes(), rtol=0, atol=1e-7)


def test_truncated_sizes_move_the_anchors_of_ssd512_by_less_than_a_pixel():
    moved = np.abs(PUBLISHED["ssd512_voc"].boxes() - PUBLISHED["ssd512_voc_not_truncated"].boxes()) * 512
    assert moved.max() == pytest.approx(0.69, abs=0.005)
