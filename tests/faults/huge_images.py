"""Encoded images of a few bytes whose headers declare any size, and a program that opens them all.

python -m faults.huge_images FOLDER      (with tests/ as PYTHONPATH) prints errors and memory as JSON
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.detecting import detection_batches
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.images import read_image
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.loader import TrainingLoader
from ssd_keras.errors import InputError

SIDE = 60_000
SMALL = np.full((24, 32, 3), 90, np.uint8)


def _encoded(suffix: str) -> bytearray:
    return bytearray(cv2.imencode(suffix, SMALL)[1].tobytes())


def _jpeg(side: int, before: bytes = b"") -> bytes:
    """A JPEG; `before` stands in front of the segment that states the size."""
    data = _encoded(".jpg")
    place = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, place + 5, side, side)
    return bytes(data[:place]) + before + bytes(data[place:])


def _png(side: int) -> bytes:
    data = _encoded(".png")
    struct.pack_into(">II", data, 16, side, side)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)


def _bmp(side: int, sign: int = 1) -> bytes:
    data = _encoded(".bmp")
    struct.pack_into("<ii", data, 18, side, sign * side)
    return bytes(data)


def _gif(side: int) -> bytes:
    data = _encoded(".gif")
    struct.pack_into("<HH", data, 6, side, side)
    return bytes(data)


def _webp(side: int) -> bytes:
    """A WebP with an extended header, the only one that can state such a size."""
    frame = bytes(_encoded(".webp")[12:])
    sides = (side - 1).to_bytes(3, "little") * 2
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides + frame
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _tiff(side: int, order: str = "<") -> bytes:
    """An uncompressed RGB TIFF in one strip, which is not there."""
    strip = side * side * 3 & 0xFFFFFFFF
    values = {256: side, 257: side, 258: 8, 259: 1, 262: 2, 273: 8, 277: 3, 278: side, 279: strip}
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in values.items())
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8) + struct.pack(order + "H", len(values)) + entries + bytes(64)


def _ppm(side: int) -> bytes:
    return b"P6 # a comment\n%d %d\n255\n" % (side, side) + bytes(300)


def huge_images(side: int = SIDE) -> dict[str, bytes]:
    """Give images by their file names, all of which declare `side` × `side` pixels."""
    return {
        "plain.jpg": _jpeg(side),
        "junk.jpg": _jpeg(side, b"\x00\x12\x34"),
        "table.jpg": _jpeg(side, b"\xff\xff\xff\xe5\x00\x04\xff\xc0"),
        "plain.png": _png(side),
        "plain.bmp": _bmp(side),
        "topdown.bmp": _bmp(side, -1),
        "a_gif.jpg": _gif(side),
        "plain.webp": _webp(side),
        "little.tif": _tiff(side),
        "big.tif": _tiff(side, ">"),
        "plain.ppm": _ppm(side),
    }


def write_voc_of(folder: Path, images: dict[str, bytes]) -> None:
    """Write a VOC data set of these images and of a sound one, without sizes in the annotations."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>20</ymax>"
    for name, data in images.items():
        image = folder / "JPEGImages" / name.replace(".", "_", 1)
        image = image.with_suffix(Path(name).suffix)
        image.write_bytes(data)
        text = f"<annotation><object><name>car</name><bndbox>{box}</bndbox></object></annotation>"
        (folder / "Annotations" / f"{image.stem}.xml").write_text(text)


def _error_of(image: Path | bytes, reduction: int) -> str:
    try:
        return f"was read: {read_image(image, reduction).shape}"
    except InputError as error:
        return str(error)


def main(folder: Path) -> None:
    """Open, inspect, load and read images of all formats, and print the errors and the memory it took."""
    write_voc_of(folder / "data", huge_images() | {"sound.png": bytes(_encoded(".png"))})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = open_dataset(folder / "data")
    split = data["all"]
    inspected = inspect_dataset(data)
    loader = TrainingLoader(split, (32, 32), 2, CHAINS["ssd"](), seed=0)
    batches = iter(loader.batches)
    for _ in range(len(split)):
        next(batches)
    detected = [batch.errors for batch in detection_batches([one.image for one in split], (32, 32), 4)]
    read = {
        f"{name} by {reduction}": _error_of(data, reduction)
        for name, data in huge_images().items()
        for reduction in (1, 8)
    }
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    found = {
        "images": len(split),
        "problems": [str(problem) for problem in (*data.problems, *inspected.problems)],
        "skipped": list(loader.skipped.values()),
        "detected": [str(error) for errors in detected for error in errors.values()],
        "read": read,
        "grown_mib": grown >> 10,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
