"""Any class names and any ground truth, for property tests of what is written and read again."""

import math

import numpy as np
from hypothesis import strategies as st

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.samples import GroundTruth

# Control characters cannot stand in XML as they are, and blanks at the ends are not read.
CLASS_NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=12
).filter(lambda name: name == name.strip())


@st.composite
def truths(draw, classes):
    count = draw(st.integers(0, 4))
    lows = st.tuples(st.floats(0, 40, width=32), st.floats(0, 40, width=32))
    sides = st.tuples(st.floats(0.0625, 20, width=32), st.floats(0.0625, 20, width=32))
    low = np.array(draw(st.lists(lows, min_size=count, max_size=count)), np.float32).reshape(-1, 2)
    side = np.array(draw(st.lists(sides, min_size=count, max_size=count)), np.float32).reshape(-1, 2)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    return GroundTruth(
        np.hstack([low, low + side]),
        draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)),
        difficult=draw(flags),
        crowd=draw(flags),
        truncated=draw(flags),
        areas=draw(st.lists(st.just(math.nan) | st.floats(0.01, 1e6), min_size=count, max_size=count)),
    )


def assert_same_areas(read, written, rtol=0):
    """Where nothing was known, nothing or the area of the box may be; else what was known."""
    of_boxes = box_area(written.boxes_px.astype(np.float64))
    known, unknown = ~np.isnan(written.areas), np.isnan(read.areas)
    found = np.where(unknown, of_boxes, read.areas)
    np.testing.assert_allclose(found[known], written.areas[known], rtol=rtol)
    np.testing.assert_allclose(found[~known], of_boxes[~known], rtol=1e-6)
