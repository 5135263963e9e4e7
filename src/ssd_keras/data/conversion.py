"""From one format to another: every reader's data set can be written by every writer."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_keras.data.formats import FORMATS, Format, open_dataset
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError

LONGEST_NAME_PART = 40
"""Characters of the name of a folder that its unfinished one has in its own; file systems take 255 bytes."""


@dataclass(frozen=True)
class Packing:
    """How images are stored in formats that keep everything in one file.

    Attributes:
        pixels: store decoded pixels, which are read fastest, and not the bytes of the encoded image.
        size: (height, width) that all images are warped to; None: they stay as they are.
        jpeg_quality: 1-100, of images that have to be encoded.
    """

    pixels: bool = False
    size: tuple[int, int] | None = None
    jpeg_quality: int = JPEG_QUALITY


def convert_dataset(
    dataset: Dataset,
    target: Path,
    to: str,
    packing: Packing | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Write a data set in another format.

    A folder appears under its name only when it is complete; a pack that was interrupted is gone on with.

    Args:
        dataset: what a reader gave.
        target: the folder to make; of a pack, the file.
        to: the name of the format.
        packing: how a pack stores images.
        on_progress: called after each image that was taken.

    Raises:
        InputError: there is no such format, something stands at `target` already, an image cannot be read, or
            the format cannot do what `packing` asks for.
    """
    chosen, packing = format_named(to), packing or Packing()
    splits = {name: _counted(split, on_progress) for name, split in dataset.items()}
    options: dict[str, Any] = {"jpeg_quality": packing.jpeg_quality, "category_ids": dataset.category_ids}
    if chosen.is_pack:
        options |= {"pixels": packing.pixels, "size": packing.size}
        chosen.write(target, splits, dataset.class_names, **options)
        return
    if packing.pixels or packing.size:
        packs = " or ".join(known.name for known in FORMATS if known.is_pack)
        raise InputError(f"{to} keeps image files as they are: leave pixels and size out, or take {packs}")
    with _unfinished_folder(target) as unfinished:
        chosen.write(unfinished, splits, dataset.class_names, **options)


def convert_and_check(
    dataset: Dataset,
    target: Path,
    to: str,
    packing: Packing | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Dataset:
    """Write a data set in another format, as `convert_dataset`, and read it again.

    Returns:
        What was read.

    Raises:
        InputError: as in `convert_dataset`, or it reads with other images, boxes or classes than were to be
            written; then nothing is left of it.
    """
    convert_dataset(dataset, target, to, packing, on_progress)
    try:
        written = open_dataset(target)
        _check_nothing_is_lost(dataset, written, target)
    except InputError:
        shutil.rmtree(target.resolve()) if target.is_dir() else target.unlink()
        raise
    return written


def format_named(name: str) -> Format:
    """Give the format `name`; `InputError` where there is none."""
    for known in FORMATS:
        if known.name == name:
            return known
    raise InputError(f"there is no format {name!r}: choose one of {', '.join(one.name for one in FORMATS)}")


def refuse_taken_target(target: Path) -> None:
    """Raise `InputError` where something stands at `target` already, but for an empty folder."""
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise InputError(f"{target} cannot be written to ({error.strerror}): name another folder") from error
    if taken:
        raise InputError(f"{target} exists already: name a new folder, data sets are not mixed")


def refuse_target_inside(target: Path, sources: Iterable[Path]) -> None:
    """Raise `InputError` where `target` lies in a folder that is read: it would become a part of it."""
    for source in sources:
        if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{target} lies inside of the data set {source}: name a place outside of it")


@contextmanager
def _unfinished_folder(target: Path) -> Iterator[Path]:
    """Give a folder to be made and written, whose content comes to `target` when all went well.

    It lies in a folder of a name that nobody else has: another conversion may be writing to the same place.
    """
    refuse_taken_target(target)
    place = target.resolve()  # "." has no name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"unfinished-{place.name[:LONGEST_NAME_PART]}-"
        workshop = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
    except OSError as error:
        raise InputError(f"{target} cannot be written to ({error.strerror}): name another folder") from error
    try:
        yield workshop / "out"
        refuse_taken_target(target)
        _move(workshop / "out", place)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _move(folder: Path, place: Path) -> None:
    """Give a folder another place; an empty one that is there stays: someone may be working in it."""
    try:
        if not place.exists():
            folder.rename(place)
            return
        for entry in sorted(folder.iterdir()):
            entry.rename(place / entry.name)
    except OSError as error:
        raise InputError(f"{place} cannot be written to ({error.strerror}): name another folder") from error


def _check_nothing_is_lost(dataset: Dataset, written: Dataset, target: Path) -> None:
    before, after = _content(dataset), _content(written)
    for what in dict.fromkeys([*before, *after]):  # a class that only one of them has counts as 0 boxes there
        if before.get(what, "0") != after.get(what, "0"):
            reason = f"; the first problem: {written.problems[0]}" if written.problems else ""
            raise InputError(
                f"{target} reads with {after.get(what, '0')} {what}, {before.get(what, '0')} were to be "
                f"written{reason}: keep the original"
            )


def _content(dataset: Dataset) -> dict[str, str]:
    """What has to be the same after writing, by what it is; names of splits may have to change."""
    labels = Counter(
        label
        for split in dataset.values()
        for sample in split
        for label in sample.ground_truth.labels.tolist()
    )
    images = sorted(len(split) for split in dataset.values() if len(split))
    return {
        "boxes": str(labels.total()),
        "images in its splits": " + ".join(map(str, images)) or "0",
        "as classes": ", ".join(map(repr, sorted(dataset.class_names))),
        **{f"boxes of {dataset.class_names[label]!r}": str(count) for label, count in labels.items()},
    }


def _counted(split: Split, on_progress: Callable[[], None]) -> Iterator[Sample]:
    for sample in split:
        yield sample
        on_progress()
