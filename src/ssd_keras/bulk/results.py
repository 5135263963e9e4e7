"""The results of bulk detection: a folder, or a prefix of an object store, with a Parquet file a shard.

One row an image: `image` (its name as listed), `height` and `width` in pixels, `detections`, a list of
structs of `label`, `score` and `box` (x0, y0, x1, y1 in pixels of the image), and `error`, why it could not
be read: then the other columns but `image` are null. A list of structs, and not three lists side by side, as
what belongs together cannot come apart in it: DuckDB unnests it to a row an object, and pandas and pyarrow
give for each image what `ssd detect --json` prints.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.places import is_url, open_place, said_by, unreachable, without_passwords
from ssd_keras.bulk.settings import Origin
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.reading_ahead import read_ahead

METADATA_KEY = b"ssd_keras"
"""Under which the schema of a file holds its `Origin`."""

UNFINISHED = "_unfinished-"
"""Begins the names of files that are being written: readers of Parquet pass over names with an underscore."""

SUFFIX = ".parquet"

FILES_AT_ONCE = 16

Row = tuple[str, Detections | InputError]
"""The name of an image with what was found in it, or why it could not be read."""


class ResultFolder:
    """Where results are, on a disk or in an object store.

    Args:
        url: a path, or a URL that fsspec knows.

    Raises:
        InputError: fsspec does not know it.
    """

    def __init__(self, url: str) -> None:
        self.url = without_passwords(url)
        self._files, path = open_place(url if is_url(url) else str(Path(url).absolute()))
        self._path = path.rstrip("/")
        self._begun: dict[str, str] = {}  # the last mark of each name that was begun here

    def prepare(self) -> None:
        """Make the folder, and remove what a kill left unfinished in it.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self._files.makedirs(self._path, exist_ok=True)
            for name in self._names():
                if name.startswith(UNFINISHED):
                    self._files.rm_file(f"{self._path}/{name}")
        except Exception as error:  # each file system has errors of its own
            raise self._unwritable(error) from error

    def finished(self) -> list[str]:
        """Give the names of all files of results, in order; empty where there is no such folder."""
        try:
            return sorted(n for n in self._names() if n.endswith(SUFFIX) and not n.startswith((".", "_")))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise unreachable(self.url, error) from error

    def _names(self) -> list[str]:
        self._files.invalidate_cache(self._path)
        return [str(path).rpartition("/")[2] for path in self._files.ls(self._path, detail=False)]

    def read(self, name: str, columns: list[str] | None = None) -> Any:
        """Give the `pyarrow.Table` of a file; None where there is none.

        Raises:
            InputError: it is damaged.
        """
        parquet = import_library("pyarrow.parquet")
        try:
            with self._files.open(f"{self._path}/{name}", "rb") as opened:
                return parquet.read_table(opened, columns=columns)
        except FileNotFoundError:
            return None
        except Exception as error:  # damaged Parquet has several of its own, too
            raise self._damaged(name, error) from error

    def origin(self, name: str) -> tuple[Origin, int]:
        """Say what the results of a file depend on, and how many images it has.

        Raises:
            InputError: it is no file of results.
        """
        parquet = import_library("pyarrow.parquet")
        try:
            with self._files.open(f"{self._path}/{name}", "rb") as opened:
                file = parquet.ParquetFile(opened)
                stated = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
                rows = int(file.metadata.num_rows)
        except Exception as error:
            raise self._damaged(name, error) from error
        if stated is None:
            raise InputError(
                f"{self.url}/{name} is no file of 'ssd detect --engine ray': choose another --out"
            )
        return Origin.parse(stated, f"{self.url}/{name}"), rows

    def begin(self, name: str) -> int:
        """Leave a mark that something is begun, and say how often it was before, in vain, in this run.

        Raises:
            InputError: the mark cannot be written.
        """
        tries = len(list(self._marks(name)))
        self._begun[name] = self._mark(name, tries)
        try:
            self._files.pipe_file(self._begun[name], b"begun")
        except Exception as error:
            raise self._unwritable(error) from error
        return tries

    def end(self, name: str) -> None:
        """Remove the marks of what was begun, as it is done now."""
        marks = set(self._marks(name))
        if name in self._begun:  # which is not in that row if another worker ended those before it meanwhile
            marks.add(self._begun.pop(name))
        for mark in marks:
            with suppress(FileNotFoundError):  # another worker did it
                self._files.rm_file(mark)

    def _marks(self, name: str) -> Iterator[str]:
        for number in count():
            if not self._files.exists(mark := self._mark(name, number)):
                return
            yield mark

    def _mark(self, name: str, number: int) -> str:
        return f"{self._path}/{UNFINISHED}{number}-{name}.begun"

    def write(self, name: str, table: Any) -> None:
        """Write a file whole or not at all: under another name first.

        Raises:
            InputError: it cannot be written.
        """
        parquet = import_library("pyarrow.parquet")
        unfinished = f"{self._path}/{UNFINISHED}{secrets.token_hex(4)}-{name}"
        try:
            with self._files.open(unfinished, "wb") as opened:
                parquet.write_table(table, opened, compression="zstd")
                opened.flush()
                if "file" in self._files.protocol:  # before its name says that it is whole
                    os.fsync(opened.fileno())
            self._files.mv(unfinished, f"{self._path}/{name}")
            self.end(name)
        except Exception as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or said_by(error)
        return InputError(
            f"{self.url} cannot be written ({reason}): make room there, check the rights, or choose another "
            "--out"
        )

    def _damaged(self, name: str, error: Exception) -> InputError:
        return InputError(
            f"{self.url}/{name} cannot be read ({said_by(error)}): remove it, and its images are done again"
        )


def make_table(rows: Iterable[Row], origin: Origin) -> Any:
    """Give the `pyarrow.Table` of a file of results."""
    pyarrow = import_library("pyarrow")
    columns: dict[str, list[Any]] = {name: [] for name in ("image", "height", "width", "detections", "error")}
    for name, found in rows:
        values: tuple[Any, ...]
        if isinstance(found, InputError):
            values = (name, None, None, None, str(found))
        else:
            values = (name, *found.size, [detection._asdict() for detection in found], None)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return pyarrow.table(columns, schema=_schema().with_metadata({METADATA_KEY: origin.as_json()}))


def _schema() -> Any:
    pyarrow = import_library("pyarrow")
    found = pyarrow.struct(
        {"label": pyarrow.string(), "score": pyarrow.float32(), "box": pyarrow.list_(pyarrow.float32())}
    )
    return pyarrow.schema(
        {
            "image": pyarrow.string(),
            "height": pyarrow.int32(),
            "width": pyarrow.int32(),
            "detections": pyarrow.list_(found),
            "error": pyarrow.string(),
        }
    )


def count_objects(table: Any) -> Counter[str]:
    """Count the objects of each class in a table of results."""
    compute = import_library("pyarrow.compute")
    found = compute.list_flatten(table["detections"].combine_chunks())
    counts = compute.value_counts(found.field("label")).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts})


def count_errors(table: Any) -> int:
    """Count the images of a table of results that could not be read."""
    return int(table.num_rows - table["error"].null_count)


def done_images(folder: ResultFolder, files: Iterable[str]) -> Iterator[list[str]]:
    """Give the names of the images that have a row, file by file.

    Raises:
        InputError: a file is gone, or damaged.
    """
    pool = ThreadPoolExecutor(FILES_AT_ONCE, "read_results")
    try:
        reads = (pool.submit(folder.read, file, ["image"]) for file in files)
        for future in read_ahead(reads, FILES_AT_ONCE):
            if (table := future.result()) is None:
                raise InputError(f"a file of results went away from {folder.url}: start again")
            yield table["image"].to_pylist()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def read_bulk(folder: str | Path) -> Iterator[Row]:
    """Read results, image by image; one file is in memory at a time.

    Args:
        folder: the `--out` of `ssd detect --engine ray`, a path or a URL.

    Yields:
        The name of each image with its `Detections`, or with the `InputError` why it could not be read.

    Raises:
        InputError: there are no results, or a file of them is damaged.
    """
    results = ResultFolder(str(folder))
    files = results.finished()
    if not files:
        raise InputError(f"{folder} holds no results: give the --out of 'ssd detect --engine ray'")
    for file in files:
        class_names = results.origin(file)[0].class_names
        for row in results.read(file).to_pylist():
            yield row["image"], _found(row, class_names)


def _found(row: dict[str, Any], class_names: tuple[str, ...]) -> Detections | InputError:
    if row["error"] is not None:
        return InputError(row["error"])
    found = row["detections"]
    labels = [class_names.index(one["label"]) for one in found]
    boxes, scores = [one["box"] for one in found], [one["score"] for one in found]
    return Detections(boxes, scores, labels, class_names, (row["height"], row["width"]))
