"""What a worker does: it loads the model once, and takes one shard after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.model_files import ModelFiles
from ssd_keras.bulk.places import image_at, is_relative, without_passwords
from ssd_keras.bulk.results import ResultFolder, Row, count_errors, count_objects, make_table
from ssd_keras.bulk.settings import Finding, Origin
from ssd_keras.bulk.shards import Shard, shown
from ssd_keras.data.checks import silent_decoders
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.inference.thresholds import Thresholds

if TYPE_CHECKING:
    from ssd_keras.runtimes.detector import Detector

NUMBERS_OF_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Variables by which the libraries of a process are told to leave the other cores to the other workers."""

MOST_TRIES = 4
"""Workers that may be killed at a shard before it is taken for the cause."""

LOADING = "loading-the-model"

SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""So that workers can share a GPU: else the first one takes all of its memory."""


@dataclass(frozen=True)
class Job:
    """All that a worker has to know.

    Attributes:
        model: the files of the detector.
        finding: how objects are looked for.
        thresholds: those of `finding`, for the classes of the detector.
        out: where results go, a URL or an absolute path.
        base: the folder that paths of images are relative to.
        backend: of Keras.
        workers: how many there are.
        has_gpu: the worker computes on a GPU, or on a share of one; else on one core.
        stated_base: `base` as results state it: see `settings.base_seen_from`.
    """

    model: ModelFiles
    finding: Finding
    thresholds: Thresholds
    out: str
    base: str
    backend: str
    workers: int = 1
    has_gpu: bool = False
    stated_base: str | None = None

    @property
    def origin(self) -> Origin:
        """What the results depend on."""
        return Origin.of(self.model, self.thresholds, self.finding, self.stated_base)


class ShardDetector:
    """Looks for objects in shards; made once in each worker.

    What the user has to mend is part of the answer, since Ray would wrap an exception into pages of its own.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._origin = job.origin
        self._fault: str | None = None
        try:
            self._start()
        except InputError as error:
            self._fault = str(error)

    def _start(self) -> None:
        """Open the results, and load the detector."""
        _prepare_process(self._job)
        self._results = ResultFolder(self._job.out)
        if self._results.begin(LOADING) >= MOST_TRIES + self._job.workers:  # all of which may load it now
            raise InputError(
                "workers were killed while they loaded the model, perhaps for want of memory: give fewer "
                "--workers; what was finished is kept"
            )
        self._detector = self._load()
        self._results.end(LOADING)

    def _load(self) -> Detector:
        from ssd_keras.inference.detector import load_detector

        with tempfile.TemporaryDirectory() as folder:
            return load_detector(self._job.model.write(Path(folder)), self._job.finding.precision)

    def __call__(self, batch: Any) -> Any:
        """Do the one shard of a `pyarrow.Table`, and say in a row what came of it.

        A shard whose file is there was done by a worker that was killed before it could say so.
        """
        fault = self._fault or fault_of(batch)
        if fault is None:
            try:
                return _answer(self._done(shard_of(batch)))
            except InputError as error:
                fault = str(error)
        return _answer(make_table([], self._origin), fault)

    def _done(self, shard: Shard) -> Any:
        """Give the table of results of a shard, which is written if it is not yet."""
        table = self._results.read(shard.file_name)
        if table is None:
            self._begin(shard)
            with silent_decoders():
                table = make_table(self._found(shard), self._origin_of(shard))
            self._results.write(shard.file_name, table)
        return table

    def _origin_of(self, shard: Shard) -> Origin:
        """Say what results depend on: where no path is relative, not on the folder that those begin at."""
        has_relative = any(is_relative(os.fsdecode(image)) for image in shard.images)
        return self._origin if has_relative else replace(self._origin, base=None)

    def _begin(self, shard: Shard) -> None:
        """Raise `InputError` if a shard seems to be what kills its workers."""
        if self._results.begin(shard.file_name) >= MOST_TRIES:
            first, last = shown(shard.images[0]), shown(shard.images[-1])
            raise InputError(
                f"{MOST_TRIES} workers were killed at the images from {first} to {last}, perhaps as one of "
                "them needs more memory than there is: give fewer --workers, or take it out; what was "
                "finished is kept"
            )

    def _found(self, shard: Shard) -> Iterator[Row]:
        from ssd_keras.inference.detecting import Tiling, detect_stream, usual_batch_size

        finding = self._job.finding
        images = (self._image(image) for image in shard.images)
        found = detect_stream(
            self._detector,
            images,
            self._job.thresholds.lowest,
            finding.fast,
            finding.batch_size or usual_batch_size(self._detector),
            tiling=None if finding.tile is None else Tiling(finding.tile, finding.tile_overlap),
        )
        for image, result in zip(shard.images, found, strict=True):
            name = shown(image)
            if isinstance(result, InputError):
                yield name, InputError(without_passwords(str(result)))
            else:
                yield name, self._job.thresholds.apply(result[1])

    def _image(self, image: bytes) -> SourceImage | InputError:
        try:
            return SourceImage(shown(image), image_at(os.fsdecode(image), self._job.base))
        except InputError as error:
            return error


def _answer(table: Any, fault: str | None = None) -> Any:
    """Say in a `pyarrow.Table` of one row what is in a table of results, or why there is none."""
    pyarrow = import_library("pyarrow")
    objects = count_objects(table)
    return pyarrow.table(
        {
            "images": [table.num_rows],
            "errors": [count_errors(table)],
            "classes": pyarrow.array([list(objects)], pyarrow.list_(pyarrow.string())),
            "objects": pyarrow.array([list(objects.values())], pyarrow.list_(pyarrow.int64())),
            "fault": pyarrow.array([fault], pyarrow.string()),
        }
    )


def shard_table(shard: Shard | InputError) -> Any:
    """Give a `pyarrow.Table` of one row that holds a shard, or why there is none."""
    pyarrow = import_library("pyarrow")
    fault = str(shard) if isinstance(shard, InputError) else None
    number, images = (0, ()) if isinstance(shard, InputError) else (shard.number, shard.images)
    return pyarrow.table(
        {
            "number": [number],
            "images": pyarrow.array([images], pyarrow.list_(pyarrow.binary())),
            "fault": pyarrow.array([fault], pyarrow.string()),
        }
    )


def fault_of(table: Any) -> str | None:
    """Say why a table of `shard_table` holds no shard; None where it does."""
    (fault,) = table["fault"].to_pylist()
    return None if fault is None else str(fault)


def shard_of(table: Any) -> Shard:
    """Read what `shard_table` gave."""
    (row,) = table.to_pylist()
    return Shard(row["number"], tuple(row["images"]))


def _prepare_process(job: Job) -> None:
    """Say to the libraries of this process, before they are imported, what of the machine is theirs."""
    os.environ["KERAS_BACKEND"] = job.backend
    os.environ.update(SHARED_GPU)
    if not job.has_gpu:
        os.environ.update(dict.fromkeys(NUMBERS_OF_THREADS, "1"))
        with suppress(ImportError):
            import_library("cv2").setNumThreads(1)
