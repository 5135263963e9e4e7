"""From one format to another: every reader's data set can be written by every writer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_keras.data.formats import FORMATS, Format
from ssd_keras.data.readers.writing import JPEG_QUALITY
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError


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
    options: dict[str, Any] = {"jpeg_quality": packing.jpeg_quality}
    if chosen.keeps_category_ids:
        options["category_ids"] = dataset.category_ids
    if chosen.is_pack:
        options |= {"pixels": packing.pixels, "size": packing.size}
        chosen.write(target, splits, dataset.class_names, **options)
        return
    if packing.pixels or packing.size:
        packs = " and ".join(known.name for known in FORMATS if known.is_pack)
        raise InputError(f"{to} keeps image files as they are: resized images and pixels are for {packs}")
    unfinished = target.with_name(f"unfinished-{target.name}")
    refuse_taken_target(target)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        chosen.write(unfinished, splits, dataset.class_names, **options)
        if target.exists():
            target.rmdir()  # empty
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


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


def _counted(split: Split, on_progress: Callable[[], None]) -> Iterator[Sample]:
    for sample in split:
        yield sample
        on_progress()
