"""Which tables make a data set, and the split that the name of each states."""

from __future__ import annotations

from pathlib import Path

from ssd_keras.data.readers.coco.files import DECORATION
from ssd_keras.data.readers.csv.table import has_boxes
from ssd_keras.data.readers.image_finding import image_files
from ssd_keras.data.readers.split_names import SPLIT_FOLDERS, usual_name
from ssd_keras.data.samples import ALL
from ssd_keras.errors import InputError

SPLITS = SPLIT_FOLDERS | {"trainval"}
"""In lower case; a year or another number may stand behind."""


def recognises_csv(path: Path) -> bool:
    """Tell whether `path` is a CSV file, or a folder with some and with images in it or below.

    Tables in the folders inside, as those of splits, count if they are tables of boxes.
    """
    if path.is_dir():
        return bool(_tables_in(path) or _tables_of_folders(path)) and any(image_files(path))
    return path.suffix.lower() == ".csv"


def find_tables(path: Path) -> dict[str, Path]:
    """Give the table of each split; "all" is the split of a single one whose name does not say another.

    Raises:
        InputError: there is no table, or one of several does not say of which split it is.
    """
    if not path.is_dir():
        return _single(path)
    own = _tables_in(path)
    tables = [table for table in own if has_boxes(table)] or _tables_of_folders(path) or own
    if not tables:
        raise InputError(f"{path} has no CSV file: name a folder with one, or the file")
    if len(tables) == 1:
        return _single(tables[0])
    stated = [split for split in map(split_of, tables) if split is not None]
    if len(set(stated)) < len(tables):
        names = ", ".join(table.relative_to(path).as_posix() for table in tables)
        advice = "name one of them, or call them train.csv and val.csv"
        raise InputError(f"{path} has {len(tables)} CSV files ({names}): {advice}")
    return {usual_name(split, stated): table for split, table in zip(stated, tables, strict=True)}


def split_of(table: Path) -> str | None:
    """Give the split that the name of a table states, or else that of its folder, if it is a usual one."""
    stated = DECORATION.sub("", table.stem) or table.absolute().parent.name
    name = stated.lower()
    return name if name.rstrip("0123456789") in SPLITS else None


def _single(table: Path) -> dict[str, Path]:
    return {usual_name(split_of(table) or ALL, ()): table}


def _tables_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv" and file.is_file())


def _tables_of_folders(path: Path) -> list[Path]:
    """The tables of boxes in the folders that `path` has."""
    inside = sorted(entry for entry in path.iterdir() if entry.is_dir())
    return [table for folder in inside for table in _tables_in(folder) if has_boxes(table)]
