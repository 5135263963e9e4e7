"""A run of bulk detection: checked as a whole before anything is started, then done shard by shard."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ssd_keras.backend import choose_backend
from ssd_keras.bulk.datasource import read_shards
from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.listing import check_sources
from ssd_keras.bulk.model_files import ModelFiles
from ssd_keras.bulk.places import is_relative, is_url, without_passwords
from ssd_keras.bulk.ray_session import ray_session, share_of
from ssd_keras.bulk.results import FILES_AT_ONCE, ResultFolder
from ssd_keras.bulk.settings import Finding, Origin, Workforce, base_seen_from
from ssd_keras.bulk.worker import Job, ShardDetector
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.inference.thresholds import Thresholds

SHARDS_AT_A_WORKER = 2
"""The one it does, and the next: more would wait for it while others have none."""

DEATHS_AT_START = 3
"""How many workers may be killed one after the other while they load the model; later, any number may."""

RAY_DATA = {
    "enable_progress_bars": False,
    "max_consecutive_actor_init_deaths": DEATHS_AT_START,
    "target_max_block_size": 1,  # byte: else shards are collected until they fill a large block
}
"""Settings of Ray Data for our data alone."""

NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


class ShardDone(NamedTuple):
    """What came of a shard.

    Attributes:
        images: how many it has.
        errors: how many of them could not be read.
        objects: how many were found of each class.
    """

    images: int
    errors: int
    objects: Counter[str]


@dataclass(frozen=True)
class BulkRun:
    """Bulk detection that is ready to start.

    Attributes:
        job: what workers do.
        sources: what is looked at.
        workforce: who looks at it.
        done_files: the files of results that were there before.
        done_images: how many images have a row in them.
    """

    job: Job
    sources: tuple[str, ...]
    workforce: Workforce
    done_files: tuple[str, ...]
    done_images: int

    def shards(self) -> Iterator[ShardDone]:
        """Do all that is left, on all workers, and say of each shard when it is done.

        Ending the iterator early, or Ctrl-C, ends the workers; what was given is on the disk.

        Raises:
            InputError: Ray is not there, results cannot be written, a source cannot be listed, or a shard
                ended its worker again and again.
        """
        with passwords_untold(), ray_session(self.workforce.address) as ray, _deaths_told():
            for row in self._results(ray).iter_rows():
                if row["fault"] is not None:
                    raise InputError(row["fault"])
                objects = Counter(dict(zip(row["classes"], row["objects"], strict=True)))
                yield ShardDone(int(row["images"]), int(row["errors"]), objects)

    def _results(self, ray: Any) -> Any:
        """Give the lazy `ray.data.Dataset` of what came of all shards."""
        share = share_of(ray.cluster_resources(), self.workforce)
        with _own_settings(ray):
            shards = read_shards(
                ray, self.sources, self.job.base, self.workforce.shard_size, self.job.out, self.done_files
            )
            return shards.map_batches(
                ShardDetector,
                fn_constructor_args=[replace(self.job, workers=share.workers, has_gpu=share.gpus > 0)],
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(
                    size=share.workers, max_tasks_in_flight_per_actor=SHARDS_AT_A_WORKER
                ),
                num_cpus=1,
                num_gpus=share.gpus or None,
            )


@contextmanager
def passwords_untold() -> Iterator[None]:
    """Leave the passwords of URLs out of what is wrong, which ends up on screens and in logs."""
    try:
        yield
    except InputError as error:
        said = without_passwords(str(error))
        if said == str(error):
            raise
        raise InputError(said) from None


@passwords_untold()
def open_bulk(
    model: str | Path,
    sources: Sequence[str],
    out: str,
    finding: Finding | None = None,
    workforce: Workforce | None = None,
) -> BulkRun:
    """Check a run of bulk detection as a whole, and find out what of it is done already.

    Args:
        model: a `.keras` file, a run folder or an exported artefact.
        sources: files, folders, patterns, URLs that fsspec knows, and Parquet lists.
        out: the folder of results, a path or a URL.
        finding: how objects are looked for.
        workforce: who looks for them.

    Raises:
        InputError: something of it makes no sense, or `out` has results of another model or other settings.
    """
    finding, workforce = finding or Finding(), workforce or Workforce()
    base = str(Path.cwd())
    for library in ("ray", "pyarrow", "fsspec"):
        import_library(library)
    files = ModelFiles.read(model)
    first_images = check_sources(sources, base)
    results = ResultFolder(out)
    done = results.finished()
    job = Job(
        files,
        finding,
        Thresholds.parse(finding.threshold, finding.class_threshold, _class_names(model, finding)),
        out if is_url(out) else str(Path(out).absolute()),
        base,
        choose_backend(),
        stated_base=base_seen_from(out, base),
    )
    has_relative = any(map(is_relative, first_images))
    images = _checked_rows(results, done, job.origin if has_relative else replace(job.origin, base=None))
    results.prepare()
    return BulkRun(job, tuple(sources), workforce, tuple(done), images)


def _checked_rows(results: ResultFolder, files: Sequence[str], origin: Origin) -> int:
    """Count the images of finished files; `InputError` where one is not of this model and these settings."""
    images = 0
    with ThreadPoolExecutor(FILES_AT_ONCE, "read_results") as pool:
        for stated, rows in pool.map(results.origin, files):
            origin.check_same(stated, results.url)
            images += rows
    return images


def _class_names(model: str | Path, finding: Finding) -> tuple[str, ...]:
    """Load the detector, which says what is wrong with it, and ask it; the GPUs are left to the workers."""
    before = {key: os.environ.get(key) for key in NO_GPU}
    os.environ.update(NO_GPU)
    try:
        return tuple(load_detector(model, finding.precision).class_names)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


@contextmanager
def _own_settings(ray: Any) -> Iterator[None]:
    """Let Ray Data have our settings for the data that is made inside, and no other of the process."""
    context = ray.data.DataContext.get_current()
    before = {name: getattr(context, name) for name in RAY_DATA if hasattr(context, name)}
    try:
        for name, value in RAY_DATA.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _deaths_told() -> Iterator[None]:
    """Say in one line that workers do not come to life; what they stumbled over keeps its traceback."""
    errors = import_library("ray.exceptions")
    try:
        yield
    except (errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
        if getattr(error, "actor_init_failed", False):
            raise
        raise InputError(
            "workers were killed while they loaded the model, perhaps for want of memory: give fewer "
            "--workers; what was finished is kept"
        ) from error
