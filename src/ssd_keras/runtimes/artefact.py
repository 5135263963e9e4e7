"""An exported artefact as a detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.checks import counted
from ssd_keras.data.detecting import detect_photographs, detections_in_px
from ssd_keras.data.images import ImageSource
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.runtimes.detector import Precision
from ssd_keras.runtimes.formats import SUFFIXES, recognise_format
from ssd_keras.runtimes.metadata import OUTPUTS, ArtefactMetadata, parse_metadata
from ssd_keras.runtimes.sessions import Outputs, Session, Shape, open_session


class Artefact:
    """An exported detector in its own runtime: detects as the Keras model does that it was made of.

    Attributes:
        path: its file or folder.
        metadata: what it says about itself.
    """

    def __init__(self, path: Path, session: Session) -> None:
        """Put a detector around its network; `InputError` where its metadata are not for this network."""
        self.path = path
        self.metadata: ArtefactMetadata = parse_metadata(session.metadata, path)
        self._batch_size = _checked_batch_size(session, self.metadata, path)
        self._session = session

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of all classes, without background."""
        return self.metadata.class_names

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.metadata.image_size

    def detect(
        self,
        images: ImageSource | Sequence[ImageSource],
        threshold: float = 0.5,
        fast: bool = False,
        batch_size: int = 8,
    ) -> list[Detections]:
        """Find objects in images of any size; see `SSD.detect`."""
        return detect_photographs(self.detect_batch, self.image_size, images, threshold, fast, batch_size)

    def detect_batch(
        self,
        batch: NDArray[np.uint8],
        sizes: Sequence[tuple[int, int]],
        threshold: float = 0.5,
        fast: bool = False,
    ) -> list[Detections]:
        """Find objects in a batch (B, H, W, 3) uint8 RGB at the input size; see `SSD.detect_batch`.

        Raises:
            InputError: as `check` says, or what comes out has labels without a name.
        """
        self.check(fast)
        found = self.predict(batch)
        self._check_labels(found)
        return detections_in_px(found, sizes, threshold, self.class_names)

    def check(self, fast: bool = False) -> None:
        """Check, before anything is read or written, that the artefact can detect.

        Args:
            fast: whether the best class of each anchor only is to be decoded.

        Raises:
            InputError: the artefact gives raw predictions, or `fast` is asked of it.
        """
        if self.metadata.gives == "raw":
            raise InputError(
                f"{self.path} gives raw predictions, which other programs decode: export without --raw to "
                "detect with it"
            )
        if fast:
            raise InputError(
                f"{self.path} decodes every class for itself, as it was exported: leave --fast out, or give "
                "the Keras model"
            )

    def _check_labels(self, found: Outputs) -> None:
        """Raise `InputError` where a detection has no class: only other metadata can be the reason."""
        labels = found["labels"]
        wrong = labels[(found["scores"] > 0) & ((labels < 0) | (labels >= len(self.class_names)))]
        if wrong.size:
            raise InputError(
                f"{self.path} finds objects with label {wrong[0]}, counted from 0, and its metadata has "
                f"{counted(len(self.class_names), 'class name')}: export the model again"
            )

    def predict(self, images: NDArray[np.uint8]) -> Outputs:
        """Compute what the artefact gives (see `ArtefactMetadata.gives`) for images (B, H, W, 3) uint8.

        A batch is split or padded where the artefact takes a fixed number of images.
        """
        if not len(images):  # which most runtimes refuse
            one = self.predict(np.zeros((1, *images.shape[1:]), np.uint8))
            return {name: values[:0] for name, values in one.items()}
        size = self._batch_size
        if size is None or len(images) == size:
            return self._session.run(images)
        padded = np.concatenate([images, np.zeros((-len(images) % size, *images.shape[1:]), np.uint8)])
        parts = [self._session.run(padded[at : at + size]) for at in range(0, len(padded), size)]
        return {name: np.concatenate([part[name] for part in parts])[: len(images)] for name in parts[0]}


def load_artefact(path: str | Path, precision: Precision = "float32") -> Artefact:
    """Load an exported detector: an ONNX, OpenVINO (.xml) or LiteRT file, or a SavedModel folder.

    Args:
        path: the file or folder, recognised by its content.
        precision: "bfloat16" makes OpenVINO faster and less exact on CPUs that have it.

    Raises:
        InputError: it is no artefact of ours, it is damaged or newer than this library, its runtime is not
            installed or has no such precision.
    """
    path = Path(path)
    kind = recognise_format(path)
    if kind is None:
        raise InputError(f"{path} is no exported detector: give one of {', '.join(SUFFIXES.values())}")
    if precision != "float32" and kind != "openvino":
        raise InputError(f"{path} is computed in float32 only: export to openvino for {precision}")
    return Artefact(path, open_session(path, kind, precision))


def _checked_batch_size(session: Session, metadata: ArtefactMetadata, path: Path) -> int | None:
    """Give how many images the network takes at once, None for any number.

    Raises:
        InputError: what goes in or comes out is not what the metadata say.
    """
    wanted = (*metadata.image_size, 3)
    if [shape[1:] for shape in session.inputs] != [wanted]:
        taken = " and ".join(map(_shown, session.inputs)) or "nothing"
        raise InputError(
            f"{path} takes {taken}, and its metadata says {_shown((None, *wanted))}: export the model again"
        )
    missing = [name for name in OUTPUTS[metadata.gives] if name not in session.outputs]
    if missing:
        raise InputError(
            f"{path} gives no {missing[0]}, and its metadata says that it gives {metadata.gives}: export the "
            "model again"
        )
    return session.inputs[0][0]


def _shown(shape: Shape) -> str:
    return " × ".join("any" if length is None else str(length) for length in shape) or "a number"
