"""The images of folders, object stores and Parquet lists, one after the other: no list of all is made."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.places import CHAINED, is_url, is_web_link, open_place, said_by, unreachable
from ssd_keras.data.images import READABLE_SUFFIXES
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.standard_input import STANDARD_INPUT
from ssd_keras.inference.sources.video_formats import is_video
from ssd_keras.inference.sources.videos import CAMERA_PREFIX

PARQUET = ".parquet"

LIST_COLUMNS = ("path", "image", "uri")
"""Of these, the first that a Parquet list has names the images."""

ROWS_AT_ONCE = 4096

WHAT_TO_GIVE = "give files, folders, URLs of an object store, or Parquet lists"


def check_sources(names: Sequence[str], base: str) -> list[str]:
    """Find what is wrong with sources before anything is started; give the first image of each.

    Raises:
        InputError: a source does not exist, holds no image, or is nothing that many workers can share.
    """
    if not names:
        raise InputError(f"no image given: {WHAT_TO_GIVE}")
    first_images = []
    for name in names:
        if name == STANDARD_INPUT or is_web_link(name):
            what = "standard input" if name == STANDARD_INPUT else f"{name}, a link,"
            raise InputError(f"{what} is not for --engine ray: {WHAT_TO_GIVE}")
        if name.startswith(CAMERA_PREFIX) and not Path(base, name).exists():
            raise InputError(f"{name}, a camera, is not for --engine ray: {WHAT_TO_GIVE}")
        if (image := next(list_images([name], base), None)) is None:
            raise InputError(f"{name} names no image: {WHAT_TO_GIVE} with images")
        first_images.append(image)
    return first_images


def list_images(names: Sequence[str], base: str) -> Iterator[str]:
    """Give the names of all images of sources, in an order that is always the same.

    Folders are gone through by name, one at a time. Of a folder without an image but with Parquet files the
    rows of these are taken.

    Args:
        names: of files, folders, patterns, URLs and Parquet lists.
        base: the folder that paths are relative to.

    Raises:
        InputError: something does not exist, or cannot be read.
    """
    for name in names:
        yield from _of_url(name, base) if is_url(name) else _of_path(name, base)


def _of_path(name: str, base: str) -> Iterator[str]:
    path = Path(base, name)
    if path.is_dir():
        yield from _of_folder(name, base)
        return
    found = [name] if path.is_file() else _matches(name, base)
    for file in found:
        if _suffix(file) == PARQUET:
            yield from _listed(str(Path(base, file)), file)
        elif is_video(Path(base, file)):
            raise InputError(f"{file}, a video, is not for --engine ray: give images, or leave --engine out")
        else:
            yield file


def _matches(pattern: str, base: str) -> list[str]:
    found = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207, Path.glob takes no absolute one
    matches = sorted(str(Path(name)) for name in found if Path(base, name).is_file())
    if not matches:
        raise InputError(f"{pattern} does not exist: {WHAT_TO_GIVE}")
    return matches


def _of_url(name: str, base: str) -> Iterator[str]:
    if CHAINED in name:
        raise InputError(f"{name} leads through several file systems: name such URLs in a Parquet list")
    file_system, path = open_place(name)
    try:
        if file_system.isdir(path):
            yield from _of_folder(name, base)
            return
        is_there = file_system.isfile(path)
    except InputError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise unreachable(name, error) from error
    if not is_there:
        raise InputError(f"{name} does not exist: check the name and the rights")
    if _suffix(name) == PARQUET:
        yield from _listed(name, name)
    else:
        yield name


def _of_folder(name: str, base: str) -> Iterator[str]:
    """Give the images below a folder, or what its Parquet files list where it has no image."""
    lists: list[str] = []
    has_images = False
    for file in _files_below(name, base):
        if _suffix(file) in READABLE_SUFFIXES:
            has_images = True
            yield file
        elif _suffix(file) == PARQUET and not has_images and not _is_hidden(file):
            lists.append(file)
    if not has_images:
        for file in lists:
            yield from _listed(file if is_url(file) else str(Path(base, file)), file)


def _files_below(name: str, base: str) -> Iterator[str]:
    if not is_url(name):
        for file in _local_files_below(Path(base, name)):
            yield str(Path(name, file))
        return
    file_system, path = open_place(name)
    if "file" in file_system.protocol:
        for file in _local_files_below(Path(path)):
            yield str(file_system.unstrip_protocol(str(Path(path, file))))
        return
    url_of = _urls_below(name, file_system, path)
    try:
        yield from map(url_of, _remote_files_below(file_system, path))
    except InputError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise unreachable(name, error) from error


def _local_files_below(root: Path) -> Iterator[Path]:
    """Give paths from a folder on; links are followed, to each folder once, as `ssd detect` follows them."""
    gone_through: set[Path] = set()
    for parent, folders, files in os.walk(root, onerror=_say_unreadable, followlinks=True):
        here = Path(parent)
        if (real := here.resolve()) in gone_through:
            folders.clear()
            continue
        gone_through.add(real)
        folders.sort()
        inside = here.relative_to(root)
        for file in sorted(files):
            yield inside / file


def _say_unreadable(error: OSError) -> None:
    raise InputError(
        f"folder {error.filename} cannot be read ({error.strerror}): check the rights"
    ) from error


def _urls_below(url: str, file_system: Any, folder: str) -> Callable[[str], str]:
    """Give what makes a URL of the path of a file below a folder.

    Some URLs say more than the path, such as the host of ftp://host/folder: it has to stay.
    """
    if not file_system._get_kwargs_from_urls(url):  # its name says otherwise, but fsspec documents it
        return lambda file: str(file_system.unstrip_protocol(file))
    return lambda file: url.rstrip("/") + file.removeprefix(folder.rstrip("/"))


def _remote_files_below(file_system: Any, folder: str) -> Iterator[str]:
    """Give paths folder by folder; only one folder's entries, and its parents' folders, are in memory."""
    entries = [
        (entry["name"], entry["type"])
        for entry in file_system.ls(folder, detail=True)
        if entry["name"].rstrip("/") != folder.rstrip("/")  # the empty object that stands for the folder
    ]
    file_system.invalidate_cache(folder)  # or every folder ever listed stays in memory
    yield from sorted(name for name, kind in entries if kind == "file")
    folders = sorted(name for name, kind in entries if kind == "directory")
    del entries
    for inner in folders:
        yield from _remote_files_below(file_system, inner)


def _listed(place: str, shown: str) -> Iterator[str]:
    """Give the images that the rows of a Parquet file name."""
    parquet = import_library("pyarrow.parquet")
    file_system, path = open_place(place)
    row = 0
    try:
        with file_system.open(path, "rb") as opened:
            table = parquet.ParquetFile(opened)
            column = _name_column(table.schema_arrow, shown)
            for batch in table.iter_batches(ROWS_AT_ONCE, columns=[column]):
                for name in batch.column(0).to_pylist():
                    row += 1
                    if not name:
                        raise InputError(f"{shown}, row {row}, names no image in {column!r}: remove the row")
                    yield name
    except InputError:
        raise
    except Exception as error:  # each file system has errors of its own, and damaged Parquet has several
        raise InputError(
            f"{shown} cannot be read as Parquet ({said_by(error)}): write the list anew"
        ) from error


def _name_column(schema: Any, shown: str) -> str:
    types = import_library("pyarrow.types")
    for column in LIST_COLUMNS:
        if column in schema.names:
            kind = schema.field(column).type
            kind = kind.value_type if types.is_dictionary(kind) else kind
            if types.is_string(kind) or types.is_large_string(kind):
                return column
            raise InputError(f"{shown}: column {column!r} holds {kind}, no text: give paths or URLs there")
    known = ", ".join(LIST_COLUMNS)
    raise InputError(f"{shown} has no column of names of images: call it one of {known}")


def _is_hidden(name: str) -> bool:
    """Tell whether readers of Parquet pass over a file: one that is being written, or no table at all."""
    return PurePosixPath(name).name.startswith(("_", "."))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
