"""One image looked at through several overlapping views: which boxes of different views are one object.

A view is a part of the image, a box in its pixels. What lies beyond its edge it does not see, so an object on
a seam between two tiles is cut in one of them or in both. Two views can be compared where they overlap: boxes
of the same object cover the same part of what both see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.boxes.iou import pairwise_intersection, pairwise_iou

SAME_OBJECT = 0.5
"""IoU of the parts that both views see, above which two boxes are one object."""

COVERED = 0.5
"""Share of a cut box that lies in a whole one of its class, above which it is a piece of that object."""

EDGE_SHARE = 0.01
"""Nearer than this share of a view's side to its edge, a box may be one that is cut there: none is exact."""

Boxes = NDArray[Any]


class Seen(NamedTuple):
    """Boxes as several views have seen them.

    Attributes:
        boxes: (K, 4) in pixels of the image.
        scores: (K,) 0-1.
        labels: (K,) their classes.
        views: (K,) the number of the view that each was seen in.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    views: NDArray[np.int32]

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Seen:
        """Give some of them, by a mask or by their numbers."""
        return Seen(self.boxes[chosen], self.scores[chosen], self.labels[chosen], self.views[chosen])

    @classmethod
    def together(cls, parts: Sequence[Seen]) -> Seen:
        """Give all that is in several of them."""
        boxes, scores, labels, views = (np.concatenate(values) for values in zip(*parts, strict=True))
        return cls(boxes, scores, labels, views)


def fit_in_a_view(boxes: Boxes, views: Boxes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes (K, 4) are whole in some view (V, 4) of an image of `size`: (K,) bool."""
    low, high = _surely_seen(views, size)
    return np.array([((box[:2] >= low) & (box[2:] <= high)).all(axis=1).any() for box in boxes], bool)


def cut_by_views(seen: Seen, views: Boxes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes end at an edge of their view (V, 4) that is no edge of the image: (K,) bool."""
    low, high = _surely_seen(views, size)
    of = seen.views
    cut = (seen.boxes[:, :2] < low[of]) | (seen.boxes[:, 2:] > high[of])
    return np.asarray(cut.any(axis=1))


def _surely_seen(views: Boxes, size: tuple[int, int]) -> tuple[Boxes, Boxes]:
    """(V, 2) lowest and highest corner that a box may have in each view without being cut perhaps."""
    last = np.array(size[::-1])
    margin = EDGE_SHARE * (views[:, 2:] - views[:, :2])
    low = np.where(views[:, :2] > 0, views[:, :2] + margin, -np.inf)
    high = np.where(views[:, 2:] < last, views[:, 2:] - margin, np.inf)
    return low, high


def merge_views(seen: Seen, views: Boxes, size: tuple[int, int]) -> Seen:
    """Give each object once, though several views have seen it.

    Two boxes are one object where the parts of them that both views see are nearly the same, or where one is
    cut by its view and mostly covered by the other, which is whole. Of these a whole one is taken, of a tile
    before one of all the image, which sees less sharply, and then the one with the best score. Cut boxes of
    which there is no whole one are joined to the box around them all. Boxes of one view are different
    objects: its detector has said so.

    Args:
        seen: the boxes.
        views: (V, 4) in pixels of the image.
        size: (height, width) of the image.

    Returns:
        The objects, best score first; a joined one has the best score of its parts.
    """
    seen = _by_preference(seen, views, size)
    cut = cut_by_views(seen, views, size)
    pairs = _same_objects(seen, cut, views)
    alive = _not_suppressed(cut, pairs)
    merged = Seen.together([seen.select(alive & ~cut), _joined(seen, cut, alive, pairs)])
    return merged.select(np.argsort(-merged.scores, kind="stable"))


def _by_preference(seen: Seen, views: Boxes, size: tuple[int, int]) -> Seen:
    of_all = (views[seen.views] == np.array([0, 0, size[1], size[0]])).all(axis=1)
    return seen.select(np.lexsort((seen.views, -seen.scores, of_all, cut_by_views(seen, views, size))))


def _same_objects(seen: Seen, cut: NDArray[np.bool_], views: Boxes) -> NDArray[np.intp]:
    """(P, 2) the numbers of boxes that are one object, the preferred first."""
    order = np.argsort(seen.views, kind="stable")
    used, starts = np.unique(seen.views[order], return_index=True)
    members = dict(zip(used.tolist(), np.split(order, starts[1:]), strict=True)) if len(order) else {}
    pairs = [np.zeros((0, 2), np.intp)]
    for a, b in _overlapping(views, list(members)):
        shared = _intersection(views[a], views[b])
        first, second = (
            numbers[_touches(seen.boxes[numbers], shared)] for numbers in (members[a], members[b])
        )
        rows, columns = np.nonzero(_agree(seen, cut, first, second, shared))
        pairs.append(np.stack([first[rows], second[columns]], axis=1))
    return np.sort(np.concatenate(pairs), axis=1)


def _overlapping(views: Boxes, chosen: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The pairs of these views that share a part of the image."""
    for place, first in enumerate(chosen):
        others = np.array(chosen[place + 1 :], np.intp)
        shared = pairwise_intersection(views[None, first], views[others])[0]
        yield from ((first, second) for second in others[shared > 0].tolist())


def _agree(
    seen: Seen,
    cut: NDArray[np.bool_],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    shared: Boxes,
) -> NDArray[np.bool_]:
    """(N, M) which boxes of two views, given by their numbers, are one object; `shared` is what both see."""
    a, b = seen.boxes[first].astype(np.float64), seen.boxes[second].astype(np.float64)
    alike = pairwise_iou(_intersection(a, shared), _intersection(b, shared)) > SAME_OBJECT
    common = pairwise_intersection(a, b)
    piece_of_other = cut[first, None] & ~cut[second] & (common > COVERED * box_area(a)[:, None])
    other_is_piece = ~cut[first, None] & cut[second] & (common > COVERED * box_area(b))
    same_class = seen.labels[first, None] == seen.labels[second]
    return np.asarray(same_class & (alike | piece_of_other | other_is_piece))


def _intersection(boxes: Boxes, window: Boxes) -> Boxes:
    """What of boxes (..., 4) lies in a window (4,); the corners are swapped where nothing does."""
    low = np.maximum(boxes[..., :2], window[:2])
    return np.concatenate([low, np.minimum(boxes[..., 2:], window[2:])], axis=-1)


def _touches(boxes: Boxes, window: Boxes) -> NDArray[np.bool_]:
    """(K,) which boxes lie in a window (4,), at least partly."""
    return np.asarray(pairwise_intersection(boxes, window[None])[:, 0] > 0)


def _not_suppressed(cut: NDArray[np.bool_], pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(K,) all but those that are one object with a better one that is whole and is itself not suppressed."""
    alive = np.ones(len(cut), bool)
    for better, worse in pairs[np.lexsort(pairs.T[::-1])].tolist():
        if alive[better] and not cut[better]:
            alive[worse] = False
    return alive


def _joined(seen: Seen, cut: NDArray[np.bool_], alive: NDArray[np.bool_], pairs: NDArray[np.intp]) -> Seen:
    """Join the cut boxes that are one object, without those objects of which any piece is suppressed."""
    groups = _connected(np.flatnonzero(cut).tolist(), pairs[cut[pairs].all(axis=1)].tolist())
    groups = [pieces for pieces in groups if alive[pieces].all()]
    joined = seen.select(np.array([pieces[0] for pieces in groups], np.intp))
    for box, pieces in zip(joined.boxes, groups, strict=True):
        box[:2] = seen.boxes[pieces, :2].min(axis=0)
        box[2:] = seen.boxes[pieces, 2:].max(axis=0)
    return joined


def _connected(numbers: Sequence[int], pairs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Put numbers into groups, each sorted, so that the two of each pair are in the same."""
    leads_to = {number: number for number in numbers}

    def first(number: int) -> int:
        while leads_to[number] != number:
            leads_to[number] = number = leads_to[leads_to[number]]
        return number

    for pair in pairs:
        low, high = sorted(map(first, pair))
        leads_to[high] = low
    groups: dict[int, list[int]] = {}
    for number in sorted(numbers):
        groups.setdefault(first(number), []).append(number)
    return list(groups.values())
