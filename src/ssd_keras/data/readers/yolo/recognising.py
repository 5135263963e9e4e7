"""How the files of YOLO data sets are called and how they begin: enough to tell one from other data."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ssd_keras.data.readers.image_finding import is_image_name

DESCRIPTION, IMAGES, LABELS = "data.yaml", "images", "labels"
"""The names that `write_yolo` gives."""

LABELS_FOR = {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}
"""Folders of images, and what the folder of their labels is called."""

DESCRIPTIONS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
"""Where there are several YAML files, the first of these counts."""

STATED_KEY = re.compile(
    rb"""(?:^|[{,])[ \t]*["']?(names|nc|train|val|valid|validation|test)["']?[ \t]*:""", re.M
)

LABEL_LINE = re.compile(rb"\s*\d+(?:\.0*)?(?:[ \t]+[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?){4}(?=\s|$)")
"""How a label file begins; written so that no text makes the search slow."""

LARGEST_DESCRIPTION = 1 << 19
"""Bytes; a larger file is no description of a data set."""

LOOK_BYTES = 1 << 13
MOST_LOOKED_AT = 200
"""Label files that are looked at to recognise a data set without description."""

MOST_FILES = 20


def recognises_yolo(path: Path) -> bool:
    """Tell whether `path` is the YAML file of a YOLO data set, or a folder with one or with YOLO's labels.

    Only the beginnings of a few files are looked at.
    """
    try:
        if not path.is_dir():
            return _looks_like_description(path)
        return bool(find_descriptions(path)) or any(map(looks_like_labels, _possible_labels(path)))
    except (OSError, ValueError):
        return False


def find_descriptions(folder: Path) -> list[Path]:
    """Give the YAML files of a folder that look like descriptions of data sets, sorted."""
    files = (file for file in sorted(folder.iterdir()) if file.suffix.lower() in (".yaml", ".yml"))
    return [file for file in itertools.islice(files, MOST_FILES) if _looks_like_description(file)]


def _looks_like_description(file: Path) -> bool:
    if file.suffix.lower() not in (".yaml", ".yml") or not file.is_file():
        return False
    if file.stat().st_size > LARGEST_DESCRIPTION:
        return False
    keys = set(STATED_KEY.findall(file.read_bytes()))
    names_splits = bool(keys - {b"names", b"nc"}) or file.name in DESCRIPTIONS  # splits of any other name
    return bool(keys & {b"names", b"nc"}) and names_splits


def _possible_labels(root: Path) -> Iterator[Path]:
    """A few text files from where labels may be: below labels/, or beside an image of their name."""
    inside = sorted(entry for entry in root.iterdir() if entry.is_dir())
    places = [*(entry for entry in inside if entry.name in LABELS_FOR.values())]
    places += [entry / name for entry in inside for name in LABELS_FOR.values() if (entry / name).is_dir()]
    below = (Path(place, name) for top in places for place, _, names in os.walk(top) for name in names)
    yield from itertools.islice((file for file in below if file.suffix.lower() == ".txt"), MOST_LOOKED_AT)
    beside = (file for folder in (root, *inside) for file in folder.iterdir() if is_image_name(file.name))
    yield from (image.with_suffix(".txt") for image in itertools.islice(beside, MOST_LOOKED_AT))


def looks_like_labels(file: Path) -> bool:
    """Tell whether there is a file that begins with a line of labels."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return LABEL_LINE.match(opened.read(LOOK_BYTES).removeprefix(b"\xef\xbb\xbf")) is not None
