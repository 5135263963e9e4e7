"""The vectorised samplers against a plain transcription of the original, trial after trial."""

import numpy as np
import pytest

from ssd_keras.data.augment.chains import OriginalChain
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.errors import InputError

BOXES = np.array([[0.1, 0.15, 0.45, 0.6], [0.5, 0.55, 0.62, 0.7], [0.3, 0.2, 0.95, 0.9]])
DRAWS = 3000


def iou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


def sequential_crop(rng):
    scale = rng.uniform(0.3, 1)
    aspect = min(max(rng.uniform(0.5, 2), scale**2), 1 / scale**2)
    width, height = min(scale * aspect**0.5, 1), min(scale / aspect**0.5, 1)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return left, top, left + width, top + height


def sequential_offers(boxes, rng):
    """The samplers of Caffe that succeed, besides the whole image: {number of the sampler: crop}."""
    offers = {}
    for number, (lowest, highest) in enumerate(
        [(0.1, np.inf), (0.3, np.inf), (0.5, np.inf), (0.7, np.inf), (0.9, np.inf), (-np.inf, 1.0)]
    ):
        for _ in range(50):
            crop = sequential_crop(rng)
            if any(lowest <= iou(crop, box) <= highest for box in boxes):
                offers[number] = crop
                break
    return offers


def sequential_sample(boxes, rng):
    offers = [(0, 0, 1, 1), *sequential_offers(boxes, rng).values()]
    return offers[rng.integers(len(offers))]


def largest_gap(a, b):
    """The Kolmogorov-Smirnov statistic of two lists of numbers."""
    grid = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(np.sort(values), grid, side="right") / len(values) for values in (a, b)]
    return np.abs(below[0] - below[1]).max()


@pytest.fixture(scope="module", params=[BOXES, BOXES[1:2]], ids=["several objects", "one small object"])
def both(request):
    rng = np.random.default_rng(1)
    ours = np.array([BatchSampler().sample(request.param, rng) for _ in range(DRAWS)])
    theirs = np.array([sequential_sample(request.param, rng) for _ in range(DRAWS)])
    return ours, theirs


@pytest.mark.parametrize(
    "measure",
    [
        lambda crops: crops[:, 2] - crops[:, 0],
        lambda crops: crops[:, 3] - crops[:, 1],
        lambda crops: crops[:, 0],
        lambda crops: crops[:, 3],
        lambda crops: np.sqrt((crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])),
        lambda crops: (crops[:, 2] - crops[:, 0]) / (crops[:, 3] - crops[:, 1]),
        lambda crops: [max(iou(crop, box) for box in BOXES) for crop in crops],
    ],
    ids=["width", "height", "left", "bottom", "scale", "aspect", "overlap"],
)
def test_crops_are_distributed_as_the_originals(both, measure):
    ours, theirs = map(measure, both)
    assert largest_gap(ours, theirs) < 0.05  # 1.95 * sqrt(2 / 3000): exceeded by chance once in a thousand


def test_the_whole_image_is_taken_as_often(both):
    whole = [np.mean((crops == (0, 0, 1, 1)).all(axis=1)) for crops in both]
    assert whole[0] == pytest.approx(whole[1], abs=0.03)
    assert whole[0] > 1 / 7 - 0.02


def test_each_sampler_succeeds_as_often():
    rng = np.random.default_rng(2)
    theirs = [sequential_offers(BOXES[:2], rng) for _ in range(1000)]
    for number, bounds in enumerate(BatchSampler().overlaps):
        alone = BatchSampler(overlaps=(bounds,))
        found = np.mean([len(alone.offers(BOXES[:2], rng)) for _ in range(1000)])
        assert found == pytest.approx(np.mean([number in offers for offers in theirs]), abs=0.07)


def test_offers_satisfy_their_samplers_in_order():
    rng = np.random.default_rng(3)
    large = np.array([[0.05, 0.05, 0.9, 0.95]])
    for _ in range(200):
        offers = BatchSampler().offers(large, rng)
        if len(offers) == 6:
            overlaps = [iou(crop, large[0]) for crop in offers[:5]]
            assert (np.array(overlaps) >= (0.1, 0.3, 0.5, 0.7, 0.9)).all()
            break
    else:
        pytest.fail("all samplers succeed with a large object most of the time")


def test_candidates_lie_in_the_image_and_keep_their_bounds():
    crops = BatchSampler().candidates((20000,), np.random.default_rng(4))
    width, height = crops[:, 2] - crops[:, 0], crops[:, 3] - crops[:, 1]
    assert crops.min() >= 0
    assert crops.max() <= 1 + 1e-12
    assert (width / height).min() >= 0.5 - 1e-9
    assert (width / height).max() <= 2 + 1e-9
    assert np.sqrt(width * height).min() == pytest.approx(0.3, abs=0.001)


def test_an_image_without_objects_stays_whole():
    rng = np.random.default_rng(5)
    for _ in range(20):
        assert BatchSampler().sample(np.zeros((0, 4)), rng) == (0, 0, 1, 1)


def test_an_object_too_small_for_any_overlap_leaves_two_offers():
    offers = BatchSampler().offers(np.array([[0.5, 0.5, 0.502, 0.502]]), np.random.default_rng(6))
    assert len(offers) == 1  # the sampler that takes any crop


def test_a_box_without_area_is_no_harm():
    offers = BatchSampler().offers(np.array([[0.5, 0.5, 0.5, 0.5]]), np.random.default_rng(7))
    assert np.isfinite(offers).all()


def test_expand_holds_the_image_and_draws_as_the_original():
    rng = np.random.default_rng(8)
    canvases = np.array([Expand().sample((200, 300), rng) for _ in range(4000)])
    same = (canvases == (0, 0, 300, 200)).all(axis=1)
    assert same.mean() == pytest.approx(0.5, abs=0.03)
    expanded = canvases[~same]
    assert (expanded == expanded.round()).all()
    assert (expanded[:, :2] <= 0).all()
    assert (expanded[:, 2:] >= (300, 200)).all()
    ratio = (expanded[:, 2] - expanded[:, 0]) / 300
    assert largest_gap(ratio, rng.uniform(1, 4, len(ratio))) < 0.06
    np.testing.assert_allclose(ratio, (expanded[:, 3] - expanded[:, 1]) / 200, atol=0.006)
    place = -expanded[ratio > 1.5, 0] / (ratio[ratio > 1.5] * 300 - 300)
    assert largest_gap(place, rng.uniform(0, 1, len(place))) < 0.06


def test_expand_of_one_pixel():
    canvas = Expand(probability=1, max_ratio=1.5).sample((1, 1), np.random.default_rng(9))
    assert canvas == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Expand(probability=-0.1), "probability"),
        (lambda: Expand(max_ratio=0.5), "max_ratio"),
        (lambda: BatchSampler(scale=(0, 1)), "scale"),
        (lambda: BatchSampler(aspect=(2, 0.5)), "aspect"),
        (lambda: BatchSampler(overlaps=((0.1, 1.5),)), "overlaps"),
        (lambda: BatchSampler(trials=0), "trials"),
    ],
)
def test_settings_out_of_bounds_are_refused(make, word):
    with pytest.raises(InputError, match=word):
        make()


def sequential_view(size, boxes_px, rng):
    """Expand and crop as the original does, one after the other: the kept boxes as the network sees them."""
    height, width = size
    boxes, canvas = np.array(boxes_px, float), (height, width)
    if rng.random() < 0.5:
        ratio = rng.uniform(1, 4)
        canvas = (int(height * ratio), int(width * ratio))
        offset = int(rng.uniform(0, canvas[1] - width)), int(rng.uniform(0, canvas[0] - height))
        boxes += [*offset, *offset]
    boxes = boxes / [canvas[1], canvas[0], canvas[1], canvas[0]]
    x0, y0, x1, y1 = sequential_sample(boxes, rng)
    seen = (boxes - [x0, y0, x0, y0]) / [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    centres = (seen[:, :2] + seen[:, 2:]) / 2
    kept = ((centres >= 0) & (centres <= 1)).all(axis=1)
    return np.clip(seen[kept], 0, 1)


@pytest.mark.slow
def test_the_whole_chain_keeps_as_many_boxes_of_the_same_sizes_as_the_original():
    size, boxes_px = (200, 300), BOXES * [300, 200, 300, 200]
    chain, rng = OriginalChain(), np.random.default_rng(5)
    ours = []
    for _ in range(DRAWS):
        view = chain.sample_view(size, boxes_px, rng)
        ours.append(np.clip(view.boxes[view.kept], 0, 1))
    theirs = [sequential_view(size, boxes_px, rng) for _ in range(DRAWS)]
    counts = [np.bincount([len(kept) for kept in views], minlength=4) / DRAWS for views in (ours, theirs)]
    np.testing.assert_allclose(counts[0], counts[1], atol=0.04)
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    for side in range(2):
        widths = [boxes[:, side + 2] - boxes[:, side] for boxes in (ours, theirs)]
        assert largest_gap(*widths) < 0.04
        assert largest_gap(ours[:, side], theirs[:, side]) < 0.04
