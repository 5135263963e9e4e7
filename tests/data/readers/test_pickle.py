"""Pickles of the oldest port: read, written, damaged, and made to do harm."""

import builtins
import collections
import contextlib
import functools
import os
import pickle
import struct
import tempfile
import time
import tracemalloc
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CLASS_NAMES, assert_same_areas, truths

from ssd_keras.data.readers import unpickling
from ssd_keras.data.readers.pickle import read_pickle, recognises_pickle
from ssd_keras.data.readers.pickling import write_pickle
from ssd_keras.data.readers.sidecar import Sidecar, write_sidecar
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 60, 100
PIXELS = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
JPEG = cv2.imencode(".jpg", PIXELS)[1].tobytes()
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()

ROW = [0.25, 0.25, 0.5, 0.75, 0, 1]
BOX = [25, 15, 50, 45]
"""What `ROW` means in an image of this size."""

FOREIGN = "holds more than arrays, dictionaries and strings: nothing in it was run"


class Folder:
    """A data set in the making."""

    def __init__(self, root):
        self.root = root
        self.file = root / "labels.pkl"
        root.mkdir(parents=True)

    def write(self, content, protocol=2, images=("a.jpg",)):
        self.write_bytes(pickle.dumps(content, protocol), images)

    def write_bytes(self, data, images=("a.jpg",)):
        self.file.write_bytes(data)
        for image in images:
            (self.root / image).parent.mkdir(parents=True, exist_ok=True)
            (self.root / image).write_bytes(JPEG)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "data")


def rows(*values):
    return np.array(values, np.float64)


def only_truth(data):
    (split,) = data.values()
    (sample,) = split
    return sample.ground_truth


def the_problem(data):
    (problem,) = data.problems
    assert "\n" not in str(problem)
    return problem


def the_error(path, *arguments):
    with pytest.raises(InputError) as error:
        read_pickle(path, *arguments)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    return str(error.value)


# --- What is read ------------------------------------------------------------------------------------------

EXAMPLE_BOX = [394, 167, 406, 178]
EXAMPLE_ROW = [0.615625, 0.347917, 0.634375, 0.370833, 1, 0, 0, 0, 0, 0]
"""The port's own example: 640 × 480 pixels, the first of six classes."""


def example_image():
    return cv2.imencode(".png", np.zeros((480, 640, 3), np.uint8))[1].tobytes()


def test_the_example_of_the_port_is_read(folder):
    folder.write({"a.png": rows(EXAMPLE_ROW)}, images=())
    (folder.root / "a.png").write_bytes(example_image())
    data = read_pickle(folder.file)
    np.testing.assert_allclose(only_truth(data).boxes_px, [EXAMPLE_BOX], atol=1e-3)
    assert only_truth(data).labels.tolist() == [0]
    assert data.class_names == tuple(f"class {i}" for i in range(1, 7))
    assert data.problems == ()


def test_the_example_of_the_port_is_written(tmp_path):
    truth = GroundTruth(np.float32([EXAMPLE_BOX]), np.array([0]))
    write_pickle(tmp_path / "out", {"train": [Sample(example_image(), truth, "a")]}, list("abcdef"))
    content = pickle.loads((tmp_path / "out" / "labels.pkl").read_bytes())
    assert list(content) == ["a.png"]
    assert content["a.png"].dtype == np.float64
    np.testing.assert_allclose(content["a.png"], [EXAMPLE_ROW], rtol=0, atol=5e-7)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", ">f4", "<f2"])
def test_every_protocol_and_number_type(folder, protocol, kind):
    table = rows(ROW, [0, 0, 1, 1, 1, 0])
    content = {
        "a.jpg": table.astype(kind),
        "b.jpg": np.zeros((0, 6), kind),
        "ü 猫.jpg": np.asfortranarray(table.astype(kind)),
        "d.jpg": np.repeat(table, 2, axis=0)[::2].astype(kind),
        "e.jpg": table.astype(kind),
        "f.jpg": np.array([], kind),
    }
    folder.write(content, protocol, images=content)
    data = read_pickle(folder.root)
    assert data.format == "pickle"
    assert data.class_names == ("class 1", "class 2")
    assert data.problems == ()
    assert [sample.image.name for sample in data["all"]] == list(content)
    for sample, written in zip(data["all"], content.values(), strict=True):
        expected = [BOX, [0, 0, WIDTH, HEIGHT]] if written.size else np.zeros((0, 4))
        np.testing.assert_array_equal(sample.ground_truth.boxes_px, expected)
        np.testing.assert_array_equal(sample.ground_truth.labels, [1, 0] if written.size else [])


@pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u4", "<i8", "bool"])
def test_whole_numbers(folder, kind):
    folder.write({"a.jpg": np.array([[0, 0, 1, 1, 0, 1]], kind)})
    np.testing.assert_array_equal(only_truth(read_pickle(folder.file)).boxes_px, [[0, 0, WIDTH, HEIGHT]])


def python2(name, quoted):
    """A pickle of a dictionary with one array as Python 2 and NumPy 1 write it, protocol 0 or 2."""
    data = np.array([ROW]).tobytes()
    if quoted:
        name, data = repr(name)[1:].encode(), repr(data)[1:].encode()
        return (
            b"(dp0\nS" + name + b"\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n"
            b"(cnumpy\nndarray\np3\n(I0\ntp4\n"
            b"S'b'\np5\ntp6\nRp7\n(I1\n(L1L\nI6\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n"
            b"(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS" + data + b"\np15\ntp16\nbs."
        )  # fmt: skip
    return (
        b"\x80\x02}q\x00U" + bytes([len(name)]) + name + b"q\x01cnumpy.core.multiarray\n_reconstruct\nq\x02"
        b"cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01\x8a\x01\x01K\x06\x86cnumpy\ndtype\nq\x05U\x02f8K\x00K\x01\x87R"
        b"q\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", len(data)) + data + b"tbs."
    )  # fmt: skip


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_python_2_wrote(folder, quoted, encoding):
    folder.write_bytes(python2("Tür 'ß'.jpg".encode(encoding), quoted), images=["Tür 'ß'.jpg"])
    data = read_pickle(folder.file)
    assert data["all"][0].image_id == "Tür 'ß'"
    np.testing.assert_array_equal(only_truth(data).boxes_px, [BOX])
    assert data.problems == ()


def test_images_may_lie_below_and_others_do_not_count(folder):
    folder.write({"a.jpg": rows(ROW)}, images=["frames/1/a.jpg", "frames/2/b.jpg"])
    (sample,) = read_pickle(folder.file)["all"]
    assert sample.image == folder.root / "frames" / "1" / "a.jpg"


def test_nothing_is_decoded_whose_header_states_its_size(folder):
    folder.write({"a.jpg": rows(ROW)})
    (folder.root / "a.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    np.testing.assert_array_equal(only_truth(read_pickle(folder.file)).boxes_px, [BOX])


def test_slightly_negative_numbers_are_cut_off_silently(folder):
    folder.write({"a.jpg": rows([-0.001, -0.002, 1.005, 1, 0, 1])})
    data = read_pickle(folder.file)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[0, 0, WIDTH, HEIGHT]])
    assert data.problems == ()


def test_a_data_set_without_any_object(folder):
    folder.write({"a.jpg": np.zeros((0,))})
    data = read_pickle(folder.file)
    assert len(only_truth(data)) == 0
    assert data.class_names == ()
    assert read_pickle(folder.file, ["cat"]).class_names == ("cat",)


# --- Class names, splits and flags -------------------------------------------------------------------------


def test_given_class_names_are_those_of_the_columns(folder):
    folder.write({"a.jpg": rows(ROW)})
    assert read_pickle(folder.file, ["cat", "dog"]).class_names == ("cat", "dog")
    assert "has 2 classes, but 1 class names are given" in the_error(folder.file, ["cat"])
    assert "listed twice" in the_error(folder.file, ["cat", "cat"])


def test_the_sidecar_names_classes_splits_and_flags(folder):
    folder.write({name: rows(ROW, ROW) for name in ("a.jpg", "b.jpg")}, images=["x/a.jpg", "b.jpg"])
    splits = {"val": ["b.jpg"], "train": ["x/a.jpg", "b.jpg"], "test": []}
    write_sidecar(folder.root, Sidecar(("cat", "dog"), splits, {"x/a.jpg": {"crowd": [1, 99]}}))
    data = read_pickle(folder.root)
    assert data.class_names == ("cat", "dog")
    assert {name: [s.image_id for s in split] for name, split in data.items()} == {
        "val": ["b"],
        "train": ["a", "b"],
        "test": [],
    }
    assert data["train"][1] is data["val"][0]
    assert data["train"][0].ground_truth.crowd.tolist() == [False, True]
    assert data.problems == ()
    assert read_pickle(folder.root, ["dog", "cow", "cat"])["val"][0].ground_truth.labels.tolist() == [0, 0]
    assert "class 'dog' is not in the list of classes" in the_error(folder.root, ["cat"])


@pytest.mark.parametrize("names", [("cat",), ("cat", "cat"), ("cat", "dog", "cow")])
def test_a_sidecar_that_does_not_fit_is_told(folder, names):
    folder.write({"a.jpg": rows(ROW)})
    write_sidecar(folder.root, Sidecar(names))
    data = read_pickle(folder.file)
    assert data.class_names == ("class 1", "class 2")
    said = "is listed twice" if len(set(names)) < len(names) else "class names for 2 classes"
    assert said in the_problem(data).problem


def test_images_that_the_splits_do_not_name_are_told(folder):
    folder.write({name: rows(ROW) for name in ("a.jpg", "b.jpg")}, images=["a.jpg", "b.jpg"])
    write_sidecar(folder.root, Sidecar(splits={"train": ["a.jpg", "gone.jpg"]}))
    data = read_pickle(folder.file)
    assert len(data["train"]) == 1
    told = [problem.problem for problem in data.problems]
    assert told == [
        "names no split for 1 image (the first: 'b.jpg'), left out",
        "names 1 image (the first: 'gone.jpg') in its splits, without labels of use",
    ]


# --- What is wrong in it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "read", "said"),
    [
        ([0.25, 0.25, 0.5, 0.75, 0, 0], [], "has no class and is left out"),
        ([0.25, 0.25, 0.5, 0.75, 1, 1], [], "has 2 classes and is left out"),
        ([0.25, 0.25, 0.5, 0.75, 0.5, 0.5], [], "has other numbers than 0 and 1"),
        ([0.25, 0.25, 0.5, 0.75, 1, np.nan], [], "has other numbers than 0 and 1"),
        ([0.25, 0.25, 0.5, 0.75, -1, 1], [], "has other numbers than 0 and 1"),
        ([0.25, np.nan, 0.5, 0.75, 0, 1], [], "its ymin is not finite"),
        ([0.25, 0.25, np.inf, 0.75, 0, 1], [], "its xmax is not finite"),
        ([0.25, 0.25, 1.7e308, 0.75, 0, 1], [], "its xmax is not finite"),
        ([0.25, 0.25, 0.25, 0.75, 0, 1], [], "has no width"),
        ([0.5, 0.75, 0.25, 0.25, 0, 1], [BOX], "swapped"),
        ([-0.5, 0.25, 0.5, 0.75, 0, 1], [[0, 15, 50, 45]], "reaches out of the image"),
        ([25, 15, 50, 45, 0, 1], [], "outside of the image"),
    ],
)
def test_faulty_rows(folder, row, read, said):
    folder.write({"a.jpg": rows(ROW, row)})
    data = read_pickle(folder.file)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [BOX, *read])
    problem = the_problem(data)
    assert problem.file == str(folder.file)
    assert problem.problem.startswith("row 2 of a.jpg: the box ")
    assert said in problem.problem


def test_corners_in_pixels_are_known_by_their_size(folder):
    folder.write({"a.jpg": rows([2, 3, 30, 15, 0, 1], [5, 5, 50, 45, 0, 1])})
    data = read_pickle(folder.file)
    assert {problem.advice for problem in data.problems} == {
        "divide the corners by the image's width and height: they look like pixels"
    }
    folder.write({"a.jpg": rows(ROW, [25, 15, 50, 45, 0, 1], ROW)})
    assert the_problem(read_pickle(folder.file)).advice == "correct the file"


def test_many_faulty_rows_are_counted(folder):
    folder.write({"a.jpg": np.zeros((1000, 6))})
    data = read_pickle(folder.file)
    assert len(data.problems) == 11
    assert "990 more faulty rows of a.jpg" in data.problems[-1].problem


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 7)), "is of shape (2, 7) where (n, 6) belongs"),
        (np.zeros(6), "is of shape (6,)"),
        (np.zeros((1, 2, 6)), "is of shape (1, 2, 6)"),
        (np.zeros(()), "is of shape ()"),
        (np.zeros((400_000, 6)), "is damaged or too large"),
    ],
)
def test_an_array_that_is_none_leaves_its_image_out(folder, array, said):
    names = ["a.jpg", "b.jpg", "c.jpg"]
    folder.write({"a.jpg": array, **dict.fromkeys(names[1:], rows(ROW))}, images=names)
    if array.size > 1_000_000:  # many small tables say how many classes there are
        write_sidecar(folder.root, Sidecar(("cat", "dog")))
    data = read_pickle(folder.file)
    assert [sample.image_id for sample in data["all"]] == ["b", "c"]
    assert said in the_problem(data).problem
    assert "a.jpg" in the_problem(data).problem


def test_entries_that_are_no_arrays_are_told_once(folder):
    folder.write({"a.jpg": rows(ROW), "b.jpg": [ROW], "classes": ["cat", "dog"], 3: np.float64(2)})
    data = read_pickle(folder.file)
    assert len(data["all"]) == 1
    assert "3 entries (the first: 'b.jpg') with something else than an array" in the_problem(data).problem


def test_images_that_are_missing_are_told_once(folder):
    content = {name: rows(ROW) for name in ("x.jpg", "a.jpg", "../../y.jpg", "/etc/passwd", "a\0b")}
    folder.write(content)
    data = read_pickle(folder.file)
    assert len(data["all"]) == 1
    assert "4 entries (the first: 'x.jpg') for which no image" in the_problem(data).problem


def test_two_entries_for_one_image_are_told(folder):
    folder.write({"a.jpg": rows(ROW), "./a.jpg": rows(ROW, ROW)})
    data = read_pickle(folder.file)
    assert len(only_truth(data)) == 1
    assert "the entry './a.jpg' for an image that has one already" in the_problem(data).problem


@pytest.mark.parametrize("content", [b"", b"no image", JPEG[:20]])
def test_an_image_that_is_none_is_left_out(folder, content):
    folder.write({"a.jpg": rows(ROW), "b.jpg": rows(ROW)}, images=["a.jpg", "b.jpg"])
    (folder.root / "a.jpg").write_bytes(content)
    data = read_pickle(folder.file)
    assert len(data["all"]) == 1
    assert "does not decode" in the_problem(data).problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "holds no image that can be used"),
        ({"x.jpg": rows(ROW)}, "holds no image that can be used"),
        (rows(ROW), "holds no dictionary"),
        ([{"a.jpg": rows(ROW)}], "holds no dictionary"),
        ("a.jpg", "holds no dictionary"),
        ({"a.jpg": rows(ROW[:4])}, "has arrays of 4 columns"),
        ({"a.jpg": np.zeros((1, 20_000))}, "has arrays of 20000 columns"),
    ],
)
def test_content_that_is_no_data_set_is_an_error(folder, content, said):
    folder.write(content)
    assert said in the_error(folder.file)


GOOD = pickle.dumps({"a.jpg": rows(ROW)}, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"}",
        b"a.jpg,1,2,3,4,cat",
        b"\x80\x02",
        b"\x80\x02}U",
        b"\x80\x02}q\x00(X\xff\xff\xff\xff",
        b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
        b"\x80\x02h\x05.",
        b"\x80\x02}0.",
        b"\x80\x02(.",
        b"\x80\x02}K\x01s.",
        b"\x80\x020.",
        b"Iten\n.",
        b"I" + b"9" * 4200 + b"\n.",
        b"S'abc\n.",
        b"S'\n.",
        b"\x80\x02\x86.",
        b"\x80\x02}q\x00\xfe.",
        JPEG,
        b"\0" * 1000,
    ],
)
def test_what_is_no_pickle_is_one_line(folder, data):
    folder.write_bytes(data)
    error = the_error(folder.file)
    assert any(said in error for said in ("is no pickle", "holds no ", "more memory or time"))


def test_pickles_that_are_cut_short_are_one_line(folder):
    for protocol in range(6):
        whole = pickle.dumps({"a.jpg": rows(ROW)}, protocol)
        for length in range(len(whole)):
            folder.write_bytes(whole[:length])
            the_error(folder.file)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_pickles_are_read_or_refused(protocol, changes):
    data = bytearray(pickle.dumps({"a.jpg": rows(ROW), "b": np.zeros((0, 6), np.float32)}, protocol))
    for place, value in changes:
        data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root) / "data")
        folder.write_bytes(bytes(data))
        with contextlib.suppress(InputError):
            read_pickle(folder.file)


# --- Harm --------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HARM = {
    "os.system": lambda marker: Call(os.system, f"touch {marker}"),
    "eval": lambda marker: Call(builtins.eval, f"open({str(marker)!r}, 'w')"),
    "exec": lambda marker: Call(builtins.exec, f"open({str(marker)!r}, 'w')"),
    "open": lambda marker: Call(builtins.open, str(marker), "w"),
    "getattr": lambda marker: Call(builtins.getattr, str, "join"),
    "mkdir": lambda marker: Call(os.mkdir, str(marker)),
    "nested": lambda marker: [({"x": [Call(os.mkdir, str(marker))]},)],
    "partial": lambda marker: functools.partial(os.mkdir, str(marker)),
    "numpy file": lambda marker: Call(np.save, str(marker), 1),
    "fromfile": lambda marker: Call(np.fromfile, "/etc/hostname", "u1"),
    "objects": lambda marker: np.array([Call(os.mkdir, str(marker)), None], object),
    "harmless objects": lambda marker: np.array([[1, "a"]], object),
    "texts": lambda marker: np.array(["a"]),
    "records": lambda marker: np.zeros(1, [("x", "f8")]),
    "dates": lambda marker: np.zeros(1, "M8[s]"),
    "complex": lambda marker: np.zeros((1, 6), complex),
    "ordered": lambda marker: collections.OrderedDict(a=1),
    "set": lambda marker: {1, 2},
    "frozenset": lambda marker: frozenset({1, 2}),
    "complex number": lambda marker: 1j,
    "instance": lambda marker: types.SimpleNamespace(a=1),
    "class": lambda marker: types.SimpleNamespace,
    "big bytearray": lambda marker: Call(bytearray, 1 << 40),
    "big bytes": lambda marker: Call(bytes, 1 << 40),
    "big zeros": lambda marker: Call(np.zeros, 1 << 40),
    "encode": lambda marker: Call(__import__("_codecs").encode, "abc", "rot13"),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", HARM)
def test_nothing_is_run(folder, kind, protocol):
    marker = folder.root / "marker"
    harm = HARM[kind](marker)
    for content in ({"a.jpg": rows(ROW), "b.jpg": harm}, harm):
        folder.write(content, protocol)
        assert FOREIGN in the_error(folder.file)
        assert not marker.exists()
        recognises_pickle(folder.root)


@pytest.mark.parametrize(
    "text",
    [
        b"cos\nsystem\n(S'touch {marker}'\ntR.",
        b"(S'touch {marker}'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch {marker}'\no.",
        b"cbuiltins\ntype\n)\x81.",
        b"cbuiltins\ntype\n)}\x92.",
        b"}P7\n.",
        b"}Q.",
        b"\x82\x01.",
        b"}\x97.",
        b"}\x98.",
        b"cnumpy\nndarray\n(I1\ntR.",
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"cnumpy\ndtype\n}b.",
        b"cnumpy\nndarray\n(N}S'shape'\nI1\nstb.",
        b"}}(S'__class__'\nI1\nub.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        b"c__builtin__\nbytes\n(I1000000000000\ntR.",
        b"}(I1\nI2\ntI3\ns.",
        b"}]I3\ns.",
    ],
)
def test_instructions_that_make_objects_are_refused(folder, text):
    marker = folder.root / "marker"
    folder.write_bytes(text.replace(b"{marker}", str(marker).encode()))
    assert FOREIGN in the_error(folder.file)
    assert not marker.exists()


def array_of(shape, content=b"", code=b"f8"):
    """The end of a pickle: an array under the name a.jpg with any shape and bytes."""
    return (
        b"\x80\x03}C\x05a.jpgcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
        + pickle.dumps(shape, 3)[2:-1] + b"cnumpy\ndtype\nC" + bytes([len(code)]) + code + b"\x89\x88\x87R"
        + b"(K\x03C\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + b"C" + bytes([len(content)]) + content + b"tbs."
    )  # fmt: skip


@pytest.mark.parametrize(
    "shape",
    [
        (10**10,),
        (-1, 6),
        (1 << 62, 4),
        (True, "a"),
        "shape",
        (1.5, 6),
        (1,) * 40,
        (2, 6),
        (1, 5),
        (900_000, 6),
        (0, 10**10),
        (900_000_000, 6),
    ],
)
def test_arrays_that_do_not_fit_their_bytes(folder, shape):
    folder.write_bytes(array_of(shape, np.array(ROW).tobytes()))
    with less_than(megabytes=20):
        the_error(folder.file)


class less_than:  # noqa: N801 - reads as a phrase
    """Fails where more memory or more time is taken."""

    def __init__(self, megabytes, seconds=60):
        self.megabytes, self.seconds = megabytes, seconds

    def __enter__(self):
        tracemalloc.start()
        self.begun = time.monotonic()

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.megabytes << 20
        assert time.monotonic() - self.begun < self.seconds


def doubled(depth):
    """Instructions that make a tuple of a tuple twice, and so on."""
    return b")" + b"2\x86" * depth


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02]" + b"]" * 100_000 + b"a" * 100_000 + b".",
        b"\x80\x02}" + b"K\x01}" * 100_000 + b"s" * 100_000 + b".",
        b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
        b"\x80\x02}" + doubled(60) + b"K\x01s.",
        b"\x80\x02" + doubled(60) + b".",
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x02}q\x00r\xff\xff\xff\x7f.",
        b"(dp99999999999999999999\n.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
        b"\x80\x04\x96" + b"\x00\x00\x00\x00\x01\x00\x00\x00.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02" + b"(" * 200_000 + b".",
        b"\x80\x02" + b"}" * 200_000 + b"0",
    ],
    ids=range(13),
)
def test_bombs(folder, data):
    folder.write_bytes(data)
    with less_than(megabytes=250):
        the_error(folder.file)


def test_a_long_program_ends(folder, monkeypatch):
    monkeypatch.setattr(unpickling, "MOST_STEPS", 100_000)
    folder.write_bytes(b"\x80\x02" + b"]0" * 200_000 + b".")
    assert "more memory or time" in the_error(folder.file)


def test_a_large_array_again_and_again_is_refused(folder):
    array = np.tile(rows(ROW), (20_000, 1))
    folder.write({f"{i}.jpg": array for i in range(100)}, images=["1.jpg"])
    with less_than(megabytes=100):
        assert "more than 1000000 boxes" in the_error(folder.file)


def test_a_file_of_gigabytes_is_not_read(folder):
    folder.write_bytes(GOOD)
    for size in (1 << 30, 5 << 30):
        os.truncate(folder.file, 0)
        os.truncate(folder.file, size)
        with less_than(megabytes=20, seconds=20):
            the_error(folder.file)


# --- Finding it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["labels.pkl", "gt_pascal.pickle", "GT.PKL"])
@pytest.mark.parametrize("protocol", range(6))
def test_what_is_recognised(tmp_path, name, protocol):
    (tmp_path / name).write_bytes(pickle.dumps({"a.jpg": rows(ROW)}, protocol))
    assert recognises_pickle(tmp_path / name)
    assert not recognises_pickle(tmp_path)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "a.jpg").write_bytes(JPEG)
    assert recognises_pickle(tmp_path)
    assert len(read_pickle(tmp_path)["all"]) == 1


def test_what_is_not_recognised(tmp_path):
    (tmp_path / "a.pkl").write_text("text")
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (tmp_path / "b.pkl").mkdir()
    for path in (tmp_path, *tmp_path.iterdir(), tmp_path / "missing.pkl"):
        assert not recognises_pickle(path)
    assert "has no pickle" in the_error(tmp_path)
    assert "cannot be read" in the_error(tmp_path / "missing.pkl")


def test_of_two_pickles_one_must_be_named(folder):
    folder.write({"a.jpg": rows(ROW)})
    (folder.root / "prior_boxes_ssd300.pkl").write_bytes(GOOD)
    assert "has 2 pickles (labels.pkl, prior_boxes_ssd300.pkl): name one" in the_error(folder.root)
    assert len(read_pickle(folder.file)["all"]) == 1


# --- Writing -----------------------------------------------------------------------------------------------


def sample_of(image_id="a", boxes=((10, 20, 30, 40),), labels=(0,), image=JPEG, **flags):
    return Sample(image, GroundTruth(np.array(boxes, np.float32), np.array(labels), **flags), image_id)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data):
    class_names = data.draw(st.lists(CLASS_NAMES, min_size=1, max_size=4, unique=True))
    image_ids = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True))
    split = data.draw(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8).filter(lambda x: x != "val")
    )
    samples = [Sample(JPEG, data.draw(truths(len(class_names))), image_id) for image_id in image_ids]
    with tempfile.TemporaryDirectory() as folder:
        write_pickle(folder, {split: iter(samples), "val": []}, class_names)
        again = read_pickle(folder)
        assert again.problems == ()
        assert again.class_names == tuple(class_names)
        assert len(again["val"]) == 0
        for read, written in zip(again[split], samples, strict=True):
            np.testing.assert_allclose(
                read.ground_truth.boxes_px, written.ground_truth.boxes_px, rtol=1e-6, atol=1e-5
            )
            for name in ("labels", "difficult", "crowd", "truncated"):
                np.testing.assert_array_equal(
                    getattr(read.ground_truth, name), getattr(written.ground_truth, name)
                )
            assert_same_areas(read.ground_truth, written.ground_truth, rtol=2e-5)


def test_numbers_of_classes_come_back(tmp_path):
    write_pickle(tmp_path / "out", {"train": [sample_of()]}, ["cat", "dog"], category_ids=[90, 3])
    assert read_pickle(tmp_path / "out").category_ids == (90, 3)
    with pytest.raises(InputError, match="1 category ids for 2 classes"):
        write_pickle(tmp_path / "more", {"train": []}, ["cat", "dog"], category_ids=[1])


def test_marks_of_boxes_one_of_which_is_gone_are_left_out_and_told(tmp_path):
    boxes = ((10, 20, 30, 40), (1, 2, 3, 4))
    write_pickle(tmp_path, {"train": [sample_of(boxes=boxes, labels=(0, 0), difficult=[0, 1])]}, ["cat"])
    assert only_truth(read_pickle(tmp_path)).difficult.tolist() == [False, True]
    labels = pickle.loads((tmp_path / "labels.pkl").read_bytes())
    (tmp_path / "labels.pkl").write_bytes(pickle.dumps({name: rows[:1] for name, rows in labels.items()}))
    data = read_pickle(tmp_path)
    assert only_truth(data).difficult.tolist() == [False]
    assert "has 1 box and had 2 when ssd-keras.json was written" in the_problem(data).problem


def test_what_is_written_needs_no_new_numpy(tmp_path):
    samples = [sample_of("ü 1"), sample_of("b", boxes=(), labels=()), sample_of("c.d", image=PIXELS)]
    write_pickle(tmp_path / "out", {"train": samples}, ["cat", "dog"])
    data = (tmp_path / "out" / "labels.pkl").read_bytes()
    assert data.startswith(b"\x80\x02")
    assert b"numpy.core.multiarray" in data
    assert b"_core" not in data
    content = pickle.loads(data)
    assert {name: array.shape for name, array in content.items()} == {
        "ü 1.jpg": (1, 6),
        "b.jpg": (0, 6),
        "c.d.jpg": (1, 6),
    }


def test_a_sample_in_two_splits_is_written_once(tmp_path):
    sample, other = sample_of("a"), sample_of("b", image=PNG)
    write_pickle(tmp_path / "out", {"train": [sample], "trainval": [sample, other]}, ["cat"])
    assert sorted(file.name for file in (tmp_path / "out" / "images").iterdir()) == ["a.jpg", "b.png"]
    again = read_pickle(tmp_path / "out")
    assert again["train"][0] is again["trainval"][0]


def test_two_images_of_one_name_both_remain(tmp_path):
    splits = {"train": [sample_of("a")], "val": [sample_of("a", boxes=[(1, 1, 2, 2)]), sample_of("A")]}
    write_pickle(tmp_path / "out", splits, ["cat"])
    again = read_pickle(tmp_path / "out")
    assert [sample.image_id for sample in again["val"]] == ["a_2", "A_3"]
    np.testing.assert_allclose(again["val"][0].ground_truth.boxes_px, [[1, 1, 2, 2]])


def test_a_box_that_leaves_the_image_is_written_as_it_is(tmp_path):
    write_pickle(tmp_path / "out", {"train": [sample_of(boxes=[(-50, 15, 50, 45)])]}, ["cat"])
    data = read_pickle(tmp_path / "out")
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[0, 15, 50, 45]])
    assert "reaches out" in the_problem(data).problem


def test_a_relative_path_will_do(tmp_path, monkeypatch):
    write_pickle(tmp_path / "out", {"train": [sample_of(crowd=[True])]}, ["cat"])
    for place, path in ((tmp_path, "out"), (tmp_path / "out", "."), (tmp_path / "out", "labels.pkl")):
        monkeypatch.chdir(place)
        data = read_pickle(path)
        assert only_truth(data).crowd.tolist() == [True]
        assert data["train"][0].image.is_file()


def test_no_file_is_written_outside_of_the_folder(tmp_path):
    write_pickle(tmp_path / "out", {"../../x": [sample_of("../../../evil")]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read_pickle(tmp_path / "out")["../../x"]) == 1


def test_samples_are_taken_one_at_a_time(tmp_path):
    def samples():
        for number in range(3):
            yield sample_of(str(number))
            assert (tmp_path / "out" / "images" / f"{number}.jpg").exists()

    write_pickle(tmp_path / "out", {"train": samples()}, ["cat"])
    assert len(read_pickle(tmp_path / "out")["train"]) == 3


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        write_pickle(tmp_path, {"train": [sample_of()]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", " a", "a\udc80"])
def test_a_name_that_text_files_cannot_hold_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="class name"):
        write_pickle(tmp_path / "out", {"train": [sample_of()]}, [name])


@pytest.mark.parametrize("image", [b"", b"text", b"\xff\xd8\xff"])
def test_an_image_that_is_none_is_an_error(tmp_path, image):
    with pytest.raises(InputError, match="image"):
        write_pickle(tmp_path / "out", {"train": [sample_of(image=image)]}, ["cat"])
