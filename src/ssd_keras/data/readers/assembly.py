"""From named boxes, which is what files hold, to a `Dataset` with labels: the last step of every reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssd_keras.classes import checked_class_names, label_of
from ssd_keras.data.checks import Box
from ssd_keras.data.readers.sidecar import Sidecar
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split, StatedSize
from ssd_keras.errors import InputError

LONGEST_NAME = 1000
"""Characters; a longer name of a class is another part of a damaged file."""

UNLABELLED_ADVICE = "measure on another split; ssd evaluate --results writes what a test server takes"


class NamedBox(NamedTuple):
    """One object as a file describes it: the name of its class, its checked box in pixels, marks, its area.

    The area is what the object covers, in square pixels; NaN where it is not stated.
    """

    name: str
    box: Box
    difficult: bool = False
    crowd: bool = False
    truncated: bool = False
    area: float = math.nan


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image with its named boxes.

    Attributes:
        image: where the pixels are.
        image_id: its name within the data set.
        boxes: its objects.
        where: which file they come from, for errors.
        stated_size: (height, width) that this file states, where it does.
    """

    image: Path | bytes
    image_id: str
    boxes: Sequence[NamedBox]
    where: str
    stated_size: tuple[int, int] | None = None


def assemble_dataset(
    source: Path,
    data_format: str,
    splits: Mapping[str, Sequence[LabelledImage]],
    class_names: Sequence[str] | None,
    problems: Sequence[Problem],
    sidecar: Sidecar | None = None,
) -> Dataset:
    """Give every class its label and put the data set together.

    Args:
        source: what was read, for errors.
        data_format: name of the format.
        splits: the images of each split; an image that stands in two of them becomes one `Sample`.
        class_names: the classes in the order of their labels; None: those of the sidecar, or else the names
            in use, sorted.
        problems: what the reader found wrong.
        sidecar: what stands beside the labels; only its class names and their numbers are used here.

    Raises:
        InputError: no image is left, a box has a class that is not in `class_names`, or the name of a
            class has no end.
    """
    if not any(splits.values()):
        reason = f": {problems[0]}" if problems else ": add labelled images"
        raise InputError(f"{source} holds no image that can be used{reason}")
    images = {id(image): image for split in splits.values() for image in split}
    if class_names is None:
        names = (sidecar or Sidecar()).names_or(box.name for image in images.values() for box in image.boxes)
    else:
        names = checked_class_names(class_names)
    longest = max(names, key=len, default="")
    if len(longest) > LONGEST_NAME:
        shown = f"{longest[:40]!r}…"
        raise InputError(
            f"{source}: class {shown} has a name of {len(longest)} characters: give it a short one"
        )
    labels = {name: label for label, name in enumerate(names)}
    samples = {key: _sample(image, labels, names) for key, image in images.items()}
    return Dataset(
        class_names=names,
        splits={
            name: Split(name, tuple(samples[id(image)] for image in split), names)
            for name, split in splits.items()
        },
        format=data_format,
        problems=tuple(problems),
        category_ids=sidecar.category_ids_of(names) if sidecar else None,
    )


def _sample(image: LabelledImage, labels: Mapping[str, int], class_names: Sequence[str]) -> Sample:
    unknown = next((box.name for box in image.boxes if box.name not in labels), None)
    if unknown is not None:
        label_of(unknown, class_names, image.where)  # raises, and says which name was probably meant
    ground_truth = GroundTruth(
        boxes_px=np.array([box.box for box in image.boxes], np.float32),
        labels=np.array([labels[box.name] for box in image.boxes], np.int32),
        difficult=np.array([box.difficult for box in image.boxes], np.bool_),
        crowd=np.array([box.crowd for box in image.boxes], np.bool_),
        truncated=np.array([box.truncated for box in image.boxes], np.bool_),
        areas=np.array([box.area for box in image.boxes], np.float64),
    )
    stated = None if image.stated_size is None else StatedSize(image.stated_size, image.where)
    return Sample(image.image, ground_truth, image.image_id, stated)
