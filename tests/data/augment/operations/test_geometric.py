"""Pixels and boxes move together, and back again."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.augment.operations import (
    BoxFilter,
    Crop,
    Flip,
    MaxCropFixedAspect,
    Pad,
    PadFixedAspect,
    RandomPatch,
    Resize,
    RotateQuarters,
    Translate,
    Validator,
    Zoom,
)
from ssd_keras.data.augment.operations.geometric import GeometricOperation
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

ALL = {
    "resize": Resize((77, 140)),
    "flip": Flip(probability=1),
    "vertical flip": Flip("vertical", 1),
    "rotate": RotateQuarters(probability=1),
    "translate": Translate(probability=1),
    "zoom in": Zoom((1, 3), probability=1),
    "zoom out": Zoom((0.3, 1), probability=1),
    "crop": Crop((15, 11, 88, 120)),
    "crop beside": Crop((-300, -400, -10, -20)),
    "pad": Pad((1, 40)),
    "pad left": Pad((5, 5), ("left",)),
    "patch": RandomPatch(),
    "canvas": RandomPatch((0.5, 3), (0.3, 3), validator=None),
    "max crop": MaxCropFixedAspect(0.8),
    "wide max crop": MaxCropFixedAspect(3),
    "pad aspect": PadFixedAspect(1.0),
    "pad high": PadFixedAspect(0.5),
}
"""An operation that always acts, of each kind and way."""

each = pytest.mark.parametrize("name", ALL)
places = st.tuples(st.integers(0, 120), st.integers(0, 80), st.integers(5, 130), st.integers(5, 90))
seeds = st.integers(0, 2**32)


def photo(height=90, width=130, boxes_px=()):
    image = np.full((height, width, 3), 60, np.uint8)
    for x0, y0, x1, y1 in boxes_px:
        image[y0:y1, x0:x1] = (0, 255, 0)
    return image


def sample(image, boxes_px, **flags):
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    return Sample(image, GroundTruth(boxes, np.arange(len(boxes)), **flags), "photo")


def green_box(image):
    """The box around what is green, or None."""
    mask = image[..., 1].astype(int) - image[..., [0, 2]].max(axis=-1) > 128
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def run(operation, given, seed):
    return operation(given, np.random.default_rng(seed))


@each
@settings(max_examples=60, deadline=None)
@given(places, seeds)
def test_the_box_bounds_its_object_to_a_pixel(name, place, seed):
    x0, y0, width, height = place
    box = (x0, y0, min(x0 + width, 130), min(y0 + height, 90))
    after = run(ALL[name], sample(photo(boxes_px=[box]), [box]), seed)
    seen = green_box(after.image)
    if len(after.ground_truth) and seen is not None:
        np.testing.assert_allclose(after.ground_truth.boxes_px[0], seen, atol=1.01)


@each
def test_a_well_placed_object_is_mostly_seen(name):
    if name == "crop beside":
        return
    box = (50, 35, 80, 60)
    given = sample(photo(boxes_px=[box]), [box])
    seen = [run(ALL[name], given, seed).ground_truth.boxes_px for seed in range(60)]
    assert np.mean([len(boxes) for boxes in seen]) > 0.6


@each
@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=4),
    seeds,
)
def test_the_inverse_gives_the_boxes_back(name, size, corners, seed):
    boxes = np.sort(np.array(corners).reshape(-1, 2, 2), axis=1).reshape(-1, 4) * (*size[::-1], *size[::-1])
    placement = ALL[name].draw(size, boxes, np.random.default_rng(seed))
    there = placement.boxes.forward(boxes)
    np.testing.assert_allclose(placement.boxes.inverse(there), boxes, rtol=1e-9, atol=1e-9)


@each
def test_the_placement_says_what_happens(name):
    image, box = photo(), (10, 20, 60, 70)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert rng.random() < 1  # whether to act at all
        placement = ALL[name].draw((90, 130), np.array([box], float), rng)
        traced = ALL[name].trace(sample(image, [box]), np.random.default_rng(seed))
        assert traced.box_map == placement.boxes
        assert traced.sample.image.shape == (*placement.size, 3)
        np.testing.assert_array_equal(traced.sample.image, placement.apply(image))


@each
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (2, 3), (90, 130)])
@pytest.mark.parametrize("boxes_px", [[], [(0, 0, 1, 1)]], ids=["no object", "one-pixel object"])
def test_any_image_gives_an_image_and_valid_boxes(name, size, boxes_px):
    for seed in range(10):
        after = run(ALL[name], sample(photo(*size), boxes_px), seed)
        assert after.image.dtype == np.uint8
        assert after.image.ndim == 3
        assert min(after.image.shape) > 0
        truth = after.ground_truth
        assert len(truth) <= len(boxes_px)
        assert (truth.boxes_px[:, :2] < truth.boxes_px[:, 2:]).all()


@each
def test_labels_and_flags_follow_their_boxes(name):
    boxes_px = [(40, 30, 80, 60), (0, 0, 20, 20), (100, 60, 130, 90), (50, 20, 70, 70)]
    flags = {
        "difficult": [True, False, True, False],
        "crowd": [False, True, False, False],
        "truncated": [False, False, True, True],
    }
    given = sample(photo(), boxes_px, **flags)
    for seed in range(30):
        placed = ALL[name].trace(given, np.random.default_rng(seed))
        after = placed.sample.ground_truth
        for flag, values in flags.items():
            np.testing.assert_array_equal(getattr(after, flag), np.array(values)[after.labels])
        height, width = placed.sample.image.shape[:2]
        there = placed.box_map.forward(given.ground_truth.boxes_px)[after.labels]
        np.testing.assert_allclose(after.boxes_px, np.clip(there, 0, [width, height] * 2), atol=1e-4)


@each
def test_nothing_given_is_changed(name):
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    given = sample(image, [(10, 10, 90, 80)])
    before, boxes_before = image.copy(), given.ground_truth.boxes_px.copy()
    for seed in range(5):
        after = run(ALL[name], given, seed)
        after.image[:] = 0
        after.ground_truth.boxes_px[:] = 0
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(given.ground_truth.boxes_px, boxes_before)


@each
def test_the_same_numbers_give_the_same_output(name):
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    for seed in range(5):
        a, b = (run(ALL[name], sample(image, [(10, 10, 90, 80)]), seed) for _ in range(2))
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.ground_truth.boxes_px, b.ground_truth.boxes_px)


@each
def test_probabilities(name):
    given = sample(photo(), [(10, 10, 90, 80)])
    operation = ALL[name]
    fields = {**vars(operation), "probability": 0}
    never, sometimes = type(operation)(**fields), type(operation)(**{**fields, "probability": 0.3})
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert never(given, rng) is given
        assert operation(given, rng) is not given
    assert np.mean([sometimes(given, rng) is not given for _ in range(600)]) == pytest.approx(0.3, abs=0.07)


def test_a_file_is_decoded(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    cv2.imwrite(str(path), pixels[..., ::-1])
    np.testing.assert_array_equal(run(Flip(probability=1), sample(path, []), 0).image, pixels[:, ::-1])
    with pytest.raises(InputError, match=r"lost\.png"):
        run(Flip(probability=1), sample(tmp_path / "lost.png", []), 0)


# --- What each does ----------------------------------------------------------------------------------------


def test_resize_is_a_plain_resize_with_each_interpolation():
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    for name in ("linear", "area", "nearest", "cubic", "lanczos4"):
        after = run(Resize((40, 50), (name,)), sample(image, []), 0).image
        expected = cv2.resize(image, (50, 40), interpolation=getattr(cv2, f"INTER_{name.upper()}"))
        np.testing.assert_array_equal(after, expected)
    outputs = {run(Resize((40, 50)), sample(image, []), seed).image.tobytes() for seed in range(60)}
    assert len(outputs) == 5


def test_turns_are_clockwise():
    image = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    for angle in (90, 180, 270):
        after = run(RotateQuarters((angle,), 1), sample(image, []), 0).image
        np.testing.assert_array_equal(after, np.rot90(image, -angle // 90))


def moves(operation, size=(200, 100), count=600):
    """The shift of the window and its size, of many draws."""
    rng = np.random.default_rng(0)
    drawn = [operation.draw(size, np.zeros((0, 4)), rng) for _ in range(count)]
    windows = np.array([one.geometry.pixel_window for one in drawn])
    return windows[:, :2], windows[:, 2:] - windows[:, :2]


def test_translations_stay_in_their_bounds_either_way():
    corners, sizes = moves(Translate((0.1, 0.2), (0.3, 0.5)))
    assert (sizes == (100, 200)).all()
    assert (np.abs(corners) >= (10, 60)).all()
    assert (np.abs(corners) <= (20, 100)).all()
    assert np.abs(corners).max(axis=0).tolist() == [20, 100]
    assert np.mean(corners > 0, axis=0) == pytest.approx([0.5, 0.5], abs=0.07)


def test_zooms_stay_in_their_bounds_about_the_centre():
    corners, sizes = moves(Zoom((0.5, 2)))
    factors = (100, 200) / sizes
    assert factors.min() == pytest.approx(0.5, abs=0.01)
    assert factors.max() == pytest.approx(2, abs=0.03)
    assert np.mean(factors[:, 0] > 1) == pytest.approx(0.5, abs=0.07)
    assert (np.abs(corners + sizes / 2 - (50, 100)) <= 0.5).all()


def test_patches_stay_in_their_bounds_and_in_the_image():
    corners, sizes = moves(RandomPatch((0.3, 0.9), (0.5, 1.5)))
    acted = (sizes != (100, 200)).any(axis=1)
    assert acted.mean() > 0.99
    shares, aspects = sizes[acted] / (100, 200), sizes[acted, 0] / sizes[acted, 1]
    assert shares.min() == pytest.approx(0.3, abs=0.03)
    assert shares.max() == pytest.approx(0.9, abs=0.03)
    assert 0.5 <= aspects.min() <= aspects.max() <= 1.5
    assert (corners >= 0).all()
    assert (corners + sizes <= (100, 200)).all()


def test_a_larger_patch_holds_the_image():
    corners, sizes = moves(RandomPatch((1, 3), (0.1, 10)))
    assert (corners <= 0).all()
    assert (corners + sizes >= (100, 200)).all()
    assert sizes.max() > 500


def test_where_no_patch_will_do_the_image_stays():
    given = sample(photo(), [(60, 40, 70, 50)])
    for operation in (
        RandomPatch(aspect=(90, 100)),
        RandomPatch((0.1, 0.2), validator=Validator("iou", (0.9, 1)), trials=5),
        Translate((0.9, 1), (0.9, 1), validator=Validator(), probability=1),
        Zoom((50, 100), validator=Validator("area", (0.99, 1)), probability=1),
    ):
        after = run(operation, given, 0)
        np.testing.assert_array_equal(after.image, given.image)
        np.testing.assert_array_equal(after.ground_truth.boxes_px, given.ground_truth.boxes_px)


def test_a_validator_is_met_by_the_patch():
    boxes_px = [(10, 10, 40, 40), (80, 40, 120, 85)]
    operation = RandomPatch((0.3, 1), validator=Validator("area", (0.5, 1), "all"), keep=None)
    for seed in range(40):
        after = run(operation, sample(photo(), boxes_px), seed)
        height, width = after.image.shape[:2]
        boxes = after.ground_truth.boxes_px
        seen = np.clip(boxes, 0, [width, height] * 2)
        areas = [(b[:, 2:] - b[:, :2]).clip(0).prod(axis=1) for b in (seen, boxes)]
        assert (areas[0] >= 0.5 * areas[1]).all()


def test_crowds_are_no_reason_to_take_a_patch():
    crowd = sample(photo(), [(0, 0, 5, 5), (100, 70, 125, 85)], crowd=[True, False])
    for seed in range(20):
        assert 1 in run(RandomPatch((0.3, 0.6)), crowd, seed).ground_truth.labels


def test_a_crop_may_leave_no_box_and_fills_what_the_image_does_not_cover():
    after = run(Crop((100, 60, 160, 100), fill=(1, 2, 3)), sample(photo(), [(0, 0, 50, 50)]), 0)
    assert len(after.ground_truth) == 0
    assert after.image.shape == (40, 60, 3)
    assert (after.image[:30, :30] == 60).all()
    assert (after.image[30:] == (1, 2, 3)).all()
    assert (after.image[:, 30:] == (1, 2, 3)).all()


def test_boxes_are_clipped_only_if_they_are_filtered():
    box = (0, 0, 100, 80)
    kept = run(Crop((20, 20, 60, 70)), sample(photo(), [box]), 0).ground_truth
    np.testing.assert_array_equal(kept.boxes_px, [(0, 0, 40, 50)])
    whole = run(Crop((20, 20, 60, 70), keep=None), sample(photo(), [box]), 0).ground_truth
    np.testing.assert_array_equal(whole.boxes_px, [(-20, -20, 80, 60)])


def test_the_largest_crop_of_a_shape():
    for aspect, size in [(0.8, (90, 72)), (2, (65, 130)), (1, (90, 90)), (100, (1, 130)), (0.01, (90, 1))]:
        corners, sizes = moves(MaxCropFixedAspect(aspect), (90, 130), 300)
        assert (sizes == size[::-1]).all()
        assert corners.min() == 0
        assert (corners.max(axis=0) == (130 - size[1], 90 - size[0])).all()


def test_the_smallest_canvas_of_a_shape():
    for aspect, size in [(0.8, (162, 130)), (2, (90, 180)), (1, (130, 130))]:
        corners, sizes = moves(PadFixedAspect(aspect), (90, 130), 600)
        assert (sizes == size[::-1]).all()
        assert corners.max() == 0
        assert (corners.min(axis=0) == (130 - size[1], 90 - size[0])).all()


def test_padding_stays_in_its_bounds_and_on_its_sides():
    corners, sizes = moves(Pad((3, 8)), (90, 130))
    assert set(corners[:, 0]) == set(range(-8, -2))
    assert sizes.min(axis=0).tolist() == [136, 96]
    assert sizes.max(axis=0).tolist() == [146, 106]
    corners, sizes = moves(Pad((7, 7), ("bottom",)), (90, 130))
    assert (corners == 0).all()
    assert (sizes == (130, 97)).all()


def test_an_image_that_would_fill_the_memory_is_refused_in_one_line():
    strip = sample(np.zeros((1, 30_000, 3), np.uint8), [])
    with pytest.raises(InputError, match="photo: pad_fixed_aspect would make 30000 × 30000 pixels") as error:
        run(PadFixedAspect(1), strip, 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Resize((0, 10)), "resize: size"),
        (lambda: Resize(300), "resize: size"),
        (lambda: Resize((10, 20.5)), "resize: size"),
        (lambda: Resize((10, 100_000)), "resize: size"),
        (lambda: Resize((10, 10), ("best",)), "resize: interpolations"),
        (lambda: Resize((10, 10), "linear"), "resize: interpolations"),
        (lambda: Flip("sideways"), "flip: direction"),
        (lambda: Flip(probability=2), "flip: probability"),
        (lambda: RotateQuarters((45,)), "rotate_quarters: angles"),
        (lambda: RotateQuarters(()), "rotate_quarters: angles"),
        (lambda: Translate((0.5, 0.1)), "translate: horizontal"),
        (lambda: Translate(vertical=(0, 1.1)), "translate: vertical"),
        (lambda: Translate(trials=0), "translate: trials"),
        (lambda: Translate(validator="any"), "translate: validator"),
        (lambda: Translate(fill=(0, 0, 256)), "translate: fill"),
        (lambda: Translate(fill="black"), "translate: fill"),
        (lambda: Zoom((0, 2)), "zoom: bounds"),
        (lambda: Zoom(keep=True), "zoom: keep"),
        (lambda: Crop((10, 10, 10, 20)), "crop: rectangle"),
        (lambda: Crop((10, 10, 20)), "crop: rectangle"),
        (lambda: Crop((0, 0, 10**9, 10**9)), "crop: rectangle"),
        (lambda: Pad((-1, 5)), "pad: bounds"),
        (lambda: Pad((1.5, 5)), "pad: bounds"),
        (lambda: Pad(sides=("middle",)), "pad: sides"),
        (lambda: RandomPatch((0, 1)), "random_patch: scale"),
        (lambda: RandomPatch(aspect=(2, 0.5)), "random_patch: aspect"),
        (lambda: RandomPatch(trials=10**9), "random_patch: trials"),
        (lambda: MaxCropFixedAspect(0), "max_crop_fixed_aspect: aspect"),
        (lambda: PadFixedAspect("wide"), "pad_fixed_aspect: aspect"),
    ],
)
def test_settings_out_of_bounds_are_refused_in_one_line(make, word):
    with pytest.raises(InputError, match=word) as error:
        make()
    assert "\n" not in str(error.value)


def test_every_geometric_operation_is_tested():
    assert {type(one) for one in ALL.values()} == {
        kind
        for base in (GeometricOperation, *GeometricOperation.__subclasses__())
        for kind in base.__subclasses__()
        if not kind.__subclasses__()
    }
    assert BoxFilter not in {type(one) for one in ALL.values()}
