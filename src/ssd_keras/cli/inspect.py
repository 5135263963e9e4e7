"""`ssd inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ssd_keras.cli.options import Output, print_json, progress_bar
from ssd_keras.data.conversion import refuse_taken_target
from ssd_keras.training.recipe import Recipe, make_recipe, read_recipe

if TYPE_CHECKING:
    from ssd_keras.data.inspection import Inspection
    from ssd_keras.data.samples import Dataset

SHOWN_SIZES = 3

USUAL_SIZE = (300, 300)
PREVIEWED = 16
"""So many augmented samples are in a preview."""


def inspect(
    data: Path,
    /,
    *,
    fix: Path | None = None,
    report: Path | None = None,
    preview: Path | None = None,
    recipe: Path | None = None,
    image_size: tuple[int, int] | None = None,
    output: Output | None = None,
) -> None:
    """Say what is in a data set and what is wrong with it.

    ssd inspect photos --report photos.html --fix photos_fixed

    Args:
        data: a folder or file of any known format.
        fix: write a corrected copy there, in the same format, and list each change; DATA stays as it is.
        report: an HTML file to write, with diagrams and pictures.
        preview: a picture to write (.jpg or .png) of augmented samples with their boxes.
        recipe: whose augmentation and image size the preview has; by default the paper's.
        image_size: height and width of the network's input, for the preview and to count tiny boxes.
        output: how to print.
    """
    output = output or Output()
    from ssd_keras.data.formats import open_dataset
    from ssd_keras.data.inspection import inspect_dataset

    if fix:
        refuse_taken_target(fix)
    settings = read_recipe(recipe) if recipe else make_recipe({})
    size = image_size or settings.image_size or USUAL_SIZE
    dataset = open_dataset(data)
    total = len({id(sample) for split in dataset.values() for sample in split})
    with progress_bar(total, "looking at images", output) as advance:
        inspection = inspect_dataset(dataset, lambda done, of: advance(), size)
    if report:
        from ssd_keras.inference.data_page import write_data_page

        write_data_page(report, dataset, inspection, str(data))
    if preview:
        _write_preview(preview, dataset, settings, size)
    changes = _write_fixed(dataset, fix, output) if fix else None
    if output.json:
        fixed = {"fixed": str(fix), "changes": changes} if fix else {}
        print_json({**inspection.as_json(), **fixed})
        return
    _print(inspection, data)
    for made in filter(None, (report, preview)):
        print(f"written: {made}")
    if changes is not None:
        print(f"corrected copy: {fix}, {len(changes)} changes" + (":" if changes else ""))
        for change in changes:
            print(f"  {change}")


def _write_fixed(dataset: Dataset, out: Path, output: Output) -> list[str]:
    from ssd_keras.data.conversion import convert_dataset
    from ssd_keras.data.inspection.fixing import fix_dataset

    fixed, changes = fix_dataset(dataset)
    total = sum(len(split) for split in fixed.values())
    with progress_bar(total, "writing", output) as advance:
        convert_dataset(fixed, out, dataset.format.split(",")[0], on_progress=advance)
    return list(changes)


def _write_preview(path: Path, dataset: Dataset, recipe: Recipe, size: tuple[int, int]) -> None:
    from ssd_keras.inference.data_page import augmented_sheet
    from ssd_keras.inference.drawing import save_picture
    from ssd_keras.training.feeding import make_augmentation

    split = dataset[recipe.train_split] if recipe.train_split else dataset.usual("train")
    split = split or next(iter(dataset.values()))
    augmentation = make_augmentation(recipe.augmentation, split)
    sheet = augmented_sheet(split, dataset.class_names, augmentation, size, PREVIEWED, recipe.seed)
    save_picture(path, sheet)


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
    console.print(f"images, width x height: {named}{more}")
    if found.tiny_boxes:
        height, width = found.input_size
        console.print(
            f"{found.tiny_boxes} boxes have a side below 4 pixels in a network's input of {width}x{height}"
        )
    if found.rotated_images:
        console.print(
            f"{found.rotated_images} images are turned by their EXIF orientation when they are read"
        )
    if found.imbalance:
        console.print(f"the most frequent class has {found.imbalance:.1f} times as many boxes as the rarest")
    console.print()
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
    in_all = len(found.splits) > 1  # else it would be the same once more
    if in_all:
        table.add_column("in all", justify="right", style="bold")
    images = [*(split.images for split in found.splits.values()), *([found.images] if in_all else [])]
    table.add_row("images", *map(str, images))
    table.add_section()
    for name, boxes in found.classes.items():
        counts = [*(split.classes[name] for split in found.splits.values()), *([boxes] if in_all else [])]
        table.add_row(name, *map(str, counts))
    return table
