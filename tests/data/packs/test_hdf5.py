"""HDF5 in particular: what its tables may be, and the files of the Keras port of 2018."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from ssd_keras.data.images import read_image
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.packs import hdf5, hdf5_store
from ssd_keras.data.packs.hdf5 import read_hdf5, recognises_hdf5, write_hdf5
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

IMAGES = [
    np.full((20, 30, 3), 40, np.uint8),
    np.full((12, 16, 3), 200, np.uint8),
    np.zeros((8, 8, 3), np.uint8),
]
LABELS = [[(2, 1, 2, 20, 15), (1, 3, 4, 9, 9)], [], [(3, 0, 0, 8, 8)]]


def error_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- Packs -------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "photos.h5"
    truths = [
        GroundTruth([row[1:] for row in rows] or np.zeros((0, 4)), [row[0] for row in rows])
        for rows in LABELS
    ]
    samples = [
        Sample(image, truth, f"é{i}") for i, (image, truth) in enumerate(zip(IMAGES, truths, strict=True))
    ]
    write_hdf5(path, {"all": samples}, ["a", "b", "c", "d"], pixels=True)
    return path


def test_any_program_finds_its_way(file):
    with h5py.File(file) as pack:
        first, second = pack["image_bytes"][:2]
        np.testing.assert_array_equal(
            pack["images"][first : first + second].reshape(*pack["image_sizes"][1], 3), IMAGES[1]
        )
        assert pack["objects"][()].tolist() == [2, 0, 1]
        assert pack["labels"][()].tolist() == [2, 1, 3]
        assert pack["boxes_px"][2].tolist() == [0, 0, 8, 8]
        assert pack["image_ids"][()].tobytes().decode() == "é0é1é2"


def test_other_hdf5_files_are_no_packs(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as other:
        other["conv/kernel"] = np.zeros(3)
    assert recognises_hdf5(tmp_path / "weights.h5")
    assert "but no pack" in error_of(read_hdf5, tmp_path / "weights.h5")


def test_a_pack_of_version_1_is_read_without_names_of_files_and_areas(file):
    """It had no tables of them."""
    with h5py.File(file, "r+") as pack:
        del pack["file_names"], pack["file_name_bytes"], pack["areas"]
        pack.attrs.modify("ssd_keras_pack", 1)
    samples = read_hdf5(file)["all"]
    assert [sample.image.file_name for sample in samples] == ["", "", ""]
    assert [sample.image_id for sample in samples] == ["é0", "é1", "é2"]
    assert all(np.isnan(sample.ground_truth.areas).all() for sample in samples)


def test_labels_beyond_what_is_read_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_store, "LARGEST_LABELS", 100)
    truth = GroundTruth([(1, 2, 3, 4)] * 7, [0] * 7)  # 112 bytes of corners
    said = error_of(write_hdf5, tmp_path / "x.h5", {"all": [Sample(IMAGES[0], truth, "a")]}, ["cat"])
    assert "labels of so many objects" in said


def replaced(name, values):
    def change(pack):
        del pack[name]
        pack.create_dataset(name, data=values, chunks=True, maxshape=(None, *np.shape(values)[1:]))

    return change


def linked(link):
    def change(pack):
        del pack["labels"]
        pack["labels"] = link

    return change


def declared(name, rows):
    """Make a table claim rows that were never written."""

    def change(pack):
        pack[name].resize(rows, axis=0)

    return change


def compressed(pack):
    del pack["objects"]
    pack.create_dataset("objects", data=np.array([2, 0, 1], np.int64), compression="gzip")


def elsewhere(pack):
    del pack["labels"]
    pack.create_dataset("labels", (3,), np.int32, external=[("/etc/passwd", 0, 12)])


def virtual(pack):
    del pack["labels"]
    layout = h5py.VirtualLayout((3,), np.int32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    pack.create_virtual_dataset("labels", layout)


BIG = 1 << 62
LIES = {
    "version": (lambda pack: pack.attrs.modify("ssd_keras_pack", 99), "newer than 2: update"),
    "version is text": (lambda pack: pack.attrs.create("ssd_keras_pack", "one"), "no number"),
    "version is a list": (lambda pack: pack.attrs.create("ssd_keras_pack", [1, 2]), "no number"),
    "a table is missing": (lambda pack: pack.__delitem__("objects"), "has no table objects"),
    "a table is a group": (
        lambda pack: (pack.__delitem__("objects"), pack.create_group("objects")),
        "else than a table",
    ),
    "soft link": (linked(h5py.SoftLink("/objects")), "else than a table"),
    "dangling link": (linked(h5py.SoftLink("/nothing")), "else than a table"),
    "external link": (linked(h5py.ExternalLink("/etc/passwd", "/labels")), "else than a table"),
    "external storage": (elsewhere, "another file"),
    "virtual storage": (virtual, "another file"),
    "compression": (compressed, "compressed"),
    "floats for counts": (replaced("objects", np.array([2.0, 0, 1])), "not as it should be"),
    "negative count": (replaced("objects", np.array([4, -2, 1])), "wrong number of objects"),
    "too many objects": (replaced("objects", np.array([2, 0, 2])), "wrong number of objects"),
    "counts that overflow": (replaced("objects", np.array([BIG, BIG, 3])), "wrong number of objects"),
    "fewer counts than images": (replaced("objects", np.array([2, 1])), "different lengths"),
    "fewer flags than objects": (replaced("crowd", np.zeros(2, np.uint8)), "different lengths"),
    "label beyond the classes": (replaced("labels", np.array([2, 1, 4], np.int32)), "beyond its 4 classes"),
    "negative label": (replaced("labels", np.array([2, 1, -1], np.int32)), "beyond its 4 classes"),
    "size of an image": (replaced("image_sizes", np.array([[20, 30], [12, 17], [8, 8]])), "another size"),
    "negative size": (replaced("image_sizes", np.array([[20, 30], [-12, -16], [8, 8]])), "impossible"),
    "size that overflows": (replaced("image_sizes", np.array([[BIG, 4], [12, 16], [8, 8]])), "impossible"),
    "half a size": (replaced("image_sizes", np.array([[0, 30], [12, 16], [8, 8]])), "another size"),
    "lengths of images": (replaced("image_bytes", np.array([1800, -576, 192])), "impossible"),
    "more bytes than there are": (declared("images", 100), "wrong number of bytes"),
    "huge labels": (declared("labels", 1 << 40), "claims"),
    "huge names": (declared("image_ids", 1 << 50), "claims"),
    "names that do not fit": (replaced("image_id_bytes", np.array([3, 3, 4])), "wrong number of bytes"),
    "names that are no text": (replaced("image_ids", np.full(9, 255, np.uint8)), "damaged"),
    "about is missing": (lambda pack: pack.__delitem__("about"), "not complete"),
}


@pytest.mark.parametrize("lie", LIES)
def test_packs_that_lie(file, lie):
    change, said = LIES[lie]
    with h5py.File(file, "r+") as pack:
        change(pack)
    assert said in error_of(read_hdf5, file)


def test_a_pack_that_another_process_writes_is_left_alone(tmp_path):
    unfinished = tmp_path / "unfinished-x.h5"
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'w'); f.flush(); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-uc", code, str(unfinished)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        content = unfinished.read_bytes()
        said = error_of(write_hdf5, tmp_path / "x.h5", {"all": []}, ["cat"])
        assert "being written by another process" in said
        assert unfinished.read_bytes() == content
        other.stdin.close()


def test_rows_that_were_not_safe_are_not_trusted(tmp_path, monkeypatch):
    """As after a crash that left the bytes of an image behind its count."""
    target, unfinished = tmp_path / "x.h5", tmp_path / "unfinished-x.h5"

    def samples():
        yield Sample(IMAGES[0], GroundTruth.empty(), "a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_hdf5(target, {"all": samples()}, ["cat"], pixels=True)
    with h5py.File(unfinished, "r+") as pack:
        pack["images"][5] = 99
    write_hdf5(target, {"all": [Sample(IMAGES[0], GroundTruth.empty(), "a")]}, ["cat"], pixels=True)
    np.testing.assert_array_equal(read_image(read_hdf5(target)["all"][0].image), IMAGES[0])


# --- The port of 2018 --------------------------------------------------------------------------------------


def write_port_file(path, images=IMAGES, labels=LABELS, difficult=None, ids=("a", "b", "ü"), chunked=False):
    space = {"maxshape": (None,)} if chunked else {}
    count = len(images)
    with h5py.File(path, "w") as file:
        file.attrs.create("has_labels", labels is not None)
        file.attrs.create("has_image_ids", ids is not None)
        file.attrs.create("has_eval_neutral", difficult is not None)
        file.attrs.create("variable_image_size", True)
        rows = file.create_dataset("images", (count,), dtype=h5py.special_dtype(vlen=np.uint8), **space)
        shapes = file.create_dataset("image_shapes", (count, 3), dtype=np.int32)
        for number, image in enumerate(images):
            rows[number], shapes[number] = image.reshape(-1), image.shape
        if labels is not None:
            rows = file.create_dataset("labels", (count,), dtype=h5py.special_dtype(vlen=np.int32), **space)
            shapes = file.create_dataset("label_shapes", (count, 2), dtype=np.int32)
            for number, boxes in enumerate(labels):
                rows[number], shapes[number] = np.array(boxes, np.int32).reshape(-1), np.array(boxes).shape
        if ids is not None:
            file.create_dataset("image_ids", (count,), dtype=h5py.special_dtype(vlen=str), **space)[:] = ids
        if difficult is not None:
            rows = file.create_dataset("eval_neutral", (count,), dtype=h5py.special_dtype(vlen=np.bool_))
            for number, flags in enumerate(difficult):
                rows[number] = np.array(flags, bool)
    return path


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_of_2018(tmp_path, chunked):
    file = write_port_file(tmp_path / "x.h5", difficult=[[True, False], [], [True]], chunked=chunked)
    assert recognises_hdf5(file)
    data = read_hdf5(file)
    assert data.class_names == ("class 1", "class 2", "class 3")
    assert data.problems == ()
    samples = data["all"]
    assert [sample.image_id for sample in samples] == ["a", "b", "ü"]
    for sample, image in zip(samples, IMAGES, strict=True):
        np.testing.assert_array_equal(read_image(sample.image), image)
    truths = [sample.ground_truth for sample in samples]
    np.testing.assert_array_equal(truths[0].boxes_px, [(1, 2, 20, 15), (3, 4, 9, 9)])
    assert [truth.labels.tolist() for truth in truths] == [[1, 0], [], [2]]
    assert [truth.difficult.tolist() for truth in truths] == [[True, False], [], [True]]
    assert inspect_dataset(data).problems == ()


def test_a_file_of_2018_without_labels_and_names(tmp_path):
    data = read_hdf5(write_port_file(tmp_path / "x.h5", labels=None, ids=None))
    assert data.class_names == ()
    assert [(sample.image_id, len(sample.ground_truth)) for sample in data["all"]] == [
        ("0", 0),
        ("1", 0),
        ("2", 0),
    ]


def test_class_ids_of_2018_count_through_the_given_names_from_1(tmp_path):
    file = write_port_file(tmp_path / "x.h5")
    data = read_hdf5(file, ["cat", "dog", "cow", "hen"])
    assert data.class_names == ("cat", "dog", "cow", "hen")
    assert data["all"][0].ground_truth.labels.tolist() == [1, 0]
    assert "class ids up to 3 for 2 class names" in error_of(read_hdf5, file, ["cat", "dog"])


def test_classes_of_2018_without_names_are_those_in_use(tmp_path):
    labels = [[(2**31 - 1, 1, 1, 5, 5)], [(4, 1, 1, 5, 5)], []]
    data = read_hdf5(write_port_file(tmp_path / "x.h5", labels=labels))
    assert data.class_names == ("class 4", "class 2147483647")


def test_what_is_wrong_in_a_file_of_2018_is_named(tmp_path):
    labels = [[(0, 1, 1, 5, 5), (1, 1, 1, 300, 15), (1, 4, 1, 4, 5)], [], [(-1, 1, 1, 3, 3)]]
    data = read_hdf5(write_port_file(tmp_path / "x.h5", labels=labels, difficult=[[True] * 3, [], []]))
    np.testing.assert_array_equal(data["all"][0].ground_truth.boxes_px, [(1, 1, 30, 15)])
    assert data["all"][0].ground_truth.difficult.tolist() == [True]
    said = [problem.problem for problem in data.problems]
    assert "not one value for each box in 1 image:" in said[0]
    assert "left out 2 boxes with a class id below 1" in said[1]
    assert "reaches out of the image (30 × 20)" in said[2]
    assert "no width" in said[3]


def with_references(name, length):
    """Make the rows of a table claim a number of values."""

    def change(path):
        with h5py.File(path) as file:
            place, count = file[name].id.get_offset(), len(file[name])
        content = bytearray(path.read_bytes())
        for number in range(count):
            content[place + 16 * number : place + 16 * number + 4] = length.to_bytes(4, "little")
        path.write_bytes(content)

    return change


def with_heaps(old, new, then_zeros=False):
    """Replace the head of every heap collection, and with zeros what is behind it."""

    def change(path):
        content = bytearray(path.read_bytes())
        place = content.find(old)
        while place >= 0:
            content[place : place + len(new)] = new
            if then_zeros:
                content[place + 16 : place + 64] = bytes(48)
            place = content.find(old, place + len(old) + 1)
        path.write_bytes(content)

    return change


def with_table(name, values):
    def change(path):
        with h5py.File(path, "r+") as file:
            del file[name]
            file[name] = values

    return change


PORT_LIES = {
    "size of an image": (with_table("image_shapes", np.array([[20, 31, 3]] * 3, np.int32)), "another size"),
    "negative size": (with_table("image_shapes", np.array([[-20, -30, 3]] * 3, np.int32)), "impossible"),
    "grey": (with_table("image_shapes", np.array([[20, 30, 1]] * 3, np.int32)), "not RGB"),
    "more sizes than images": (
        with_table("image_shapes", np.array([[8, 8, 3]] * 4, np.int32)),
        "3 images for 4",
    ),
    "flat images": (with_table("images", np.zeros(3, np.uint8)), "not as it should be"),
    "images as text": (with_table("images", np.array([b"a", b"b", b"c"], object)), "not as it should be"),
    "shape of labels": (with_table("label_shapes", np.array([[1, 5]] * 3, np.int32)), "another shape"),
    "labels of four": (
        with_table("label_shapes", np.array([[2, 4], [0, 0], [1, 5]], np.int32)),
        "another shape",
    ),
    "fewer names": (with_table("image_ids", np.array([b"a"], object)), "not one an image"),
    "huge images": (with_references("images", 0xFFFFFFFF), "impossible"),
    "huge labels": (with_references("labels", 0xFFFFFFFF), "claims"),
    "other labels": (with_references("labels", 5), "another length"),
    "no heap": (with_heaps(b"GCOL", b"COAL"), "without its values"),
    "objects of no size": (with_heaps(b"GCOL", b"GCOL", then_zeros=True), "another length"),
    "huge names": (with_references("image_ids", 0xFFFFFFFF), "claims"),
}


@pytest.mark.parametrize("lie", PORT_LIES)
def test_files_of_2018_that_lie(tmp_path, lie):
    change, said = PORT_LIES[lie]
    file = write_port_file(tmp_path / "x.h5")
    change(file)
    assert said in error_of(read_hdf5, file)


def test_huge_rows_that_agree_with_their_shapes(tmp_path):
    file = write_port_file(tmp_path / "x.h5")
    with_table("label_shapes", np.array([[1 << 27, 5]] * 3, np.int32))(file)
    with_references("labels", 5 << 27)(file)
    assert "claims" in error_of(read_hdf5, file)


def test_damage_anywhere_in_a_file_of_2018_is_one_line_or_another_pixel(tmp_path):
    file = write_port_file(tmp_path / "x.h5", difficult=[[True, False], [], [True]])
    content = file.read_bytes()
    rng, lines = np.random.default_rng(5), []
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 12):
            damaged[place] = rng.integers(0, 256)
        file.unlink()
        file.write_bytes(damaged[: len(content) if rng.random() < 0.7 else rng.integers(1, len(content))])
        try:
            for sample in read_hdf5(file)["all"]:
                read_image(sample.image)
        except InputError as error:
            lines.append(str(error))
    assert lines
    assert not any("\n" in line for line in lines)


def test_the_tables_are_those_of_the_docstring():
    for name in hdf5.TABLES:
        assert f"{name} " in hdf5.__doc__ or f"{name}," in hdf5.__doc__
