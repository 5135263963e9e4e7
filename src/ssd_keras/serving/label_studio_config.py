"""The label config of a Label Studio project: where its rectangles belong, and which labels they may have."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ssd_keras.data.checks import shown_text
from ssd_keras.serving.refusals import UNPROCESSABLE, Refusal

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST_CONFIG = 1 << 20
"""Characters; thousands of labels take less."""

MOST_CONTROLS = 1000
MOST_LEVELS = 50
"""Tags within tags; projects have a handful. For each level all labels may be looked at once more."""

SHOWN_NAMES = 10


class RectangleControl(NamedTuple):
    """A `RectangleLabels` tag and the `Image` tag that it labels.

    Attributes:
        from_name: the name of the control.
        to_name: the name of the image.
        data_key: under which a task has the image's address.
        labels: the project's word for each class of the model that it has a label for.
    """

    from_name: str
    to_name: str
    data_key: str
    labels: Mapping[str, str]


def read_controls(label_config: str, class_names: Sequence[str]) -> list[RectangleControl]:
    """Find the controls of a label config that take rectangles of the model's classes.

    Labels and classes are matched by their names, exactly or else without regard to case; labels that the
    model does not know and classes that the project does not want are left out.

    Raises:
        Refusal: 422 it is no XML, has no `RectangleLabels` for an `Image`, no label that is a class, or too
            many controls or levels.
    """
    root = _parsed(label_config)
    _check_extent(root)
    keys = _image_keys(root)
    controls = [
        (control, [label for label, _ in _tags(element, "label") if "value" in label])
        for control, element in _tags(root, "rectanglelabels")
        if control.get("name") and control.get("toname") in keys
    ]
    if not controls:
        raise Refusal(
            UNPROCESSABLE,
            'the label config has no <RectangleLabels> for an <Image value="$...">: add one, '
            "rectangles are all that the model can draw",
        )
    usable = [
        RectangleControl(control["name"], control["toname"], keys[control["toname"]], labels)
        for control, offered in controls
        if (labels := _known_labels(offered, class_names))
    ]
    if not usable:
        names = [label["value"] for _, offered in controls for label in offered]
        raise Refusal(
            UNPROCESSABLE,
            f"none of the labels ({_listed(names)}) is a class of the model ({_listed(class_names)}): "
            "name the labels as the classes",
        )
    return usable


def _check_extent(root: Element) -> None:
    """Refuse what would take long to go through."""
    if sum(1 for _ in _tags(root, "rectanglelabels")) > MOST_CONTROLS:
        raise Refusal(
            UNPROCESSABLE, f"the label config has more than {MOST_CONTROLS:,} <RectangleLabels>: use fewer"
        )
    level, levels = [root], 0
    while level:
        level, levels = [child for element in level for child in element], levels + 1
        if levels > MOST_LEVELS:
            raise Refusal(
                UNPROCESSABLE,
                f"the label config has more than {MOST_LEVELS} tags within each other: nest less",
            )


def _image_keys(root: Element) -> dict[str, str]:
    """Give the key of the task's data that has the address, for each `Image` by its name."""
    return {
        image["name"]: image["value"][1:]
        for image, _ in _tags(root, "image")
        if image.get("name") and image.get("value", "").startswith("$")
    }


def is_blank(label_config: str) -> bool:
    """Tell whether a label config has no tags besides its root yet, as that of a new project.

    Raises:
        Refusal: 422 it is no XML.
    """
    return not label_config.strip() or not len(_parsed(label_config))


def _parsed(label_config: str) -> Element:
    if len(label_config) > LARGEST_CONFIG:
        raise Refusal(
            UNPROCESSABLE, f"the label config has more than {LARGEST_CONFIG:,} characters: shorten it"
        )
    try:
        parsed: Element = fromstring(label_config)
    except DefusedXmlException as error:
        raise Refusal(
            UNPROCESSABLE, "the label config declares XML entities, which is refused: remove them"
        ) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Refusal(UNPROCESSABLE, f"the label config is no XML ({error}): correct it") from error
    return parsed


def _tags(root: Element, name: str) -> Iterator[tuple[dict[str, str], Element]]:
    """Give the tags of a name, with their attributes; Label Studio does not regard the case of either."""
    for element in root.iter():
        if element.tag.lower() == name:
            yield {key.lower(): value for key, value in element.attrib.items()}, element


def _known_labels(offered: Sequence[Mapping[str, str]], class_names: Sequence[str]) -> dict[str, str]:
    """Give the label of each class that has one; an alias is what Label Studio writes in place of a label."""
    exact: dict[str, str] = {}
    alike: dict[str, str] = {}
    for label in offered:
        written = label.get("alias") or label["value"]
        for word in (label["value"], written):
            exact.setdefault(word, written)
            alike.setdefault(word.strip().casefold(), written)
    found = ((name, exact.get(name) or alike.get(name.strip().casefold())) for name in class_names)
    return {name: written for name, written in found if written}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shown_text(name) for name in names[:SHOWN_NAMES]) or "none"
    return f"{shown}, ..." if len(names) > SHOWN_NAMES else shown
