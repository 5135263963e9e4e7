"""Small valid data sets in every format, in the variants that are met, and the words of each format."""

from __future__ import annotations

import csv
import dataclasses
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from faults.mutations import Vocabulary
from scenes import CLASSES, sample

from ssd_keras.data.formats import FORMATS
from ssd_keras.data.images import IMAGE_SUFFIXES, read_image
from ssd_keras.data.samples import Sample

SECRET = "secret.jpg"
"""An image that lies where no data set may take one from: two folders above, and one beside that."""

ESCAPES = (
    b"../../secret.jpg",
    b"..\\..\\secret.jpg",
    b"../../secret",
    b"/etc/passwd",
    b"//",
    b"../..",
    b".",
    b"..",
)


def splits_of_four() -> dict[str, list[Sample]]:
    """Give four images, one of them without objects, some objects marked."""
    samples = [sample(0), sample(1, 3), sample(2), sample(3, 0)]
    truth = samples[1].ground_truth
    flags = np.eye(3, dtype=bool)
    areas = np.array([700.5, np.nan, 31])
    marked = dataclasses.replace(truth, difficult=flags[0], crowd=flags[1], truncated=flags[2], areas=areas)
    samples[1] = dataclasses.replace(samples[1], ground_truth=marked)
    return {"train": samples[:3], "val": samples[3:] + samples[:1]}


def write_as(name: str, target: Path, **options: Any) -> None:
    """Write the four images with the writer of a format."""
    writer = next(known.write for known in FORMATS if known.name == name)
    writer(target, splits_of_four(), CLASSES, **options)


def label_files(target: Path) -> list[Path]:
    """The files of a data set that are no images: what is going to be damaged."""
    if target.is_file():
        return [target]
    files = sorted(file for file in target.rglob("*") if file.is_file())
    return [file for file in files if file.suffix not in IMAGE_SUFFIXES]


# --- Variants that the writers do not write -----------------------------------------------------------------


def _headerless_csv(target: Path) -> None:
    """The table of the Keras port of 2018: image, xmin, xmax, ymin, ymax, class id."""
    write_as("csv", target)
    (table,) = target.glob("*.csv")
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"]]
    order = ("image", "xmin", "xmax", "ymin", "ymax")
    lines = [",".join([*(row[key] for key in order), str(1 + CLASSES.index(row["class"]))]) for row in rows]
    table.write_text("\n".join(lines), encoding="utf-8")


def _pickle_of(protocol: int, target: Path) -> None:
    """The dictionary of the oldest port, as other versions of Python write it; no sidecar."""
    write_as("pickle", target)
    (target / "ssd-keras.json").unlink()
    boxes = np.array([[0.1, 0.2, 0.5, 0.6, 1, 0], [0.3, 0.3, 0.9, 0.8, 0, 1]])
    content = {file.name: boxes[: number % 3] for number, file in enumerate(sorted(target.rglob("*.jpg")))}
    (target / "labels.pkl").write_bytes(pickle.dumps(content, protocol))


def _port_of_2018(target: Path) -> None:
    """The HDF5 file of the Keras port of 2018."""
    samples = [one for split in splits_of_four().values() for one in split]
    images = [read_image(one.image)[:20, :30] for one in samples]
    rows = [[[1 + i, 1, 2, 20 + i, 15] for i in range(len(one.ground_truth))] for one in samples]
    with h5py.File(target, "w") as file:
        _rows(file, "images", h5py.vlen_dtype(np.uint8), [image.ravel() for image in images])
        file.create_dataset("image_shapes", data=np.array([image.shape for image in images], np.int32))
        _rows(file, "labels", h5py.vlen_dtype(np.int32), [np.array(one, np.int32).ravel() for one in rows])
        file.create_dataset("label_shapes", data=np.array([(len(one), 5) for one in rows], np.int32))
        _rows(file, "image_ids", h5py.string_dtype(), [one.image_id for one in samples])
        _rows(file, "eval_neutral", h5py.vlen_dtype(np.bool_), [np.zeros(len(one), bool) for one in rows])
        for name in ("labels", "image_ids", "eval_neutral"):
            file.attrs[f"has_{name}"] = True


def _rows(file: h5py.File, name: str, dtype: Any, values: Sequence[Any]) -> None:
    table = file.create_dataset(name, (len(values),), dtype)
    for number, value in enumerate(values):
        table[number] = value


VARIANTS: Mapping[str, Sequence[Callable[[Path], None]]] = {
    "voc": (partial(write_as, "voc"),),
    "coco": (partial(write_as, "coco"),),
    "yolo": (partial(write_as, "yolo"),),
    "csv": (partial(write_as, "csv"), _headerless_csv),
    "pickle": (partial(write_as, "pickle"), partial(_pickle_of, 0), partial(_pickle_of, 4)),
    "hdf5": (
        partial(write_as, "hdf5"),
        partial(write_as, "hdf5", pixels=True),
        _port_of_2018,
    ),
    "lmdb": (partial(write_as, "lmdb"), partial(write_as, "lmdb", pixels=True)),
}


# --- Words --------------------------------------------------------------------------------------------------

LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 10))
BILLION_LAUGHS = b'<!DOCTYPE annotation [<!ENTITY l0 "lol">' + LAUGHS + b"]><annotation>&l9;</annotation>"
EXTERNAL = (
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><object>&x;</object></annotation>'
)
YAML_LAUGHS = b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 10)
)
RUNS_TOUCH = (
    b"cos\nsystem\n(S'touch ../../ran'\ntR.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0etouch ../../ran\x85R.",
    b"c__builtin__\neval\n(S'1'\ntR",
    b"(S'touch ../../ran'\nios\nsystem\n",
)
JSON_TOKENS = (
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b'"',
        b"\\u0000",
        b"\\ud800",
        b"\\n",
        b",",
        b"NaN",
        b"-Infinity",
    ),
    *(b'{"a":', b"[[[[", b'"red"', b'"images":[', b"1e999", b'"\xff"', *ESCAPES),
)

WORDS: Mapping[str, Vocabulary] = {
    "voc": Vocabulary(
        tokens=(
            *(
                b"<object/>",
                b"<bndbox/>",
                b"<bndbox>",
                b"</annotation>",
                b"<name>",
                b"</name>",
                b"<name/>",
                b"]]>",
            ),
            *(
                b"<size><width>0</width></size>",
                b"<width>-5</width>",
                b"<![CDATA[",
                b"<!--",
                b"&amp;",
                b"&#0;",
            ),
            *(b"&#xD800;", b"&#10;", b"&x;", b"<?xml version='1.0' encoding='utf-7'?>", b"train", b"0001 1"),
            *(
                b"<?xml version='1.0' encoding='idna'?>",
                b"0002",
                BILLION_LAUGHS,
                EXTERNAL,
                *ESCAPES,
                *JSON_TOKENS[:6],
            ),
        ),
        keys=(
            *(b"annotation", b"object", b"bndbox", b"name", b"size", b"width", b"height", b"xmin", b"ymin"),
            *(
                b"xmax",
                b"ymax",
                b"difficult",
                b"truncated",
                b"crowd",
                b"filename",
                b"class_names",
                b"flags",
                b"area",
            ),
        ),
        nests=(b"<object>", b"<a>", b"<name>", b"<bndbox><xmin>", b"[", b'{"a":'),
    ),
    "coco": Vocabulary(
        tokens=(
            *JSON_TOKENS,
            b'"file_name"',
            b'"bbox"',
            b"1",
            b"2",
            b'"0000.jpg"',
            b"[1,2,3]",
            b"[1,2,3,4,5]",
        ),
        keys=(
            *(
                b"images",
                b"annotations",
                b"categories",
                b"file_name",
                b"bbox",
                b"category_id",
                b"image_id",
                b"id",
            ),
            *(
                b"iscrowd",
                b"width",
                b"height",
                b"name",
                b"supercategory",
                b"difficult",
                b"truncated",
                b"area",
            ),
        ),
        nests=(b"[", b'{"a":', b'{"images":[', b'[{"id":'),
    ),
    "yolo": Vocabulary(
        tokens=(
            *(
                b"path: ..",
                b"path: /",
                b"train: ../..",
                b"names: []",
                b"names: {}",
                b"nc: -1",
                b"nc: 1e9",
                b"*a",
                b"&a",
            ),
            *(
                b"!!python/object/apply:os.system [touch ../../ran]",
                b"!!binary ab",
                b"!!set {a}",
                b"<<: *a",
                b"? [",
            ),
            *(
                b"!!timestamp 2001-99-99",
                b"2001-01-01",
                b"0o7",
                b"kpt_shape: [9, 9]",
                b": ",
                b"- ",
                b"---",
                b"...",
                b"%YAML 9",
            ),
            *(
                YAML_LAUGHS,
                b"&a [*a]",
                b"[&a {b: *a}]",
                b"0 0.5 0.5 1 1",
                b"7 .1 .2 .3 .4",
                b"1 0 0 0 0",
                b"1:30",
                *ESCAPES,
            ),
        ),
        keys=(
            b"train",
            b"val",
            b"test",
            b"names",
            b"nc",
            b"path",
            b"images",
            b"labels",
            b"blue",
            b"red",
            b"flags",
            b"areas",
        ),
        nests=(b"[", b"{a: ", b"- ", b"? ", b"&a [", b"!!seq ["),
    ),
    "csv": Vocabulary(
        tokens=(
            *(
                b'"',
                b'""',
                b",",
                b";",
                b"\t",
                b"\n",
                b",,,,,,",
                b"\r",
                b'"\n"',
                b"images/0000.jpg",
                b"0002",
                b"0",
                b"1",
                b"3.0",
            ),
            *(
                b"=cmd|'/c calc'!A1",
                b"a.jpg,1,2,3,4,5,6",
                b"#",
                b"image",
                b"class",
                b"1e999",
                b"\0",
                *ESCAPES,
            ),
        ),
        keys=(
            *(
                b"image",
                b"xmin",
                b"ymin",
                b"xmax",
                b"ymax",
                b"class",
                b"split",
                b"difficult",
                b"crowd",
                b"truncated",
            ),
            *(b"x1", b"x0", b"left", b"blue", b"red", b"train"),
        ),
        nests=(b'"', b",", b"a,", b"a.jpg\n"),
    ),
    "pickle": Vocabulary(
        tokens=(
            *(
                *RUNS_TOUCH,
                b"(",
                b".",
                b"0",
                b"R",
                b"b",
                b"t",
                b"}",
                b"]",
                b"N",
                b"2",
                b"\x85",
                b"\x94",
                b"q\x00",
                b"h\x00",
            ),
            *(
                b"\x8e" + b"\xff" * 8,
                b"X\xff\xff\xff\x7f",
                b"\x8a\xff",
                b"\x8b\xff\xff\xff\x7f",
                b"r\xff\xff\xff\x7f",
            ),
            *(
                b"p99999999999\n",
                b"I1e9\n",
                b"L" + b"9" * 5000 + b"L\n",
                b"F1e999\n",
                b"\x95" + b"\xff" * 8,
                b"P1\n",
                b"\x81",
            ),
            *(
                b"cnumpy.core.multiarray\n_reconstruct\n",
                b"cnumpy\nndarray\n",
                b"O8",
                b"V4",
                b"f8",
                b"i4",
                b"c16",
                *ESCAPES,
            ),
        ),
        keys=(
            *(
                b"0000.jpg",
                b"0001.jpg",
                b"0002.jpg",
                b"numpy",
                b"multiarray",
                b"_reconstruct",
                b"ndarray",
                b"dtype",
            ),
            *(
                b"f8",
                b"f4",
                b"O8",
                b"i8",
                b"class_names",
                b"splits",
                b"flags",
                b"areas",
                b"train",
                b"blue",
                b"builtins",
                b"os",
            ),
        ),
        nests=(b"(", b"]", b")\x85", b"}", b"((", b"2\x86", b"(d", b")2\x86", b"\x85", b"l", b"]2a"),
    ),
    "hdf5": Vocabulary(
        tokens=(
            b"TREE",
            b"SNOD",
            b"HEAP",
            b"GCOL",
            b"OHDR",
            b"images",
            b"about",
            b"\x89HDF\r\n\x1a\n",
            *JSON_TOKENS,
        ),
        keys=(
            *(
                b"images",
                b"image_bytes",
                b"image_sizes",
                b"image_ids",
                b"objects",
                b"boxes_px",
                b"labels",
                b"crowd",
            ),
            *(
                b"about",
                b"class_names",
                b"splits",
                b"category_ids",
                b"image_shapes",
                b"label_shapes",
                b"TREE",
                b"SNOD",
            ),
        ),
    ),
    "lmdb": Vocabulary(
        tokens=(
            b"image/0000000001",
            b"labels/0000000000",
            b"about",
            b"version",
            b"\xde\xc0\xef\xbe",
            *JSON_TOKENS,
        ),
        keys=(
            b"image/",
            b"labels/",
            b"about",
            b"version",
            b"class_names",
            b"splits",
            b"category_ids",
            b"0000000001",
        ),
    ),
}
