"""`ssd anchors`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.options import Output, note, print_json, report_problems
from ssd_keras.data.formats import open_dataset
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ssd_keras.boxes.coverage import Coverage
    from ssd_keras.data.samples import Dataset

NAMES_IN_RECIPES = {"PaperAnchors": {"aspect_ratios": "aspect_ratios_per_layer"}}
"""Fields of a description of anchors that a recipe calls otherwise."""


def anchors(
    data: Path,
    /,
    *,
    model: str = "ssd7",
    split: str | None = None,
    image_size: tuple[int, int] | None = None,
    sizes: str | None = None,
    output: Output | None = None,
) -> None:
    """Say how well a model's anchors cover the boxes of a data set, and which would cover them better.

    ssd anchors photos --model ssd300_vgg16

    Args:
        data: a folder or file of any known format.
        model: name of a preset.
        split: only its boxes; by default 'train', or all there are.
        image_size: height and width of the network's input; by default the model's.
        sizes: one of the model's sets of anchors, such as voc or coco; by default its first.
        output: how to print.
    """
    output = output or Output()
    dataset = open_dataset(data)
    report_problems(dataset, data)
    boxes = _relative_boxes(dataset, split)
    if not len(boxes):
        raise InputError(f"{data} has no labelled object: there is nothing that anchors could cover")
    import_keras_quietly()
    from ssd_keras.boxes.coverage import changed_settings, measure_coverage, suggest_anchors
    from ssd_keras.models.building import build_preset

    detector = build_preset(model, ["object"], image_size=image_size, anchors=sizes)
    size = detector.image_size
    feature_sizes = [tuple(feature.shape[1:3]) for feature in detector.backbone.outputs]
    current = measure_coverage(detector.anchors, size, feature_sizes, boxes)
    better = suggest_anchors(detector.anchors, size, feature_sizes, boxes)
    suggested = measure_coverage(better, size, feature_sizes, boxes)
    kind = type(better).__name__
    changes = {
        NAMES_IN_RECIPES.get(kind, {}).get(name, name): value
        for name, value in changed_settings(detector.anchors, better).items()
    }
    if output.json:
        document = {"model": model, "image_size": list(size), "boxes": len(boxes)}
        suggestion = {"anchors": changes, **_as_json(suggested)} if changes else None
        print_json({**document, **_as_json(current), "suggestion": suggestion})
        return
    print(f"{model} at {size[0]}x{size[1]}: {len(boxes)} boxes, {_said(current)}")
    Console().print(_table(current))
    if not changes:
        print("no better sizes and aspect ratios were found")
        return
    print(f"these anchors: {_said(suggested)}")
    Console().print(_table(suggested))
    note("in a recipe:")
    print(
        yaml.safe_dump({"anchors": _plain(changes)}, default_flow_style=None, sort_keys=False, width=100),
        end="",
    )


def _relative_boxes(dataset: Dataset, split: str | None) -> NDArray[np.float64]:
    """All boxes (N, 4) but crowds, relative to their images, of a split."""
    from ssd_keras.boxes.formats import px_to_relative
    from ssd_keras.data.checks import image_size

    chosen = dataset[split] if split else dataset.usual("train")
    samples = chosen or {id(s): s for one in dataset.values() for s in one}.values()
    boxes = [np.zeros((0, 4))]
    for sample in samples:
        size = image_size(sample.image)
        if size is not None:
            boxes.append(px_to_relative(sample.ground_truth.boxes_px[~sample.ground_truth.crowd], size))
    return np.concatenate(boxes)


def _said(coverage: Coverage) -> str:
    return (
        f"{coverage.share:.1%} of them with an anchor at IoU 0.5 or more, mean of the best IoU "
        f"{coverage.mean_overlap:.3f}"
    )


def _as_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "covered": round(coverage.share, 4),
        "mean_best_iou": round(coverage.mean_overlap, 4),
        "layers": [
            {
                "feature_size": list(layer.feature_size),
                "anchors": layer.anchors,
                "sides_px": [round(side, 1) for side in layer.sides_px],
                "boxes": layer.boxes,
                "covered": layer.covered,
            }
            for layer in coverage.layers
        ],
    }


def _table(coverage: Coverage) -> Table:
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
            f"{layer.boxes} boxes",
            covered,
        )
    return table


def _plain(value: Any) -> Any:
    """Turn tuples into lists, which is how YAML writes them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
