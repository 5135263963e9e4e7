"""Reads mutated data sets of one format, in a process of its own, and prints what came of it as JSON.

    python -W error -m faults.reading_mutated FORMAT FIRST COUNT FOLDER      (with tests/ as PYTHONPATH)

Case number n of a format is the same damage each time, so FIRST = n and COUNT = 1 shows one again.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from faults.mutations import Mutator
from faults.small_data import SECRET, VARIANTS, WORDS, label_files
from scenes import sample

from ssd_keras.data.conversion import convert_dataset
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.images import read_image
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.readers.writing import as_jpeg
from ssd_keras.data.samples import Dataset, Sample
from ssd_keras.errors import InputError

SECONDS = 10
MEMORY = 1 << 30
"""Bytes that all readings together may add to the process."""
LONGEST_LINE = 10_000
CONVERTED_EACH, INSPECTED_EACH = 6, 20
"""Every so many cases the data set is also written in another format, or inspected."""

RUNS = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.", "socket.", "pty.")
CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Fault(BaseException):
    """What must not happen; no `except Exception` on the way keeps it."""


class Guard:
    """Sees what Python does: runs nothing, and changes files only in the folder that is allowed."""

    def __init__(self) -> None:
        self.armed = False
        self.allowed: Path | None = None
        sys.addaudithook(self._see)

    @contextmanager
    def watching(self, allowed: Path | None = None) -> Iterator[None]:
        """Watch what happens inside; files may be changed in and beside `allowed` under its name."""
        self.allowed, self.armed = allowed, True
        try:
            yield
        finally:
            self.armed = False

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed:
            return
        if event.startswith(RUNS):
            raise Fault(f"{event} {arguments}")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._check(event, arguments[0])
        elif event.startswith(CHANGES) or event == "shutil.rmtree":
            if event in ("os.remove", "os.rmdir") and arguments[1] not in (-1, None):
                return  # inside of a folder whose removal was seen
            for argument in arguments:
                if isinstance(argument, str | bytes | os.PathLike):
                    self._check(event, argument)

    def _check(self, event: str, file: object) -> None:
        if isinstance(file, int):
            return  # a file that is open already
        path = Path(os.path.abspath(os.fsdecode(file)))  # type: ignore[arg-type]  # noqa: PTH100
        if event == "os.mkdir" and path.is_dir():
            return  # a folder that may be there already is asked for, and is
        here = self.allowed
        if here is None or not (path.is_relative_to(here) or _is_unfinished(path, here)):
            raise Fault(f"{event} of {path}")


def _is_unfinished(path: Path, out: Path) -> bool:
    """Tell whether a path is that of what becomes `out`, or inside: beside it, under a name of its own."""
    beside = path.relative_to(out.parent).parts if path.is_relative_to(out.parent) else ()
    return bool(beside) and beside[0].startswith(f"unfinished-{out.name}")


class Readings:
    """Data sets of one format, damaged and read again and again."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.inside = folder / "place" / "inside"
        self.out = self.inside / "out"
        self.guard = Guard()
        self.variants: list[tuple[Path, dict[Path, bytes]]] = []
        for number, write in enumerate(VARIANTS[name]):
            target = self.inside / f"data{number}"
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target)
            self.variants.append((target, {file: file.read_bytes() for file in label_files(target)}))
        pixels = sample(9).image
        assert isinstance(pixels, np.ndarray)
        for place in (folder, self.inside.parent):
            (place / SECRET).write_bytes(as_jpeg(pixels, 90))
        self.expected = self._around(folder)
        self.folder = folder

    def run(self, case: int) -> bool:
        """Read one damaged data set: whether it could be read. `Fault` where the outcome is neither."""
        seed = f"{self.name} {case}"
        target, originals = self.variants[case % len(self.variants)]
        mutator = Mutator(seed, WORDS[self.name])
        self._damage(mutator, target, originals)
        try:
            return self._outcome(case, target)
        except InputError as error:
            self._check_line(str(error), target)
            return False
        finally:
            self._restore(originals)
            self._remove_output()
            if self._around(self.folder) != self.expected:
                raise Fault(f"new files: {self._around(self.folder) - self.expected}")

    def _remove_output(self) -> None:
        for place in (self.out, *self.out.parent.glob(f"unfinished-{self.out.name}*")):
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)  # a pack; one whose conversion failed is left to be gone on with

    def _around(self, folder: Path) -> set[Path]:
        """All that lies outside of the folders of images and labels."""
        return {*folder.iterdir(), *self.inside.parent.iterdir(), *self.inside.iterdir()}

    def _damage(self, mutator: Mutator, target: Path, originals: dict[Path, bytes]) -> None:
        files = list(originals)
        for file in mutator.random.sample(files, min(len(files), mutator.random.choice((1, 1, 2)))):
            fate = mutator.random.random()
            if file != target and fate < 0.03:
                file.unlink()
            elif file != target and fate < 0.05:
                file.unlink()
                file.mkdir()
            elif fate < 0.08:
                file.write_bytes(originals[mutator.random.choice(files)])
            else:
                file.write_bytes(mutator.mutated(originals[file]))

    def _restore(self, originals: dict[Path, bytes]) -> None:
        for file, content in originals.items():
            if file.is_dir():
                file.rmdir()
            if not file.is_file() or file.read_bytes() != content:
                file.write_bytes(content)

    def _outcome(self, case: int, target: Path) -> bool:
        with self.guard.watching():
            dataset = open_dataset(target)
            self._check_dataset(dataset, target)
            if case % INSPECTED_EACH == 0:
                for problem in inspect_dataset(dataset).problems:
                    self._check_text(str(problem))
        if case % CONVERTED_EACH == 0:
            to = FORMATS[case // CONVERTED_EACH % len(FORMATS)].name
            with self.guard.watching(self.out):
                try:
                    convert_dataset(dataset, self.out, to)
                except InputError as error:
                    self._check_text(str(error))
        return True

    def _check_dataset(self, dataset: Dataset, target: Path) -> None:
        names = dataset.class_names
        if len(set(names)) != len(names) or not all(isinstance(name, str) and name.strip() for name in names):
            raise Fault(f"class names {names}")
        if dataset.category_ids is not None and len(dataset.category_ids) != len(names):
            raise Fault(f"{len(dataset.category_ids)} category ids of {len(names)} classes")
        for problem in dataset.problems:
            self._check_text(str(problem))
        samples = {id(one): one for split in dataset.values() for one in split}.values()
        if not samples:
            raise Fault("a data set without images")
        for one in samples:
            self._check_sample(one, len(names), target)

    def _check_sample(self, one: Sample, classes: int, target: Path) -> None:
        boxes, labels = one.ground_truth.boxes_px, one.ground_truth.labels
        if not np.isfinite(boxes).all() or not (boxes[:, :2] < boxes[:, 2:]).all():
            raise Fault(f"boxes {boxes.tolist()}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise Fault(f"labels {labels.tolist()} of {classes} classes")
        areas = one.ground_truth.areas
        if not (np.isnan(areas) | (np.isfinite(areas) & (areas > 0))).all():
            raise Fault(f"areas {areas.tolist()}")
        if not isinstance(one.image_id, str):
            raise Fault(f"image id {one.image_id!r}")
        if isinstance(one.image, Path):
            # A YOLO description may name a folder beside its own: train: ../train/images.
            allowed = self.inside if self.name == "yolo" else target
            if not one.image.resolve().is_relative_to(allowed.resolve()) or not one.image.is_file():
                raise Fault(f"image {one.image}")
            return
        try:
            read_image(one.image, name=one.name)
        except InputError as error:
            self._check_line(str(error), target)

    def _check_line(self, text: str, target: Path) -> None:
        """Check that an error is one line that names a file."""
        self._check_text(text)
        if str(target) not in text:
            raise Fault(f"an error that names no file: {text[:300]!r}")

    def _check_text(self, text: str) -> None:
        """Check that a message is one line that can be shown: no other lines, no codes for a terminal."""
        is_line = len(text.splitlines()) == 1 and not any(c < " " or c == "\x7f" for c in text)
        if not is_line or len(text) > LONGEST_LINE or text.encode(errors="ignore").decode() != text:
            raise Fault(f"a message that is not one line: {text[:300]!r} ({len(text)} characters)")


def peak() -> int:
    """Give the most memory, in bytes, that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def main(name: str, first: int, count: int, folder: Path) -> None:
    """Run so many cases, and print the outcome; the file `case` holds the number of the current one."""
    sys.dont_write_bytecode = True
    readings = Readings(name, folder)
    for target, _ in readings.variants:
        convert_dataset(open_dataset(target), readings.out, "voc")  # all that is imported late is, by now
        inspect_dataset(open_dataset(readings.out))
        readings._remove_output()
    before, read, slowest, faults = peak(), 0, 0.0, []
    for case in range(first, first + count):
        (folder / "case").write_text(str(case))
        readings.expected.add(folder / "case")
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        start = time.perf_counter()
        try:
            read += readings.run(case)
        except Fault as fault:
            faults.append((case, str(fault)))
        except Exception:
            faults.append((case, traceback.format_exc(limit=-4)))
        slowest = max(slowest, time.perf_counter() - start)
        if peak() - before > MEMORY:
            faults.append((case, f"memory grew by {(peak() - before) >> 20} MiB"))
            break
    faulthandler.cancel_dump_traceback_later()
    grown = (peak() - before) >> 20
    print(
        json.dumps({"cases": count, "read": read, "slowest_s": slowest, "grown_mib": grown, "faults": faults})
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
