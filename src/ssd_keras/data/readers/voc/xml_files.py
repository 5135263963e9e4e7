"""What one annotation file of Pascal VOC states, and what is wrong with it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ssd_keras.data.checks import BOX_ADVICE, CORNERS, area_of, check_box, usable_size
from ssd_keras.data.readers.assembly import NamedBox
from ssd_keras.data.samples import Problem

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST_ANNOTATION = 1 << 24
"""Bytes; thousands of objects take less, and a larger file would take a hundred times its size of memory."""

DECLARATION = b"<!"
"""Begins a document type, and also comments."""

CROWD, DIFFICULT, AREA = "crowd", "difficult", "area"
"""Tags for what VOC does not know, and an attribute of the first: a crowd is marked as difficult, too."""


class UnusableError(Exception):
    """An image is left out; `problem` says why."""

    def __init__(self, file: Path, problem: str, advice: str) -> None:
        self.problem = Problem(str(file), f"{problem}, so the image is left out", advice)


def parse_annotation(annotation: Path) -> Element:
    """Parse an annotation file, or raise `UnusableError`."""
    try:
        element = _parse(_content(annotation))
    except OSError as error:
        raise UnusableError(annotation, f"cannot be read ({error.strerror})", "check the file") from error
    except DefusedXmlException as error:
        problem = "declares XML entities, which is refused"
        raise UnusableError(annotation, problem, "remove the declarations") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnusableError(annotation, f"is no XML ({error})", "correct or replace the file") from error
    if element.tag != "annotation":
        problem = f"has <{element.tag}> where <annotation> belongs"
        raise UnusableError(annotation, problem, "correct or replace the file")
    return element


def _parse(content: bytes) -> Element:
    """Parse XML from strangers.

    defusedxml refuses entities, which only a document type can declare, and parses in Python. Where there is
    nothing to refuse, the parser in C does it in a third of the time; only UTF-16 could hide it from the eye.
    """
    harmless = DECLARATION not in content and b"\0" not in content
    return ElementTree.fromstring(content) if harmless else fromstring(content)


def _content(annotation: Path) -> bytes:
    """Read an annotation file; `ValueError` where it is too large for one."""
    if annotation.stat().st_size > LARGEST_ANNOTATION:
        raise ValueError(f"it has more than {LARGEST_ANNOTATION >> 20} MiB")
    return annotation.read_bytes()


def stated_size(root: Element) -> tuple[int, int] | None:
    """Give (height, width) of the image, or None where none is stated that makes sense."""
    return usable_size(root.findtext("size/height"), root.findtext("size/width"))


def read_objects(
    root: Element, size: tuple[int, int] | None, annotation: Path
) -> tuple[list[NamedBox], list[Problem]]:
    """Read the objects of an image of `size`, and what is wrong with them."""
    boxes, problems = [], []
    for number, element in enumerate(root.findall("object"), 1):
        box, fault = _read_object(element, size)
        if box is not None:
            boxes.append(box)
        if fault is not None:
            problems.append(Problem(str(annotation), f"box {number} {fault}", BOX_ADVICE))
    return boxes, problems


def _read_object(element: Element, size: tuple[int, int] | None) -> tuple[NamedBox | None, str | None]:
    """Read one object, and what is wrong with it; an object's parts have boxes of their own deeper inside."""
    name = (element.findtext("name") or "").strip()
    if not name:
        return None, "has no name and is left out"
    bndbox = element.find("bndbox")
    if bndbox is None:
        return None, "has no bndbox and is left out"
    box, fault = check_box([bndbox.findtext(corner) for corner in CORNERS], size)
    if box is None:
        return None, fault
    crowd, truncated = (_is_set(element.findtext(flag)) for flag in (CROWD, "truncated"))
    area = area_of(element.findtext(AREA))
    return NamedBox(name, box, _is_difficult(element), crowd, truncated, area), fault


def _is_difficult(element: Element) -> bool:
    """Tell whether an object is difficult; of a crowd, only our own tag says so."""
    crowd = element.find(CROWD)
    stated = None if crowd is None else crowd.get(DIFFICULT)
    return _is_set(element.findtext(DIFFICULT) if stated is None else stated)


def _is_set(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true")
