"""What staff confirmed, as a data set: the public names of ssd_keras do the rest.

Only reports whose detections staff confirmed are in it, those without an object included: a detector has to
learn what is none, too.
"""

import sqlite3
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ssd_keras as ssd
from ssd_keras.data.conversion import convert_and_check
from ssd_keras.data.images import StoredImage

from grievances.database import Database
from grievances.register import known_classes, photo_bytes

FORMATS = ("yolo", "coco", "voc", "csv", "pickle", "hdf5", "lmdb")
PACK_SUFFIXES = {"hdf5": ".h5", "lmdb": ".lmdb"}
"""Of the formats that are one file."""

SPLITS = {"val": 26, "test": 52, "train": 256}
"""The first split whose number is above the first byte of a photograph's digest is its: 10, 10, 80 %."""


@dataclass(frozen=True)
class PhotoOfReport(StoredImage):
    """The photograph of a report, read when it is needed: the data set may be larger than the memory."""

    database: Database
    number: int

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"photo of report {self.number}"

    @property
    def file_name(self) -> str:
        """What its file is called in the data set."""
        return f"report_{self.number:06d}.jpg"

    def load(self) -> bytes:
        """Give it as JPEG."""
        return photo_bytes(self.database, self.number)


def confirmed_reports(database: Database) -> ssd.Dataset:
    """Give all reports whose detections staff confirmed, divided into splits.

    The split of each photograph is kept for good: no detector is measured on what one was trained on.

    Raises:
        ssd.InputError: there is none, or none that may be trained on.
    """
    with database.writing() as connection:  # all that follows sees the same moment
        names = known_classes(connection)
        photos = connection.execute(
            "SELECT report, digest FROM photos JOIN reports ON number = report WHERE confirmed"
            " ORDER BY report"
        ).fetchall()
        truths = [_ground_truth(connection, photo["report"], names) for photo in photos]
        splits = _kept_splits(connection, {photo["digest"] for photo in photos})
    if not photos:
        raise ssd.InputError("no report is confirmed yet: look at one, correct its boxes, and confirm them")
    samples: dict[str, list[ssd.Sample]] = {name: [] for name in ("train", "val", "test")}
    for photo, truth in zip(photos, truths, strict=True):
        image = PhotoOfReport(database, photo["report"])
        samples[splits[photo["digest"]]].append(ssd.Sample(image, truth, Path(image.file_name).stem))
    if not samples["train"]:
        raise ssd.InputError(
            "all confirmed photographs are kept to measure detectors on: confirm another report"
        )
    filled = {name: ssd.Split(name, tuple(some), tuple(names)) for name, some in samples.items() if some}
    return ssd.Dataset(tuple(names), filled, "grievance register")


def _kept_splits(connection: sqlite3.Connection, digests: set[str]) -> dict[str, str]:
    """Give the split of each photograph by its digest, and keep it of those that have none yet."""
    rows = connection.execute("SELECT digest, split FROM splits").fetchall()
    kept = {row["digest"]: row["split"] for row in rows}
    new = {digest: _split_of(digest) for digest in digests - kept.keys()}
    if "train" not in {*kept.values(), *new.values()}:  # of a few photographs all may fall into the others
        new = dict.fromkeys(new, "train")
    connection.executemany("INSERT INTO splits VALUES (?, ?)", new.items())
    return kept | new


def _split_of(digest: str) -> str:
    return next(name for name, below in SPLITS.items() if int(digest[:2], 16) < below)


def write_dataset(database: Database, to: str, target: Path) -> ssd.Dataset:
    """Write the confirmed reports as a data set of format `to`, and read it again to be sure: what was read.

    Raises:
        ssd.InputError: there is no such format, no confirmed report, or something stands at `target`.
    """
    if to not in FORMATS:
        raise ssd.InputError(f"there is no format {to!r}: choose one of {', '.join(FORMATS)}")
    return convert_and_check(confirmed_reports(database), target, to)


def write_archive(database: Database, to: str, workshop: Path) -> Path:
    """Write the confirmed reports as a ZIP file into the folder `workshop`: its path.

    Raises:
        ssd.InputError: as in `write_dataset`.
    """
    data = workshop / f"reports_{to}{PACK_SUFFIXES.get(to, '')}"
    write_dataset(database, to, data)
    archive = workshop / f"reports_{to}.zip"
    files = sorted(file for file in data.rglob("*") if file.is_file()) if data.is_dir() else [data]
    with zipfile.ZipFile(archive, "w") as packed:  # not compressed: photographs would not become smaller
        for file in files:
            packed.write(file, file.relative_to(workshop))
    return archive


def _ground_truth(connection: sqlite3.Connection, number: int, names: list[str]) -> ssd.GroundTruth:
    rows = connection.execute(
        "SELECT label, x0, y0, x1, y1 FROM detections WHERE report = ? ORDER BY number", (number,)
    ).fetchall()
    boxes = np.array([list(row)[1:] for row in rows], np.float32).reshape(-1, 4)
    return ssd.GroundTruth(boxes, np.array([names.index(row["label"]) for row in rows], np.int32))
