"""`ssd weights`: weights of other projects, and of other classes."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.commands import WEIGHTS, as_examples, shown_default
from ssd_keras.cli.options import Output, checked_image_size, note, print_json
from ssd_keras.errors import InputError

IMPORTING = "ssd weights import VGG_VOC0712_SSD_300x300.caffemodel --out voc.keras"
SELECTING = "ssd weights select-classes voc.keras --classes car,bus --out traffic.keras"

app = cyclopts.App(
    name="weights",
    help=WEIGHTS,
    help_epilogue=as_examples(f"{IMPORTING}\n{SELECTING}"),
    default_parameter=Parameter(consume_multiple=True, negative_iterable=(), show_default=shown_default),
)


@app.command(name="import", help_epilogue=as_examples(IMPORTING))
def import_(
    file: Path,
    /,
    *,
    model: str | None = None,
    out: Path | None = None,
    class_names: tuple[str, ...] | None = None,
    anchors: str | None = None,
    image_size: tuple[int, int] | None = None,
    variances: tuple[float, float, float, float] | None = None,
    channels: Literal["rgb", "bgr"] | None = None,
    batch_norm: Literal["merged", "separate"] | None = None,
    allow_missing: Annotated[bool, Parameter(negative="")] = False,
    output: Output | None = None,
) -> None:
    """Make a detector with the weights of a Caffe, Keras 2 or PyTorch SSD.

    Args:
        file: A .caffemodel, HDF5 (.h5), .pth or .safetensors file, recognised by its content.
        model: Name of a preset, such as ssd300_vgg16; by default recognised by the layers of the file.
        out: The .keras file to write; by default named after FILE, in the working directory.
        class_names: Names of the classes, as many as the file has; by default VOC's or COCO's where the
            number fits.
        anchors: One of the model's sets, such as voc or coco; by default what the file says, or usual sizes.
        image_size: Height and width of the network's input; by default the model's.
        variances: Scale of the offsets that the network was trained with; by default the model's.
        channels: Order of the colours that the file's network takes; by default what is usual for its kind.
        batch_norm: For ssd300_mobilenet: its batch normalization merged into the convolutions, or separate;
            by default as the file has it.
        allow_missing: Begin layers anew that the file does not have.
        output: How to print.
    """
    output = output or Output()
    if file.suffix == ".keras":
        raise InputError(f"{file} is a Keras 3 model already: use it as it is")
    out = _free_place(out or Path(f"{file.stem}.keras"))
    import_keras_quietly()
    from ssd_keras.inference.detector import save_detector
    from ssd_keras.weights.importing import import_weights

    imported = import_weights(
        file,
        model,
        class_names=class_names,
        anchors=anchors,
        image_size=checked_image_size(image_size),
        variances=variances,
        bgr=None if channels is None else channels == "bgr",
        merge_batch_norm=None if batch_norm is None else batch_norm == "merged",
        allow_missing=allow_missing,
    )
    save_detector(imported.model, out)
    document = {"path": str(out), **imported.as_json()}
    if output.json:
        print_json(document)
        return
    for what, tensors in document["tensors"].items():
        print(textwrap.fill(f"{what}: {_by_layer(tensors)}", 100, subsequent_indent="  "))
    for assumption in imported.notes:
        note(assumption)
    _say_what_was_made(out, imported.model)


@app.command(help_epilogue=as_examples(SELECTING))
def select_classes(
    model: Path,
    /,
    *,
    classes: str,
    out: Path | None = None,
    output: Output | None = None,
) -> None:
    """Keep the heads of some classes of a trained detector, in the order given, and add new ones.

    Args:
        model: A .keras file or a run folder.
        classes: Class names, separated by commas; new ones, which the model does not know, begin with fresh
            weights.
        out: The .keras file to write; by default named after MODEL, in the working directory.
        output: How to print.
    """
    output = output or Output()
    out = _free_place(out or Path(f"{model.stem}_selected.keras"))
    names = [name.strip() for name in classes.split(",")]
    import_keras_quietly()
    from ssd_keras.inference.detector import load_model, save_detector
    from ssd_keras.weights.selection import select_classes as select

    detector = load_model(model)
    selected = select(detector, names)
    save_detector(selected, out)
    kept = [name for name in names if name in detector.class_names]
    for name, meant in _perhaps_misspelt(names, detector.class_names).items():
        note(f"class {name!r} begins with fresh weights: the model knows {meant!r}, if that is meant")
    new = [name for name in names if name not in detector.class_names]
    if output.json:
        print_json({"path": str(out), "class_names": names, "kept": kept, "new": new})
        return
    print(f"kept: {', '.join(kept) or 'none'}\nnew, to be trained: {', '.join(new) or 'none'}")
    _say_what_was_made(out, selected)


def _by_layer(tensors: list[str]) -> str:
    """List tensors layer by layer: "3 tensors: conv1 (kernel, bias), norm (gamma)"."""
    layers: dict[str, list[str]] = {}
    for name in tensors:
        layer, _, variable = name.rpartition("/")
        layers.setdefault(layer, []).append(variable)
    listed = ", ".join(f"{layer} ({', '.join(variables)})" for layer, variables in layers.items())
    return f"{len(tensors)} tensors: {listed}" if tensors else "none"


def _free_place(out: Path) -> Path:
    if out.suffix != ".keras":
        raise InputError(f"--out {out}: give a file whose name ends in .keras")
    if out.exists():
        raise InputError(f"{out} exists already: remove it, or choose another file with --out")
    return out


def _say_what_was_made(out: Path, model: Any) -> None:
    names = model.class_names
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    height, width = model.image_size
    print(f"{out}: {model.name}, {height}x{width}, {len(model.anchor_boxes)} anchors, {shown}")


def _perhaps_misspelt(names: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Find new classes whose names are nearly those of known classes that were not named."""
    left = [name for name in known if name not in names]
    near = {
        name: difflib.get_close_matches(name, left, n=1, cutoff=0.8) for name in names if name not in known
    }
    return {name: matches[0] for name, matches in near.items() if matches}
