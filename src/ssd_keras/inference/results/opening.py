"""Detections in files: what `ssd detect` writes, in one of several formats, and what is read of it again.

json    detections.json, the list that `ssd detect --json` prints
jsonl   detections.jsonl, the same entries, one a line
csv     detections.csv, a line for each detection, and the names of all classes in ssd-keras.json
coco, voc, yolo   labels with scores, as `results.labels` describes them

Everything is written as it comes, in little memory, and is valid also after an error or Ctrl-C. Results of
an earlier run are replaced, but for folders of labels: these are refused if something is in them, which may
be someone's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from ssd_keras.data.readers.voc.files import IMAGES as JPEG_IMAGES
from ssd_keras.data.readers.yolo.recognising import IMAGES
from ssd_keras.errors import InputError
from ssd_keras.inference.results.coco import CocoLabels
from ssd_keras.inference.results.labels import VocLabels, YoloLabels
from ssd_keras.inference.results.tables import DOCUMENT, LINES, CsvTable, JsonResults
from ssd_keras.inference.results.writer import ResultWriter

STREAMED = {"json": DOCUMENT, "jsonl": LINES}
"""Formats that can go to standard output; the others are labels in files, to be put beside the images."""

LABELS: dict[str, Callable[[Path, Sequence[str], Path | None], ResultWriter]] = {
    "coco": CocoLabels,
    "csv": CsvTable,
    "voc": VocLabels,
    "yolo": YoloLabels,
}

IMAGE_FOLDERS = {"coco": IMAGES, "csv": IMAGES, "voc": JPEG_IMAGES, "yolo": IMAGES}
"""The folder beside labels that `open_dataset` finds their images in."""

RESULT_FORMATS = (*STREAMED, *LABELS)
"""The names of all formats."""


def open_results(
    format: str, out: Path, class_names: Sequence[str], image_root: Path | None = None
) -> ResultWriter:
    """Start writing detections; to be used in a `with` statement, and filled by `ResultWriter.add`.

    Args:
        format: one of `RESULT_FORMATS`.
        out: the folder for the files, which is made.
        class_names: all classes of the detector, in the order of their labels.
        image_root: the folder that all images are in, if there is one: labels name images, and are named, by
            their paths from there, and so find them again in a data set. None: labels are named by the file
            names of the images, and COCO and CSV have the names of images as they were given.

    Raises:
        InputError: there is no such format, the folder cannot be written or has labels already, or a class
            has a name that the format cannot hold.
    """
    _check_format(format, RESULT_FORMATS)
    if format in STREAMED:
        return JsonResults(class_names, STREAMED[format], out=out)
    return LABELS[format](out, class_names, image_root)


def stream_results(format: str, stream: TextIO, class_names: Sequence[str]) -> ResultWriter:
    """Start writing detections to a stream, such as standard output, as "json" or "jsonl".

    Each image is written at once; closing ends the document and leaves the stream open.

    Raises:
        InputError: the format is not one of these.
    """
    _check_format(format, tuple(STREAMED))
    return JsonResults(class_names, STREAMED[format], stream)


def _check_format(format: str, known: Sequence[str]) -> None:
    if format not in known:
        raise InputError(f"there is no format {format!r} here: choose one of {', '.join(known)}")
