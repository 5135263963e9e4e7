"""Loading a detector, and running it over many images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_keras.data.images import ImageSource
from ssd_keras.data.loader import detection_batches
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

BATCH_SIZE = 8


def load_detector(path: str | Path) -> SSD:
    """Load a detector from a `.keras` file or from a run folder (its best model).

    Raises:
        InputError: there is no such file, or it is no model of ours.
    """
    file = model_file(Path(path))
    import keras

    from ssd_keras.models.ssd import SSD

    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises what it happens to meet in a damaged file
        reason = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"{file} is damaged or no model of ssd-keras ({reason}): train or fetch it again"
        ) from error
    if not isinstance(model, SSD):
        raise InputError(f"{file} is a Keras model but no SSD: give a model that 'ssd train' made")
    return model


def save_detector(model: SSD, path: Path) -> None:
    """Save a detector whole or not at all: what stands at `path` stays until the new file is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    model.save(unfinished)
    unfinished.replace(path)


def model_file(path: Path) -> Path:
    """Find the `.keras` file that `path` stands for; `InputError` if there is none."""
    if path.is_dir():
        candidates = [path / "best.keras", path / "last.keras"]
        found = next((file for file in candidates if file.exists()), None)
        if found is None:
            raise InputError(
                f"{path} holds neither best.keras nor last.keras: give a run folder or a .keras file"
            )
        return found
    if not path.exists():
        raise InputError(f"model {path} does not exist: give a .keras file or a run folder")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a Keras model: give a .keras file or a run folder")
    return path


def detect_images(
    model: SSD,
    sources: Sequence[ImageSource],
    threshold: float = 0.5,
    fast: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[int, Detections | InputError]]:
    """Run a detector over images, reading ahead while it computes.

    Args:
        model: the detector.
        sources: files, encoded bytes or pixels.
        threshold: only detections with at least this score.
        fast: the best class of each anchor only.
        batch_size: images that go through the network at once.

    Yields:
        The index of the source with its detections, or with the error where the image cannot be read; not
        always in order within a batch.
    """
    size = min(batch_size, max(1, len(sources)))
    for batch in detection_batches(sources, model.image_size, size):
        yield from batch.errors.items()
        if batch.indices:
            yield from zip(
                batch.indices, model.detect_batch(batch.images, batch.sizes, threshold, fast), strict=True
            )
