"""A page about a data set: what an inspection found, with pictures, in one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jinja2 import Environment
from markupsafe import Markup, escape
from numpy.typing import NDArray

from ssd_keras.boxes.formats import relative_to_px
from ssd_keras.data.augment.one_touch import Augmentation
from ssd_keras.data.checks import counted, shown_text
from ssd_keras.data.images import read_image, resize_image
from ssd_keras.data.inspection import Inspection
from ssd_keras.data.inspection.anchor_fit import AnchorFit
from ssd_keras.data.samples import Dataset, GroundTruth, Sample
from ssd_keras.errors import InputError
from ssd_keras.inference.drawing import class_colour, draw_ground_truth, tile_pictures

PICTURES = 12
"""So many images of the data set are shown, spread over all of it."""

PICTURE_SIDE = 360
"""Of the longer side of a picture in the page, in pixels."""

SHEET_SIDE = 640
"""Of the longer side of a picture on a sheet, in pixels, at most."""

LEAST_SIDE = 240
"""Of the longer side of a picture on a sheet, in pixels, at least."""

SHOWN_TINY = 50
"""Of more images with tiny boxes than these only the number is told."""

PAGE_START = b"<!doctype html>\n<!-- ssd inspect -->"
"""How the page begins, so that it is known when it is to be written once more."""

SHOWN_PROBLEMS = 500
"""More problems than these are counted only."""


class Bar(NamedTuple):
    """One line of a diagram: its name, its number, its length in percent and its colour."""

    name: str
    number: int
    percent: float
    colour: str


class Picture(NamedTuple):
    """A picture as it stands in the page."""

    name: str
    data: str


def write_data_page(file: Path, dataset: Dataset, found: Inspection, title: str) -> None:
    """Write the page about `dataset`, of which `found` says what is in it.

    Raises:
        InputError: the file cannot be written.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown_text
    environment.filters["breakable"] = _breakable
    environment.globals["counted"] = counted
    template = files("ssd_keras.inference").joinpath("data_page.html").read_text(encoding="utf-8")
    text = environment.from_string(template).render(
        title=title,
        found=found,
        classes=class_bars(found),
        sizes=size_bars(found),
        box_sides=side_bars(found.anchor_fit) if found.anchor_fit else [],
        tiny=list(found.tiny_boxes.items())[:SHOWN_TINY],
        pictures=sample_pictures(dataset),
        problems=found.problems[:SHOWN_PROBLEMS],
        more_problems=max(0, len(found.problems) - SHOWN_PROBLEMS),
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror}): choose another --report") from error


def _breakable(path: str) -> Markup:
    """Let a path go on in the next line behind a slash, and not in the middle of a name."""
    return escape(path).replace("/", Markup("/<wbr>"))


def class_bars(found: Inspection) -> list[Bar]:
    """Give the number of boxes of each class."""
    most = max([*found.classes.values(), 1])
    return [
        Bar(name, boxes, 100 * boxes / most, "rgb({}, {}, {})".format(*class_colour(label)))
        for label, (name, boxes) in enumerate(found.classes.items())
    ]


def size_bars(found: Inspection) -> list[Bar]:
    """Give the sizes of boxes, relative to their images, by quantiles, in percent."""
    return [
        Bar(quantile, round(100 * size), 100 * size, "#5b7c99") for quantile, size in found.box_sizes.items()
    ]


class SideBar(NamedTuple):
    """The boxes of a range of sizes: how many, how many of them are covered, and by which feature maps."""

    name: str
    boxes: int
    covered: int
    covered_percent: float
    other_percent: float
    layers: str


def side_bars(fit: AnchorFit) -> list[SideBar]:
    """Give the boxes by their sizes in the network's input, and which feature maps have such anchors."""
    most = max([1, *(one.boxes for one in fit.sizes)])
    layers = ["{}×{}".format(*layer.feature_size) for layer in fit.coverage.layers]
    return [
        SideBar(
            f"{one.low_px:.0f}–{one.high_px:.0f} px",
            one.boxes,
            one.covered,
            100 * one.covered / most,
            100 * (one.boxes - one.covered) / most,
            ", ".join(layers[layer] for layer in one.layers),
        )
        for one in fit.sizes
    ]


def sample_pictures(dataset: Dataset, count: int = PICTURES) -> list[Picture]:
    """Draw the objects of images spread over the whole data set; what cannot be read is passed over."""
    samples = list({id(sample): sample for split in dataset.values() for sample in split}.values())
    chosen = np.linspace(0, max(len(samples) - 1, 0), min(count, len(samples))).astype(int).tolist()
    pictures = []
    for index in dict.fromkeys(chosen):
        try:
            pictures.append(_picture(samples[index], dataset.class_names))
        except InputError:
            continue  # it is among the problems
    return pictures


def augmented_sheet(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    augmentation: Augmentation,
    size: tuple[int, int],
    count: int,
    seed: int = 0,
    columns: int = 4,
) -> NDArray[np.uint8]:
    """Draw `count` augmented samples with their boxes as one sheet (H, W, 3) uint8 RGB.

    Where an image cannot be read another takes its place.

    Raises:
        InputError: none can be read.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(samples)).tolist()
    pictures: list[NDArray[np.uint8]] = []
    while order and len(pictures) < count:
        index = order.pop(0)
        try:
            augmented = augmentation(samples[index], rng, size)
        except InputError as error:
            fault = error  # it is among the problems, and another takes its place
            continue
        image = _large_enough(augmented.image)
        truth = GroundTruth(relative_to_px(augmented.boxes, image.shape[:2]), augmented.labels)
        pictures.append(_framed(draw_ground_truth(image, truth, class_names)))
        order.append(index)
    if not pictures:
        raise InputError(f"no image can be shown; the last one tried: {fault}")
    return tile_pictures(pictures, columns)


def _large_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the pixels of a small image, so that the names of its objects do not hide them."""
    times = -(-LEAST_SIDE // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = SHEET_SIDE / max(picture.shape[:2])
    if factor < 1:
        height, width = picture.shape[:2]
        picture = resize_image(picture, (max(1, round(height * factor)), max(1, round(width * factor))))
    framed: NDArray[np.uint8] = cv2.copyMakeBorder(
        picture, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    return framed


def _picture(sample: Sample, class_names: Sequence[str]) -> Picture:
    image = read_image(sample.image, name=sample.name)
    factor = min(1.0, PICTURE_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))
    truth = sample.ground_truth
    scaled = GroundTruth(
        truth.boxes_px * np.float32(factor), truth.labels, truth.difficult, truth.crowd, truth.truncated
    )
    drawn = draw_ground_truth(resize_image(image, size), scaled, class_names)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes()
    return Picture(sample.image_id, base64.b64encode(encoded).decode("ascii"))
