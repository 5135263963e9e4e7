"""Short ways to write what is in images and what was found in them, and ways to draw such cases at random."""

import numpy as np
from hypothesis import strategies as st

from ssd_keras.data.samples import GroundTruth
from ssd_keras.detections import Detections

CLASSES = ("cat", "dog", "bird")
CAT, DOG, BIRD = 0, 1, 2
SIZE = (100, 100)
BOX = (10, 10, 29, 29)


def found(*rows):
    """Detections of one image from rows (label, score, box)."""
    return Detections(
        [row[2] for row in rows], [row[1] for row in rows], [row[0] for row in rows], CLASSES, SIZE
    )


def there(*rows, difficult=None, crowd=None):
    """Ground truth of one image from rows (label, box)."""
    return GroundTruth([row[1] for row in rows], [row[0] for row in rows], difficult, crowd)


def cell(number, side=8):
    """Box number `number` of a grid of boxes that do not touch."""
    x, y = 10 * (number % 10), 10 * (number // 10)
    return (x, y, x + side - 1, y + side - 1)


def any_images(sides=(0, 1, 3, 9)):
    """One image: rows of `found`, rows of `there` with both flags.

    Few places, sizes and scores: ties, duplicates and IoUs exactly at a threshold are common.
    """
    corner, side = st.integers(0, 4), st.sampled_from(sides)
    boxes = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side)
    labels = st.integers(0, len(CLASSES) - 1)
    scores = st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0])
    objects = st.tuples(labels, boxes, st.booleans(), st.sampled_from([False, False, True]))
    return st.tuples(st.lists(st.tuples(labels, scores, boxes), max_size=8), st.lists(objects, max_size=5))


def as_detections_and_truths(drawn):
    """Turn a list of drawn `any_images` into detections and ground truths."""
    detections = [found(*rows) for rows, _ in drawn]
    truths = [
        there(
            *[(row[0], row[1]) for row in rows],
            difficult=[row[2] for row in rows],
            crowd=[row[3] for row in rows],
        )
        for _, rows in drawn
    ]
    return detections, truths


def middling(seed, images=30, side=40, classes=CLASSES):
    """A detector that finds most objects more or less, with many equal scores; some images are empty."""
    rng = np.random.default_rng(seed)
    detections, truths = [], []
    for _ in range(images):
        objects = rng.integers(0, 6)
        low = rng.uniform(0, 1.5 * side, (objects, 2))
        truth = GroundTruth(
            np.hstack([low, low + rng.uniform(side / 8, side, (objects, 2))]),
            rng.integers(0, len(classes), objects),
            rng.random(objects) < 0.2,
            rng.random(objects) < 0.1,
        )
        seen = rng.integers(0, objects, 12) if objects else np.zeros(0, int)
        shifted = truth.boxes_px[seen] + rng.normal(0, side / 10, (len(seen), 4))
        shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
        label = np.where(rng.random(len(seen)) < 0.9, truth.labels[seen], 0)
        truths.append(truth)
        detections.append(Detections(shifted, rng.random(len(seen)).round(1), label, classes, SIZE))
    return detections, truths
