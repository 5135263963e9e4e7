"""What an artefact says about itself: everything that running it needs beside the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ssd_keras.classes import checked_class_names
from ssd_keras.errors import InputError

METADATA_KEY = "ssd_keras"
"""Under which an artefact holds its metadata, as one JSON document."""

FORMAT_VERSION = 1
"""Raised when an older library could not run a new artefact rightly."""


OUTPUTS = {"detections": ("boxes", "scores", "labels"), "raw": ("offsets", "logits")}
"""The names of what an artefact gives, for each of the ways of `ArtefactMetadata.gives`."""

Side = Annotated[int, Field(ge=1)]


def _class_names(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return checked_class_names(names)
    except InputError as error:
        raise ValueError(str(error)) from error  # which pydantic takes up


class DecodingSettings(BaseModel):
    """The thresholds and limits of the decoding inside; see `models.decoding.Decoding`."""

    model_config = ConfigDict(frozen=True)

    min_score: float
    iou_threshold: float
    candidates: int
    max_detections: int


class ArtefactMetadata(BaseModel):
    """The metadata of an artefact.

    Attributes:
        format_version: of this document.
        library_version: of the ssd-keras that made the artefact.
        model: the name of the network.
        gives: "detections": "boxes" (B, K, 4) float32 `xyxy` relative to the image, "scores" (B, K) float32
            (0 where there is nothing more) and "labels" (B, K) int32, best first; or "raw": "offsets"
            (B, A, 4) and "logits" (B, A, C) float32, background first.
        class_names: without background; labels are indices into them.
        image_size: (height, width) of the input "images" (B, H, W, 3) uint8 RGB.
        decoding: how detections are made, inside where `gives` is "detections".
        variances: of the offsets.
        precision: in which the network is computed.
        anchors: (A, 4) `xyxy` relative to the image, where `gives` is "raw".
    """

    model_config = ConfigDict(frozen=True)

    format_version: Annotated[int, Field(ge=1)] = FORMAT_VERSION
    library_version: str
    model: str
    gives: Literal["detections", "raw"]
    class_names: Annotated[tuple[str, ...], AfterValidator(_class_names)]
    image_size: tuple[Side, Side]
    decoding: DecodingSettings
    variances: tuple[float, float, float, float]
    precision: Literal["float32", "int8"] = "float32"
    anchors: tuple[tuple[float, float, float, float], ...] | None = None

    def as_text(self) -> str:
        """Give the document as it stands in an artefact."""
        return self.model_dump_json(exclude_none=True)


def parse_metadata(text: str | None, path: Path) -> ArtefactMetadata:
    """Read the metadata of the artefact `path`.

    Raises:
        InputError: there is none, it is damaged, or a newer library wrote it.
    """
    if not text:
        raise InputError(
            f"{path} has no metadata of ssd-keras, or is cut off: give an artefact that 'ssd export' made, "
            "which holds class names and input size"
        )
    try:
        document = json.loads(text)
        version = int(document["format_version"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise unreadable_metadata(path, error) from error
    if version > FORMAT_VERSION:
        newer = str(document.get("library_version", "of a newer version"))[:40]
        raise InputError(
            f"{path} was made by ssd-keras {newer} (metadata version {version}, known is {FORMAT_VERSION}): "
            "upgrade ssd-keras, or export the model again"
        )
    try:
        return ArtefactMetadata.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def unreadable_metadata(file: Path, error: Exception) -> InputError:
    """Give the error where the metadata of an artefact, or the file they are in, cannot be read."""
    return _damaged(file, f"{type(error).__name__}: {error}")


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"the metadata of {path} is damaged ({reason}): export the model again")
