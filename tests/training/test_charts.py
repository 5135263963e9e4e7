"""Charts: round ticks within their axis, every point in the frame, and words for those who see none of it."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.training.charts import (
    MOST_POINTS,
    Frame,
    Line,
    Scale,
    even_ticks,
    line_chart,
    log_ticks,
    reliability_chart,
)

RANGES = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)).map(lambda two: (two[0], two[0] + two[1]))
VALUES = st.lists(st.floats(0, 1e6), max_size=40)


def test_without_a_point_it_is_an_empty_frame():
    chart = line_chart("mAP", [Line("mAP", [], "red")])
    assert chart.lines == ()
    assert chart.words == "mAP: not measured"
    assert chart.x_ticks
    assert chart.y_ticks


def test_one_point_is_a_dot():
    line = line_chart("loss", [Line("total", [(1, 5.0)], "red")], log_scale=True).lines[0]
    assert len(line.dots) == 1
    assert line.dots[0][2] == "total at epoch 1: 5"


def test_a_line_goes_from_corner_to_corner():
    frame = Frame()
    chart = line_chart("x", [Line("x", [(0, 0.0), (1, 1.0)], "red")], x_range=(0, 1), y_range=(0, 1))
    assert chart.lines[0].path == f"M{frame.left:g} {frame.bottom:g}L{frame.right:g} {frame.top:g}"


def test_the_words_say_where_the_lines_begin_and_end():
    lines = [Line("total", [(1, 8.0), (2, 2.0), (3, 4.0)], "red"), Line("location", [(1, 1.0)], "blue")]
    assert line_chart("loss", lines).words == (
        "loss up to epoch 3: total from 8 to 4 (lowest 2, highest 8); "
        "location from 1 to 1 (lowest 1, highest 1)"
    )


def test_shares_are_shown_in_percent():
    chart = line_chart("waiting", [Line("waiting", [(1, 0.5), (2, 0.25)], "red")], percent=True)
    assert chart.lines[0].dots[0][2] == "waiting at epoch 1: 50 %"
    assert [tick.text for tick in chart.y_ticks] == ["0 %", "20 %", "40 %"]


def test_epochs_have_whole_ticks():
    chart = line_chart("loss", [Line("total", [(1, 1.0), (3, 1.0)], "red")])
    assert [tick.text for tick in chart.x_ticks] == ["1", "2", "3"]


def test_what_is_not_positive_has_no_place_on_a_logarithmic_scale():
    chart = line_chart("loss", [Line("total", [(1, 1.0), (2, 0.0), (3, 2.0)], "red")], log_scale=True)
    assert len(chart.lines[0].dots) == 2
    assert line_chart("loss", [Line("total", [(1, 0.0)], "red")], log_scale=True).lines == ()


def test_long_lines_are_thinned_and_keep_their_ends():
    points = [(float(epoch), float(epoch)) for epoch in range(1, 5001)]
    path = line_chart("loss", [Line("total", points, "red")]).lines[0].path
    assert path.count("L") <= MOST_POINTS
    frame = Frame()
    assert path.startswith(f"M{frame.left:g} ")
    assert path.rsplit("L", 1)[1].startswith(f"{frame.right:g} ")


@given(VALUES, st.booleans())
def test_every_point_lies_in_the_frame(values, log_scale):
    points = [(float(epoch), value) for epoch, value in enumerate(values, 1)]
    chart = line_chart("loss", [Line("total", points, "red")], log_scale=log_scale)
    frame = chart.frame
    for line in chart.lines:
        for corner in line.path[1:].split("L"):
            x, y = map(float, corner.split())
            assert frame.left <= x <= frame.right
            assert frame.top <= y <= frame.bottom
    for tick in chart.y_ticks:
        assert frame.top <= tick.place <= frame.bottom


@given(RANGES)
def test_even_ticks_are_round_evenly_apart_and_inside(ends):
    low, high = ends
    ticks = even_ticks(low, high)
    assert 1 <= len(ticks) <= 6
    slack = 1e-6 * (high - low) + 1e-9
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    steps = {round((later - earlier) / (high - low), 4) for earlier, later in itertools.pairwise(ticks)}
    assert len(steps) <= 1


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_whole_ticks_are_whole(low, length):
    assert all(tick == int(tick) for tick in even_ticks(low, low + length, whole=True))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.5, 200, [1, 10, 100]), (1.5, 12, [2, 5, 10]), (2.1, 2.5, [2.1, 2.2, 2.3, 2.4, 2.5])],
)
def test_log_ticks_get_finer_the_less_there_is_to_show(low, high, expected):
    assert log_ticks(low, high) == pytest.approx(expected)


def test_a_logarithmic_scale_has_equal_steps_for_equal_factors():
    scale = Scale(1, 100, 0, 10, logarithmic=True)
    assert [scale(1), scale(10), scale(100)] == [0, 5, 10]


def test_bars_of_a_reliability_diagram_stand_on_the_axis():
    chart = reliability_chart(
        "calibration", "words", [(0.0, 0.1, 0.25, "a", False), (0.9, 1.0, 1.0, "b", True)]
    )
    frame = chart.frame
    for bar in chart.bars:
        assert math.isclose(bar.y + bar.height, frame.bottom)
        assert frame.left < bar.x < bar.x + bar.width < frame.right
    assert [bar.pale for bar in chart.bars] == [False, True]
    assert chart.bars[1].height == pytest.approx(4 * chart.bars[0].height)
    assert reliability_chart("calibration", "words", []).bars == ()
