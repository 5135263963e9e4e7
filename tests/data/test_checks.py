"""One box and one image file, judged: what is mended, what is left out, and what is said about it."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.checks import check_box, counted, image_size, is_cut_short
from ssd_keras.data.images import read_image

SIZE = (480, 640)


def encoded(suffix, size=(20, 30)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def turned_jpeg(orientation):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    data = encoded(".jpg")
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


def test_a_good_box_is_given_back_without_a_word():
    assert check_box([1, 2, 30, 40], SIZE) == ((1, 2, 30, 40), None)


def test_corners_may_be_text_as_it_stands_in_a_file():
    assert check_box([" 1 ", "2.5", "3e1", "40"], SIZE) == ((1, 2.5, 30, 40), None)


def test_a_box_of_one_pixel_is_a_box():
    assert check_box([5, 5, 6, 6], SIZE) == ((5, 5, 6, 6), None)


@pytest.mark.parametrize(
    ("corners", "fault"),
    [
        ([37, 1, 37, 9], "has no width (xmin = xmax = 37)"),
        ([1, 9.5, 4, 9.5], "has no height (ymin = ymax = 9.5)"),
        ([700, 1, 720, 9], "lies outside of the image (640 × 480)"),
        ([-9, 1, -4, 9], "lies outside of the image (640 × 480)"),
        ([640, 1, 641, 9], "lies outside of the image (640 × 480)"),
        ([1, None, 2, 3], "has no ymin"),
        ([1, " ", 2, 3], "has no ymin"),
        (["a", 1, 2, 3], "its xmin is no number ('a')"),
        ([1, 1, "nan", 3], "its xmax is not finite (nan)"),
        ([1, 1, math.inf, 3], "its xmax is not finite (inf)"),
        ([1, 1, 1e300, 3], "its xmax is not finite (1e+300)"),
    ],
)
def test_what_cannot_be_used_is_left_out(corners, fault):
    box, said = check_box(corners, SIZE)
    assert box is None
    assert fault in said
    assert "left out" in said


def test_swapped_corners_are_put_right():
    box, said = check_box([30, 40, 1, 2], SIZE)
    assert box == (1, 2, 30, 40)
    assert "xmin 30 > xmax 1" in said
    assert "ymin 40 > ymax 2" in said


def test_what_reaches_out_is_cut_off_at_the_edge():
    box, said = check_box([-5, 2, 700, 500], SIZE)
    assert box == (0, 2, 640, 480)
    assert said == "reaches out of the image (640 × 480) and is cut off at its edge"


def test_one_pixel_beyond_the_edge_is_cut_off_silently():
    assert check_box([-1, -1, 641, 481], SIZE) == ((0, 0, 640, 480), None)


def test_without_a_size_the_edge_is_unknown():
    assert check_box([-5, 2, 7000, 500], None) == ((-5, 2, 7000, 500), None)


@given(st.lists(st.floats() | st.integers().map(str) | st.text() | st.none(), min_size=4, max_size=4))
def test_whatever_stands_there_a_box_has_area_and_lies_in_the_image(corners):
    box, fault = check_box(corners, SIZE)
    if box is None:
        assert fault
    else:
        assert 0 <= box[0] < box[2] <= 640
        assert 0 <= box[1] < box[3] <= 480
        assert check_box(box, SIZE) == (box, None)
        np.testing.assert_array_equal(np.float32(box), box)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"])
def test_the_size_is_that_of_the_decoded_image(suffix, tmp_path):
    data = encoded(suffix)
    (tmp_path / "image").write_bytes(data)
    assert image_size(data) == image_size(tmp_path / "image") == read_image(data).shape[:2] == (20, 30)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_image(orientation):
    data = turned_jpeg(orientation)
    assert image_size(data) == read_image(data).shape[:2]


def test_the_size_behind_a_long_header_is_found(tmp_path):
    data = encoded(".jpg")
    comment = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    (tmp_path / "a.jpg").write_bytes(data[:2] + comment + comment + data[2:])
    assert image_size(tmp_path / "a.jpg") == (20, 30)


def test_pixels_have_a_size():
    assert image_size(np.zeros((2, 3, 3), np.uint8)) == (2, 3)


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_has_no_size(data, tmp_path):
    (tmp_path / "a.jpg").write_bytes(data)
    assert image_size(tmp_path / "a.jpg") is None


def test_a_missing_file_has_no_size(tmp_path):
    assert image_size(tmp_path / "missing.jpg") is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_without_its_end_is_cut_short(suffix):
    data = encoded(suffix)
    assert not is_cut_short(data)
    assert not is_cut_short(data + b"a trailer that the camera wrote")
    assert is_cut_short(data[:-12])
    assert is_cut_short(data[: len(data) // 2])
    assert is_cut_short(data[:10])


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image():
    data = encoded(".jpg")
    thumbnail = encoded(".jpg", (2, 2))
    data = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    assert not is_cut_short(data)
    assert is_cut_short(data[:-12])


def test_formats_without_a_known_end_are_never_cut_short():
    assert not is_cut_short(encoded(".bmp")[:50])
    assert not is_cut_short(b"")


@pytest.mark.parametrize(("number", "said"), [(0, "0 boxes"), (1, "1 box"), (2, "2 boxes")])
def test_numbers_and_their_nouns(number, said):
    assert counted(number, "box", "boxes") == said
    assert counted(number, "image") == said.replace("boxes", "images").replace("box", "image")
