"""From YOLO files to a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ssd_keras.data.readers.assembly import assemble_dataset
from ssd_keras.data.readers.image_finding import image_ids
from ssd_keras.data.readers.sidecar import read_sidecar
from ssd_keras.data.readers.yolo.labels import LabelReader
from ssd_keras.data.readers.yolo.layout import Layout, layout_of
from ssd_keras.data.readers.yolo.places import images_of
from ssd_keras.data.readers.yolo.recognising import LABELS
from ssd_keras.data.samples import Dataset, Problem
from ssd_keras.errors import InputError


def read_yolo(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a YOLO data set; no image is decoded whose header states its size.

    Args:
        path: the YAML file, or a folder that has one, or one with images/ and labels/, or with labels beside
            its images.
        class_names: the classes in the order of their labels; None: as the data set names them.

    Returns:
        The data set. Its splits are those that the YAML file names, with "valid" as "val"; else the folders
        or lists with names of splits; else one, "all". Images of an empty label file, or of none, are images
        without objects. Of outlines and of objects with key points, the boxes are read. Ids without names
        count through `class_names`, or become "class 0" and so on.

    Raises:
        InputError: there is no data set, the YAML file is not understood, no image is left that can be used,
            or a class is not in `class_names`.
    """
    problems: list[Problem] = []
    try:
        layout = layout_of(Path(path), problems)
        sidecar = read_sidecar(layout.root, problems)
        splits = {
            split: images_of(sources, layout.root, problems) for split, sources in layout.sources.items()
        }
        labels = LabelReader(layout, layout.names or sidecar.class_names or class_names, sidecar, problems)
        return _labelled_dataset(layout, labels, splits, class_names)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error


def _labelled_dataset(
    layout: Layout,
    labels: LabelReader,
    splits: Mapping[str, Sequence[Path]],
    class_names: Sequence[str] | None,
) -> Dataset:
    ids = image_ids({image for images in splits.values() for image in images}, layout.root)
    in_order = sorted(ids.items(), key=lambda item: str(item[0]))
    labelled = {image: labels.read(image, image_id) for image, image_id in in_order}
    usable = {
        split: [found for image in images if (found := labelled[image]) is not None]
        for split, images in splits.items()
    }
    for split, images in splits.items():
        if images and not any(image in labels.files for image in images):
            problem = f"none of the {len(images)} images of {split!r} has a label file: they count as empty"
            labels.problems.append(Problem(str(layout.where), problem, f"put their labels into {LABELS}/"))
    labels.tell_unused()
    if class_names is None and labels.names and not labels.stated_names:
        problem = f"nothing names the classes: they are called {labels.names[0]!r} and so on"
        remedy = "name them in its data.yaml, as in 'names: [car, bus]'"
        labels.problems.append(Problem(str(layout.where), problem, remedy))
    names = labels.names if class_names is None else class_names
    return assemble_dataset(layout.where, "yolo", usable, names, labels.problems, labels.sidecar)
