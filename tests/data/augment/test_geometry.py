"""Windows, what they keep of boxes, and the one resize."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.augment.geometry import (
    MEAN_COLOUR,
    WHOLE,
    Geometry,
    centre_inside,
    large_enough,
    locate,
    project,
    visible_share,
    whole_pixels,
)
from ssd_keras.data.images import read_image

NO_BOXES = np.zeros((0, 4))
sides = st.floats(0.1, 100)
places = st.floats(-100, 100)
windows = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), places, places, sides, sides)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@given(windows, windows)
def test_project_undoes_locate(inner, outer):
    again = project(np.array([locate(inner, outer)]), outer)[0]
    np.testing.assert_allclose(again, inner, rtol=1e-6, atol=1e-6)


@given(windows, windows, windows)
def test_a_window_in_a_window_is_a_window(box, inner, outer):
    boxes = np.array([box])
    step_by_step = project(project(boxes, outer), inner)
    at_once = project(boxes, locate(inner, outer))
    np.testing.assert_allclose(at_once, step_by_step, rtol=1e-5, atol=1e-5 * np.abs(step_by_step).max())


def test_the_whole_window_changes_nothing():
    assert locate(WHOLE, (3, 4, 10, 20)) == (3, 4, 10, 20)


def test_the_centre_decides_bounds_included():
    boxes = np.array([[-0.5, 0, 0.5, 1], [-0.5, 0, 0.49, 1], [0.5, 0.5, 1.5, 1.5], [0.2, 0.9, 0.3, 1.2]])
    assert centre_inside(boxes).tolist() == [True, False, True, False]


def test_visible_share():
    boxes = np.array([[0.2, 0.2, 0.4, 0.4], [-0.5, 0, 0.5, 1], [2, 2, 3, 3], [0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(visible_share(boxes), [1, 0.5, 0, 0])


def test_boxes_without_area_are_never_large_enough():
    boxes = np.array([[0, 0, 0.1, 0.1], [0, 0, 0.1, 0.05], [0.5, 0, 0.5, 1], [0.5, 0, 0.4, 1]])
    assert large_enough(boxes, (10, 10), 1).tolist() == [True, False, False, False]
    assert large_enough(boxes, (10, 10), 0).tolist() == [True, True, False, False]


@pytest.mark.parametrize("function", [centre_inside, visible_share])
def test_no_boxes(function):
    assert function(NO_BOXES).shape == (0,)
    assert project(NO_BOXES, (0, 0, 2, 2)).shape == (0, 4)
    assert large_enough(NO_BOXES, (10, 10), 1).shape == (0,)
    assert Geometry((5, 5), WHOLE, (5, 5), True, True).orient_boxes(NO_BOXES).shape == (0, 4)


@pytest.mark.parametrize("name", ["LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"])
def test_a_window_inside_the_image_is_a_plain_resize(photo, name):
    interpolation = getattr(cv2, f"INTER_{name}")
    geometry = Geometry((30, 40), (5.9, 2.2, 25.95, 22.25), (60, 50), interpolation=interpolation)
    expected = cv2.resize(photo[2:22, 5:25], (50, 60), interpolation=interpolation)
    np.testing.assert_array_equal(geometry.place(geometry.resize(photo)), expected)


def test_a_canvas_keeps_the_pixels_and_fills_the_rest(photo):
    geometry = Geometry((30, 40), (-7, -11, 73, 49), (60, 80))
    output = geometry.place(geometry.resize(photo))
    assert output.shape == (60, 80, 3)
    np.testing.assert_array_equal(output[11:41, 7:47], photo)
    output[11:41, 7:47] = MEAN_COLOUR
    assert (output == MEAN_COLOUR).all()


def test_shifting_by_any_amount_keeps_pixels_as_they_are(photo):
    for shift in np.linspace(0.03, 0.5, 50):
        geometry = Geometry(
            (30, 40), (-shift * 40, -shift * 30, (1 - shift) * 40, (1 - shift) * 30), (30, 40)
        )
        assert geometry.target.x1 - geometry.target.x0 == geometry.source.x1 - geometry.source.x0
        assert geometry.pixel_window.x1 - geometry.pixel_window.x0 == 40


@pytest.mark.parametrize(("horizontally", "vertically"), [(False, True), (True, False), (True, True)])
def test_flips(photo, horizontally, vertically):
    geometry = Geometry((30, 40), (0, 0, 40, 30), (30, 40), horizontally, vertically)
    expected = photo[:: -1 if vertically else 1, :: -1 if horizontally else 1]
    np.testing.assert_array_equal(geometry.place(geometry.resize(photo)), expected)
    box = np.array([[0.1, 0.2, 0.3, 0.6]])
    flipped = [[0.7 if horizontally else 0.1, 0.4 if vertically else 0.2]]
    np.testing.assert_allclose(geometry.orient_boxes(box)[:, :2], flipped)
    np.testing.assert_allclose(geometry.orient_boxes(geometry.orient_boxes(box)), box)


@given(windows)
def test_whole_pixels_are_at_most_half_of_one_away(window):
    x0, y0, x1, y1 = whole_pixels(window)
    assert all(isinstance(side, int) for side in (x0, y0, x1, y1))
    assert x0 < x1
    assert y0 < y1
    room = [
        0.5 if side[1] - side[0] > 1 else 1 for side in ((window[0], window[2]), (window[1], window[3]))
    ] * 2
    assert (np.abs(np.subtract((x0, y0, x1, y1), window)) <= np.array(room) + 1e-9).all()


@given(windows, st.integers(0, 3), st.booleans())
def test_corners_of_what_is_seen_go_back_to_the_whole_pixels_of_the_window(window, quarters, flip):
    geometry = Geometry((30, 40), window, (60, 50), flip, quarter_turns=quarters)
    np.testing.assert_allclose(geometry.to_original([WHOLE]), [geometry.pixel_window], atol=1e-9)


def test_a_window_beside_the_image_shows_only_the_fill():
    geometry = Geometry((30, 40), (50, 0, 90, 30), (20, 20), fill=(1, 2, 3))
    assert not geometry.shows_image
    assert (geometry.place(None) == (1, 2, 3)).all()


def test_one_pixel_of_one_pixel():
    geometry = Geometry((1, 1), (0.3, 0.3, 0.7, 0.7), (20, 20))
    assert geometry.shows_image
    output = geometry.place(geometry.resize(np.full((1, 1, 3), 200, np.uint8)))
    assert (output == 200).all()


@pytest.mark.parametrize(
    ("side", "reduction"), [(99, 1), (199, 1), (200, 2), (399, 2), (400, 4), (800, 8), (5000, 8)]
)
def test_a_jpeg_is_never_reduced_below_the_output(side, reduction):
    assert Geometry((5000, 5000), (0, 0, side, 5000), (100, 100)).reduction == reduction
    assert Geometry((5000, 5000), (0, 0, 5000, side), (100, 100)).reduction == reduction


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("window", [(0, 0, 811, 809), (-100, -60, 900, 950), (3, 5, 807, 806)])
def test_reduced_pixels_give_nearly_the_same_output(reduction, window):
    y, x = np.mgrid[:809, :811] / 60
    photo = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1) * 100 + 120
    data = cv2.imencode(".jpg", photo.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    geometry = Geometry((809, 811), window, (100, 100), interpolation=cv2.INTER_AREA)
    assert geometry.reduction == 8
    full = geometry.place(geometry.resize(read_image(data))).astype(int)
    reduced = geometry.place(geometry.resize(read_image(data, reduction), reduction))
    # Half a pixel of 8 wide, where values change by up to 1.7 a pixel.
    assert np.abs(full - reduced).max() < 4 * 1.7 + 3
    assert np.abs(full - reduced).mean() < 3
