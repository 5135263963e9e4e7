"""`ssd evaluate`."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators
from rich.console import Console

from ssd_keras.cli.evaluation_tables import analysis_tables, result_table
from ssd_keras.cli.options import Output, note, print_json, report_problems
from ssd_keras.data.checks import counted
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.samples import Dataset, Split
from ssd_keras.data.selection import relabelled
from ssd_keras.errors import InputError
from ssd_keras.evaluation.protocols import Protocol, check_iou_threshold
from ssd_keras.inference.detector import load_detector, model_file
from ssd_keras.inference.part_times import PartTimes
from ssd_keras.training.recipe import read_recipe

if TYPE_CHECKING:
    from ssd_keras.detections import Detections

__all__ = ["evaluate", "result_table"]


def evaluate(
    model: Path | None = None,
    /,
    *,
    data: Path,
    split: str | None = None,
    detections: Path | None = None,
    protocol: Protocol = "voc10",
    iou: float = 0.5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    ignore_other_classes: Annotated[bool, Parameter(negative="")] = False,
    analysis: Annotated[bool, Parameter(negative="")] = False,
    threshold: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = 0.5,
    results: Path | None = None,
    output: Output | None = None,
) -> None:
    """Measure the average precision of a detector, or of detections in a file.

    Args:
        model: A .keras file, a run folder or an exported artefact.
        data: The data set: a folder or file of any known format.
        split: The split to evaluate on; by default 'test', else 'val', else the only one there is.
        detections: In place of a model: what `ssd detect` wrote with --json or --format jsonl, or the
            official results of COCO (a file) or VOC (a folder).
        protocol: How average precision is measured. voc07: 11 points, as VOC up to 2009; voc10: area under
            the curve, as VOC from 2010 on; coco: its twelve numbers.
        iou: Overlap from which a detection counts as right; coco has ten of its own and takes this one for
            the analysis alone.
        fast: Faster: decode only the best class of each anchor.
        ignore_other_classes: Leave out objects of classes that the detector does not know, and detections in
            a file of classes that the data lack.
        analysis: Also say which errors are made, and which threshold is best for each class.
        threshold: Score from which the analysis counts errors.
        results: A folder for the detections in the official files: VOC's, or with --protocol coco COCO's;
            also of a split without labels, for a test server.
        output: How to print.
    """
    output = output or Output()
    if (model is None) == (detections is None):
        raise InputError("give either a model or --detections FILE")
    check_iou_threshold(iou)  # before minutes of detecting
    from ssd_keras.inference import scoring

    if detections:
        found = _of_file(detections, data, split, ignore_other_classes)
    else:
        assert model is not None
        found = _of_model(model, data, split, fast, ignore_other_classes)
    if results and not any(len(sample.ground_truth) for sample in found.split):
        _print_unscored(_written(results, protocol, found), found, protocol, data, output)
        return
    started = time.perf_counter()
    with found.times.of("matching"):
        result = scoring.score(found.detections, found.split, protocol, iou)
    # What is compiled once says nothing of the speed with which images go through.
    seconds = found.seconds + time.perf_counter() - started - found.times.seconds.get("compiling", 0.0)
    document: dict[str, Any] = {
        **result.as_json(),
        "split": found.split.name,
        "images": len(found.split),
        "images_per_second": round(len(found.split) / seconds, 2),
    }
    if results:
        document["results"] = _written(results, protocol, found)
    analysed = None
    if analysis:
        analysed = scoring.analyse_split(
            found.detections, found.split, protocol, iou, threshold, found.times.seconds
        )
        document["analysis"] = analysed.as_json()
    if output.json:
        print_json(document)
        return
    rate = document["images_per_second"]
    print(f"{data}, split {found.split.name!r}, {counted(len(found.split), 'image')} ({rate} images/s)")
    console = Console(markup=False, emoji=False)  # names of classes may look like either
    for table in [result_table(result, analysed), *(analysis_tables(analysed) if analysed else ())]:
        console.print(table)
    if analysed and (flag := analysed.thresholds.as_flag()):
        note(f"each class at its best threshold: ssd detect MODEL IMAGE {flag}")
    if results:
        print(f"official results: {results}")


@dataclass(frozen=True, eq=False)
class _Found:
    """Detections of a split, wherever they come from, and what it took to get them."""

    detections: list[Detections]
    split: Split
    category_ids: tuple[int, ...] | None
    times: PartTimes
    seconds: float


def _of_file(file: Path, data: Path, split: str | None, ignore_other_classes: bool) -> _Found:
    from ssd_keras.inference.results import read_detections
    from ssd_keras.inference.scoring import choose_split

    started = time.perf_counter()
    dataset = open_dataset(data)
    report_problems(dataset, data)
    chosen = choose_split(dataset, split)
    found = read_detections(file, chosen, dataset.category_ids, ignore_other_classes)
    return _Found(found, chosen, dataset.category_ids, PartTimes(), time.perf_counter() - started)


def _of_model(model: Path, data: Path, split: str | None, fast: bool, ignore_other_classes: bool) -> _Found:
    model_file(model)  # a missing one is said at once
    detector = load_detector(model)
    from ssd_keras.inference import scoring

    if ignore_other_classes:
        dataset = relabelled(open_dataset(data), detector.class_names)
    else:
        dataset = open_dataset(data, detector.class_names)
    report_problems(dataset, data)
    chosen = scoring.choose_split(dataset, split)
    scoring.check_split(chosen)
    if _was_trained_on(model, data, dataset, chosen):
        note(
            f"the detector learned from these images (split {chosen.name!r}): the score says what it "
            "remembers, not how well it detects"
        )
    times = PartTimes()
    started = time.perf_counter()
    found = scoring.detect_split(detector, chosen, fast, times=times)
    return _Found(found, chosen, dataset.category_ids, times, time.perf_counter() - started)


def _written(folder: Path, protocol: Protocol, found: _Found) -> list[str]:
    from ssd_keras.inference.results.official import write_results

    files = write_results(folder, protocol, found.split, found.detections, found.category_ids)
    return [str(file) for file in files]


def _print_unscored(files: list[str], found: _Found, protocol: Protocol, data: Path, output: Output) -> None:
    """Say what was written of a split without labels, as test splits are whose labels a server keeps."""
    if output.json:
        facts = {"split": found.split.name, "images": len(found.split)}
        print_json({"protocol": protocol, "mAP": None, "per_class": {}, **facts, "results": files})
        return
    print(
        f"{data}, split {found.split.name!r}, {counted(len(found.split), 'image')}: it has no labels, so no "
        f"score\nofficial results: {Path(files[0]).parent}"
    )


def _was_trained_on(model: Path, data: Path, dataset: Dataset, split: Split) -> bool:
    """Tell whether the recipe in the run folder of a model names these images as those to learn from."""
    from ssd_keras.training.expectations import choose_splits

    recipe_file = (model if model.is_dir() else model.parent) / "recipe.yaml"
    with contextlib.suppress(InputError):  # no recipe there, or the data set has other splits since
        recipe = read_recipe(recipe_file)
        same_data = data.resolve() in [path.resolve() for path in recipe.data]
        return same_data and choose_splits(dataset, recipe)[0].name == split.name
    return False
