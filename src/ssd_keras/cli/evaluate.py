"""`ssd evaluate`."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.options import Output, note, print_json, report_problems
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.samples import Dataset, Split
from ssd_keras.data.selection import relabelled
from ssd_keras.errors import InputError
from ssd_keras.evaluation.voc import Protocol, VocResult, evaluate_voc
from ssd_keras.inference.detector import load_detector, model_file
from ssd_keras.training.recipe import read_recipe


def evaluate(
    model: Path | None = None,
    /,
    *,
    data: Path,
    split: str | None = None,
    detections: Path | None = None,
    protocol: Literal["voc07", "voc10"] = "voc10",
    iou: float = 0.5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    ignore_other_classes: Annotated[bool, Parameter(negative="")] = False,
    output: Output | None = None,
) -> None:
    """Measure the average precision of a detector, or of detections in a file.

    Args:
        model: a .keras file or a run folder.
        data: a folder or file of any known format.
        split: by default 'test', else 'val', else the only one there is.
        detections: a file as `ssd detect --json` prints it, in place of a model.
        protocol: voc07: 11 points, as VOC up to 2009; voc10: area under the curve, as VOC from 2010 on.
        iou: from which overlap on a detection counts as right.
        fast: decode the best class of each anchor only.
        ignore_other_classes: leave out objects of classes that the detector does not know.
        output: how to print.
    """
    output = output or Output()
    if (model is None) == (detections is None):
        raise InputError("give either a model or --detections FILE")
    started = time.perf_counter()
    if detections:
        chosen = choose_split(open_dataset(data), split)
        result = _of_file(detections, chosen, protocol, iou)
    else:
        assert model is not None
        chosen, result, started = _of_model(model, data, split, protocol, iou, fast, ignore_other_classes)
    seconds = time.perf_counter() - started
    document: dict[str, Any] = {
        **result.as_json(),
        "split": chosen.name,
        "images": len(chosen),
        "images_per_second": round(len(chosen) / seconds, 2),
    }
    if output.json:
        print_json(document)
    else:
        print(
            f"{data}, split {chosen.name!r}, {len(chosen)} images ({document['images_per_second']} images/s)"
        )
        Console().print(result_table(result))


def _of_file(file: Path, split: Split, protocol: Protocol, iou: float) -> VocResult:
    from ssd_keras.inference.result_files import read_detections

    truths = [sample.ground_truth for sample in split]
    return evaluate_voc(read_detections(file, split), truths, split.class_names, protocol, iou)


def _of_model(
    model: Path,
    data: Path,
    split: str | None,
    protocol: Protocol,
    iou: float,
    fast: bool,
    ignore_other_classes: bool,
) -> tuple[Split, VocResult, float]:
    model_file(model)  # a missing one is said at once
    import_keras_quietly()
    from ssd_keras.inference import scoring

    detector = load_detector(model)
    if ignore_other_classes:
        dataset = relabelled(open_dataset(data), detector.class_names)
    else:
        dataset = open_dataset(data, detector.class_names)
    report_problems(dataset, data)
    chosen = choose_split(dataset, split)
    if _was_trained_on(model, data, dataset, chosen):
        note(
            f"the detector learned from these images (split {chosen.name!r}): the score says what it "
            "remembers, not how well it detects"
        )
    started = time.perf_counter()
    return chosen, scoring.evaluate(detector, chosen, protocol, iou, fast), started


def _was_trained_on(model: Path, data: Path, dataset: Dataset, split: Split) -> bool:
    """Tell whether the recipe in the run folder of a model names these images as those to learn from."""
    from ssd_keras.training.trainer import choose_splits

    recipe_file = (model if model.is_dir() else model.parent) / "recipe.yaml"
    with contextlib.suppress(InputError):  # no recipe there, or the data set has other splits since
        recipe = read_recipe(recipe_file)
        same_data = data.resolve() in [path.resolve() for path in recipe.data]
        return same_data and choose_splits(dataset, recipe)[0].name == split.name
    return False


def choose_split(dataset: Dataset, name: str | None) -> Split:
    """Give the split to evaluate on; `InputError` where nothing says which."""
    if name:
        return dataset[name]
    for usual in ("test", "val"):
        found = dataset.usual(usual)
        if found is not None:
            return found
    if len(dataset) == 1:
        return next(iter(dataset.values()))
    raise InputError(f"none of the splits {', '.join(dataset)} is 'test' or 'val': name one with --split")


def result_table(result: VocResult) -> Table:
    """Lay out the average precision of each class."""
    table = Table()
    table.add_column("class")
    table.add_column("objects", justify="right")
    table.add_column(f"AP ({result.protocol}, IoU {result.iou_threshold:g})", justify="right")
    for curve in result.classes:
        score = "none in this split" if math.isnan(curve.ap) else f"{curve.ap:.4f}"
        table.add_row(curve.name, str(curve.positives), score)
    table.add_section()
    table.add_row("mAP", "", f"{result.mAP:.4f}", style="bold")
    return table
