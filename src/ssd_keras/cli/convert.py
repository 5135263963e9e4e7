"""`ssd convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from ssd_keras.cli.options import Output, note, print_json, progress_bar, report_problems
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.data.samples import Dataset


def convert(
    data: Path,
    out: Path,
    /,
    *,
    to: Literal["voc", "coco", "yolo", "csv", "pickle", "hdf5", "lmdb"],
    also: tuple[Path, ...] = (),
    split: tuple[str, ...] = (),
    fractions: dict[str, float] | None = None,
    seed: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    lists: dict[str, Path] | None = None,
    class_names: tuple[str, ...] | None = None,
    include_classes: tuple[str, ...] | None = None,
    exclude_difficult: Annotated[bool, Parameter(negative="")] = False,
    exclude_truncated: Annotated[bool, Parameter(negative="")] = False,
    pixels: Annotated[bool, Parameter(negative="")] = False,
    size: tuple[int, int] | None = None,
    jpeg_quality: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))] = 92,
    output: Output | None = None,
) -> None:
    """Write a data set in another format, or divided otherwise.

    ssd convert photos photos_coco --to coco --fractions.train 0.8 --fractions.val 0.2

    Args:
        data: The data set: a folder or file of any known format.
        out: The folder to make; for hdf5 and lmdb the file.
        to: The format to write.
        also: More data sets, whose splits of the same name are taken together with those of DATA.
        split: Only these splits of the data set.
        fractions: Divide all images anew, by the share for each split (--fractions.train 0.8 --fractions.val
            0.2); identical images stay together.
        seed: For --fractions: another seed, another division.
        lists: Divide the images by text files with one image a line: --lists.train train.txt.
        class_names: The classes in the order of their labels; by default the names in use, sorted.
        include_classes: Keep objects of these classes only.
        exclude_difficult: Leave out objects that are marked as difficult.
        exclude_truncated: Leave out objects that are marked as truncated: they reach beyond the image.
        pixels: For hdf5 and lmdb: store decoded pixels, which are read fastest.
        size: For hdf5 and lmdb: warp all images to this height and width.
        jpeg_quality: Quality of images that have to be encoded as JPEG, 1 to 100.
        output: How to print.
    """
    output = output or Output()
    from ssd_keras.data.checks import counted
    from ssd_keras.data.conversion import Packing, convert_and_check, format_named, refuse_target_inside
    from ssd_keras.data.formats import open_dataset

    refuse_target_inside(out, [data, *also])
    dataset = open_dataset(
        [data, *also],
        class_names,
        include_classes=include_classes,
        exclude_difficult=exclude_difficult,
        exclude_truncated=exclude_truncated,
    )
    report_problems(dataset, data, *also)
    dataset = _divided(dataset, split, fractions, seed, lists)
    total = sum(len(one) for one in dataset.values())
    try:
        with progress_bar(total, "writing", output) as advance:
            written = convert_and_check(dataset, out, to, Packing(pixels, size, jpeg_quality), advance)
    except KeyboardInterrupt:
        if not format_named(to).is_pack and not out.exists():
            note(f"{out} was not complete, and nothing of it is kept")
        raise
    report_problems(written, out)
    boxes = sum(len(sample.ground_truth) for one in written.values() for sample in one)
    document = {
        "path": str(out),
        "format": to,
        "splits": {name: len(one) for name, one in written.items()},
        "boxes": boxes,
        "class_names": list(written.class_names),
    }
    if output.json:
        print_json(document)
        return
    splits = ", ".join(f"{name} {len(one)}" for name, one in written.items())
    classes = counted(len(written.class_names), "class", "classes")
    images = counted(sum(len(one) for one in written.values()), "image")
    print(f"{out} ({to}): {images} ({splits}), {counted(boxes, 'box', 'boxes')}, {classes}")
    forces = format_named(to).forces
    if forces:
        note(f"{to}: {forces}")


def _divided(
    dataset: Dataset,
    split: tuple[str, ...],
    fractions: dict[str, float] | None,
    seed: int,
    lists: dict[str, Path] | None,
) -> Dataset:
    """Choose or make the splits; one way at a time."""
    import dataclasses

    from ssd_keras.data.splitting import remarks_on_lists, split_by_fractions, split_by_lists

    if sum(map(bool, (split, fractions, lists))) > 1:
        raise InputError("--split, --fractions and --lists exclude each other: give one of them")
    if split:
        return dataclasses.replace(dataset, splits={name: dataset[name] for name in split})
    if fractions:
        return split_by_fractions(dataset, fractions, seed)
    if not lists:
        return dataset
    divided = split_by_lists(dataset, lists)
    for remark in remarks_on_lists(dataset, divided):
        note(remark)
    return divided
