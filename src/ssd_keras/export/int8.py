"""An artefact in int8, and what that costs in mAP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.checks import counted
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.images import read_image, resize_image
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError
from ssd_keras.export.int8_onnx import quantize_onnx
from ssd_keras.export.int8_openvino import quantize_openvino
from ssd_keras.inference.scoring import choose_split, evaluate
from ssd_keras.runtimes.artefact import load_artefact
from ssd_keras.runtimes.formats import Format

MOST_IMAGES = 300
"""From which the ranges of the values are taken; more change them little."""

POINT = 0.01
"""Of mAP."""

Quantize = Callable[[Path, Path, Sequence[NDArray[np.uint8]], str, bool], None]

QUANTIZERS: dict[Format, Quantize] = {"onnx": quantize_onnx, "openvino": quantize_openvino}


@dataclass(frozen=True)
class Int8:
    """How an artefact is made in int8.

    Attributes:
        data: a labelled data set: the ranges of the values are taken from its training images, or where
            there are none from all that are left, and the mAP is measured on those to be evaluated on.
        max_drop: points of mAP (hundredths) that it may cost.
    """

    data: Path
    max_drop: float = 1.0


@dataclass(frozen=True)
class Cost:
    """What int8 costs.

    Attributes:
        split: on which it was measured.
        images: how many these are.
        float32: mAP before (VOC area, IoU 0.5).
        int8: mAP after.
        exact_heads: whether the predictor heads were left in floating point.
        seen: whether ranges were taken from these same images: then it may cost more on others.
    """

    split: str
    images: int
    float32: float
    int8: float
    exact_heads: bool
    seen: bool

    @property
    def drop(self) -> float:
        """Points of mAP that it costs; negative where it gains."""
        return (self.float32 - self.int8) / POINT

    def as_json(self) -> dict[str, Any]:
        """Give it as the command line prints it."""
        return {
            "mAP": self.int8,
            "mAP_float32": self.float32,
            "drop": round(self.drop, 3),
            "split": self.split,
            "images": self.images,
            "exact_heads": self.exact_heads,
            "measured_on_calibration_images": self.seen,
        }


def make_int8(float32: Path, kind: Format, out: Path, wanted: Int8) -> Cost:
    """Make an int8 artefact of a float32 one, and measure what it costs.

    All of the network is quantised first; where that costs too much, all but the predictor heads. The
    decoding stays as it is.

    Args:
        float32: the artefact.
        kind: its format, "onnx" or "openvino".
        out: where to write the new one.
        wanted: the data, and what it may cost.

    Raises:
        InputError: the format has no int8, the data have no labelled object, or it costs more.
    """
    artefact = load_artefact(float32)
    dataset = open_dataset(wanted.data, artefact.class_names)
    measured = choose_split(dataset)
    if not any(len(sample.ground_truth) for sample in measured):
        raise InputError(
            f"--calibrate {wanted.data}: split {measured.name!r} has no labelled object, so the mAP before "
            "and after cannot be measured: give a labelled data set"
        )
    before = evaluate(artefact, measured).mAP
    if not before > 0:  # NaN where no object counts
        raise InputError(
            f"--calibrate {wanted.data}: in float32 the model finds no object of split {measured.name!r}, so "
            "what int8 costs cannot be measured: give images like those that it was trained on"
        )
    samples = _samples_for_ranges(dataset, measured)
    images = _spread_images(samples, artefact.image_size)
    metadata = artefact.metadata.model_copy(update={"precision": "int8"}).as_text()
    tried = []
    for exact_heads in (False, True):
        QUANTIZERS[kind](float32, out, images, metadata, exact_heads)
        after = evaluate(load_artefact(out), measured).mAP
        tried.append(Cost(measured.name, len(measured), before, after, exact_heads, samples is measured))
        if tried[-1].drop <= wanted.max_drop:
            return tried[-1]
    best = min(tried, key=lambda cost: cost.drop)
    raise InputError(
        f"int8 is not kept: it costs {best.drop:.1f} points of mAP ({best.float32:.3f} to {best.int8:.3f} on "
        f"{counted(best.images, 'image')} of split {best.split!r}), and {wanted.max_drop:g} are allowed: "
        "give more images like those in use with --calibrate, or allow more with --max-drop"
    )


def check_int8(wanted: Int8, kind: Format, raw: bool) -> None:
    """Raise `InputError` where int8 cannot be, or where the data are none; nothing is read of them yet."""
    if kind not in QUANTIZERS:
        raise InputError(f"--int8 is for {' and '.join(QUANTIZERS)}, not for {kind}: choose one with --to")
    if raw:
        raise InputError("--int8 is measured by its detections: leave --raw out")
    if not any(known.recognises(wanted.data) for known in FORMATS):
        open_dataset(wanted.data)  # which says what is wrong with it


def _samples_for_ranges(dataset: Dataset, measured: Split) -> Sequence[Sample]:
    """Give what was trained on, or else all that is not measured on, or else what is."""
    trained_on = dataset.usual("train")
    if trained_on:
        return trained_on
    return [sample for split in dataset.values() if split is not measured for sample in split] or measured


def _spread_images(samples: Sequence[Sample], image_size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Give images (1, H, W, 3), spread over all of them."""
    spread = np.linspace(0, len(samples) - 1, min(MOST_IMAGES, len(samples))).astype(int)
    return [resize_image(read_image(samples[index].image), image_size)[None] for index in spread]
