"""`ssd inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_keras.cli.anchors import network_of
from ssd_keras.cli.inspection_text import print_inspection
from ssd_keras.cli.options import Output, checked_image_size, note, print_json, progress_bar
from ssd_keras.data.checks import counted, shown_text, silent_decoders
from ssd_keras.data.conversion import refuse_taken_target
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe, make_recipe, read_recipe

if TYPE_CHECKING:
    from ssd_keras.data.samples import Dataset

USUAL_SIZE = (300, 480)
PREVIEWED = 16
"""So many augmented samples are in a preview."""


def inspect(
    data: Path,
    /,
    *,
    fix: Path | None = None,
    rename: tuple[str, ...] = (),
    report: Path | None = None,
    preview: Path | None = None,
    model: str | None = None,
    recipe: Path | None = None,
    image_size: tuple[int, int] | None = None,
    output: Output | None = None,
) -> None:
    """Say what is in a data set and what is wrong with it.

    ssd inspect photos --report photos.html --fix photos_fixed

    Args:
        data: The data set: a folder or file of any known format.
        fix: Write a corrected copy there, in the same format, and list each change; DATA stays as it is.
        rename: For --fix: classes under other names, such as wrnech=wrench; two that get one name are taken
            together.
        report: An HTML file to write, with diagrams and pictures.
        preview: A picture to write (.jpg or .png) of augmented images with their boxes.
        model: Name of a preset with whose anchors the boxes are compared, such as ssd300_vgg16.
        recipe: The recipe whose augmentation and image size the preview has; by default that of `ssd train`.
        image_size: Height and width of the network's input, for the preview, to find tiny boxes, and of the
            model; by default that of the recipe or of the model.
        output: How to print.
    """
    output = output or Output()
    from ssd_keras.data.formats import data_sets_taken_together, open_dataset
    from ssd_keras.data.inspection import inspect_dataset
    from ssd_keras.data.inspection.renaming import parse_new_names

    _refuse_places(data, fix, report, preview)
    if rename and not fix:
        raise InputError("--rename is for the corrected copy: name a folder for it with --fix")
    settings = read_recipe(recipe) if recipe else make_recipe({})
    size = checked_image_size(image_size or settings.image_size)
    with silent_decoders():
        dataset = open_dataset(data)
    _refuse_images(dataset, report, preview)
    new_names = parse_new_names(rename, dataset.class_names)
    network = network_of(make_recipe({"model": model, "image_size": size})) if model else None
    if recipe and not size and not network:
        size = network_of(settings).image_size
    size = network.image_size if network else size or USUAL_SIZE
    total = len({id(sample) for split in dataset.values() for sample in split})
    with progress_bar(total, "looking at images", output) as advance:
        inspection = inspect_dataset(dataset, lambda done, of: advance(), size, network)
    together = data_sets_taken_together(data, dataset)
    if not output.json:
        print_inspection(inspection, data, together)
        if inspection.problems and not fix:
            note("a corrected copy, with each change told: add --fix OUT")
    faults: list[InputError] = []
    if report:
        from ssd_keras.inference.data_page import write_data_page

        _write(report, lambda: write_data_page(report, dataset, inspection, str(data)), output, faults)
    if preview:
        _write(preview, lambda: _write_preview(preview, dataset, settings, size), output, faults)
    changes = _fixed(dataset, data, fix, new_names, output, faults) if fix else None
    if output.json:
        fixed = {} if changes is None else {"fixed": str(fix), "changes": changes}
        data_sets = {"data_sets": [str(place) for place in together]} if len(together) > 1 else {}
        print_json({**inspection.as_json(), **data_sets, **fixed})
    if faults:
        raise InputError("; ".join(map(str, faults))) from faults[0]


# --- Where nothing may be written --------------------------------------------------------------------------


def _refuse_places(data: Path, fix: Path | None, report: Path | None, preview: Path | None) -> None:
    """Raise `InputError` before any work is done where something would be written into the data set."""
    if fix:
        refuse_taken_target(fix)
        _refuse_inside(data, fix, "--fix")
    if preview:
        _refuse_inside(data, preview, "--preview")
    for place, flag, is_ours in ((report, "--report", _is_page), (preview, "--preview", _is_picture)):
        if place and place.exists() and not (place.is_file() and is_ours(place)):
            kind = "page that ssd inspect wrote" if flag == "--report" else "picture"
            raise InputError(f"{place} exists and is no {kind}: name another file with {flag}")


def _refuse_inside(data: Path, place: Path, flag: str) -> None:
    if data.is_dir() and data.resolve() in place.resolve().parents:
        raise InputError(
            f"{place} is inside of {data}, which stays as it is: name a place outside with {flag}"
        )


def _refuse_images(dataset: Dataset, *places: Path | None) -> None:
    images = {sample.image for split in dataset.values() for sample in split}
    taken = {image.resolve() for image in images if isinstance(image, Path)}
    for place in places:
        if place and place.resolve() in taken:
            raise InputError(f"{place} is an image of the data set: name another file to write")


def _is_page(file: Path) -> bool:
    from ssd_keras.inference.data_page import PAGE_START

    with file.open("rb") as opened:
        return opened.read(len(PAGE_START)) in (PAGE_START, b"")


def _is_picture(file: Path) -> bool:
    from ssd_keras.data.checks import image_size

    return not file.stat().st_size or image_size(file) is not None


# --- What is written ---------------------------------------------------------------------------------------


def _succeeds(job: Callable[[], object], faults: list[InputError]) -> bool:
    """Do something, and go on with the rest where it fails."""
    try:
        with silent_decoders():
            job()
    except InputError as fault:
        faults.append(fault)
        return False
    return True


def _write(place: Path, job: Callable[[], object], output: Output, faults: list[InputError]) -> None:
    if _succeeds(job, faults) and not output.json:
        print(f"written: {shown_text(str(place))}")


def _fixed(
    dataset: Dataset,
    data: Path,
    out: Path,
    new_names: dict[str, str],
    output: Output,
    faults: list[InputError],
) -> list[str] | None:
    """Write the corrected copy and tell the changes; None where it cannot be made."""
    changes: list[str] = []
    if not _succeeds(lambda: changes.extend(_write_fixed(dataset, data, out, new_names, output)), faults):
        return None
    if not output.json:
        count = counted(len(changes), "change")
        print(f"corrected copy: {shown_text(str(out))}, {count}" + (":" if changes else ""))
        for change in changes:
            print(f"  {shown_text(change)}")
    return changes


def _write_fixed(
    dataset: Dataset, data: Path, out: Path, new_names: dict[str, str], output: Output
) -> list[str]:
    from ssd_keras.data.conversion import convert_and_check
    from ssd_keras.data.inspection.fixing import fix_dataset
    from ssd_keras.data.inspection.not_carried import not_carried_over

    if not dataset.class_names:
        raise InputError(f"{data} has no labelled object: label some before a copy is made with --fix")
    fixed, changes = fix_dataset(dataset, new_names)
    total = sum(len(split) for split in fixed.values())
    with progress_bar(total, "writing", output) as advance:
        convert_and_check(fixed, out, dataset.format.split(",")[0], on_progress=advance)
    return [*changes, *not_carried_over(data, dataset)]


def _write_preview(path: Path, dataset: Dataset, recipe: Recipe, size: tuple[int, int]) -> None:
    from ssd_keras.inference.data_page import augmented_sheet
    from ssd_keras.inference.drawing import save_picture
    from ssd_keras.training.feeding import make_augmentation

    split = dataset[recipe.train_split] if recipe.train_split else dataset.usual("train")
    split = split or next((split for split in dataset.values() if split), None)
    if split is None:
        raise InputError(f"no split has an image to show in {path}: add images, or leave --preview out")
    augmentation = make_augmentation(recipe.augmentation, split)
    sheet = augmented_sheet(split, dataset.class_names, augmentation, size, PREVIEWED, recipe.seed)
    save_picture(path, sheet)
