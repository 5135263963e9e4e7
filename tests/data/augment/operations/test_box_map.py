"""The map of boxes against NumPy's flips and turns, and back again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.augment.box_map import SAME_PLACE, BoxMap

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
factors = st.floats(0.1, 10)
maps = st.one_of(
    st.builds(BoxMap.scaling, factors, factors),
    st.builds(BoxMap.shifting, st.floats(-3000, 3000), st.floats(-3000, 3000)),
    st.builds(
        lambda size, across, down: BoxMap.flipping(size, horizontally=across, vertically=down),
        sizes,
        st.booleans(),
        st.booleans(),
    ),
    st.builds(BoxMap.turning, sizes, st.integers(0, 7)),
)
chains = st.lists(maps, max_size=5)
boxes = st.lists(
    st.tuples(st.floats(-50, 3000), st.floats(-50, 3000), st.floats(0, 3000), st.floats(0, 3000)), max_size=5
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float).reshape(-1, 4))


def through(chain):
    whole = SAME_PLACE
    for one in chain:
        whole = whole.then(one)
    return whole


def pixels_of_box(size, box):
    image = np.zeros(size, np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 1
    return image


def box_of_pixels(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]


@given(chains, boxes)
def test_there_and_back(chain, boxes_px):
    whole = through(chain)
    there = whole.forward(boxes_px)
    np.testing.assert_allclose(whole.inverse(there), boxes_px, rtol=1e-9, atol=1e-9 * 3000 * 10**5)
    assert there.dtype == np.float64


@given(st.lists(maps, max_size=2), boxes)
def test_there_and_back_to_a_billionth(chain, boxes_px):
    whole = through(chain)
    np.testing.assert_allclose(whole.inverse(whole.forward(boxes_px)), boxes_px, rtol=1e-9, atol=1e-9)


@given(chains, boxes)
def test_a_chain_is_its_steps(chain, boxes_px):
    step_by_step = boxes_px
    for one in chain:
        step_by_step = one.forward(step_by_step)
    largest = 1 + np.abs(step_by_step).max(initial=0)
    np.testing.assert_allclose(
        through(chain).forward(boxes_px), step_by_step, rtol=1e-9, atol=1e-9 * max(largest, 10**8)
    )


@given(chains, boxes)
def test_boxes_stay_in_order(chain, boxes_px):
    there = through(chain).forward(boxes_px)
    assert (there[:, 2:] - there[:, :2] >= -1e-6).all()


@pytest.mark.parametrize("quarters", range(-3, 6))
def test_turns_are_clockwise(quarters):
    box = (3, 1, 9, 5)
    turned = np.rot90(pixels_of_box((20, 30), box), -quarters)
    np.testing.assert_array_equal(BoxMap.turning((20, 30), quarters).forward([box]), box_of_pixels(turned))


@pytest.mark.parametrize(("across", "down"), [(True, False), (False, True), (True, True)])
def test_flips(across, down):
    box = (3, 1, 9, 5)
    image = pixels_of_box((20, 30), box)[:: -1 if down else 1, :: -1 if across else 1]
    flip = BoxMap.flipping((20, 30), horizontally=across, vertically=down)
    np.testing.assert_array_equal(flip.forward([box]), box_of_pixels(image))


def test_nothing_is_rounded():
    half = BoxMap.scaling(0.5, 0.25).then(BoxMap.shifting(0.1, -0.2))
    np.testing.assert_allclose(half.forward([(1, 2, 3, 5)]), [(0.6, 0.3, 1.6, 1.05)])


@pytest.mark.parametrize("chain", [SAME_PLACE, BoxMap.turning((5, 7), 1)])
def test_no_boxes(chain):
    for none in ([], np.zeros((0, 4), np.float32)):
        assert chain.forward(none).shape == (0, 4)
        assert chain.inverse(none).shape == (0, 4)
