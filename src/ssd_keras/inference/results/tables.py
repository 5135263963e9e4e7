"""Detections of all images in one file: JSON, JSON lines, CSV."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ssd_keras.data.checks import CORNERS
from ssd_keras.data.readers.writing import number_text, writable_class_names
from ssd_keras.detections import Detections
from ssd_keras.inference.results.names import path_from_root
from ssd_keras.inference.results.writer import (
    GrowingFile,
    ResultWriter,
    Sink,
    StreamSink,
    shown_time,
    state_classes,
)

CSV_FILE = "detections.csv"
COLUMNS = ("image", "frame", "time", "class", "score", *CORNERS)


class JsonLayout(NamedTuple):
    """What stands around the entries of a file: at its ends, between two of them, and behind each."""

    file_name: str
    start: str = ""
    between: str = ""
    behind: str = ""
    end: str = ""


DOCUMENT = JsonLayout("detections.json", start="[", between=",\n ", end="]\n")
LINES = JsonLayout("detections.jsonl", behind="\n")


def as_entry(
    name: str, detections: Detections, frame: int | None = None, time: float | None = None
) -> dict[str, Any]:
    """Give what JSON says of one image: its name, its size, what was found; of a video also which frame."""
    entry: dict[str, Any] = {"image": name}
    if frame is not None:
        entry["frame"] = frame
    if time is not None:
        entry["time"] = shown_time(time)
    return entry | {"size": list(detections.size), "detections": detections.as_json()}


class JsonResults(ResultWriter):
    """What `as_entry` says of each image, as one JSON document or one a line.

    Args:
        class_names: all classes of the detector.
        layout: what stands around the entries.
        stream: where they go, at once each; it stays open.
        out: or the folder for the file.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        layout: JsonLayout,
        stream: TextIO | None = None,
        out: Path = Path(),
    ) -> None:
        super().__init__(class_names)
        self._layout = layout
        self._sink: Sink
        if stream is not None:
            self._sink = StreamSink(stream, layout.start, layout.end)
        else:
            self.paths = (out / layout.file_name,)
            self._sink = GrowingFile(self.paths[0], layout.start, layout.end)
        self._before = ""
        self._is_ascii = stream is not None and not _takes_all_letters(stream)

    def _write(self, name: str, detections: Detections, frame: int | None, time: float | None) -> None:
        text = json.dumps(as_entry(name, detections, frame, time), ensure_ascii=self._is_ascii)
        self._sink.append(self._before + text + self._layout.behind)
        self._before = self._layout.between

    def _finish(self) -> None:
        self._sink.close()


class CsvTable(ResultWriter):
    """A table with a line for each detection; one with the image only stands for nothing found."""

    def __init__(self, out: Path, class_names: Sequence[str], image_root: Path | None = None) -> None:
        super().__init__(writable_class_names(class_names))
        self._image_root = image_root
        self.paths = (out / CSV_FILE,)
        self._file = GrowingFile(self.paths[0], _lines([COLUMNS]))
        state_classes(out, self._class_names)

    def _write(self, name: str, detections: Detections, frame: int | None, time: float | None) -> None:
        image = name if self._image_root is None else str(path_from_root(name, self._image_root))
        shown = "" if frame is None else str(frame), "" if time is None else str(shown_time(time))
        rows = [
            (image, *shown, found.label, *map(number_text, (found.score, *found.box))) for found in detections
        ]
        self._file.append(_lines(rows or [(image, *shown, *[""] * (len(COLUMNS) - 3))]))

    def _finish(self) -> None:
        self._file.close()


def _takes_all_letters(stream: TextIO) -> bool:
    """Tell whether a stream is encoded in Unicode; a terminal or a pipe may be set to anything else."""
    encoding = getattr(stream, "encoding", None)
    return encoding is None or codecs.lookup(encoding).name.startswith("utf")


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
