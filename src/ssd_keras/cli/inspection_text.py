"""What `ssd inspect` prints: the counts of a data set, how its boxes fit a model's anchors, its problems."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ssd_keras.cli.anchors import coverage_table, said_coverage
from ssd_keras.data.checks import counted, shown_text

if TYPE_CHECKING:
    from ssd_keras.data.inspection import Inspection
    from ssd_keras.data.inspection.anchor_fit import AnchorFit

SHOWN_SIZES, SHOWN_TINY, SHOWN_PROBLEMS = 3, 3, 100


def print_inspection(found: Inspection, data: Path, together: Sequence[Path] = ()) -> None:
    """Print what was found; names of files and classes are shown as they are, in one line each.

    `together` are the data sets in `data` that were taken for one.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for line in _facts(found, shown_text(str(data))):
        console.print(line)
    if len(together) > 1:
        names = shown_text(", ".join(place.name for place in together))
        console.print(f"{len(together)} data sets, taken together: {names}")
    console.print()
    console.print(_counts(found))
    if found.anchor_fit:
        _print_fit(console, found.anchor_fit)
    console.print(f"\n{counted(len(found.problems), 'problem')}" + (":" if found.problems else ""))
    for problem in found.problems[:SHOWN_PROBLEMS]:
        console.print(f"  {problem}")
    more = len(found.problems) - SHOWN_PROBLEMS
    if more > 0:
        console.print(f"  and {more} more, which --report and --json have")


def _facts(found: Inspection, data: str) -> list[str]:
    images, bare = counted(found.images, "image"), counted(found.images_without_objects, "image")
    facts = [
        f"{data} ({found.format}): {images}, {counted(found.boxes, 'box', 'boxes')}, "
        f"{found.difficult} of them difficult; {bare} without objects"
    ]
    if found.boxes_per_image:
        low, middle, high = (found.boxes_per_image[name] for name in ("min", "median", "max"))
        facts.append(f"boxes an image: {low:g} to {high:g}, median {middle:g}")
    if found.box_sizes:
        quantiles = ", ".join(f"{name} {size:.3f}" for name, size in found.box_sizes.items())
        facts.append(f"box sizes, relative to the image: {quantiles}")
    sizes = list(found.image_sizes.items())
    named = ", ".join(f"{width}x{height} ({count})" for (height, width), count in sizes[:SHOWN_SIZES])
    more = f" and {len(sizes) - SHOWN_SIZES} other sizes" if len(sizes) > SHOWN_SIZES else ""
    facts.append(f"images, width x height: {named or 'none that can be read'}{more}")
    if found.tiny:
        facts.append(_tiny_boxes(found))
    if found.rotated_images:
        is_turned = "is turned upright by its" if found.rotated_images == 1 else "are turned upright by their"
        turned = counted(found.rotated_images, "image")
        facts.append(f"{turned} {is_turned} EXIF orientation, in training as in detection")
    if found.imbalance:
        facts.append(f"the most frequent class has {found.imbalance:.1f} times as many boxes as the rarest")
    return facts


def _tiny_boxes(found: Inspection) -> str:
    height, width = found.input_size
    named = []
    for name, numbers in itertools.islice(found.tiny_boxes.items(), SHOWN_TINY):
        shown = [*map(str, numbers[:SHOWN_TINY]), *["…"] * (len(numbers) > SHOWN_TINY)]
        named.append(f"{shown_text(name)} ({', '.join(shown)})")
    more = len(found.tiny_boxes) - len(named)
    others = f" and {counted(more, 'other image')}" if more else ""
    have = "has" if found.tiny == 1 else "have"
    return (
        f"{counted(found.tiny, 'box', 'boxes')} {have} a side below 4 pixels in a network's input of "
        f"{height}x{width}: {', '.join(named)}{others}"
    )


def _counts(found: Inspection) -> Table:
    """Lay out the boxes of each class in each split."""
    table = Table()
    table.add_column("")
    for name in found.splits:
        table.add_column(_shown(name), justify="right")
    in_all = len(found.splits) > 1  # else it would be the same once more
    if in_all:
        table.add_column("in all", justify="right", style="bold")
    images = [*(split.images for split in found.splits.values()), *([found.images] if in_all else [])]
    table.add_row("images", *map(str, images))
    table.add_section()
    for name, boxes in found.classes.items():
        counts = [*(split.classes[name] for split in found.splits.values()), *([boxes] if in_all else [])]
        table.add_row(_shown(name), *map(str, counts))
    return table


def _shown(name: str) -> Text:
    return Text(shown_text(name))


def _print_fit(console: Console, fit: AnchorFit) -> None:
    console.print(
        f"\nanchors of {fit.model}: {counted(fit.boxes, 'box', 'boxes')}, {said_coverage(fit.coverage)}"
    )
    console.print(coverage_table(fit.coverage))
    if fit.sizes:
        console.print(_sizes_table(fit))


def _sizes_table(fit: AnchorFit) -> Table:
    """Lay out the boxes by their sizes, and which feature maps have anchors of these sizes."""
    table = Table()
    for column in ("side of a box, px", "boxes", "covered", "anchors of that size"):
        table.add_column(column, justify="right")
    names = ["{}x{}".format(*layer.feature_size) for layer in fit.coverage.layers]
    for one in fit.sizes:
        covered = f"{one.covered} ({one.covered / one.boxes:.0%})" if one.boxes else "-"
        layers = ", ".join(names[layer] for layer in one.layers) or "none"
        table.add_row(f"{one.low_px:.0f} to {one.high_px:.0f}", str(one.boxes), covered, layers)
    return table
