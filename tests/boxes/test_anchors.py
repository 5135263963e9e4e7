import json
import math

import numpy as np
import pytest

from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors, anchors_from_config
from ssd_keras.boxes.formats import xyxy_to_cxcywh
from ssd_keras.errors import InputError

SSD7 = ScaledAnchors(scales=(0.08, 0.16, 0.32, 0.64, 0.96), aspect_ratios=((0.5, 1.0, 2.0),) * 4)
ONE_SQUARE = PaperAnchors(min_sizes=(10,), max_sizes=(None,), aspect_ratios=((),))
ONE_SCALED_SQUARE = ScaledAnchors(scales=(0.5, 1.0), aspect_ratios=((1.0,),), two_boxes_for_ar1=False)


def centres_px(boxes, image_size):
    height, width = image_size
    return (xyxy_to_cxcywh(boxes.astype(np.float64))[:, :2] * [width, height]).round(4).tolist()


def test_one_anchor_in_one_cell():
    boxes = ONE_SQUARE.boxes((100, 200), [(1, 1)])
    np.testing.assert_allclose(boxes, [[95 / 200, 45 / 100, 105 / 200, 55 / 100]], rtol=1e-6)
    assert boxes.dtype == np.float32


def test_order_is_row_by_row_then_the_boxes_of_the_cell():
    two = PaperAnchors(min_sizes=(10,), max_sizes=(20,), aspect_ratios=((),))
    boxes = two.boxes((100, 200), [(2, 3)])
    assert boxes.shape == (12, 4)
    expected = [[x, y] for y in (25, 75) for x in (100 / 3, 100, 500 / 3) for _ in range(2)]
    np.testing.assert_allclose(centres_px(boxes, (100, 200)), expected, atol=1e-3)
    widths = (boxes[:, 2] - boxes[:, 0]) * 200
    np.testing.assert_allclose(widths, [10, math.sqrt(200)] * 6, rtol=1e-5)


def test_layers_come_one_after_the_other():
    anchors = PaperAnchors(min_sizes=(10, 20), max_sizes=(None, 30), aspect_ratios=((2,), ()))
    sizes = [(2, 2), (1, 1)]
    layers = anchors.per_layer((100, 100), sizes)
    assert [len(layer) for layer in layers] == [12, 2]
    np.testing.assert_array_equal(anchors.boxes((100, 100), sizes), np.concatenate(layers))


def test_boxes_per_cell():
    assert SSD7.boxes_per_cell == (4, 4, 4, 4)
    assert PaperAnchors((1, 1, 1), (None, 2, 2), ((2,), (2,), (2, 3))).boxes_per_cell == (3, 4, 6)


def test_an_aspect_ratio_keeps_the_area():
    (shapes,) = PaperAnchors((30,), (None,), ((2, 3),)).cell_shapes((300, 300))
    np.testing.assert_allclose(shapes.prod(axis=1), 900)
    np.testing.assert_allclose(shapes[:, 0] / shapes[:, 1], [1, 2, 1 / 2, 3, 1 / 3])


@pytest.mark.parametrize(
    ("ratios", "flip", "expected"),
    [
        ((2,), False, [1, 2]),
        ((1, 2), True, [1, 2, 1 / 2]),
        ((2, 0.5), True, [1, 2, 1 / 2]),
        ((2, 2 + 1e-9), True, [1, 2, 1 / 2]),
    ],
)
def test_no_aspect_ratio_stands_twice(ratios, flip, expected):
    (shapes,) = PaperAnchors((30,), (None,), (ratios,), flip=flip).cell_shapes((300, 300))
    np.testing.assert_allclose(shapes[:, 0] / shapes[:, 1], expected, rtol=1e-6)


def test_truncation_cuts_sizes_to_whole_pixels_before_the_root():
    (shapes,) = PaperAnchors((35.84,), (76.8,), ((2,),), truncate=True).cell_shapes((512, 512))
    np.testing.assert_allclose(
        shapes[:, 0], [35, math.sqrt(35 * 76), 35 * math.sqrt(2), 35 / math.sqrt(2)], rtol=1e-12
    )


def test_scaled_anchors_come_in_the_order_of_the_port():
    shapes = SSD7.cell_shapes((300, 480))[0] / 300
    small, second = 0.08, math.sqrt(0.08 * 0.16)
    root = math.sqrt(2)
    expected = [
        [small / root, small * root],
        [small, small],
        [second, second],
        [small * root, small / root],
    ]
    np.testing.assert_allclose(shapes, expected, rtol=1e-12)


def test_scales_refer_to_the_shorter_side():
    np.testing.assert_array_equal(SSD7.cell_shapes((300, 480))[1], SSD7.cell_shapes((480, 300))[1])


def test_number_of_anchors_of_ssd7():
    assert len(SSD7.boxes((300, 480), [(37, 60), (18, 30), (9, 15), (4, 7)])) == 11692


def test_centres_spread_over_the_image_without_steps():
    boxes = ONE_SQUARE.boxes((90, 100), [(3, 2)])
    assert centres_px(boxes, (90, 100)) == [[x, y] for y in (15, 45, 75) for x in (25, 75)]


@pytest.mark.parametrize("anchors", [ONE_SQUARE, ONE_SCALED_SQUARE])
def test_steps_and_offsets_per_axis_are_vertical_then_horizontal(anchors):
    config = anchors.get_config()
    moved = anchors_from_config({**config, "steps": ((8, 16),), "offsets": ((0.25, 0.75),)})
    boxes = moved.boxes((100, 100), [(2, 2)])
    assert centres_px(boxes, (100, 100)) == [[12, 2], [28, 2], [12, 10], [28, 10]]


def test_one_step_and_one_offset_hold_for_both_axes():
    anchors = PaperAnchors((10,), (None,), ((),), steps=(8,), offsets=(0.25,))
    assert centres_px(anchors.boxes((100, 100), [(1, 2)]), (100, 100)) == [[2, 2], [10, 2]]


def test_a_layer_may_be_without_step():
    anchors = PaperAnchors((10, 10), (None, None), ((), ()), steps=(8, None))
    boxes = anchors.boxes((100, 100), [(1, 1), (1, 1)])
    assert centres_px(boxes, (100, 100)) == [[4, 4], [50, 50]]


def test_paper_clip_cuts_at_the_edges():
    settings = {"min_sizes": (60,), "max_sizes": (111,), "aspect_ratios": ((2, 3),), "steps": (16,)}
    free = PaperAnchors(**settings).boxes((300, 300), [(19, 19)])
    cut = PaperAnchors(**settings, clip=True).boxes((300, 300), [(19, 19)])
    assert free.min() < 0
    assert free.max() > 1
    np.testing.assert_array_equal(cut, np.clip(free, 0, 1))


def test_port_clip_moves_what_reaches_the_far_edge_to_the_last_pixel():
    settings = {"scales": (0.299, 0.3), "aspect_ratios": ((1.0,),), "two_boxes_for_ar1": False}
    # Squares of 29.9 pixels in an image of 200 × 100, one cell 10 pixels wide after the other.
    grid = {"image_size": (100, 200), "feature_sizes": [(1, 20)]}
    scale = [200, 100, 200, 100]
    free = ScaledAnchors(**settings).boxes(**grid) * scale
    cut = ScaledAnchors(**settings, clip=True).boxes(**grid) * scale
    assert free[0, 0] < 0
    assert cut[0, 0] == 0
    assert 199 < free[18, 2] < 200
    np.testing.assert_allclose(cut[18, 2], free[18, 2])
    assert free[19, 2] > 200
    np.testing.assert_allclose(cut[19, 2], 199)
    inside = (free >= 0).all(axis=1) & (free < scale).all(axis=1)
    assert inside.sum() == 18
    np.testing.assert_array_equal(cut[inside], free[inside])


@pytest.mark.parametrize(
    "anchors",
    [
        SSD7,
        ONE_SQUARE,
        ScaledAnchors((0.1, 0.2), ((1.0,),), False, steps=((8, 16),), offsets=(0.3,), clip=True),
        PaperAnchors(
            (35.84, 76.8),
            (76.8, None),
            ((2, 3), ()),
            steps=((8, 16), None),
            offsets=((0.5, 0.25), 0.5),
            flip=False,
            clip=True,
            truncate=True,
        ),
    ],
)
def test_config_survives_json(anchors):
    again = anchors_from_config(json.loads(json.dumps(anchors.get_config())))
    assert again == anchors
    assert type(again) is type(anchors)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: PaperAnchors((30, 60), (60,), ((2,), (2,))), "2 min_sizes, 1 max_sizes"),
        (lambda: PaperAnchors((30, 60), (60, 90), ((2,),)), "1 lists of aspect_ratios"),
        (lambda: PaperAnchors((30,), (60,), ((2,),), steps=(8, 16)), "2 steps for 1"),
        (lambda: PaperAnchors((30,), (60,), ((2,),), offsets=(0.5, 0.5)), "2 offsets for 1"),
        (lambda: PaperAnchors((0,), (60,), ((2,),)), "min_sizes .* above 0"),
        (lambda: PaperAnchors((30,), (-1,), ((2,),)), "max_sizes .* above 0"),
        (lambda: PaperAnchors((30,), (60,), ((0,),)), "aspect_ratios .* above 0"),
        (lambda: PaperAnchors((math.nan,), (60,), ((2,),)), "min_sizes .* above 0"),
        (lambda: ScaledAnchors((0.1,), ((1,),)), "1 scales for 1"),
        (lambda: ScaledAnchors((0.1, 0.2, 0.3), ((1,),)), "3 scales for 1"),
        (lambda: ScaledAnchors((0.1, 0.2), ((1,),), steps=()), "0 steps for 1"),
        (lambda: ScaledAnchors((0.1, 0.2), ((1,),), steps=(0,)), "steps .* above 0"),
        (lambda: PaperAnchors((30,), (60,), ((2,),), steps=((8, -8),)), "steps .* above 0"),
        (lambda: PaperAnchors.spaced(300, 2, (20, 90), (10, 20)), "over 2 predictor layers: take 3 or more"),
        (lambda: ScaledAnchors((0.1, 0.2), ((1,),), offsets=(0.5, 0.5)), "2 offsets for 1"),
        (lambda: ScaledAnchors((0.1, 0), ((1,),)), "scales .* above 0"),
        (lambda: ScaledAnchors((0.1, 0.2), ((-2,),)), "aspect_ratios .* above 0"),
        (lambda: SSD7.boxes((300, 480), [(37, 60)]), "4 predictor layers.* 1 feature maps"),
    ],
)
def test_wrong_descriptions_are_refused_in_one_line(make, complaint):
    with pytest.raises(InputError, match=complaint) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_one_list_of_aspect_ratios_serves_all_layers():
    sizes = [(37, 60), (18, 30), (9, 15), (4, 7)]
    scales = (0.08, 0.16, 0.32, 0.64, 0.96)
    everywhere = ScaledAnchors(scales=scales, aspect_ratios=(0.5, 1.0, 2.0))
    per_layer = ScaledAnchors(scales=scales, aspect_ratios=((0.5, 1.0, 2.0),) * 4)
    np.testing.assert_array_equal(everywhere.boxes((300, 480), sizes), per_layer.boxes((300, 480), sizes))
    assert anchors_from_config(json.loads(json.dumps(everywhere.get_config()))) == everywhere


def test_one_list_of_aspect_ratios_serves_all_layers_of_the_paper():
    sizes = [(5, 5), (3, 3)]
    everywhere = PaperAnchors((30, 60), (60, 90), aspect_ratios=(2.0,))
    per_layer = PaperAnchors((30, 60), (60, 90), aspect_ratios=((2.0,), (2.0,)))
    np.testing.assert_array_equal(everywhere.boxes((90, 90), sizes), per_layer.boxes((90, 90), sizes))
    assert everywhere.boxes_per_cell == (4, 4)
    assert anchors_from_config(json.loads(json.dumps(everywhere.get_config()))) == everywhere


def test_scales_are_spaced_evenly_between_two():
    anchors = ScaledAnchors.evenly_scaled(4, 0.1, 0.9)
    np.testing.assert_allclose(anchors.scales, (0.1, 0.3, 0.5, 0.7, 0.9))
    assert anchors.boxes_per_cell == (4, 4, 4, 4)
