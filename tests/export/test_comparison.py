"""What counts as a difference between an artefact and Keras, and what is a matter of chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.export.comparison import TOLERANCE, largest_difference
from ssd_keras.runtimes.metadata import ArtefactMetadata, DecodingSettings

ROOM = 4
METADATA = ArtefactMetadata(
    library_version="1",
    model="ssd7",
    gives="detections",
    class_names=("a", "b"),
    image_size=(8, 8),
    decoding=DecodingSettings(min_score=0.01, iou_threshold=0.5, candidates=9, max_detections=ROOM),
    variances=(0.1, 0.1, 0.2, 0.2),
)
LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.5, 0.5, 1.0, 1.0)


def decoded(*detections):
    """Make a batch of one image of (box, score, label), padded."""
    boxes, scores, labels = np.zeros((1, ROOM, 4)), np.zeros((1, ROOM)), np.zeros((1, ROOM), np.int32)
    for index, (box, score, label) in enumerate(detections):
        boxes[0, index], scores[0, index], labels[0, index] = box, score, label
    return {"boxes": boxes.astype(np.float32), "scores": scores.astype(np.float32), "labels": labels}


def anchors(detections):
    """Make the anchors of a batch of one image that has nothing but these (box, score, label)."""
    boxes, scores = np.zeros((1, len(detections), 4)), np.zeros((1, len(detections), 2))
    for index, (box, score, label) in enumerate(detections):
        boxes[0, index], scores[0, index, label] = box, score
    return {"all_boxes": boxes.astype(np.float32), "all_scores": scores.astype(np.float32)}


def difference(expected, found, suppressed=()):
    """Compare, where Keras has `suppressed` boxes beside those that it found."""
    of_keras = {**decoded(*expected), **anchors([*expected, *suppressed])}
    return largest_difference(of_keras, decoded(*found), METADATA)


def corner(number):
    """Give boxes that do not overlap each other."""
    return (number / 4, 0.0, number / 4 + 0.2, 0.1)


def moved(box, by):
    return tuple(side + by for side in box)


def test_nothing_found_on_either_side():
    assert difference([], []) == 0


def test_equal():
    assert difference([(LEFT, 0.9, 0)], [(LEFT, 0.9, 0)]) == 0


def test_of_scores_and_of_boxes():
    assert difference([(LEFT, 0.9, 0)], [(LEFT, 0.85, 0)]) == pytest.approx(0.05)
    assert difference([(LEFT, 0.9, 0)], [(moved(LEFT, 0.03), 0.9, 0)]) == pytest.approx(0.03)


def test_equal_scores_may_swap_places():
    first, second = (LEFT, 0.9, 0), (RIGHT, 0.9, 0)
    assert difference([first, second], [second, first]) == 0


def test_another_class_is_another_detection():
    assert difference([(LEFT, 0.9, 0)], [(LEFT, 0.9, 1)]) == pytest.approx(0.9)


def test_a_missing_detection_differs_by_its_score():
    both = [(RIGHT, 0.9, 0), (LEFT, 0.4, 0)]
    assert difference(both, both[:1]) == pytest.approx(0.4)
    assert difference(both, []) == pytest.approx(0.9)


def test_an_invented_detection_differs_by_its_score():
    both = [(RIGHT, 0.9, 0), (LEFT, 0.4, 0)]
    assert difference(both[:1], both) == pytest.approx(0.4)
    assert difference([], both) == pytest.approx(0.9)


def test_what_should_be_suppressed_differs_by_its_score():
    best, inside = (LEFT, 0.9, 0), ((0.0, 0.0, 0.4, 0.35), 0.8, 0)
    assert difference([best], [best, inside], suppressed=[inside]) > TOLERANCE
    other_class = (*inside[:2], 1)
    assert difference([best, other_class], [best], suppressed=[]) > TOLERANCE


def test_a_score_at_the_limit_may_fall_under_it():
    assert difference([(LEFT, 0.01 + TOLERANCE / 2, 0)], []) == 0
    assert difference([(LEFT, 0.01 + TOLERANCE * 2, 0)], []) > TOLERANCE


def test_the_last_that_there_is_room_for_may_be_another():
    full = [(corner(i), 0.9, 1) for i in range(ROOM - 1)]
    first, second = (LEFT, 0.8, 0), (RIGHT, 0.8, 0)
    assert difference([*full, first], [*full, second], suppressed=[second]) == 0
    better = (LEFT, 0.85, 0)
    assert difference([*full, better], [*full, second], suppressed=[second]) > TOLERANCE


def test_an_overlap_at_the_threshold_may_suppress_or_not():
    best, at_threshold = ((0, 0, 0.4, 0.4), 0.9, 0), ((0, 0, 0.2, 0.4), 0.8, 0)
    assert difference([best, at_threshold], [best]) == 0
    assert difference([best], [best, at_threshold], suppressed=[at_threshold]) == 0


def test_what_a_tie_lets_stay_may_suppress_another():
    best, at_threshold, beside = (
        ((0, 0, 0.4, 0.4), 0.9, 0),
        ((0, 0, 0.2, 0.4), 0.8, 0),
        ((0, 0, 0.16, 0.4), 0.5, 0),
    )
    assert difference([best, at_threshold], [best, beside], suppressed=[beside]) == 0


def test_a_better_box_of_two_equal_ones_may_be_either():
    first, second = (LEFT, 0.5, 0), ((0.0, 0.0, 0.4, 0.38), 0.5, 0)
    assert difference([first], [second], suppressed=[second]) == 0
    assert difference([first], [(second[0], 0.4, 0)], suppressed=[(second[0], 0.4, 0)]) > TOLERANCE


@pytest.mark.parametrize("name", ["boxes", "scores"])
def test_not_a_number_is_no_agreement(name):
    expected, found = {**decoded((LEFT, 0.9, 0)), **anchors([(LEFT, 0.9, 0)])}, decoded((LEFT, 0.9, 0))
    found[name][:] = np.nan
    assert not largest_difference(expected, found, METADATA) <= TOLERANCE


@given(st.permutations(range(ROOM)), st.floats(0, 1e-4))
def test_order_is_of_no_account(order, noise):
    detections = [(moved(LEFT, place / 10), 0.5, place % 2) for place in range(ROOM)]
    found = [(box, score + noise, label) for box, score, label in (detections[place] for place in order)]
    assert difference(detections, found) <= noise + 1e-6


class TestRaw:
    anchors = ((0.2, 0.2, 0.6, 0.6), (0.0, 0.0, 1.0, 1.0))
    metadata = METADATA.model_copy(update={"gives": "raw", "anchors": anchors})

    def difference(self, offset=0.0, logit=0.0):
        """Compare with offsets and logits of zero."""
        expected = {
            "all_boxes": np.array([self.anchors], np.float32),
            "all_scores": np.full((1, 2, 2), 1 / 3, np.float32),
        }
        found = {
            "offsets": np.full((1, 2, 4), offset, np.float32),
            "logits": np.array([[[0, logit, 0]] * 2], np.float32),
        }
        return largest_difference(expected, found, self.metadata)

    def test_boxes_and_scores_count(self):
        assert self.difference() < 1e-6
        # The centre moves by offset · variance · width, and the sides grow.
        moved = 0.4 * (0.5 * 0.1 + (np.exp(0.5 * 0.2) - 1) / 2)
        assert self.difference(offset=0.5) == pytest.approx(moved, rel=1e-5)
        gained = np.exp(1) / (np.exp(1) + 2) - 1 / 3
        assert self.difference(logit=1) == pytest.approx(gained, rel=1e-5)

    def test_not_a_number_is_no_agreement(self):
        assert not self.difference(logit=np.nan) <= TOLERANCE
        assert not self.difference(offset=np.nan) <= TOLERANCE
