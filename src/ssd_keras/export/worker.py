"""Makes an artefact, in a process of its own: `python -m ssd_keras.export.worker JOB.json`.

TensorFlow is what all formats can be made from, and what is loaded once cannot be changed: so the caller may
be on any backend, and this process is on TensorFlow.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.errors import InputError
from ssd_keras.export.comparison import class_scores
from ssd_keras.export.full_disks import ROOM
from ssd_keras.runtimes.formats import Format
from ssd_keras.runtimes.metadata import ArtefactMetadata, DecodingSettings

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

FAULT_OF_THE_USER = 3
"""Exit status where the reason on standard output is the user's to mend."""


class Job(NamedTuple):
    """What to make.

    Attributes:
        model: the .keras file.
        kind: the format.
        path: where to write the artefact.
        raw: whether it stops at the raw predictions.
        check: where the images of the check are; None: generated ones.
        found_by_keras: the .npz file for what Keras gives for these images, and for the "images".
    """

    model: str
    kind: Format
    path: str
    raw: bool
    check: str | None
    found_by_keras: str


def make_artefact(job: Job) -> None:
    """Write the artefact, and what Keras finds in the images.

    Raises:
        InputError: the model cannot be loaded, takes no photographs, or there are no images.
    """
    from ssd_keras.export.artefact_files import write_artefact
    from ssd_keras.export.check_images import images_for_check

    model = _load_in_float32(Path(job.model))
    images = images_for_check(job.check, model.image_size)
    write_artefact(model, job.kind, Path(job.path), describe(model, job.raw).as_text(), job.raw)
    arrays: dict[str, Any] = {"images": images, **found_by_keras(model, images)}
    np.savez(job.found_by_keras, **arrays)


def _load_in_float32(file: Path) -> SSD:
    from ssd_keras.inference.detector import load_model
    from ssd_keras.weights.selection import select_classes

    try:
        model = load_model(file)
    except InputError as error:
        raise InputError(
            f"{error}; an export cannot have them, as its own process knows no layers but those of Keras"
        ) from error
    if model.input_shape[-1] != 3:
        raise InputError(
            f"model {model.name} takes images of {model.input_shape[-1]} channels: exports are for RGB images"
        )
    return select_classes(model, model.class_names, precision="float32")


def describe(model: SSD, raw: bool) -> ArtefactMetadata:
    """Give the metadata of an artefact of this model."""
    settings = {name: getattr(model.decoding, name) for name in DecodingSettings.model_fields}
    return ArtefactMetadata(
        library_version=version("ssd-keras"),
        model=model.name,
        gives="raw" if raw else "detections",
        class_names=model.class_names,
        image_size=model.image_size,
        decoding=DecodingSettings(**settings),
        variances=model.variances,
        anchors=tuple(map(tuple, model.anchor_boxes.tolist())) if raw else None,
    )


def found_by_keras(model: SSD, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Give what Keras finds in the images: detections, and boxes and scores of all anchors.

    As `comparison.largest_difference` takes them.
    """
    import keras

    from ssd_keras.models.decoding import DecodeDetections

    raw = model.predict_on_batch(images)
    decode = DecodeDetections(model.anchor_boxes, model.variances, replace(model.decoding, fast=False))
    found = decode({name: keras.ops.convert_to_tensor(values) for name, values in raw.items()})
    return {
        **{name: keras.ops.convert_to_numpy(values) for name, values in found.items()},
        "all_boxes": decode_offsets(raw["offsets"], model.anchor_boxes, model.variances),
        "all_scores": class_scores(raw["logits"]),
    }


def main(job_file: str) -> int:
    """Do the job described in a JSON file and give the exit status."""
    job = Job(**json.loads(Path(job_file).read_text(encoding="utf-8")))
    try:
        make_artefact(job)
    except InputError as error:
        print(error)
        return FAULT_OF_THE_USER
    except OSError as error:
        if error.errno is None:  # a library of a library that is missing, and the like
            raise
        print(f"{error.filename or job.path} cannot be written ({error.strerror}): {ROOM}")
        return FAULT_OF_THE_USER
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
