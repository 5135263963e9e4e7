"""Large images: each object is found once, wherever it lies, by a stand-in that sees what is in its tile."""

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ssd_keras.data.images import resize_image
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.detecting import Tiling, detect_stream
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.inference.tiles import detect_tiled, tile_boxes
from ssd_keras.models.ssd import SSD

CLASSES = ("car", "person")
CAR, PERSON = (255, 0, 0), (0, 0, 255)
TILE = 96
LEAST_SIDE = 3
"""Pixels of its input that the stand-in needs of an object."""


class Colours:
    """Finds what is pure red (a car) or pure blue (a person) in an image of any size, one of each.

    With `only_size` it finds nothing in images that were of another size.
    """

    class_names = CLASSES

    def __init__(self, image_size=(TILE, TILE), only_size=None):
        self.image_size = image_size
        self.only_size = only_size
        self.seen_sizes = []

    def detect_batch(self, batch, sizes, threshold=0.5, fast=False):
        assert batch.shape[1:] == (*self.image_size, 3)
        self.seen_sizes += sizes
        return [self._detect(image, size) for image, size in zip(batch, sizes, strict=False)]

    def _detect(self, image, size):
        boxes, labels = [], []
        for label, colour in enumerate((CAR, PERSON)):
            found = list(self.boxes(np.all(image == colour, axis=-1)))
            boxes += found if self.only_size in (None, size) else []
            labels += [label] * (len(boxes) - len(labels))
        scale = np.tile([size[1] / image.shape[1], size[0] / image.shape[0]], 2)
        boxes = np.array(boxes, np.float32).reshape(-1, 4) * scale
        return Detections(boxes, np.linspace(0.9, 0.6, len(boxes)), labels, CLASSES, size)

    def boxes(self, mask):
        rows, columns = np.nonzero(mask)
        if len(rows) and min(np.ptp(columns), np.ptp(rows)) + 1 >= LEAST_SIDE:
            yield columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


class SeparateColours(Colours):
    """Finds every connected area of such a colour."""

    def boxes(self, mask):
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for x, y, width, height, _ in stats[1:]:
            yield x, y, x + width, y + height


def scene(size, *boxes, colour=CAR):
    image = np.full((*size, 3), 127, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = colour
    return image


@st.composite
def places(draw):
    size = draw(st.integers(60, 330)), draw(st.integers(60, 330))
    width, height = draw(st.integers(4, size[1])), draw(st.integers(4, size[0]))
    x0, y0 = draw(st.integers(0, size[1] - width)), draw(st.integers(0, size[0] - height))
    return size, (x0, y0, x0 + width, y0 + height)


@settings(max_examples=150)
@given(places(), st.sampled_from([0.2, 0.35, 0.5]))
@example(((200, 300), (90, 70, 110, 90)), 0.2)  # on a seam
@example(((200, 300), (60, 0, 260, 200)), 0.2)  # larger than a tile
@example(((200, 300), (0, 0, 300, 200)), 0.2)  # all of the image
def test_an_object_anywhere_is_found_once_within_a_pixel(place, overlap):
    size, box = place
    found = detect_tiled(Colours(), scene(size, box), TILE, overlap)
    assert len(found) == 1
    fits_into_overlaps = max(box[2] - box[0], box[3] - box[1]) <= 0.16 * TILE
    pixel = 1 if fits_into_overlaps else max(1, *(side / TILE for side in size))  # of the sharpest whole view
    np.testing.assert_allclose(found.boxes_px[0], box, atol=pixel + 1e-3)
    assert found.size == size


@settings(max_examples=60)
@given(places(), st.floats(0.2, 0.7))
def test_what_only_tiles_see_is_joined_to_the_pixel(place, overlap):
    """As for objects in a huge image, which are too small for the detector when it sees all of it."""
    size, box = place
    model = Colours(only_size=(TILE, TILE))
    assume(min(size) >= TILE)
    found = detect_tiled(model, scene(size, box), TILE, overlap)
    assert len(found) == 1
    np.testing.assert_array_equal(found.boxes_px[0], box)


def test_nothing_is_found_where_nothing_is():
    found = detect_tiled(Colours(), scene((200, 300)), TILE)
    assert (len(found), found.size, found.class_names) == (0, (200, 300), CLASSES)


@pytest.mark.parametrize("size", [(TILE, TILE), (40, 70), (1, 1)])
def test_an_image_no_larger_than_a_tile_is_looked_at_once_as_without_tiles(size):
    model = Colours()
    image = scene(size, (0, 0, size[1] // 2, size[0]))
    tiled = detect_tiled(model, image, TILE)
    assert model.seen_sizes == [size]
    [plain] = model.detect_batch(resize_image(image, model.image_size)[None], [size])
    np.testing.assert_array_equal(tiled.boxes_px, plain.boxes_px)
    np.testing.assert_array_equal(tiled.scores, plain.scores)


def test_a_model_gives_the_same_with_a_large_tile_as_without():
    model = SSD.from_preset("ssd7", ["a", "b"], image_size=(96, 96))
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3)).astype(np.uint8)
    [plain] = model.detect(image, threshold=0.3)
    tiled = detect_tiled(model, image, 96, threshold=0.3)
    assert len(plain) > 0
    np.testing.assert_array_equal(tiled.boxes_px, plain.boxes_px)
    np.testing.assert_array_equal(tiled.labels, plain.labels)


def test_what_fits_into_a_tile_is_left_to_the_tiles():
    """The whole image shows it too coarsely for its box to be known as the same."""

    class Coarse(Colours):
        def _detect(self, image, size):
            found = super()._detect(image, size)
            off = 25 if size == (200, 300) else 0
            return Detections(found.boxes_px + off, found.scores, found.labels, CLASSES, size)

    found = detect_tiled(Coarse(), scene((200, 300), (10, 10, 40, 40)), TILE)
    np.testing.assert_array_equal(found.boxes_px, [(10, 10, 40, 40)])


def test_objects_of_several_classes_in_several_tiles_are_all_found():
    image = scene((200, 300), (10, 10, 30, 40))
    image[150:170, 200:240] = PERSON
    image[12:35, 15:25] = PERSON  # in front of the first car
    found = detect_tiled(SeparateColours(), image, TILE)
    assert found.counts() == {"car": 1, "person": 2}
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


class Unsure(SeparateColours):
    """Is surer of larger areas, and gives only what it was asked for."""

    def detect_batch(self, batch, sizes, threshold=0.5, fast=False):
        return [found.above(threshold) for found in super().detect_batch(batch, sizes)]

    def _detect(self, image, size):
        found = super()._detect(image, size)
        areas = (found.boxes_px[:, 2:] - found.boxes_px[:, :2]).prod(axis=1)
        return Detections(found.boxes_px, np.minimum(areas / 1500, 1), found.labels, CLASSES, size)


@settings(max_examples=40)
@given(st.lists(places(), min_size=1, max_size=6), st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_lower_threshold_leaves_what_is_above_the_higher_one_as_it_is(boxes, thresholds):
    image = scene((330, 330), *(box for _, box in boxes))
    low, high = sorted(thresholds)
    sure = detect_tiled(Unsure(), image, TILE, threshold=high)
    also_sure = detect_tiled(Unsure(), image, TILE, threshold=low).above(high)
    np.testing.assert_array_equal(also_sure.boxes_px, sure.boxes_px)
    np.testing.assert_array_equal(also_sure.scores, sure.scores)
    assert (sure.scores >= np.float32(high)).all()


def test_neighbours_of_one_class_on_a_seam_stay_two():
    boxes = [(70, 10, 90, 30), (91, 10, 111, 30)]
    found = detect_tiled(SeparateColours(), scene((200, 300), *boxes), TILE)
    np.testing.assert_array_equal(sorted(found.boxes_px.tolist()), boxes)


def test_the_result_does_not_depend_on_the_size_of_batches():
    image = scene((250, 330), (70, 10, 190, 30), (10, 100, 40, 240), (300, 220, 330, 250))
    one, many = (detect_tiled(SeparateColours(), image, TILE, batch_size=size) for size in (1, 64))
    assert len(one) == 3
    np.testing.assert_array_equal(one.boxes_px, many.boxes_px)


def test_tiles_have_the_shape_of_the_input_and_are_warped_to_it():
    model = Colours((60, 120))
    found = detect_tiled(model, scene((300, 500), (100, 50, 140, 90)), tile=240)
    assert set(model.seen_sizes) == {(120, 240), (300, 500)}
    np.testing.assert_allclose(found.boxes_px, [(100, 50, 140, 90)], atol=2)


def test_a_huge_image_is_never_copied_as_a_whole(tmp_path):
    """The peak of memory is a few batches, not the image."""
    image = np.lib.format.open_memmap(tmp_path / "huge.npy", "w+", np.uint8, (4000, 6000, 3))
    image[2000:2030, 3000:3030] = CAR
    tracemalloc.start()
    found = detect_tiled(Colours((300, 300)), image, 900)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(found.boxes_px, [(3000, 2000, 3030, 2030)], atol=3)  # a pixel of the input
    assert peak < image.nbytes / 2


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.tuples(st.integers(16, 300), st.integers(16, 300)),
    st.floats(0, 0.9),
)
def test_tiles_cover_the_image_flush_with_its_edges_and_overlap(size, tile_size, overlap):
    tiles = tile_boxes(size, tile_size, overlap)
    assert len({tuple(tile) for tile in tiles.tolist()}) == len(tiles)
    for axis, (side, length) in enumerate(zip(size[::-1], tile_size[::-1], strict=True)):
        starts, ends = np.unique(tiles[:, axis]), np.unique(tiles[:, axis + 2])
        assert (starts[0], ends[-1]) == (0, side)
        np.testing.assert_array_equal(ends - starts, min(side, length))
        assert (ends[:-1] - starts[1:] >= min(overlap * length, length - 1) - 1e-9).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tile": 15}, "too small"),
        ({"tile": -1}, "too small"),
        ({"overlap": 0.95}, "not from 0 to 0.9"),
        ({"overlap": -0.1}, "not from 0"),
        ({"overlap": float("nan")}, "not from 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(InputError, match=said) as error:
        detect_tiled(Colours(), scene((100, 100)), **{"tile": TILE} | settings)
    assert "\n" not in str(error.value)


def test_an_image_with_too_many_tiles_is_refused_and_the_others_are_done():
    large = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    with pytest.raises(InputError, match=r"11,\d+,\d+ tiles of 16 pixels in an image of 4000 × 3000 are too"):
        detect_tiled(Colours(), large, 16, 0.9)
    images = [SourceImage("large", large), SourceImage("small", large[:16, :16])]
    error, (image, _) = detect_stream(Colours(), images, tiling=Tiling(16, 0.9))
    assert str(error).startswith("large: ")
    assert image.name == "small"


def test_what_is_no_image_is_refused():
    with pytest.raises(InputError, match="RGB"):
        detect_tiled(Colours(), np.zeros((10, 10), np.uint8), TILE)
