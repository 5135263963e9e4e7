"""One image looked at through several overlapping views: which boxes of different views are one object.

A view is a part of the image, a box in its pixels. What lies beyond its edge it does not see, so an object on
a seam between two tiles is cut in one of them or in both. Two views can be compared where they overlap: boxes
of the same object cover the same part of what both see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import box_area
from ssd_keras.boxes.iou import pairwise_intersection, pairwise_iou

SAME_OBJECT = 0.5
"""IoU of the parts that both views see, above which two boxes are one object."""

SURE_ENOUGH = 0.5
"""A box with less than this share of an object's score says nothing of it, not even of its outline.

So objects above a score need no boxes below this share of it, and are the same whatever else is given.
"""

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
        """Give some of them, by a mask (K,) or by their numbers (n,)."""
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
    cut by its view and mostly covered by the other, which is whole. The surest are taken first: what is not
    the same as any before is an object, and nothing that is less sure takes it away. Its score is the best of
    its boxes. Its outline is that of a whole one, of a tile before one of all the image, which sees less
    sharply, and then of the surest; where there is none, the cut ones are joined to the box around them all.
    Boxes of one view are different objects: its detector has said so.

    A box is of no weight where it is less than `SURE_ENOUGH` times as sure as the object: all objects with a
    score of at least t, with their boxes, are the same for any boxes given below `SURE_ENOUGH` · t.

    Args:
        seen: the boxes.
        views: (V, 4) in pixels of the image.
        size: (height, width) of the image.

    Returns:
        The objects, best score first.
    """
    seen = _by_preference(seen, views, size)
    cut = cut_by_views(seen, views, size)
    sharp = ~cut & ~_of_all(seen, views, size)
    objects = _group(seen, cut, _same_objects(seen, cut, views))
    merged = seen.select(np.array([found.boxes[0] for found in objects], np.intp))
    for number, found in enumerate(objects):
        merged.boxes[number] = _outline(seen.boxes, cut, sharp, found.boxes)
    return merged.select(np.argsort(-merged.scores, kind="stable"))


def _by_preference(seen: Seen, views: Boxes, size: tuple[int, int]) -> Seen:
    """Sort: the surest first; of equals those that say more of the outline."""
    of_all, cut = _of_all(seen, views, size), cut_by_views(seen, views, size)
    return seen.select(np.lexsort((seen.views, of_all, cut, -seen.scores)))


def _of_all(seen: Seen, views: Boxes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(K,) which boxes are from a view of all the image."""
    return np.asarray((views[seen.views] == np.array([0, 0, size[1], size[0]])).all(axis=1))


def _outline(boxes: Boxes, cut: NDArray[np.bool_], sharp: NDArray[np.bool_], chosen: Sequence[int]) -> Boxes:
    """Give the box (4,) of an object from its boxes: the surest of the best kind, or around all cut ones."""
    numbers = np.sort(np.array(chosen, np.intp))
    for whole in (numbers[sharp[numbers]], numbers[~cut[numbers]]):
        if len(whole):
            return np.asarray(boxes[whole[0]])
    return np.concatenate([boxes[numbers, :2].min(axis=0), boxes[numbers, 2:].max(axis=0)])


def _same_objects(seen: Seen, cut: NDArray[np.bool_], views: Boxes) -> NDArray[np.intp]:
    """(P, 2) the numbers of boxes that are one object, the surer first."""
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


@dataclass
class _Object:
    """An object on its way: its score, the numbers of its boxes, the whole ones among them, their views."""

    score: float
    boxes: list[int]
    wholes: set[int]
    views: set[int]

    def is_also(self, other: _Object, links: set[int]) -> bool:
        """Tell whether this is also `other`, a single box that has links to boxes which are the same as it.

        A piece may be one of several objects. Hence a whole box is not the same as an object because of a
        piece of that, where this has a whole box of its own, or another box in the same view.
        """
        if self.wholes and other.wholes:
            return not links.isdisjoint(self.wholes)
        is_another = bool(other.wholes) and not other.views.isdisjoint(self.views)
        return not is_another and not links.isdisjoint(self.boxes)

    def take(self, other: _Object) -> None:
        """Add the boxes of another, which is less sure."""
        self.boxes += other.boxes
        self.wholes |= other.wholes
        self.views |= other.views


def _group(seen: Seen, cut: NDArray[np.bool_], pairs: NDArray[np.intp]) -> list[_Object]:
    """Put the boxes, the surest first, into objects; `pairs` are the same, in each the surer first."""
    links: dict[int, set[int]] = {}
    for surer, other in pairs.tolist():
        links.setdefault(other, set()).add(surer)
    object_of: dict[int, _Object] = {}
    for box, is_cut in enumerate(cut.tolist()):
        new = _Object(float(seen.scores[box]), [box], set() if is_cut else {box}, {int(seen.views[box])})
        linked = links.get(box, set())
        near = {object_of[other].boxes[0]: object_of[other] for other in linked & object_of.keys()}
        same = [near[first] for first in sorted(near) if near[first].is_also(new, linked)]
        sure = [found for found in same if new.score >= SURE_ENOUGH * found.score]
        if not same:
            object_of[box] = new
        elif sure and _may_be_one([*sure, new]):
            for less_sure in [*sure[1:], new]:
                sure[0].take(less_sure)
            object_of |= dict.fromkeys(sure[0].boxes, sure[0])
    return [found for box, found in object_of.items() if found.boxes[0] == box]


def _may_be_one(objects: Sequence[_Object]) -> bool:
    """Tell whether the last of some objects may show that all are one: no view says that they are several."""
    views = [view for found in objects for view in found.views]
    return len(set(views)) == len(views) and sum(bool(found.wholes) for found in objects[:-1]) <= 1
