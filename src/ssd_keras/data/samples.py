"""The contract between readers and everything after them: samples, splits, data sets, problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.checks import shown_text
from ssd_keras.data.images import StoredImage
from ssd_keras.errors import InputError

ALL = "all"
"""The name of the only split where a data set defines none."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The labelled objects of one image. M may be 0.

    Attributes:
        boxes_px: (M, 4) float32, x0, y0, x1, y1 in pixels of the image.
        labels: (M,) int32, indices into the data set's class names.
        difficult: (M,) bool, marked as hard to recognise: trained on, left out of the evaluation.
        crowd: (M,) bool, one box around a group: neither trained on nor counted.
        truncated: (M,) bool, marked as reaching beyond the image.
        areas: (M,) float64, what each object covers of the image, in pixels, as COCO states it of outlines;
            NaN where it is not known. It decides which objects are small, medium or large there.
    """

    boxes_px: NDArray[np.float32]
    labels: NDArray[np.int32]
    difficult: NDArray[np.bool_] = None  # type: ignore[assignment]
    crowd: NDArray[np.bool_] = None  # type: ignore[assignment]
    truncated: NDArray[np.bool_] = None  # type: ignore[assignment]
    areas: NDArray[np.float64] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes_px, np.float32).reshape(-1, 4)
        object.__setattr__(self, "boxes_px", boxes)
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int32).reshape(-1))
        for flag in ("difficult", "crowd", "truncated"):
            value = getattr(self, flag)
            mask = np.zeros(len(boxes), bool) if value is None else np.asarray(value, bool).reshape(-1)
            object.__setattr__(self, flag, mask)
        areas = np.full(len(boxes), np.nan) if self.areas is None else np.asarray(self.areas, np.float64)
        object.__setattr__(self, "areas", areas.reshape(-1))
        for name, values in self.columns().items():
            if len(values) != len(boxes):
                raise ValueError(f"{len(boxes)} boxes but {len(values)} {name}")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def empty(cls) -> GroundTruth:
        """Give the ground truth of an image without objects."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))

    def select(self, kept: NDArray[np.bool_]) -> GroundTruth:
        """Give only the objects where the mask `kept` (M,) is true."""
        return GroundTruth(**{name: values[kept] for name, values in self.columns().items()})

    @classmethod
    def together(cls, truths: Sequence[GroundTruth]) -> GroundTruth:
        """Give the objects of several ground truths, one after the other, with all that is said of them."""
        columns = [truth.columns() for truth in (truths or [cls.empty()])]
        return cls(**{name: np.concatenate([one[name] for one in columns]) for name in columns[0]})

    def columns(self) -> dict[str, NDArray[Any]]:
        """Give all that is said of the objects by its name: (M, 4) the boxes, (M,) everything else."""
        return dict(vars(self))


class StatedSize(NamedTuple):
    """The size of an image as its labels state it, which may be wrong, and the file that says so."""

    size: tuple[int, int]
    """(height, width) in pixels."""
    where: str


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its ground truth.

    Attributes:
        image: where the pixels are: a file, the bytes of an encoded image, (H, W, 3) uint8 RGB, or an image
            of a pack.
        ground_truth: its labelled objects.
        image_id: its name within the data set, as VOC and COCO results use it.
        stated_size: what the files of labels say of the size of the image, where they do.
    """

    image: Path | bytes | NDArray[np.uint8] | StoredImage
    ground_truth: GroundTruth
    image_id: str
    stated_size: StatedSize | None = None

    @property
    def name(self) -> str:
        """Name the image in messages: its file or place in a pack if it has one."""
        if isinstance(self.image, StoredImage):
            return self.image.name
        return str(self.image) if isinstance(self.image, Path) else self.image_id


@dataclass(frozen=True)
class Problem:
    """Something wrong in a data set: in which file, what it is, and what to do about it."""

    file: str
    problem: str
    advice: str

    def __str__(self) -> str:
        """Give it in one line that a terminal can show, whatever the names of files and classes hold."""
        return ": ".join(map(shown_text, (self.file, self.problem, self.advice)))


@dataclass(frozen=True, eq=False)
class Split(Sequence[Sample]):
    """The samples of one split, in the order of the data set."""

    name: str
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Split: ...
    def __getitem__(self, index: int | slice) -> Sample | Split:
        if isinstance(index, slice):
            return Split(self.name, self.samples[index], self.class_names)
        return self.samples[index]


@dataclass(frozen=True, eq=False)
class Dataset(Mapping[str, Split]):
    """A data set: its class names, its splits by name, and what its reader found wrong.

    A reader drops what cannot be used (a box without area, an image whose labels cannot be read) and says so
    in `problems`; what it can mend without doubt it mends and says so too.

    Attributes:
        class_names: in the order of the labels.
        splits: the samples of each split.
        format: name of the format it was read from.
        problems: what was wrong.
        category_ids: the number that each class has in the files of the data set (COCO), in the order of
            `class_names`, so that results can be written with it; None where classes have no numbers.
    """

    class_names: tuple[str, ...]
    splits: dict[str, Split]
    format: str
    problems: tuple[Problem, ...] = field(default=())
    category_ids: tuple[int, ...] | None = None

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            raise InputError(f"there is no split {name!r}: {self._advice_on_splits()}")
        return self.splits[name]

    def __contains__(self, name: object) -> bool:
        return name in self.splits

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def _advice_on_splits(self) -> str:
        if list(self.splits) == [ALL]:
            return "nobody has divided this data set; ssd convert DATA OUT --to voc --fractions.test 0.2 does"
        return f"this data set has {', '.join(self.splits)}"

    def usual(self, name: str) -> Split | None:
        """Give the split `name`, or the only one whose name begins with it (train2017, trainval), or None."""
        alike = [name] if name in self.splits else [other for other in self.splits if other.startswith(name)]
        return self.splits[alike[0]] if len(alike) == 1 else None
