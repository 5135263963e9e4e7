"""Detections as a COCO data set with scores, and as the list of results that COCO's tools load.

    detections_coco.json           images, categories and annotations, each of these with a "score"
    detections_coco_results.json   [{"image_id", "category_id", "bbox": [x, y, w, h], "score"}, ...]

`open_dataset` reads the first where the images are found from its folder by their `file_name`. A frame of a
video counts as the image VIDEO_000012.jpg.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssd_keras.boxes.formats import box_area
from ssd_keras.data.readers.writing import writable_class_names
from ssd_keras.detections import Detections
from ssd_keras.evaluation.coco import xyxy_to_xywh
from ssd_keras.files import whole_file
from ssd_keras.inference.results.names import frame_name, path_from_root
from ssd_keras.inference.results.writer import GrowingFile, ResultWriter, shown_time

COCO_FILE, COCO_RESULTS = "detections_coco.json", "detections_coco_results.json"

LARGEST_NUMBER = 18
"""Digits of an image's name that is its number; more may not fit into the integers of other programs."""


class CocoLabels(ResultWriter):
    """A COCO data set of what was found, and the list of results beside it.

    An image whose name is a number, as those of COCO, has it as its id; others are numbered. Categories are
    numbered from 1, in the order of the classes. The list of results is valid at any time, the data set is
    put together when it is closed: its lists of images and annotations grow at the same time.
    """

    def __init__(self, out: Path, class_names: Sequence[str], image_root: Path | None = None) -> None:
        super().__init__(writable_class_names(class_names))
        self.paths = (out / COCO_FILE, out / COCO_RESULTS)
        self._image_root = image_root
        self._image_ids: set[int] = set()
        self._last_id = self._annotations_written = 0
        self._results = _GrowingList(out / COCO_RESULTS, "[\n", "\n]\n")
        self._images = _GrowingList(out / f"unfinished-images-{COCO_FILE}")
        self._annotations = _GrowingList(out / f"unfinished-annotations-{COCO_FILE}")

    def _write(self, name: str, detections: Detections, frame: int | None, time: float | None) -> None:
        number = self._image_id(name if frame is None else "")
        annotations = self._entries(number, detections)
        keys = ("image_id", "category_id", "bbox", "score")
        self._results.append([{key: entry[key] for key in keys} for entry in annotations])
        self._annotations.append(annotations)
        height, width = detections.size
        image: dict[str, Any] = {"id": number, "file_name": self._file_name(name, frame)}
        image |= {"height": height, "width": width}
        if frame is not None:
            image |= {"video": name, "frame": frame}
        self._images.append([image if time is None else image | {"time": shown_time(time)}])

    def _entries(self, image: int, detections: Detections) -> list[dict[str, Any]]:
        boxes = detections.boxes_px.astype(np.float64)
        found = zip(
            detections.labels.tolist(),
            xyxy_to_xywh(boxes).tolist(),
            box_area(boxes).tolist(),
            detections.scores.tolist(),
            strict=True,
        )
        entries = [
            {
                "id": self._annotations_written + number,
                "image_id": image,
                "category_id": label + 1,
                "bbox": box,
                "area": area,
                "iscrowd": 0,
                "score": score,
            }
            for number, (label, box, area, score) in enumerate(found, start=1)
        ]
        self._annotations_written += len(entries)
        return entries

    def _image_id(self, name: str) -> int:
        """The number that is the name of an image, or else the next that no image has."""
        stem = Path(name).stem
        number = int(stem) if stem.isascii() and stem.isdigit() and len(stem) <= LARGEST_NUMBER else None
        if number is None or number in self._image_ids:
            self._last_id += 1
            while self._last_id in self._image_ids:
                self._last_id += 1
            number = self._last_id
        self._image_ids.add(number)
        return number

    def _file_name(self, name: str, frame: int | None) -> str:
        path = path_from_root(name, self._image_root)
        if frame is not None:
            return str(path.parent / f"{frame_name(path.stem, frame)}.jpg")
        return name if self._image_root is None else str(path)

    def _finish(self) -> None:
        parts = {"images": self._images, "annotations": self._annotations}
        for part in (self._results, *parts.values()):
            part.close()
        categories = [{"id": number, "name": name} for number, name in enumerate(self._class_names, start=1)]
        with whole_file(self.paths[0]) as unfinished, unfinished.open("wb") as file:
            file.write(f'{{\n"categories": {json.dumps(categories, ensure_ascii=False)}'.encode())
            for key, part in parts.items():
                file.write(f',\n"{key}": [\n'.encode())
                with part.path.open("rb") as written:
                    shutil.copyfileobj(written, file)
                file.write(b"\n]")
            file.write(b"\n}\n")
        for part in parts.values():
            part.path.unlink()


class _GrowingList(GrowingFile):
    """The entries of a JSON list in a file, with a comma between two of them."""

    def __init__(self, path: Path, start: str = "", end: str = "") -> None:
        super().__init__(path, start, end)
        self._separator = ""

    def append(self, entries: Any) -> None:
        """Write some more entries; or text as it is."""
        if isinstance(entries, str):
            super().append(entries)
        elif entries:
            texts = (json.dumps(entry, ensure_ascii=False) for entry in entries)
            super().append(self._separator + ",\n".join(texts))
            self._separator = ",\n"
