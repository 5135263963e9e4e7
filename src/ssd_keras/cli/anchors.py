"""`ssd anchors`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.options import Output, checked_image_size, note, print_json, report_problems
from ssd_keras.data.checks import counted, shown_text, silent_decoders
from ssd_keras.data.formats import open_dataset
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe, make_recipe, read_recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ssd_keras.boxes.coverage import Coverage
    from ssd_keras.data.inspection.anchor_fit import Network
    from ssd_keras.data.samples import Dataset, Split


def anchors(
    data: Path,
    /,
    *,
    recipe: Path | None = None,
    model: str | None = None,
    split: str | None = None,
    image_size: tuple[int, int] | None = None,
    sizes: str | None = None,
    output: Output | None = None,
) -> None:
    """Say how well a model's anchors cover the boxes of a data set, and which would cover them better.

    ssd anchors photos --model ssd300_vgg16

    Args:
        data: The data set: a folder or file of any known format.
        recipe: The recipe whose model is looked at, with a base network and anchors of its own; flags given
            as well have precedence.
        model: Name of a preset, such as ssd300_vgg16; by default ssd7.
        split: Only the boxes of this split; by default of 'train', or of all there are.
        image_size: Height and width of the network's input; by default the model's.
        sizes: One of the model's sets of anchors, such as voc or coco; by default its first.
        output: How to print.
    """
    output = output or Output()
    checked_image_size(image_size)
    settings = _settings(recipe, model=model, image_size=image_size, sizes=sizes)
    with silent_decoders():
        dataset = open_dataset(data)
    report_problems(dataset, data)
    chosen = dataset[split] if split else dataset.usual("train") or None
    boxes = _relative_boxes(dataset, chosen)
    if not len(boxes):
        where = f"split {split!r} of {data}" if split else str(data)
        raise InputError(f"{where} has no labelled object that anchors could cover: label some")
    import_keras_quietly()
    from ssd_keras.training.fitted_anchors import suggest_for

    network, current, suggested, changes = suggest_for(settings, boxes)
    if output.json:
        suggestion = {"anchors": changes, **suggested.as_json(), "gain": _gain(suggested, current)}
        size = list(network.image_size)
        document = {"model": network.name, "image_size": size, "boxes": len(boxes), **current.as_json()}
        print_json({**document, "suggestion": suggestion if changes else None})
        return
    of_split = f" of {shown_text(chosen.name)}" if chosen and len(dataset) > 1 else ""
    _print_fit(network, counted(len(boxes), "box", "boxes") + of_split, current, suggested, changes)


def _print_fit(
    network: Network, boxes: str, current: Coverage, suggested: Coverage, changes: dict[str, Any]
) -> None:
    """Print what the anchors cover, and what changes of them would."""
    height, width = network.image_size
    what = f"{network.name} at {height}x{width}"
    print(f"{what}: {boxes}, {said_coverage(current)}")
    Console().print(coverage_table(current))
    if not changes:
        print("no better sizes and aspect ratios were found")
        return
    share, overlap = suggested.gain_over(current)
    print(f"suggested: {said_coverage(suggested)} ({100 * share:+.1f} points, mean IoU {overlap:+.3f})")
    Console().print(coverage_table(suggested))
    if flags := _as_flags(changes):
        note("as flags of ssd train:")
        print(flags)
    note("in a recipe:")
    print(
        yaml.safe_dump({"anchors": _plain(changes)}, default_flow_style=None, sort_keys=False, width=100),
        end="",
    )


def _settings(recipe: Path | None, sizes: str | None, **flags: Any) -> Recipe:
    changes = {name: value for name, value in flags.items() if value is not None}
    if sizes:
        changes["anchors"] = {"sizes": sizes}
    return read_recipe(recipe, **changes) if recipe else make_recipe(changes, "ssd anchors")


def network_of(recipe: Recipe) -> Network:
    """Give what of the model of a recipe boxes are compared with."""
    import_keras_quietly()
    from ssd_keras.training import fitted_anchors

    return fitted_anchors.network_of(recipe)


def _as_flags(changes: dict[str, Any]) -> str:
    """Write the changes as flags; nothing where a list stands in a list, which no flag can hold."""
    if any(not isinstance(value, float | str) for values in changes.values() for value in values):
        return ""
    return " ".join(
        f"--anchors.{name.replace('_', '-')} {' '.join(map(str, values))}" for name, values in changes.items()
    )


def _gain(new: Coverage, old: Coverage) -> dict[str, float]:
    share, overlap = new.gain_over(old)
    return {"covered": round(share, 4), "mean_best_iou": round(overlap, 4)}


def _relative_boxes(dataset: Dataset, split: Split | None) -> NDArray[np.float64]:
    """All boxes (N, 4) but crowds, relative to their images, of a split, or of all there are."""
    from ssd_keras.data.inspection.anchor_fit import boxes_of

    return boxes_of(split or {id(s): s for one in dataset.values() for s in one}.values())


def said_coverage(coverage: Coverage) -> str:
    """Say how well anchors cover boxes, as the end of a sentence."""
    return (
        f"{coverage.share:.1%} of them with an anchor at IoU 0.5 or more, mean of the best IoU "
        f"{coverage.mean_overlap:.3f}"
    )


def coverage_table(coverage: Coverage) -> Table:
    """Lay out what the anchors of each predictor layer cover."""
    table = Table()
    for column in ("feature map", "anchors", "their sides, px", "best for", "covered of these"):
        table.add_column(column, justify="right")
    for layer in coverage.layers:
        low, high = layer.sides_px
        covered = f"{layer.covered} ({layer.covered / layer.boxes:.0%})" if layer.boxes else "-"
        height, width = layer.feature_size
        table.add_row(
            f"{height}x{width}",
            str(layer.anchors),
            f"{low:.0f} to {high:.0f}",
            counted(layer.boxes, "box", "boxes"),
            covered,
        )
    return table


def _plain(value: Any) -> Any:
    """Turn tuples into lists, which is how YAML writes them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
