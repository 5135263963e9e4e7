"""`ssd inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ssd_keras.cli.options import Output, print_json

if TYPE_CHECKING:
    from ssd_keras.data.inspection import Inspection

SHOWN_SIZES = 3


def inspect(data: Path, /, *, output: Output | None = None) -> None:
    """Say what is in a data set and what is wrong with it.

    Args:
        data: a folder or file of any known format.
        output: how to print.
    """
    output = output or Output()
    from ssd_keras.data.inspection import inspect_dataset
    from ssd_keras.data.readers import open_dataset

    inspection = inspect_dataset(open_dataset(data))
    if output.json:
        print_json(inspection.as_json())
    else:
        _print(inspection, data)


def _print(found: Inspection, data: Path) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{data} ({found.format}): {found.images} images, {found.boxes} boxes, {found.difficult} of them "
        f"difficult; {found.images_without_objects} images without objects"
    )
    if found.boxes_per_image:
        per_image = found.boxes_per_image
        console.print(
            f"boxes an image: {per_image['min']:g} to {per_image['max']:g}, median {per_image['median']:g}"
        )
    if found.box_sizes:
        quantiles = ", ".join(f"{name} {size:.3f}" for name, size in found.box_sizes.items())
        console.print(f"box sizes, relative to the image: {quantiles}")
    sizes = list(found.image_sizes.items())
    named = ", ".join(f"{width}x{height} ({count})" for (height, width), count in sizes[:SHOWN_SIZES])
    more = f" and {len(sizes) - SHOWN_SIZES} other sizes" if len(sizes) > SHOWN_SIZES else ""
    console.print(f"images, width x height: {named}{more}\n")
    console.print(_counts(found))
    console.print(f"\n{len(found.problems)} problems" + (":" if found.problems else ""))
    for problem in found.problems:
        console.print(f"  {problem}", markup=False)


def _counts(found: Inspection) -> Table:
    """Lay out the boxes of each class in each split."""
    table = Table()
    table.add_column("")
    for name in found.splits:
        table.add_column(name, justify="right")
    table.add_column("in all", justify="right", style="bold")
    table.add_row("images", *(str(split.images) for split in found.splits.values()), str(found.images))
    table.add_section()
    for name, boxes in found.classes.items():
        table.add_row(name, *(str(split.classes[name]) for split in found.splits.values()), str(boxes))
    return table
