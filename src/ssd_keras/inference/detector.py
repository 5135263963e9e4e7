"""Loading and saving a detector."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_keras.backend import import_keras_quietly
from ssd_keras.errors import InputError
from ssd_keras.files import whole_file
from ssd_keras.runtimes.formats import recognise_format

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD
    from ssd_keras.runtimes.detector import Detector, Precision


LONGEST_REASON = 200
"""Characters of what Keras says."""

WHAT_TO_GIVE = "give a .keras file, a run folder or an exported artefact"


def load_detector(path: str | Path, precision: Precision = "float32") -> Detector:
    """Load a detector: a `.keras` file, a run folder (its best model) or an exported artefact.

    Args:
        path: the file or folder, recognised by its content.
        precision: "bfloat16" is for OpenVINO artefacts; a Keras model has the precision it was saved with.

    Returns:
        An `SSD`, or an `Artefact`, which needs no Keras; both are a `runtimes.detector.Detector`. Where only
        a Keras model will do, use `load_model`.

    Raises:
        InputError: there is no such file, it is no detector of ours, or takes no photographs.
    """
    path = Path(path)
    if recognise_format(path):
        from ssd_keras.runtimes.artefact import load_artefact

        return load_artefact(path, precision)
    file = model_file(path)
    if precision != "float32":
        raise InputError(f"{path} has the precision it was trained in: export it to openvino for {precision}")
    model = load_model(file)
    if (channels := model.input_shape[-1]) != 3:
        raise InputError(
            f"{path} takes images of {channels} channels, and photographs have 3: use load_model in Python, "
            "and give the model batches with as many"
        )
    return model


def load_model(path: str | Path) -> SSD:
    """Load the Keras model of a `.keras` file or of a run folder (its best model).

    Raises:
        InputError: there is no such file, or it is no Keras model of ours.
    """
    if kind := recognise_format(Path(path)):
        raise InputError(f"{path} is an exported artefact ({kind}): this needs the .keras file or run folder")
    file = model_file(Path(path))
    import_keras_quietly()
    import keras

    from ssd_keras.models.ssd import SSD

    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises what it happens to meet in a damaged file
        raise InputError(
            f"{file} cannot be loaded ({_first_cause(error)}): if it is damaged, train or fetch it again; "
            "if it needs layers of yours, load it in Python where they are registered with Keras"
        ) from error
    if not isinstance(model, SSD):
        raise InputError(f"{file} is a Keras model but no SSD: give a model that 'ssd train' made")
    return model


def _first_cause(error: BaseException) -> str:
    """Say what went wrong first: Keras wraps it into errors that print the whole model."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier
    if isinstance(error, InputError):
        return str(error)
    said = str(error).strip().splitlines()
    kind = type(error).__name__
    return f"{kind}: {textwrap.shorten(said[0], LONGEST_REASON, placeholder=' ...')}" if said else kind


def save_detector(model: SSD, path: Path) -> None:
    """Save a detector whole or not at all, without the state of its training: checkpoints have that.

    Raises:
        InputError: the disk is full.
    """
    with _without_optimizer(model), whole_file(path) as unfinished:
        model.save(unfinished)


def describe_detector(model: SSD) -> dict[str, Any]:
    """Describe a detector without its weights, for `keras.saving.deserialize_keras_object`."""
    import keras

    with _without_optimizer(model):
        description: dict[str, Any] = keras.saving.serialize_keras_object(model)
        return description


@contextmanager
def _without_optimizer(model: SSD) -> Iterator[None]:
    """Let a model look to Keras as if it was not compiled."""
    optimizer, compiled = getattr(model, "optimizer", None), model.compiled
    model.optimizer, model.compiled = None, False
    try:
        yield
    finally:
        model.optimizer, model.compiled = optimizer, compiled


def model_file(path: Path) -> Path:
    """Find the file that `path` stands for: the `.keras` file of a run folder, an artefact itself.

    Nothing is loaded: what is missing is said at once.

    Raises:
        InputError: there is none.
    """
    if recognise_format(path):
        return path
    if path.is_dir():
        candidates = [path / "best.keras", path / "last.keras"]
        found = next((file for file in candidates if file.exists()), None)
        if found is None:
            raise InputError(
                f"{path} holds neither best.keras nor last.keras: give a run folder or a .keras file"
            )
        return found
    if not path.exists():
        raise InputError(f"model {path} does not exist: {WHAT_TO_GIVE}")
    if not path.is_file():
        raise InputError(f"model {path} is a pipe or a device: {WHAT_TO_GIVE}")
    if path.suffix == ".bin" and path.with_suffix(".xml").exists():
        raise InputError(f"{path} holds the weights of an OpenVINO model: give {path.with_suffix('.xml')}")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a Keras model nor an exported artefact, or is damaged: {WHAT_TO_GIVE}"
        )
    return path
