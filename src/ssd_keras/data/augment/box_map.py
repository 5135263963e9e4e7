"""Where boxes go when an image is scaled, shifted, flipped and turned: forth, and back to the photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd_keras.boxes.formats import relative_to_px

Pair = tuple[float, float]
"""One number for the x axis, one for the y axis."""


@dataclass(frozen=True)
class BoxMap:
    """An exact map of the plane onto itself under which boxes stay boxes; the default changes nothing.

    A point (x, y) becomes (y, x) if `swaps_axes`, then is multiplied by `scale`, then moved by `shift`. Every
    chain of scaling, shifting, flipping and turning by quarters is such a map. All in float64; nothing is
    rounded to whole pixels.

    Attributes:
        swaps_axes: x and y change places first.
        scale: factors of the x and y axes after that; negative where the axis is mirrored, never 0.
        shift: added at last, in pixels.
    """

    swaps_axes: bool = False
    scale: Pair = (1.0, 1.0)
    shift: Pair = (0.0, 0.0)

    @classmethod
    def scaling(cls, x: float, y: float) -> BoxMap:
        """Give the map that multiplies by `x` and `y`."""
        return cls(scale=(float(x), float(y)))

    @classmethod
    def shifting(cls, x: float, y: float) -> BoxMap:
        """Give the map that moves by `x` to the right and `y` down, in pixels."""
        return cls(shift=(float(x), float(y)))

    @classmethod
    def flipping(
        cls, size: tuple[int, int], *, horizontally: bool = False, vertically: bool = False
    ) -> BoxMap:
        """Give the map that mirrors an image of `size` (height, width)."""
        height, width = size
        return cls(
            scale=(-1.0 if horizontally else 1.0, -1.0 if vertically else 1.0),
            shift=(float(width) if horizontally else 0.0, float(height) if vertically else 0.0),
        )

    @classmethod
    def turning(cls, size: tuple[int, int], quarters: int) -> BoxMap:
        """Give the map that turns an image of `size` (height, width) clockwise by quarters."""
        height, width = size
        turned = cls()
        for _ in range(quarters % 4):
            turned = turned.then(cls(True, (-1.0, 1.0), (float(height), 0.0)))
            height, width = width, height
        return turned

    def forward(self, boxes_px: ArrayLike) -> NDArray[np.float64]:
        """Give where boxes (M, 4), x0, y0, x1, y1 in pixels before, lie afterwards: (M, 4) float64."""
        corners = _corners(boxes_px)
        if self.swaps_axes:
            corners = corners[..., ::-1]
        return self._as_boxes(corners * self.scale + self.shift, self.scale)

    def inverse(self, boxes_px: ArrayLike) -> NDArray[np.float64]:
        """Give where boxes (M, 4), in pixels afterwards, lay before: (M, 4) float64."""
        corners = (_corners(boxes_px) - self.shift) / self.scale
        boxes = self._as_boxes(corners, self.scale)
        return boxes[:, [1, 0, 3, 2]] if self.swaps_axes else boxes

    def inverse_of_relative(self, boxes: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
        """Give where boxes (M, 4), relative to an image of `size` (height, width), lay before, in pixels."""
        relative = np.asarray(boxes, np.float64).reshape(-1, 4)
        return self.inverse(relative_to_px(relative, size))

    def then(self, other: BoxMap) -> BoxMap:
        """Give the map that is this one followed by `other`."""
        scale, shift = self.scale, self.shift
        if other.swaps_axes:
            scale, shift = scale[::-1], shift[::-1]
        return BoxMap(
            self.swaps_axes != other.swaps_axes,
            (scale[0] * other.scale[0], scale[1] * other.scale[1]),
            (
                shift[0] * other.scale[0] + other.shift[0],
                shift[1] * other.scale[1] + other.shift[1],
            ),
        )

    @staticmethod
    def _as_boxes(corners: NDArray[np.float64], scale: Pair) -> NDArray[np.float64]:
        """Put the corners (M, 2, 2) of each box in order again: a mirrored axis has exchanged them."""
        low, high = corners[:, 0], corners[:, 1]
        mirrored = np.array(scale) < 0
        return np.concatenate([np.where(mirrored, high, low), np.where(mirrored, low, high)], axis=1)


SAME_PLACE = BoxMap()
"""The map that leaves every box where it is."""


def _corners(boxes_px: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(boxes_px, np.float64).reshape(-1, 2, 2)
