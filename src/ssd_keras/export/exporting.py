"""From a model to an artefact that is known to find the same."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssd_keras.errors import InputError
from ssd_keras.export.comparison import TOLERANCE, largest_difference
from ssd_keras.export.full_disks import ROOM
from ssd_keras.export.int8 import Cost, Int8, check_int8, make_int8
from ssd_keras.export.worker import FAULT_OF_THE_USER, Job
from ssd_keras.files import whole_file
from ssd_keras.inference.detector import model_file, save_detector
from ssd_keras.runtimes.artefact import Artefact, load_artefact
from ssd_keras.runtimes.formats import SUFFIXES, Format, recognise_format

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

log = logging.getLogger(__name__)

NEEDED: dict[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "tf2onnx", "onnxruntime"),
    "openvino": ("onnx", "tf2onnx", "openvino"),
    "litert": ("ai_edge_litert",),
    "saved_model": (),
}
"""What is imported to make and to check each format, beside TensorFlow."""

EXTRAS: dict[Format, str] = {
    "onnx": "onnx",
    "openvino": "openvino",
    "litert": "litert",
    "saved_model": "tensorflow",
}
"""Of this package, which install it."""


@dataclass(frozen=True)
class Exported:
    """An artefact that was made.

    Attributes:
        path: its file or folder.
        format: its format.
        bytes: its size, with all its files.
        max_difference: the largest difference from Keras, in relative boxes and in scores, in the check.
        int8: what int8 costs, where it was wanted.
    """

    path: Path
    format: Format
    bytes: int
    max_difference: float
    int8: Cost | None = None

    def as_json(self) -> dict[str, Any]:
        """Give it as the command line prints it."""
        document = {
            "path": str(self.path),
            "format": self.format,
            "bytes": self.bytes,
            "max_difference": self.max_difference,
        }
        return document if self.int8 is None else {**document, "int8": self.int8.as_json()}


def export_detector(
    model: str | Path | SSD,
    format: Format,
    out: str | Path | None = None,
    raw: bool = False,
    check: str | Path | None = None,
    int8: Int8 | None = None,
) -> Exported:
    """Export a detector: uint8 RGB images in, detections out; made on TensorFlow, whatever the backend.

    The artefact is run by its own runtime when it is made, and what it finds is compared with Keras.

    Args:
        model: a .keras file, a run folder (its best model), or the model itself.
        format: "onnx", "openvino" (two files: .xml and .bin), "litert" or "saved_model" (a folder).
        out: where to; by default named after the model, in the working directory. It must not be there yet.
        raw: for ONNX, give "offsets" and "logits" in place of detections; the anchors are in the metadata.
        check: an image, a folder of images, or a data set, for the check; by default generated street scenes.
        int8: compute the network in int8; in place of 0.001, its mAP may then differ by so much.

    Raises:
        InputError: the model cannot be exported, what is needed is not installed, `out` is there already, or
            the artefact does not find the same. Nothing is left at `out` then.
    """
    if raw and format != "onnx":
        raise InputError(f"raw predictions are exported to onnx only, not to {format}: leave --raw out")
    if int8:
        check_int8(int8, format, raw)
    place = _free_place(_usual_place(model, format) if out is None else Path(out), format)
    _check_installed(format, int8)
    with tempfile.TemporaryDirectory(prefix="ssd-export-") as folder:
        file = _file_of(model, Path(folder))
        with _unfinished(place, format) as unfinished:
            _check_room(file.stat().st_size, unfinished.parent, Path(folder))
            found_by_keras = Path(folder) / "found_by_keras.npz"
            made = Path(folder) / f"float32{SUFFIXES[format]}" if int8 else unfinished
            job = Job(str(file), format, str(made), raw, str(check) if check else None, str(found_by_keras))
            _run_worker(job, Path(folder))
            expected = _found_by_keras(found_by_keras)
            difference = _checked_difference(load_artefact(made), expected, place)
            cost = None
            if int8:
                cost = make_int8(made, format, unfinished, int8)
                difference = _difference(load_artefact(unfinished), expected)
    return Exported(place, format, _size(place, format), difference, cost)


def _free_place(out: Path, kind: Format) -> Path:
    if kind != "saved_model" and out.suffix != SUFFIXES[kind]:
        raise InputError(f"--out {out}: give a file whose name ends in {SUFFIXES[kind]}")
    taken = next((path for path in _files_at(out, kind) if path.exists()), None)
    if taken:
        raise InputError(f"{taken} exists already: remove it, or choose another place with --out")
    return out


def _usual_place(model: str | Path | SSD, kind: Format) -> Path:
    """Name the artefact after the run folder or the file, or else after the network."""
    if isinstance(model, str | Path):
        path = Path(os.path.normpath(Path(model).absolute()))
        name = path.name.removesuffix(".keras")  # and no more: after a dot in a folder's name is a version
    else:
        name = model.name
    return Path(f"{name}{SUFFIXES[kind]}")


def _files_at(place: Path, kind: Format) -> list[Path]:
    return [place, place.with_suffix(".bin")] if kind == "openvino" else [place]


def _size(place: Path, kind: Format) -> int:
    files = place.rglob("*") if place.is_dir() else _files_at(place, kind)
    return sum(file.stat().st_size for file in files if file.is_file())


def _check_installed(kind: Format, int8: Int8 | None) -> None:
    needed = ("tensorflow", *NEEDED[kind], *(["nncf"] if int8 and kind == "openvino" else []))
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(
            f"exporting to {kind} needs {', '.join(missing)}, not installed: "
            f'pip install "ssd-keras[tensorflow,{EXTRAS[kind]}]"'
        )


def _file_of(model: str | Path | SSD, folder: Path) -> Path:
    """Give the .keras file of a model; one that is in memory is saved in `folder`."""
    if isinstance(model, str | Path):
        if recognise_format(Path(model)):
            raise InputError(
                f"{model} is an artefact already: give the .keras file or run folder it is made of"
            )
        return model_file(Path(model))
    file = folder / f"{model.name}.keras"
    save_detector(model, file)
    return file


@contextmanager
def _unfinished(place: Path, kind: Format) -> Iterator[Path]:
    """Give where to write an artefact; all of it takes its place when all went well, or nothing is left.

    What cannot be written there is said at once, and not after minutes of work. Each export writes into a
    folder of its own: of two with one place the second finds that taken in the end, and neither is harmed.
    """
    with _folder_beside(place) as folder:
        yield folder / place.name
        _free_place(place, kind)
        if kind == "saved_model":
            (folder / place.name).replace(place)
            return
        with ExitStack() as stack:
            for file in _files_at(place, kind):
                (folder / file.name).replace(stack.enter_context(whole_file(file)))


def _check_room(needed: int, *folders: Path) -> None:
    """Raise `InputError` where not even the weights have room: some libraries say nothing of a full disk."""
    for folder in folders:
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise InputError(
                f"{folder} has room for {free / 1e6:.1f} MB, and the export needs {needed / 1e6:.1f} MB at "
                f"least: {ROOM}"
            )


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """Give a new folder on the disk of a path, which is gone in the end with all that is still in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"unfinished-{path.name}-", dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): make room there, or choose another place"
        ) from error


def _run_worker(job: Job, folder: Path) -> None:
    """Run the worker on TensorFlow and on the CPU; `InputError` says what stopped it."""
    job_file = folder / "job.json"
    job_file.write_text(json.dumps(job._asdict()), encoding="utf-8")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF2ONNX_CATCH_ERRORS": "FALSE",  # else it copies all weights before each of its many steps
    }
    done = subprocess.run(
        # -P: a file random.py in the working directory is not the module of that name.
        [sys.executable, "-P", "-m", "ssd_keras.export.worker", str(job_file)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == FAULT_OF_THE_USER:
        raise InputError(done.stdout.strip().splitlines()[-1])
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = (
            said[-1][:300] if said else f"ended with status {done.returncode}, perhaps for want of memory"
        )
        raise InputError(f"{job.model} cannot be exported to {job.kind} ({reason}): try another format")


def _found_by_keras(file: Path) -> dict[str, Any]:
    """Read the images of the check and what Keras finds in them; if that is nothing, it is said."""
    with np.load(file) as arrays:
        found = dict(arrays)
    if not found.get("scores", np.ones(1)).any():
        log.warning("nothing is found in the images of the check: give some that show objects with --check")
    return found


def _difference(artefact: Artefact, expected: dict[str, Any]) -> float:
    """Run the artefact on the images of the check, and compare what it finds with what Keras finds."""
    return largest_difference(expected, artefact.predict(expected["images"]), artefact.metadata)


def _checked_difference(artefact: Artefact, expected: dict[str, Any], place: Path) -> float:
    """Give the difference from Keras; `InputError` where there is more than rounding."""
    difference = _difference(artefact, expected)
    if not difference <= TOLERANCE:  # NaN is refused, too
        raise InputError(
            f"{place} is not kept: run by its own runtime, its boxes or scores differ by {difference:.2g} "
            f"from those of Keras, and {TOLERANCE:g} is allowed: try another format"
        )
    return difference
