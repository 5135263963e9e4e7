"""Detection in images that are much larger than what the detector takes: tile by tile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.seams import SURE_ENOUGH, Seen, fit_in_a_view, merge_views
from ssd_keras.data.detecting import detection_batches
from ssd_keras.data.images import read_image
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Detector

Pixels = NDArray[np.uint8]

LARGEST_OVERLAP = 0.9
"""Share of a tile; beyond it the number of tiles explodes."""

SMALLEST_TILE = 16
"""Pixels."""

MOST_TILES = 1_000_000
"""Of an image. A network sees some hundred a second; small tiles with much overlap could be billions."""


def detect_tiled(
    model: Detector,
    image: Pixels,
    tile: int,
    overlap: float = 0.2,
    threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = 8,
) -> Detections:
    """Find objects in an image of any size, looking at it tile by tile and once as a whole.

    Each tile is warped to the detector's input. Objects that are whole in a tile are taken from there, larger
    ones from the image as a whole or, where they are too small for the detector in it, joined from what the
    tiles show of them (`boxes.seams`). An image that is no larger than a tile is looked at once, as by
    `SSD.detect`. In memory there are a few batches of tiles beside the image, however large it is. A lower
    threshold gives more objects, and those above the higher one as they were.

    Args:
        model: the detector.
        image: (H, W, 3) uint8 RGB; a `numpy.memmap` will do.
        tile: the longer side of a tile in pixels of the image; tiles have the shape of the detector's input.
        overlap: the share of a tile's sides, 0-0.9, that it has in common with the next one, at least.
        threshold: only detections with at least this score.
        fast: the best class of each anchor only.
        batch_size: tiles that go through the network at once.

    Returns:
        The detections; boxes in pixels of the image.

    Raises:
        InputError: `tile` or `overlap` make no sense, also for an image of this size, or `image` is none.
    """
    image = read_image(image)
    check_tiling(tile, overlap)
    size = image.shape[0], image.shape[1]
    check_number(size, tile, overlap, model.image_size)
    views = _views(size, _tile_size(tile, model.image_size), overlap)
    sources = _Views(image, views)
    found: list[tuple[int, Detections]] = []
    for batch in detection_batches(sources, model.image_size, max(1, min(batch_size, len(views)))):
        seen = model.detect_batch(batch.images, batch.sizes, SURE_ENOUGH * threshold, fast)
        found += zip(batch.indices, seen, strict=True)
    if len(views) == 1:
        return found[0][1].above(threshold)
    merged = merge_views(_in_image(found, views, size), views, size)
    return Detections(merged.boxes, merged.scores, merged.labels, tuple(model.class_names), size).above(
        threshold
    )


def tile_boxes(size: tuple[int, int], tile_size: tuple[int, int], overlap: float) -> NDArray[np.int64]:
    """Give the tiles of an image, row by row: (T, 4) x0, y0, x1, y1 in its pixels.

    They are spread evenly, so that the first and the last are flush with the edges of the image and all
    overlap by at least the share `overlap` of their sides. Along a side of the image that is shorter than a
    tile, tiles are as long as that.

    Args:
        size: (height, width) of the image.
        tile_size: (height, width) of a tile.
        overlap: 0 or more, below 1.
    """
    rows, columns = _rows_and_columns(size, tile_size, overlap)
    return np.array([(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns], np.int64)


def _rows_and_columns(
    size: tuple[int, int], tile_size: tuple[int, int], overlap: float
) -> list[list[tuple[int, int]]]:
    """Where the rows of tiles begin and end, and the columns."""
    return [_places(side, min(side, length), overlap) for side, length in zip(size, tile_size, strict=True)]


def _places(side: int, length: int, overlap: float) -> list[tuple[int, int]]:
    """Where tiles of a length begin and end along a side of the image."""
    free = side - length
    steps = math.ceil(free / max(1.0, math.floor(length * (1 - overlap))))
    starts = [free * step // steps for step in range(steps)] if steps else []
    return [(start, start + length) for start in [*starts, free]]


class _Views(Sequence[Pixels]):
    """Parts of an image, cut out when they are needed."""

    def __init__(self, image: Pixels, views: NDArray[np.int64]) -> None:
        self._image = image
        self._views = views

    def __len__(self) -> int:
        return len(self._views)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(index, slice):
            return _Views(self._image, self._views[index])
        x0, y0, x1, y1 = self._views[index]
        return self._image[y0:y1, x0:x1]


def _views(size: tuple[int, int], tile_size: tuple[int, int], overlap: float) -> NDArray[np.int64]:
    """The tiles of an image and, where there are several, last all of it."""
    tiles = tile_boxes(size, tile_size, overlap)
    if len(tiles) == 1:
        return tiles
    return np.concatenate([tiles, [[0, 0, size[1], size[0]]]])


def _in_image(
    found: Sequence[tuple[int, Detections]], views: NDArray[np.int64], size: tuple[int, int]
) -> Seen:
    """Put what the views show into one list, in pixels of the image.

    What the image as a whole shows of objects that fit into a tile is left to the tiles, which see them
    larger: its boxes would be too coarse to be known as the same.
    """
    all_of_it = len(views) - 1
    parts = []
    for view, seen in sorted(found, key=lambda one: one[0]):
        if view == all_of_it:
            seen = seen.select(~fit_in_a_view(seen.boxes_px, views[:all_of_it], size))
        boxes = seen.boxes_px + np.tile(views[view, :2], 2).astype(np.float32)
        parts.append(Seen(boxes, seen.scores, seen.labels, np.full(len(seen), view, np.int32)))
    return Seen.together(parts)


def _tile_size(tile: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a tile whose longer side is `tile`, in the shape of the detector's input."""
    height, width = (max(1, round(tile * side / max(image_size))) for side in image_size)
    return height, width


def check_tiling(tile: int, overlap: float) -> None:
    """Raise `InputError` where tiles of a longer side of `tile` pixels or such an overlap make no sense."""
    if tile < SMALLEST_TILE:
        raise InputError(f"tiles of {tile} pixels are too small: give {SMALLEST_TILE} or more")
    if not 0 <= overlap <= LARGEST_OVERLAP:  # written so that NaN fails, too
        raise InputError(
            f"overlap {overlap} of tiles is not from 0 to {LARGEST_OVERLAP}: give a share of a tile"
        )


def check_number(size: tuple[int, int], tile: int, overlap: float, image_size: tuple[int, int]) -> None:
    """Raise `InputError` where an image of `size` has too many tiles for a detector of `image_size`."""
    rows, columns = map(len, _rows_and_columns(size, _tile_size(tile, image_size), overlap))
    if rows * columns > MOST_TILES:
        raise InputError(
            f"{rows * columns:,} tiles of {tile} pixels in an image of {size[1]} × {size[0]} are too many: "
            f"give larger ones, or less overlap, so that there are at most {MOST_TILES:,}"
        )
