"""Boxes of several views: what is one object is given once, what is not stays apart."""

import numpy as np
import pytest

from ssd_keras.boxes.seams import Seen, cut_by_views, fit_in_a_view, merge_views

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


def test_a_whole_box_is_taken_before_a_better_piece_of_it():
    piece, whole = (LEFT, (85, 10, 100, 30), 0.9, 0), (RIGHT, (85, 10, 120, 30), 0.5, 0)
    assert merged(piece, whole) == [((85, 10, 120, 30), 0.5)]


def test_a_piece_that_is_seen_badly_is_still_no_object_of_its_own():
    piece, whole = (LEFT, (90, 12, 99.5, 22), 0.9, 0), (RIGHT, (84, 10, 120, 30), 0.5, 0)
    assert merged(piece, whole) == [((84, 10, 120, 30), 0.5)]


def test_two_halves_are_joined_with_the_better_score():
    assert merged((LEFT, (20, 10, 100, 60), 0.6, 0), (RIGHT, (80, 10, 170, 62), 0.7, 0)) == [
        ((20, 10, 170, 62), 0.7)
    ]


def test_halves_of_an_object_that_the_whole_image_shows_are_dropped():
    halves = (LEFT, (20, 10, 100, 60), 0.6, 0), (RIGHT, (80, 10, 170, 62), 0.7, 0)
    assert merged(*halves, (ALL, (22, 9, 168, 61), 0.5, 0)) == [((22, 9, 168, 61), 0.5)]


def test_what_a_tile_shows_is_sharper_than_what_the_whole_image_shows():
    assert merged((ALL, (10, 10, 50, 52), 0.9, 0), (LEFT, (11, 10, 50, 50), 0.6, 0)) == [
        ((11, 10, 50, 50), 0.6)
    ]


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
