"""Boxes of several views: what is one object is given once, what is not stays apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.boxes.seams import SURE_ENOUGH, Seen, cut_by_views, fit_in_a_view, merge_views

SIZE = (100, 180)
LEFT, RIGHT, ALL = range(3)
VIEWS = np.array([(0, 0, 100, 100), (80, 0, 180, 100), (0, 0, 180, 100)])


def seen(*rows):
    """From rows of view, box, score, label."""
    views, boxes, scores, labels = ([row[i] for row in rows] for i in range(4))
    return Seen(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int32),
        np.array(views, np.int32),
    )


def merged(*rows):
    found = merge_views(seen(*rows), VIEWS, SIZE)
    return [
        (tuple(box), round(float(score), 3))
        for box, score in zip(found.boxes.tolist(), found.scores, strict=True)
    ]


def test_nothing_seen_is_nothing_found():
    assert merged() == []
    assert cut_by_views(seen(), VIEWS, SIZE).tolist() == []
    assert fit_in_a_view(np.zeros((0, 4)), VIEWS, SIZE).tolist() == []


def test_of_two_whole_boxes_of_one_object_the_better_is_taken():
    assert merged((LEFT, (82, 10, 95, 30), 0.6, 0), (RIGHT, (82, 11, 95, 30), 0.8, 0)) == [
        ((82, 11, 95, 30), 0.8)
    ]


def test_the_outline_is_that_of_the_whole_box_and_the_score_that_of_the_better_piece():
    piece, whole = (LEFT, (85, 10, 100, 30), 0.9, 0), (RIGHT, (85, 10, 120, 30), 0.5, 0)
    assert merged(piece, whole) == [((85, 10, 120, 30), 0.9)]


def test_a_piece_that_is_seen_badly_is_still_no_object_of_its_own():
    piece, whole = (LEFT, (90, 12, 99.5, 22), 0.9, 0), (RIGHT, (84, 10, 120, 30), 0.5, 0)
    assert merged(piece, whole) == [((84, 10, 120, 30), 0.9)]


def test_two_halves_are_joined_with_the_better_score():
    assert merged((LEFT, (20, 10, 100, 60), 0.6, 0), (RIGHT, (80, 10, 170, 62), 0.7, 0)) == [
        ((20, 10, 170, 62), 0.7)
    ]


def test_halves_of_an_object_that_the_whole_image_shows_are_dropped():
    halves = (LEFT, (20, 10, 100, 60), 0.6, 0), (RIGHT, (80, 10, 170, 62), 0.7, 0)
    assert merged(*halves, (ALL, (22, 9, 168, 61), 0.5, 0)) == [((22, 9, 168, 61), 0.7)]


def test_what_a_tile_shows_is_sharper_than_what_the_whole_image_shows():
    assert merged((ALL, (10, 10, 50, 52), 0.9, 0), (LEFT, (11, 10, 50, 50), 0.6, 0)) == [
        ((11, 10, 50, 50), 0.9)
    ]


def test_what_is_much_less_sure_says_nothing():
    piece = (LEFT, (85, 10, 100, 30), 0.9, 0)
    assert merged(piece, (RIGHT, (85, 10, 120, 30), 0.4, 0)) == [((85, 10, 100, 30), 0.9)]
    assert merged(piece, (RIGHT, (80, 10, 120, 30), 0.4, 0)) == [((85, 10, 100, 30), 0.9)]


def test_two_of_one_view_are_not_made_one_by_a_box_around_them_that_is_less_sure():
    two = (LEFT, (85, 10, 100, 30), 0.8, 0), (LEFT, (85, 31, 100, 50), 0.7, 0)
    around = (82, 8, 120, 52)
    assert merged(*two, (RIGHT, around, 0.6, 0)) == [((85, 10, 100, 30), 0.8), ((85, 31, 100, 50), 0.7)]
    assert merged(*two, (RIGHT, around, 0.9, 0)) == [(around, 0.9)]


def test_a_piece_of_two_whole_boxes_does_not_make_them_one():
    wholes = (RIGHT, (82, 10, 101, 30), 0.9, 0), (ALL, (60, 10, 90, 30), 0.7, 0)
    assert len(merged(*wholes, (LEFT, (61, 10, 100, 30), 0.8, 0))) == 2
    assert len(merged(*wholes, (LEFT, (61, 10, 100, 30), 0.6, 0))) == 2


@st.composite
def sightings(draw):
    """Boxes of all views, many of them near each other, with scores that often are equal."""
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        view = draw(st.sampled_from([LEFT, RIGHT, ALL]))
        x0, y0, x1, y1 = VIEWS[view].tolist()
        left, top = draw(st.integers(x0, x1 - 6)), draw(st.integers(y0, 40))
        right = min(x1, left + draw(st.integers(5, 90)))
        bottom = min(y1, top + draw(st.integers(5, 40)))
        score = draw(st.integers(1, 20)) / 20
        rows.append((view, (left, top, right, bottom), score, draw(st.integers(0, 1))))
    return rows


@settings(max_examples=400)
@given(sightings(), st.floats(0, 1, width=32))
def test_what_is_less_sure_never_changes_what_is_found_above_a_score(rows, threshold):
    """Neither its number, nor its boxes, nor its scores."""
    enough = [row for row in rows if np.float32(row[2]) >= np.float32(SURE_ENOUGH * threshold)]
    surest = [found for found in merged(*rows) if found[1] >= threshold]
    assert surest == [found for found in merged(*enough) if found[1] >= threshold]


@given(sightings())
def test_every_box_is_of_an_object_that_is_as_sure(rows):
    by_class = {
        label: [found for _, found in merged(*(row for row in rows if row[3] == label))] for label in (0, 1)
    }
    for _, _, score, label in rows:
        assert max(by_class[label]) >= round(score, 3)


@given(sightings())
def test_classes_do_not_meet(rows):
    both = [merged(*(row for row in rows if row[3] == label)) for label in (0, 1)]
    assert sorted(merged(*rows)) == sorted(both[0] + both[1])


@pytest.mark.parametrize(
    "other",
    [
        (RIGHT, (85, 10, 120, 30), 0.5, 1),  # of another class
        (RIGHT, (85, 40, 120, 60), 0.5, 0),  # elsewhere
        (LEFT, (84, 10, 99, 32), 0.5, 0),  # its own view says that they are two
    ],
)
def test_what_is_not_one_object_stays_two(other):
    assert len(merged((LEFT, (85, 10, 100, 30), 0.9, 0), other)) == 2


def test_only_inner_edges_cut():
    boxes = (0, 0, 30, 100), (70, 0, 100, 30), (70, 0, 99.5, 30), (70, 0, 98, 30)
    cut = cut_by_views(seen(*[(LEFT, box, 0.5, 0) for box in boxes]), VIEWS, SIZE)
    assert cut.tolist() == [False, True, True, False]
    assert cut_by_views(seen((ALL, (0, 0, 180, 100), 0.5, 0)), VIEWS, SIZE).tolist() == [False]


def test_a_box_fits_where_some_view_shows_all_of_it():
    boxes = np.array([(0, 0, 90, 100), (82, 3, 98, 9), (50, 3, 130, 9), (90, 0, 180, 100)])
    assert fit_in_a_view(boxes, VIEWS[:ALL], SIZE).tolist() == [True, True, False, True]
