"""Names that lead out of the folder of a data set: no image comes from there, no file goes there."""

import json
import pickle

import h5py
import lmdb
import numpy as np
import pytest
from faults.small_data import write_as
from scenes import CLASSES, sample

from ssd_keras.data.conversion import convert_dataset
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.readers.writing import as_jpeg
from ssd_keras.data.samples import Dataset, Sample, Split
from ssd_keras.errors import InputError

TARGETS = [known.name for known in FORMATS]
NAMES = (
    "x" * 300,
    "../../escaped",
    "..\\..\\escaped",
    "/tmp/escaped",
    "C:\\escaped",
    "..",
    "a/../../../escaped",
    "escaped\0.jpg",
    "CON",
    "~/escaped",
    "$HOME/escaped",
    "file:///escaped",
)


@pytest.fixture
def inside(tmp_path):
    """Give a folder two below one with an image that no data set may show or overwrite."""
    folder = tmp_path / "place" / "inside"
    folder.mkdir(parents=True)
    for place in (tmp_path, folder.parent):
        (place / "escaped.jpg").write_bytes(as_jpeg(sample(7).image, 90))
    return folder


def one_line_of(action, *arguments):
    """Do something: what it gives, or None where it raises one clear line."""
    try:
        return action(*arguments)
    except InputError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return None


def all_files(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def convert_everywhere(dataset, inside):
    """Write the data set in all formats into folders of their own: nothing else may change."""
    root = inside.parents[1]
    before = all_files(root)
    for to in TARGETS:
        out = inside / f"out_{to}"
        one_line_of(convert_dataset, dataset, out, to)
        new = all_files(root)
        parts = (out, out.with_name(f"unfinished-{out.name}"))
        assert all(any(file.is_relative_to(part) for part in parts) for file in new.keys() - before.keys())
        assert {file: new[file] for file in before} == before
        before = new


def read_and_convert(path, inside):
    """Read a data set, if that can be done, and write it everywhere."""
    dataset = one_line_of(open_dataset, path)
    if dataset is None:
        return None
    for split in dataset.values():
        for one in split:
            if not isinstance(one.image, bytes) and hasattr(one.image, "resolve"):
                assert one.image.resolve().is_relative_to(inside)
    convert_everywhere(dataset, inside)
    return dataset


@pytest.mark.parametrize("name", NAMES)
def test_samples_with_such_ids_and_splits_stay_in_the_folder(name, inside):
    one = sample(0)
    samples = (
        Sample(one.image, one.ground_truth, name),
        Sample(as_jpeg(one.image, 90), one.ground_truth, name),
    )
    split = Split(name, samples, CLASSES)
    convert_everywhere(Dataset(CLASSES, {name: split, "train": split}, "voc"), inside)


@pytest.mark.parametrize("name", NAMES[:6])
def test_classes_with_such_names_stay_in_the_folder(name, inside):
    split = Split("train", (sample(0),), (name, "red"))
    convert_everywhere(Dataset((name, "red"), {"train": split}, "voc"), inside)


@pytest.mark.parametrize("name", NAMES)
def test_voc(name, inside):
    data = inside / "data"
    write_as("voc", data)
    shown = name.replace("\0", "&#0;")
    for file in (data / "Annotations").iterdir():
        text = file.read_text()
        text = text.replace("<folder>JPEGImages", f"<folder>{shown}")
        file.write_text(text.replace(f"<filename>{file.stem}.jpg", f"<filename>{shown}"))
    (data / "ImageSets" / "Main" / "test.txt").write_text(f"{name}\n0000\n{name}.jpg\n")
    read_and_convert(data, inside)


@pytest.mark.parametrize("name", NAMES)
def test_csv(name, inside):
    data = inside / "data"
    write_as("csv", data)
    table = data / "labels.csv"
    rows = "".join(f'"{one}",1,2,30,40,red,"{name}",0,0,0\n' for one in (name, f"{name}.jpg", "0000"))
    table.write_text(table.read_text() + rows)
    read_and_convert(data, inside)


@pytest.mark.parametrize("name", NAMES)
def test_coco(name, inside):
    data = inside / "data"
    write_as("coco", data)
    file = data / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = name
    content["images"][1]["file_name"] = f"{name}.jpg"
    file.write_text(json.dumps(content))
    read_and_convert(data, inside)


@pytest.mark.parametrize("name", NAMES)
def test_yolo(name, inside):
    data = inside / "data"
    write_as("yolo", data)
    (data / "data.yaml").write_text(
        f"path: {json.dumps(name)}\ntrain: [images/train, {json.dumps(name)}]\n"
        "val: listed.txt\nnames: [a, b]\n"
    )
    (data / "listed.txt").write_text(f"{name}\n{name}.jpg\nimages/val/0002.jpg\n")
    read_and_convert(data, inside)


@pytest.mark.parametrize("name", NAMES)
def test_pickle(name, inside):
    data = inside / "data"
    write_as("pickle", data)
    boxes = np.array([[0.1, 0.2, 0.5, 0.6, 1, 0]])
    content = {name: boxes, f"{name}.jpg": boxes, "0000.jpg": boxes}
    (data / "labels.pkl").write_bytes(pickle.dumps(content, 2))
    (data / "ssd-keras.json").write_text(json.dumps({"splits": {name: ["images/0000.jpg", name]}}))
    assert read_and_convert(data, inside) is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pack", ["hdf5", "lmdb"])
def test_packs(pack, name, inside):
    """A pack is not unpacked by names, but its ids and splits become names when it is converted."""
    one = sample(0)
    file = inside / "pack"
    samples = [Sample(one.image, one.ground_truth, name)]
    writer = next(known.write for known in FORMATS if known.name == pack)
    writer(file, {name: samples}, CLASSES)
    dataset = read_and_convert(file, inside)
    assert dataset is not None
    assert [sample.image_id for sample in dataset[name]] == [name]


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_of_an_hdf5_pack_are_not_followed(kind, inside):
    write_as("hdf5", inside / "pack")
    (inside / "pack").rename(inside / "other")
    write_as("hdf5", inside / "pack")
    with h5py.File(inside / "pack", "r+") as file:
        del file["images"]
        is_soft = kind == "soft"
        file["images"] = h5py.SoftLink("/labels") if is_soft else h5py.ExternalLink("other", "/images")
    with pytest.raises(InputError, match="something else than a table for images"):
        open_dataset(inside / "pack")


def test_keys_of_an_lmdb_pack_are_no_paths(inside):
    write_as("lmdb", inside / "pack")
    with lmdb.open(str(inside / "pack"), subdir=False, lock=False) as pack, pack.begin(write=True) as changes:
        changes.put(b"image/../../escaped", b"\xff\xd8")
    with pytest.raises(InputError, match=r"no pack of images \(it has a key"):
        open_dataset(inside / "pack")
