"""Pairs of detections and objects against two plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_cases import BOX, CAT, CLASSES, any_images, as_detections_and_truths, found, middling, there

from ssd_keras.evaluation import table as module
from ssd_keras.evaluation.protocols import COCO_RULES, VOC_RULES
from ssd_keras.evaluation.table import NONE, gather, overlapping_pairs

RULES = {"voc": VOC_RULES, "coco": COCO_RULES}


def overlap(box, other, crowd, rules):
    """IoU of two boxes, or the share of the first one that lies in a crowd."""
    width = min(box[2], other[2]) - max(box[0], other[0]) + rules.border
    height = min(box[3], other[3]) - max(box[1], other[1]) + rules.border
    shared = width * height if width > 0 and height > 0 else 0
    area = (box[2] - box[0] + rules.border) * (box[3] - box[1] + rules.border)
    area_other = (other[2] - other[0] + rules.border) * (other[3] - other[1] + rules.border)
    whole = area if crowd and rules.crowd_by_share else area + area_other - shared
    return shared / whole if whole else 0


def pairs_by_loops(detections, truths, rules, minimum, across_classes):
    pairs = []
    first_detection = first_object = 0
    for seen, truth in zip(detections, truths, strict=True):
        for k in range(len(seen)):
            for j in range(len(truth)):
                if not across_classes and seen.labels[k] != truth.labels[j]:
                    continue
                box, other = seen.boxes_px[k].tolist(), truth.boxes_px[j].tolist()
                value = overlap(box, other, truth.crowd[j], rules)
                if value >= minimum:
                    pairs.append((first_detection + k, first_object + j, value))
        first_detection, first_object = first_detection + len(seen), first_object + len(truth)
    return pairs


def as_rows(pairs):
    return list(zip(pairs.detection.tolist(), pairs.object.tolist(), pairs.overlap.tolist(), strict=True))


@pytest.mark.parametrize("rules", RULES)
@given(st.lists(any_images(), max_size=4), st.sampled_from([0.1, 0.5, 1.0]), st.booleans())
def test_pairs_are_those_of_two_loops(rules, drawn, minimum, across_classes):
    detections, truths = as_detections_and_truths(drawn)
    pairs = overlapping_pairs(gather(detections, truths, CLASSES), RULES[rules], minimum, across_classes)
    expected = pairs_by_loops(detections, truths, RULES[rules], minimum, across_classes)
    assert [row[:2] for row in as_rows(pairs)] == [row[:2] for row in expected]
    np.testing.assert_allclose(pairs.overlap, [row[2] for row in expected], rtol=1e-12)


@pytest.mark.parametrize("at_once", [1, 5, 64])
def test_the_steps_change_nothing(monkeypatch, at_once):
    table = gather(*middling(4), CLASSES)
    whole = as_rows(overlapping_pairs(table, VOC_RULES, 0.1, across_classes=True))
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", at_once)
    assert len(whole) > 64
    assert as_rows(overlapping_pairs(table, VOC_RULES, 0.1, across_classes=True)) == whole


def test_the_nearest_object_is_the_first_of_equal_ones():
    truths = [there((CAT, (0, 0, 9, 9))), there((CAT, (0, 0, 9, 99)), (CAT, BOX), (CAT, BOX))]
    table = gather([found(), found((CAT, 0.9, BOX), (CAT, 0.8, (60, 60, 70, 70)))], truths, CLASSES)
    nearest, best = overlapping_pairs(table, VOC_RULES, 0.1).nearest(len(table))
    assert nearest.tolist() == [2, NONE]
    assert best.tolist() == [1, 0]


def test_a_table_of_nothing_has_no_pairs():
    table = gather([], [], CLASSES)
    assert (len(table), table.images) == (0, 0)
    assert as_rows(overlapping_pairs(table, COCO_RULES, 0.5)) == []


def test_what_is_kept_above_a_score_is_what_detections_keep():
    detections = [found((CAT, 0.3, BOX), (CAT, 0.1, BOX)), found((CAT, 0.2, BOX))]
    table = gather(detections, [there((CAT, BOX)), there()], CLASSES)
    kept = table.above(0.3)
    assert kept.scores.tolist() == [np.float32(0.3)]
    assert kept.image.tolist() == [0]
    assert len(kept.object_labels) == 1
    assert len(detections[0].above(0.3)) == 1
