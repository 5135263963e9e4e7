"""What stands in the files of a data set and has no place in a copy: it is told, not lost without a word."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ssd_keras.data.inspection.looking import distinct_samples
from ssd_keras.data.readers.voc import annotation_of
from ssd_keras.data.samples import Dataset

LARGEST_FILE = 1 << 30
"""Bytes of a JSON file that is searched; larger ones only the reader can take, bit by bit."""

COCO_KEPT = {
    "": {"images", "annotations", "categories"},
    "images": {"id", "file_name", "width", "height"},
    "annotations": {
        *("id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore"),
        *("difficult", "truncated"),
    },
    "categories": {"id", "name"},
}
VOC_KEPT = {"folder", "filename", "path", "size", "object"}
VOC_KEPT_OF_OBJECT = {"name", "truncated", "difficult", "crowd", "area", "bndbox"}
VOC_EMPTY = {"", "0", "Unspecified", "Unknown"}
"""What annotation tools write where they have nothing to say."""


def not_carried_over(data: Path, dataset: Dataset) -> list[str]:
    """Say what of the files of a data set is not in a copy of it, a sentence each; nothing where all is.

    Args:
        data: the folder or file that was read.
        dataset: what was read from it.
    """
    counts: Counter[str] = Counter()
    search: Callable[[], Iterator[str]] | None = {
        "voc": lambda: _of_voc(dataset),
        "coco": lambda: _of_coco(data),
    }.get(dataset.format.split(",")[0])
    if search is not None:
        counts.update(search())
    if not counts:
        return []
    named = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return [f"not carried over, for this program has no place for it: {named}"]


def _of_voc(dataset: Dataset) -> Iterator[str]:
    for sample in distinct_samples(dataset).values():
        if isinstance(sample.image, Path):
            try:
                root = fromstring(annotation_of(sample.image).read_bytes())
            except (OSError, ValueError, LookupError, DefusedXmlException, ElementTree.ParseError):
                continue  # the reader has told it
            yield from _filled(root, VOC_KEPT)
            for element in root.findall("object"):
                yield from _filled(element, VOC_KEPT_OF_OBJECT)


def _filled(element: ElementTree.Element, kept: set[str]) -> Iterator[str]:
    """The names of what stands in an element, says something, and is not kept."""
    for child in element:
        texts = (text.strip() for text in child.itertext())
        if child.tag not in kept and any(text not in VOC_EMPTY for text in texts):
            yield str(child.tag)


def _of_coco(data: Path) -> Iterator[str]:
    for file in sorted(data.rglob("*.json")) if data.is_dir() else [data]:
        try:
            content = json.loads(file.read_bytes()) if file.stat().st_size <= LARGEST_FILE else {}
        except (OSError, ValueError, RecursionError):
            continue  # the reader has told it
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            yield from (key for key in content if key not in COCO_KEPT[""] and content[key])
            for name in ("images", "annotations", "categories"):
                yield from _filled_keys(content.get(name), COCO_KEPT[name])


def _entries(content: Any) -> Iterable[dict[str, Any]]:
    return (entry for entry in content if isinstance(entry, dict)) if isinstance(content, list) else ()


def _filled_keys(content: Any, kept: set[str]) -> Iterator[str]:
    for entry in _entries(content):
        yield from (
            key for key, value in entry.items() if key not in kept and value not in (None, "", [], {})
        )
