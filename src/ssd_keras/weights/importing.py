"""From a weights file of another project to a detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssd_keras.errors import InputError
from ssd_keras.models.building import build_preset
from ssd_keras.models.presets import find_preset
from ssd_keras.models.ssd import SSD
from ssd_keras.weights.assignment import Assignment, assign
from ssd_keras.weights.caffe import read_caffemodel
from ssd_keras.weights.keras2 import read_keras_hdf5
from ssd_keras.weights.known_classes import usual_class_names
from ssd_keras.weights.torch_files import read_pth, read_safetensors
from ssd_keras.weights.weights_file import WeightsFile, reverse_channels

MARKS = {
    "pool6_mbox_loc": "ssd300_vgg16_v1",
    "conv10_2": "ssd512_vgg16",
    "conv9_2": "ssd300_vgg16",
    "conv13_mbox_loc": "ssd300_mobilenet",
    "elu4_mbox_loc": "ssd7",
}
"""Layers by which the network of a file is recognised, the surest first."""

SSD7_VARIANCES = (
    "the file does not say its variances: taken are 0.1 0.1 0.2 0.2; if all boxes are misplaced, try "
    "--variances 1 1 1 1, which the tutorial of the Keras port of 2018 has"
)


CAFFE_BEGINNINGS = tuple(bytes([tag]) for tag in (0x0A, 0x12, 0x1A, 0x20, 0x22, 0x28, 0x32, 0x38, 0x42, 0xA2))
"""Tags of the fields of `NetParameter`, with one of which a caffemodel begins."""


@dataclass(frozen=True)
class Imported:
    """A detector with weights from a file.

    Attributes:
        model: the detector.
        kind: what the file was, in words.
        tensors: what became of each of its tensors.
        notes: what had to be assumed.
    """

    model: SSD
    kind: str
    tensors: Assignment
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give what `ssd weights import --json` prints, but for the path."""
        return {
            "model": self.model.name,
            "kind": self.kind,
            "class_names": list(self.model.class_names),
            "tensors": {key: list(names) for key, names in asdict(self.tensors).items()},
            "notes": list(self.notes),
        }


def import_weights(
    path: str | Path,
    preset: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    anchors: str | None = None,
    image_size: tuple[int, int] | None = None,
    variances: Sequence[float] | None = None,
    bgr: bool | None = None,
    merge_batch_norm: bool | None = None,
    allow_missing: bool = False,
) -> Imported:
    """Make a detector with weights of Caffe, of the Keras ports, of torchvision or of a PyTorch port.

    Args:
        path: a `.caffemodel`, HDF5, `.pth` or `.safetensors` file, recognised by its content.
        preset: the network; by default recognised by the names of its layers.
        class_names: without background, as many as the file has; by default VOC's or COCO's where the number
            fits, else numbers.
        anchors: one of the preset's sets; by default what the file says, else "coco" for 80 classes.
        image_size: (height, width) of the input; by default the preset's.
        variances: of the offsets, four numbers, as the network was trained with; by default the preset's.
        bgr: whether the network of the file takes BGR; by default what is usual for its kind.
        merge_batch_norm: for MobileNet, build it without batch normalisation; by default as the file has it.
        allow_missing: begin layers anew that the file does not have, such as the heads.

    Raises:
        InputError: the file cannot be read, or does not fit the network.
    """
    path = Path(path)
    file = read_weights(path)
    name = _choose_preset(path, file, preset)
    logits = _logits(path, file)
    settings, notes = dict(file.settings), []
    if anchors:
        settings["anchors"] = anchors
    elif "anchors" not in settings:
        settings["anchors"] = _usual_anchors(name, logits)
        notes += _doubt(name, settings["anchors"])
    if image_size:
        settings["image_size"] = image_size
    if variances:
        settings["variances"] = tuple(variances)
    elif name == "ssd7":
        notes.append(SSD7_VARIANCES)
    if name == "ssd300_mobilenet":
        merged = not any("_bn/" in tensor for tensor in file.tensors)
        batch_norm = not (merged if merge_batch_norm is None else merge_batch_norm)
        settings["backbone_options"] = {"batch_norm": batch_norm}
    model = build_preset(name, _class_names(path, logits, class_names), **settings)
    tensors = file.tensors
    if bgr is not None and bgr != file.bgr and file.first_kernel:
        tensors = {**tensors, file.first_kernel: reverse_channels(tensors[file.first_kernel])}
    return Imported(model, file.kind, assign(model, tensors, str(path), allow_missing), tuple(notes))


def read_weights(path: Path) -> WeightsFile:
    """Read a weights file of any known kind, recognised by its first bytes.

    Raises:
        InputError: there is no such file, it is cut off, or it is of no known kind.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(9)
    except OSError as error:
        raise InputError(f"weights {path} cannot be read ({error.strerror}): check the path") from error
    return _reader(path, beginning)(path)


def _reader(path: Path, beginning: bytes) -> Callable[[Path], WeightsFile]:
    if beginning.startswith(b"\x89HDF"):
        return read_keras_hdf5
    if beginning[8:9] == b"{":
        return read_safetensors
    if path.suffix == ".keras":
        raise InputError(f"{path} is a Keras 3 model already: use it as it is")
    if beginning.startswith((b"PK\x03\x04", b"\x80")):
        return read_pth
    if beginning[:1] in CAFFE_BEGINNINGS:
        return read_caffemodel
    raise InputError(
        f"{path} is no weights file of a known kind: give a .caffemodel, Keras HDF5 (.h5), PyTorch (.pth) or "
        ".safetensors file"
    )


def _choose_preset(path: Path, file: WeightsFile, wanted: str | None) -> str:
    """Give the preset that was asked for, or the one whose layers the file has."""
    layers = {name.split("/")[0] for name in file.tensors}
    recognised = next((preset for mark, preset in MARKS.items() if mark in layers), None)
    if wanted is None and recognised is None:
        raise InputError(f"{path} ({file.kind}) is of no known network: name the preset with --model")
    if wanted is not None and file.sources and recognised not in (None, wanted):
        find_preset(wanted)
        raise InputError(
            f"{path} holds {recognised}, which predicts from {', '.join(file.sources)}, and no {wanted}: "
            "leave --model out"
        )
    return str(wanted or recognised)


def _usual_anchors(preset: str, logits: int | None) -> str:
    known = find_preset(preset).anchors
    return "coco" if "coco" in known and logits in (81, 91) else next(iter(known))


def _doubt(preset: str, anchors: str) -> list[str]:
    """Say which anchors were assumed, where others are as likely."""
    others = [name for name in find_preset(preset).anchors if name != anchors]
    if not others:
        return []
    return [
        f"the file does not say which anchors it was trained with: taken are {anchors!r}; if it finds "
        f"little, try --anchors {' or '.join(others)} (weights that saw COCO need coco)"
    ]


def _logits(path: Path, file: WeightsFile) -> int | None:
    try:
        return file.logits
    except ValueError as error:
        raise InputError(f"{path} cannot be taken ({error}): fetch it again") from error


def _class_names(path: Path, logits: int | None, wanted: Sequence[str] | None) -> Sequence[str]:
    if logits is None:
        if wanted is None:
            raise InputError(f"{path} has no predictor heads: name the classes to learn with --class-names")
        return wanted
    if wanted is not None and len(wanted) != logits - 1:
        raise InputError(
            f"{path} has heads for {logits - 1} classes, but {len(wanted)} class names are given: name "
            "all, and keep some with 'ssd weights select-classes' afterwards"
        )
    return wanted or usual_class_names(logits)
