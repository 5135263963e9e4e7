"""Anchors (the paper: default boxes; Caffe: priors): the boxes from which every prediction starts.

At each cell of each feature map stand the same few boxes, of given sizes and aspect ratios. The network says
for each of them what it shows and by how much to move and stretch it. Two descriptions of these boxes are in
use, and both are here: `PaperAnchors` with sizes in pixels, as the paper and Caffe's PriorBox have them, and
`ScaledAnchors` with scales relative to the image, as the Keras ports have them.

All is NumPy in float64, rounded to float32 once at the end: anchors are made once per model.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_size, cxcywh_to_xyxy, px_to_relative
from ssd_keras.errors import InputError

Size = tuple[int, int]
PerAxis = float | tuple[float, float]
"""One number for both axes, or (vertical, horizontal)."""

FEWEST_SPACED = 3
"""Predictor layers over which sizes can be spaced."""


class _Anchors:
    """What both descriptions share: where the centres lie, and how the grid is filled."""

    steps: tuple[PerAxis | None, ...] | None
    offsets: tuple[PerAxis, ...] | None
    clip: bool

    kind: ClassVar[str]

    def cell_shapes(self, image_size: Size) -> list[NDArray[np.float64]]:
        """Give per predictor layer the (n, 2) width and height, in pixels, of the boxes at one cell."""
        raise NotImplementedError

    def _clipped(self, boxes_px: NDArray[np.float64], image_size: Size) -> NDArray[np.float64]:
        raise NotImplementedError

    @property
    def boxes_per_cell(self) -> tuple[int, ...]:
        """How many boxes stand at each cell of each predictor layer."""
        # Of an image of any size: their number does not depend on it.
        return tuple(len(shapes) for shapes in self.cell_shapes((300, 300)))

    def per_layer(self, image_size: Size, feature_sizes: Sequence[Size]) -> list[NDArray[np.float32]]:
        """Make the anchors of each predictor layer, as `boxes` does for all of them."""
        layers = self.cell_shapes(image_size)
        if len(layers) != len(feature_sizes):
            raise InputError(
                f"anchors: described for {len(layers)} predictor layers, but the network has "
                f"{len(feature_sizes)} feature maps: describe one layer for each"
            )
        made = []
        for layer, (shapes, feature_size) in enumerate(zip(layers, feature_sizes, strict=True)):
            centres = self._centres(layer, image_size, feature_size)
            boxes_px = _boxes_at(centres, shapes)
            if self.clip:
                boxes_px = self._clipped(boxes_px, image_size)
            made.append(px_to_relative(boxes_px, image_size).astype(np.float32))
        return made

    def boxes(self, image_size: Size, feature_sizes: Sequence[Size]) -> NDArray[np.float32]:
        """Make all anchors of a network.

        Args:
            image_size: (height, width) of the network's input in pixels.
            feature_sizes: (height, width) of each feature map that is predicted from.

        Returns:
            (A, 4) float32 `xyxy`, relative to the image, in the order of the original: layer, row, column,
            then the boxes of the cell. They may reach beyond the image unless `clip` is set.

        Raises:
            InputError: there are not as many feature maps as described layers.
        """
        return np.concatenate(self.per_layer(image_size, feature_sizes))

    def _centres(self, layer: int, image_size: Size, feature_size: Size) -> NDArray[np.float64]:
        """(rows · columns, 2) x and y of the cells' centres in pixels, row by row."""
        step = self.steps[layer] if self.steps else None
        offset_y, offset_x = _per_axis(self.offsets[layer] if self.offsets else 0.5)
        step_y, step_x = (
            (image_size[0] / feature_size[0], image_size[1] / feature_size[1])
            if step is None
            else _per_axis(step)
        )
        y = (np.arange(feature_size[0]) + offset_y) * step_y
        x = (np.arange(feature_size[1]) + offset_x) * step_x
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def get_config(self) -> dict[str, Any]:
        """Give all that `anchors_from_config` needs to make the same anchors again."""
        return {"kind": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    def _check_layer_counts(self, layers: int) -> None:
        for name in ("steps", "offsets"):
            value = getattr(self, name)
            if value is not None and len(value) != layers:
                raise InputError(
                    f"anchors: {len(value)} {name} for {layers} predictor layers: give one per layer"
                )
        for step in self.steps or ():
            if step is not None:
                _check_positive("steps", _per_axis(step))


@dataclass(frozen=True)
class PaperAnchors(_Anchors):
    """Anchors as the paper and Caffe's PriorBox describe them.

    Each cell has, per predictor layer, a square of side `min_size`, a square of side
    √(`min_size` · `max_size`) if there is a `max_size`, then for each aspect ratio r a box √r times as wide
    and 1/√r times as high as the first square, and with `flip` the same for 1/r right after it.

    Attributes:
        min_sizes: one a predictor layer, in pixels of the network's input.
        max_sizes: one a predictor layer, or None for no second square.
        aspect_ratios: per predictor layer, those beside 1; or one list of numbers for all layers.
        steps: distance of the cells' centres in pixels; None: the image's side over the feature map's.
        offsets: place of the first centre as a fraction of the step; None: 0.5.
        flip: also 1/r for each aspect ratio r.
        clip: cut the anchors off at the edges of the image.
        truncate: cut the sizes to whole pixels, as Caffe's forward pass does. Of the original's anchors it
            changes only those of SSD512, and is what its Caffe weights were trained with.
        limit_sides: no box is wider or higher than the image, its centre stays, as torchvision has it.

    Source: Caffe's `PriorBoxLayer::Forward_cpu`; the paper's section 2.2.
    """

    min_sizes: tuple[float, ...]
    max_sizes: tuple[float | None, ...]
    aspect_ratios: tuple[tuple[float, ...], ...] | tuple[float, ...]
    steps: tuple[PerAxis | None, ...] | None = None
    offsets: tuple[PerAxis, ...] | None = None
    flip: bool = True
    clip: bool = False
    truncate: bool = False
    limit_sides: bool = False

    kind: ClassVar[str] = "paper"

    def __post_init__(self) -> None:
        layers = len(self.min_sizes)
        if len(self.max_sizes) != layers or len(self.layer_ratios) != layers:
            raise InputError(
                f"anchors: {layers} min_sizes, {len(self.max_sizes)} max_sizes and {len(self.layer_ratios)} "
                "lists of aspect_ratios: give one of each per predictor layer"
            )
        self._check_layer_counts(layers)
        _check_positive("min_sizes", self.min_sizes)
        _check_positive("max_sizes", [size for size in self.max_sizes if size is not None])
        for ratios in self.layer_ratios:
            _check_positive("aspect_ratios", ratios)

    @property
    def layer_ratios(self) -> tuple[tuple[float, ...], ...]:
        """The aspect ratios of each predictor layer."""
        return _ratios_per_layer(self.aspect_ratios, len(self.min_sizes))

    @classmethod
    def spaced(
        cls, side: int, layers: int, percents: tuple[int, int], first: tuple[int, int], **settings: Any
    ) -> PaperAnchors:
        """Space the sizes of `layers` predictor layers evenly, as the original's scripts do.

        Args:
            side: of the network's input in pixels, the shorter one.
            layers: how many predictor layers there are, at least 3.
            percents: bounds of the sizes of the layers after the first, in percent of the side. The step is
                cut to whole percents, so that the largest size may stay below its bound.
            first: the two sizes of the first layer, in percent of the side.
            settings: further arguments; the aspect ratios are 2, and 3 but for the first and last two layers.

        Source: `ssd_pascal.py` and `ssd_coco.py` in Caffe; the paper's equation 4.
        """
        if layers < FEWEST_SPACED:
            raise InputError(
                f"anchors: sizes cannot be spaced over {layers} predictor layers: take {FEWEST_SPACED} or "
                "more, or give min_sizes, max_sizes and aspect_ratios"
            )
        lowest, highest = percents
        step = (highest - lowest) // (layers - 2)
        low = [first[0], *(lowest + step * layer for layer in range(layers - 1))]
        high = [first[1], *(percent + step for percent in low[1:])]
        ratios = [(2.0,), *[(2.0, 3.0)] * (layers - 3), (2.0,), (2.0,)]
        return cls(
            min_sizes=tuple(side * percent / 100 for percent in low),
            max_sizes=tuple(side * percent / 100 for percent in high),
            **{"aspect_ratios": tuple(ratios), **settings},
        )

    def resized(self, factor: float) -> PaperAnchors:
        """Give the same anchors for an input `factor` times as large; the centres spread over the image."""
        return dataclasses.replace(
            self,
            min_sizes=tuple(size * factor for size in self.min_sizes),
            max_sizes=tuple(None if size is None else size * factor for size in self.max_sizes),
            steps=None,
        )

    def cell_shapes(self, image_size: Size) -> list[NDArray[np.float64]]:
        """Give per predictor layer the (n, 2) width and height, in pixels, of the boxes at one cell."""
        height, width = image_size
        shapes = [
            self._layer_shapes(low, high, ratios)
            for low, high, ratios in zip(self.min_sizes, self.max_sizes, self.layer_ratios, strict=True)
        ]
        return [np.minimum(layer, [width, height]) for layer in shapes] if self.limit_sides else shapes

    def _layer_shapes(self, low: float, high: float | None, ratios: Sequence[float]) -> NDArray[np.float64]:
        if self.truncate:
            low, high = math.floor(low), None if high is None else math.floor(high)
        shapes = [(low, low)]
        if high is not None:
            shapes.append((math.sqrt(low * high), math.sqrt(low * high)))
        shapes += [(low * math.sqrt(r), low / math.sqrt(r)) for r in self._distinct(ratios)]
        return np.array(shapes, np.float64)

    def _distinct(self, ratios: Sequence[float]) -> list[float]:
        """The aspect ratios other than 1 in the order of the original: r, 1/r, none of them twice."""
        distinct = [1.0]
        for ratio in ratios:
            if all(abs(ratio - known) >= 1e-6 for known in distinct):
                distinct += [ratio, 1 / ratio] if self.flip else [ratio]
        return distinct[1:]

    def _clipped(self, boxes_px: NDArray[np.float64], image_size: Size) -> NDArray[np.float64]:
        clipped: NDArray[np.float64] = clip_to_size(boxes_px, image_size)
        return clipped


@dataclass(frozen=True)
class ScaledAnchors(_Anchors):
    """Anchors as the Keras ports describe them: scales relative to the shorter side of the image.

    A box of aspect ratio r at scale s is s·√r times as wide and s/√r times as high as the image's shorter
    side. With `two_boxes_for_ar1` a second square at the geometric mean of this layer's scale and the next
    follows the first. Aspect ratios come in the given order and without reciprocals: list both.

    Attributes:
        scales: one a predictor layer, and one more for the second square of the last.
        aspect_ratios: per predictor layer, 1 included; or one list of numbers for all layers.
        two_boxes_for_ar1: a second square at every cell.
        steps: distance of the cells' centres in pixels; None: the image's side over the feature map's.
        offsets: place of the first centre as a fraction of the step; None: 0.5.
        clip: cut the anchors off at the edges of the image, as the 2018 port does it: a corner at or beyond
            the right or lower edge moves to the last pixel.

    Source: `AnchorBoxes` and `SSDInputEncoder` of the Keras port of 2018.
    """

    scales: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...] | tuple[float, ...]
    two_boxes_for_ar1: bool = True
    steps: tuple[PerAxis | None, ...] | None = None
    offsets: tuple[PerAxis, ...] | None = None
    clip: bool = False

    kind: ClassVar[str] = "scaled"

    def __post_init__(self) -> None:
        layers = len(self.layer_ratios)
        if len(self.scales) != layers + 1:
            raise InputError(
                f"anchors: {len(self.scales)} scales for {layers} predictor layers: give one per layer "
                "and one more for the second square of the last"
            )
        self._check_layer_counts(layers)
        _check_positive("scales", self.scales)
        for ratios in self.layer_ratios:
            _check_positive("aspect_ratios", ratios)

    @classmethod
    def evenly_scaled(
        cls, layers: int, min_scale: float = 0.1, max_scale: float = 0.9, **settings: Any
    ) -> ScaledAnchors:
        """Space the scales of `layers` predictor layers, and the one more, evenly between two."""
        scales = tuple(np.linspace(min_scale, max_scale, layers + 1).tolist())
        return cls(scales=scales, **{"aspect_ratios": (0.5, 1.0, 2.0), **settings})

    @property
    def layer_ratios(self) -> tuple[tuple[float, ...], ...]:
        """The aspect ratios of each predictor layer."""
        return _ratios_per_layer(self.aspect_ratios, len(self.scales) - 1)

    def cell_shapes(self, image_size: Size) -> list[NDArray[np.float64]]:
        """Give per predictor layer the (n, 2) width and height, in pixels, of the boxes at one cell."""
        return [
            self._layer_shapes(self.scales[layer], self.scales[layer + 1], ratios) * min(image_size)
            for layer, ratios in enumerate(self.layer_ratios)
        ]

    def _layer_shapes(self, scale: float, next_scale: float, ratios: Sequence[float]) -> NDArray[np.float64]:
        shapes = []
        for ratio in ratios:
            shapes.append((scale * math.sqrt(ratio), scale / math.sqrt(ratio)))
            if ratio == 1 and self.two_boxes_for_ar1:
                between = math.sqrt(scale * next_scale)
                shapes.append((between, between))
        return np.array(shapes, np.float64)

    def _clipped(self, boxes_px: NDArray[np.float64], image_size: Size) -> NDArray[np.float64]:
        height, width = image_size
        sides = np.array([width, height, width, height], np.float64)
        inside = np.where(boxes_px >= sides, sides - 1, boxes_px)
        return np.where(inside < 0, 0, inside)


Anchors = PaperAnchors | ScaledAnchors


def anchors_from_config(config: dict[str, Any]) -> Anchors:
    """Make the description again that `get_config` wrote, from JSON too."""
    values = {key: _as_tuples(value) for key, value in config.items() if key != "kind"}
    kinds: dict[str, type[Anchors]] = {"paper": PaperAnchors, "scaled": ScaledAnchors}
    return kinds[config["kind"]](**values)


def _boxes_at(centres: NDArray[np.float64], shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put every shape (n, 2) at every centre (k, 2): (k · n, 4) `xyxy`."""
    grid = np.empty((len(centres), len(shapes), 4))
    grid[..., :2] = centres[:, None, :]
    grid[..., 2:] = shapes[None, :, :]
    return cxcywh_to_xyxy(grid.reshape(-1, 4))  # type: ignore[no-any-return]


def _ratios_per_layer(
    ratios: tuple[tuple[float, ...], ...] | tuple[float, ...], layers: int
) -> tuple[tuple[float, ...], ...]:
    lists: list[tuple[float, ...]] = []
    for one in ratios:
        if not isinstance(one, tuple):
            return (ratios,) * layers  # type: ignore[return-value]
        lists.append(one)
    return tuple(lists)


def _per_axis(value: PerAxis) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def _check_positive(name: str, values: Sequence[float]) -> None:
    if any(not value > 0 for value in values):
        raise InputError(f"anchors: {name} are {list(values)}: give numbers above 0")
