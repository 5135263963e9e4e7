"""Pictures: boxes where they belong, whatever the size, the number or the alphabet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.boxes.iou import pairwise_intersection
from ssd_keras.data.images import read_image
from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.drawing import (
    _caption_places,
    class_colour,
    draw_boxes,
    draw_comparison,
    draw_detections,
    save_picture,
    tile_pictures,
)

GREY = np.full((120, 160, 3), 128, np.uint8)


def test_a_box_is_drawn_in_the_colour_of_its_class_and_the_image_is_left_alone():
    found = Detections([[40, 50, 100, 110]], [0.9], [1], ("a", "b"), (120, 160))
    drawn = draw_detections(GREY, found)
    assert drawn.shape == GREY.shape
    assert (GREY == 128).all()
    for y, x in ((80, 40), (80, 99), (109, 70)):
        np.testing.assert_allclose(drawn[y, x], class_colour(1), atol=16)
    assert (drawn[60:100, 50:90] == 128).all()
    assert (drawn[112:, :] == 128).all()


def test_nothing_found_leaves_the_picture_as_it_is():
    assert (draw_detections(GREY, Detections([], [], [], ("a",), (120, 160))) == GREY).all()


def test_an_empty_caption_leaves_no_mark():
    boxes, labels = np.array([[40, 50, 100, 110], [10, 60, 30, 90]], np.float32), np.array([0, 1])
    both, first, none = (draw_boxes(GREY, boxes, labels, said) for said in (["a", "b"], ["a", ""], ["", ""]))
    assert (none[:48] == 128).all(), "above the boxes there is nothing"
    assert (first[:48] != 128).any()
    np.testing.assert_array_equal(first[:, :35], none[:, :35])
    np.testing.assert_array_equal(first[:, 40:], both[:, 40:])


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_odd_sizes_and_names_of_any_alphabet_are_drawn(size):
    image = np.zeros((*size, 3), np.uint8)
    found = Detections([[0, 0, size[1], size[0]]], [1.0], [0], ("Schlagloch, яма, λάκκος",), size)
    assert draw_detections(image, found).shape == image.shape


def test_neighbouring_classes_have_colours_far_apart():
    colours = np.array([class_colour(label) for label in range(20)], int)
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 150


def test_a_comparison_shows_both_sides():
    truth = GroundTruth(np.array([[10, 40, 60, 90]]), np.array([0]), difficult=np.array([True]))
    picture = draw_comparison(GREY, truth, Detections([], [], [], ("a",), (120, 160)))
    left, right = picture[-120:, :160], picture[-120:, 166:326]
    assert (left != GREY).any()
    assert (right == GREY).all()


def test_a_sheet_has_room_for_all():
    assert tile_pictures([GREY] * 5, columns=2).shape == (360, 320, 3)


def test_a_picture_is_written_and_read_again(tmp_path):
    save_picture(tmp_path / "new" / "p.png", GREY)
    assert (read_image(tmp_path / "new" / "p.png") == GREY).all()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_picture(tmp_path / "file" / "p.png", GREY)


@pytest.mark.parametrize(("suffix", "longest"), [(".jpg", 65_500), (".WEBP", 16_383), (".png", 66_000)])
def test_a_picture_that_is_too_long_for_its_format_is_shrunk(tmp_path, suffix, longest):
    """Strips that line cameras take, which are looked at tile by tile, are longer than JPEG holds."""
    save_picture(tmp_path / f"strip{suffix}", np.full((66_000, 40, 3), 128, np.uint8))
    assert read_image(tmp_path / f"strip{suffix}").shape == (longest, 40 * longest // 66_000, 3)


@pytest.mark.parametrize("name", ["a\nb", "ca\x85t", "\x00", "x\u202ey", "\udcff"])
def test_names_that_no_font_can_draw_are_drawn_without_what_it_lacks(name):
    found = Detections([[40, 50, 100, 110]], [0.9], [0], (name,), (120, 160))
    assert (draw_detections(GREY, found) != GREY).any()


def test_captions_hide_no_other_where_there_is_room():
    boxes = [[20, 40, 90, 100], [22, 40, 90, 100], [24, 40, 90, 100]]
    both = draw_detections(GREY, Detections(boxes[:2], [0.9, 0.8], [0, 1], ("a", "b"), (120, 160)))
    colours = [np.abs(both.astype(int) - class_colour(label)).max(axis=-1) < 8 for label in (0, 1)]
    assert colours[0][26:38, 22:50].mean() > 0.5, "the best one has the place above"
    assert colours[1][102:113, 24:50].mean() > 0.5, "the second one has that below"
    places = _caption_places(np.array(boxes * 9, np.float32), [(12, 40)] * 27, (120, 160))
    assert not pairwise_intersection(places[:3], places[:3])[~np.eye(3, dtype=bool)].any()
    assert (places[:, :2] >= 0).all()
    assert (places[:, 3] <= 120).all()


@given(
    boxes=st.lists(st.tuples(*[st.integers(-20, 60)] * 4).map(sorted), max_size=9),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_captions_begin_inside_the_image(boxes, size):
    places = _caption_places(np.array(boxes, np.float32).reshape(-1, 4), [(9, 30)] * len(boxes), size)
    assert (places[:, :2] >= 0).all()
    assert (places[:, 1] < size[0]).all()
    assert (places[:, 0] < size[1]).all()
