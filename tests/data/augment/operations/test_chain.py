"""Chains of operations: from a sample to what the network is trained on, and back to the photograph."""

import dataclasses
import pickle

import cloudpickle
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap
from ssd_keras.data.augment.operations import (
    OPERATIONS,
    BoxFilter,
    Brightness,
    Crop,
    Flip,
    MaxCropFixedAspect,
    MixingOperation,
    OperationChain,
    OperationError,
    Pad,
    PadFixedAspect,
    PartnersFrom,
    RandomPatch,
    Resize,
    RotateQuarters,
    Translate,
    Zoom,
)
from ssd_keras.data.images import read_image
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.user_code import load_function

SIZE = (60, 80)
LOOSE = BoxFilter(criterion=None)
"""Drops nothing of which anything is seen."""

STEPS = {
    "resize": Resize((77, 140), ("linear", "area")),
    "flip": Flip(),
    "vertical flip": Flip("vertical"),
    "rotate": RotateQuarters(),
    "translate": Translate(keep=LOOSE),
    "zoom": Zoom(keep=LOOSE),
    "pad": Pad((0, 9)),
    "patch": RandomPatch(keep=LOOSE),
    "crop": Crop((3, 5, 70, 80), keep=LOOSE),
    "max crop": MaxCropFixedAspect(0.8, keep=LOOSE),
    "pad aspect": PadFixedAspect(1.3),
    "brightness": Brightness((-20, 20)),
}

chains = st.lists(st.sampled_from(list(STEPS)), max_size=6).map(lambda names: [STEPS[name] for name in names])
seeds = st.integers(0, 2**32)


def sample(image=None, boxes_px=(), **flags):
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8) if image is None else image
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    return Sample(image, GroundTruth(boxes, np.arange(len(boxes)), **flags), "photo")


def run(operations, given, seed=0, size=SIZE):
    return OperationChain(operations)(given, np.random.default_rng(seed), size)


def trace(operations, given, seed=0, size=None):
    return OperationChain(operations).trace(given, np.random.default_rng(seed), size)


# --- Forth and back ----------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(chains, seeds)
def test_the_inverse_gives_the_boxes_back(operations, seed):
    boxes = np.array([(10, 20, 60, 70), (0, 0, 130, 90), (33.25, 44.5, 50, 60.125), (-7, 3, 150, 95)])
    box_map = trace(operations, sample(), seed).box_map
    np.testing.assert_allclose(box_map.inverse(box_map.forward(boxes)), boxes, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(chains, seeds)
def test_detections_land_on_the_photograph(operations, seed):
    box = (40, 25, 90, 65)
    whole = [dataclasses.replace(one, keep=None) if getattr(one, "keep", None) else one for one in operations]
    traced = trace(whole, sample(boxes_px=[box]), seed, SIZE)
    assert traced.sample.image.shape == (*SIZE, 3)
    found = Detections(traced.sample.ground_truth.boxes_px, [0.9], [0], ("thing",), SIZE)
    # A step of float32 in the augmented image, as far as that was shrunk, for each step of the chain.
    step = 1e-6 * max(80, np.abs(found.boxes_px).max()) / np.abs(traced.box_map.scale).min()
    np.testing.assert_allclose(traced.box_map.inverse(found.boxes_px), [box], rtol=1e-6, atol=step)


@settings(max_examples=80, deadline=None)
@given(chains, seeds)
def test_what_is_cut_off_lies_within_the_object(operations, seed):
    traced = trace(operations, sample(boxes_px=[(40, 25, 90, 65)]), seed, SIZE)
    for found in traced.box_map.inverse(traced.sample.ground_truth.boxes_px):
        assert (found[:2] >= np.array([40, 25]) - 1e-2).all()
        assert (found[2:] <= np.array([90, 65]) + 1e-2).all()


@settings(max_examples=80, deadline=None)
@given(chains, seeds)
def test_both_ways_back_agree(operations, seed):
    given = sample(boxes_px=[(40, 25, 90, 65)])
    relative = np.array([(0.1, 0.2, 0.6, 0.9)])
    augmented = run(operations, given, seed)
    traced = trace(operations, given, seed, SIZE)
    np.testing.assert_allclose(
        augmented.to_original(relative),
        traced.box_map.inverse(relative * (80, 60, 80, 60)),
        rtol=1e-6,
        atol=1e-9,
    )
    np.testing.assert_array_equal(augmented.image, traced.sample.image)
    there = traced.sample.ground_truth.boxes_px / (80, 60, 80, 60)
    if len(augmented.boxes) == len(there):
        np.testing.assert_allclose(augmented.boxes, there, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(chains, seeds)
def test_pixels_lie_where_the_map_says(operations, seed):
    """A gradient tells each pixel of the output where it came from."""
    y, x = np.mgrid[:90, :130]
    image = np.stack([x + 30, y + 30, np.full_like(x, 255)], axis=-1).astype(np.uint8)
    plain = [one for one in operations if not isinstance(one, Brightness)]
    resampled = [
        dataclasses.replace(one, interpolations=("linear",)) if isinstance(one, Resize) else one
        for one in plain
    ]
    traced = trace(resampled, sample(image), seed)
    pixels = traced.sample.image
    rng = np.random.default_rng(seed)
    for _ in range(20):
        row, column = rng.integers(pixels.shape[0]), rng.integers(pixels.shape[1])
        around = pixels[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3, 2]
        if (around == 255).all():  # neither the fill nor next to it
            place = traced.box_map.inverse([(column, row, column + 1, row + 1)])[0].reshape(2, 2).mean(axis=0)
            np.testing.assert_allclose(pixels[row, column, :2] - 30.0, place - 0.5, atol=6)


# --- A chain is an augmentation ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (90, 130)])
@pytest.mark.parametrize("boxes_px", [[], [(0, 0, 1, 1)]], ids=["no object", "one-pixel object"])
def test_any_image_gives_an_image_of_the_size_and_valid_boxes(name, size, boxes_px):
    needed = {"resize": {"size": (30, 40)}, "crop": {"rectangle": (0, 0, 50, 50)}}
    settings = {**needed.get(name, {}), **({} if name == "box_filter" else {"probability": 1})}
    given = sample(np.full((*size, 3), 90, np.uint8), boxes_px)
    chain = OperationChain([OPERATIONS[name](**settings)] * 2, PartnersFrom([given]))
    for seed in range(5):
        out = chain(given, np.random.default_rng(seed), SIZE)
        assert out.image.shape == (*SIZE, 3)
        assert out.image.dtype == np.uint8
        assert out.boxes.dtype == np.float32
        assert out.labels.dtype == np.int32
        assert out.boxes.shape == (len(out.labels), 4)
        assert (out.boxes[:, :2] < out.boxes[:, 2:]).all()
        assert ((out.boxes >= 0) & (out.boxes <= 1)).all()


def test_an_empty_chain_is_a_plain_resize():
    given = sample(boxes_px=[(13, 9, 26, 45)])
    out = run([], given, size=(120, 150))
    np.testing.assert_array_equal(out.image, cv2.resize(given.image, (150, 120)))
    np.testing.assert_allclose(out.boxes, [[0.1, 0.1, 0.2, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(out.to_original(out.boxes), [(13, 9, 26, 45)], rtol=1e-6)


def test_crowds_are_left_out_at_the_end_and_difficult_objects_kept():
    boxes_px = [(30, 20, 100, 70), (32, 22, 98, 68), (31, 21, 99, 69)]
    given = sample(boxes_px=boxes_px, crowd=[False, True, False], difficult=[False, False, True])
    assert run([Flip(probability=1)], given).labels.tolist() == [0, 2]
    truth = trace([Flip(probability=1)], given).sample.ground_truth
    assert truth.labels.tolist() == [0, 1, 2]
    assert truth.crowd.tolist() == [False, True, False]
    assert truth.difficult.tolist() == [False, False, True]


def test_boxes_are_cut_off_at_the_edges_and_small_ones_dropped():
    boxes_px = [(-50, -50, 60, 45), (140, 20, 180, 60), (10, 10, 11, 30)]
    out = run([], sample(boxes_px=boxes_px))
    np.testing.assert_allclose(out.boxes, [[0, 0, 60 / 130, 0.5]], rtol=1e-6)
    everything = OperationChain([], min_side_px=0)(sample(boxes_px=boxes_px), np.random.default_rng(0), SIZE)
    assert everything.labels.tolist() == [0, 2]


def test_the_same_numbers_give_the_same_output():
    given = sample(boxes_px=[(10, 10, 60, 60)])
    for seed in range(10):
        a, b = (run(STEPS.values(), given, seed) for _ in range(2))
        for left, right in zip(a[:3], b[:3], strict=True):
            np.testing.assert_array_equal(left, right)


def test_file_bytes_and_pixels_give_the_same(tmp_path):
    pixels = sample().image
    data = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    outs = [run(STEPS.values(), sample(source, [(10, 10, 90, 80)])) for source in (pixels, data, path)]
    for out in outs[1:]:
        np.testing.assert_array_equal(out.image, outs[0].image)
        np.testing.assert_array_equal(out.boxes, outs[0].boxes)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"lost\.jpg"):
        run([Flip()], sample(tmp_path / "lost.jpg"))


def test_a_filter_in_the_chain_sees_boxes_that_were_not_clipped():
    given = sample(boxes_px=[(0, 0, 40, 40), (0, 0, 25, 40)])
    lost_half = [Crop((20, 0, 130, 90), keep=None), BoxFilter("area", (0.5, 1))]
    out = run(lost_half, given)
    assert out.labels.tolist() == [0]
    np.testing.assert_allclose(out.boxes, [(0, 0, 20 / 110, 40 / 90)], rtol=1e-6)


def test_a_chain_can_be_pickled():
    chain = OperationChain(STEPS.values(), PartnersFrom([sample()]))
    again = pickle.loads(pickle.dumps(chain))
    given = sample(boxes_px=[(10, 10, 60, 60)])
    a, b = (one(given, np.random.default_rng(1), SIZE) for one in (chain, again))
    np.testing.assert_array_equal(a.image, b.image)


# --- Functions of the user ---------------------------------------------------------------------------------


def with_boxes(given, boxes_px):
    return dataclasses.replace(given, ground_truth=GroundTruth(boxes_px, np.zeros(len(boxes_px))))


def with_image(given, image):
    return dataclasses.replace(given, image=image)


def invert(given):
    return with_image(given, 255 - given.image)


def noisy(given, rng):
    noise = rng.integers(0, 3, given.image.shape, np.uint8)
    return with_image(given, given.image // 2 + noise)


def noisy_by_name(given, strength=3, *, rng):
    return noisy(given, rng)


def halved(given):
    return with_image(given, given.image[::2, ::2].copy())


class Halving:
    def __call__(self, given):
        return halved(given)

    def trace(self, given, rng):
        truth = dataclasses.replace(given.ground_truth, boxes_px=given.ground_truth.boxes_px / 2)
        return dataclasses.replace(halved(given), ground_truth=truth), BoxMap.scaling(0.5, 0.5)


@pytest.mark.parametrize(
    "function", [invert, noisy, noisy_by_name, lambda given, /, rng=None: noisy(given, rng)]
)
def test_any_function_of_a_sample_can_join(function):
    given = sample(boxes_px=[(13, 9, 26, 45)])
    a, b = (
        run([Flip(probability=1), function, Flip(probability=1)], given, size=(90, 130)) for _ in range(2)
    )
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_allclose(a.boxes, [[0.1, 0.1, 0.2, 0.5]], rtol=1e-6)
    traced = trace([function], given)
    assert traced.box_map == SAME_PLACE
    if function is invert:
        np.testing.assert_array_equal(a.image, 255 - given.image)


def test_a_second_argument_with_a_default_is_left_alone():
    def darker(given, by=2):
        return with_image(given, given.image // by)

    given = sample()
    np.testing.assert_array_equal(run([darker], given, size=(90, 130)).image, given.image // 2)


def test_what_a_function_writes_into_is_a_copy():
    def wipe(given):
        given.image[:] = 0
        given.ground_truth.boxes_px[:] = 0
        given.ground_truth.labels[:] = 7
        return given

    given = sample(boxes_px=[(13, 9, 26, 45)])
    before = given.image.copy()
    assert run([wipe], given).image.max() == 0
    np.testing.assert_array_equal(given.image, before)
    assert given.ground_truth.labels.tolist() == [0]
    np.testing.assert_array_equal(given.ground_truth.boxes_px, [(13, 9, 26, 45)])


def test_a_function_that_changes_the_size_breaks_the_way_back_and_says_so():
    given = sample(boxes_px=[(13, 9, 26, 45)])
    out = run([halved, Flip(probability=1)], given)
    assert out.image.shape == (*SIZE, 3)
    for lost in (
        lambda: trace([Flip(), halved, Flip()], given),
        lambda: out.to_original(np.array([(0, 0, 1, 1)])),
    ):
        with pytest.raises(InputError, match="halved changed the image's size") as error:
            lost()
        assert "\n" not in str(error.value)


def test_a_function_may_tell_what_it_did():
    given = sample(boxes_px=[(13, 9, 26, 45)])
    traced = trace([Halving(), Flip(probability=1)], given)
    np.testing.assert_allclose(traced.box_map.inverse(traced.sample.ground_truth.boxes_px), [(13, 9, 26, 45)])
    np.testing.assert_allclose(run([Halving()], given).boxes, [[0.1, 0.1, 0.2, 0.5]], rtol=1e-6)


class Silent(Halving):
    def trace(self, given, rng):
        return given


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda given: None, "gave a NoneType, no sample"),
        (lambda given: given.image, "gave a ndarray, no sample"),
        (
            lambda given: with_image(given, given.image / 255),
            "after <lambda>: photo has shape",
        ),
        (
            lambda given: with_image(given, given.image[..., 0]),
            "after <lambda>: photo has shape",
        ),
        (lambda given: with_image(given, given.image[:0]), "after <lambda>: photo has shape"),
        (Silent(), "must give a Sample and a BoxMap"),
        (lambda given: with_boxes(given, [(1, 2, np.nan, 4)]), r"gave the box \[1.0, 2.0, nan, 4.0\]"),
        (lambda given: with_boxes(given, [(1, 2, 3, 4), (5, 2, 3, np.inf)]), "gave the box"),
        (lambda given: with_boxes(given, [(30, 2, 3, 4)]), "with x0 <= x1"),
        (lambda given: with_boxes(given, [(3, 20, 30, 4)]), "with x0 <= x1"),
        (lambda given: read_image("other.jpg"), "after <lambda>: other.jpg cannot be read"),
    ],
)
def test_a_function_that_gives_no_sample_is_named(function, words):
    with pytest.raises(OperationError, match=words) as error:
        run([function], sample())
    assert "\n" not in str(error.value)


def test_boxes_without_area_and_none_at_all_are_proper():
    run(
        [lambda given: with_boxes(given, [(3, 4, 3, 4), (200, 200, 300, 300)]), lambda given: given], sample()
    )
    run([lambda given: with_boxes(given, [])], sample())


def adds_objects(given):
    return given


def test_a_function_of_the_users_has_room_for_more_objects():
    assert OperationChain([lambda given: given, Flip()]).most_samples == 2
    adds_objects.partner_count = 4
    assert OperationChain([adds_objects]).most_samples == 5
    adds_objects.partner_count = "many"
    with pytest.raises(InputError, match="partner_count is 'many'"):
        OperationChain([adds_objects])


FILE = """
import cv2, dataclasses
CLAHE = cv2.createCLAHE(2.0)

def clahe(sample):
    return dataclasses.replace(sample, image=cv2.merge([CLAHE.apply(one) for one in cv2.split(sample.image)]))
"""


def test_a_loaded_function_travels_whatever_its_file_holds(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    chain = OperationChain([load_function(f"{tmp_path / 'mine.py'}:clahe", "operation"), Flip()])
    arrived = cloudpickle.loads(cloudpickle.dumps(chain))
    there, here = (one(sample(), np.random.default_rng(3), SIZE).image for one in (arrived, chain))
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ([Flip], "Flip is a class"),
        (["flip"], "is no operation"),
        ([3], "is no operation"),
        ([lambda: None], "cannot be called"),
        ([lambda a, b, c: a], "cannot be called"),
        ([lambda a, *, strength: a], "cannot be called"),
        ("flip", "list of operations"),
        (7, "list of operations"),
        ({"flip": {}}, "list of operations"),
    ],
)
def test_what_is_no_operation_is_refused(operations, words):
    with pytest.raises(InputError, match=words):
        OperationChain(operations)


@pytest.mark.parametrize("settings", [{"min_side_px": -1}, {"min_side_px": "x"}, {"partners": [1]}])
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        OperationChain([], **settings)


def test_every_operation_but_those_that_mix_keeps_its_place_with_probability_0():
    given = sample(boxes_px=[(13, 9, 26, 45)])
    still = [
        kind(**{"resize": {"size": (9, 9)}, "crop": {"rectangle": (0, 0, 5, 5)}}.get(name, {}), probability=0)
        for name, kind in OPERATIONS.items()
        if name != "box_filter"
    ]
    assert any(isinstance(one, MixingOperation) for one in still)
    traced = trace(still, given)
    assert traced.box_map == SAME_PLACE
    assert traced.sample.image is given.image
    np.testing.assert_array_equal(traced.sample.ground_truth.boxes_px, given.ground_truth.boxes_px)
