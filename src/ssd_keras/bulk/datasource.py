"""The shards as Ray Data reads them: listed while they are worked on, never far ahead of the workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ssd_keras.bulk.libraries import import_library
from ssd_keras.bulk.listing import list_images
from ssd_keras.bulk.results import ResultFolder, done_images
from ssd_keras.bulk.shards import divide
from ssd_keras.bulk.worker import shard_table
from ssd_keras.errors import InputError


def read_shards(
    ray: Any, sources: Sequence[str], base: str, shard_size: int, results: str, done: Sequence[str]
) -> Any:
    """Give the lazy `ray.data.Dataset` of all shards that are left, a block each.

    One task lists them all; Ray Data lets it wait while the workers have enough. It takes no core from them.
    Should it be killed it starts anew, and comes to the same shards: what is done it knows from the files
    that were there when the run began.

    Args:
        ray: the library, connected.
        sources: what is looked at.
        base: the folder that paths are relative to.
        shard_size: images of a shard.
        results: where results are.
        done: the files of results of earlier runs.
    """

    def list_shards() -> Iterator[Any]:
        images = list_images(sources, base)
        try:
            for shard in divide(images, shard_size, done_images(ResultFolder(results), done)):
                yield shard_table(shard)
        except InputError as error:  # which a worker hands on, since Ray would bury it
            yield shard_table(error)

    return ray.data.read_datasource(_source_of(list_shards), num_cpus=0, override_num_blocks=1)


def _source_of(list_shards: Any) -> Any:
    """Give the `ray.data.Datasource` of one task."""
    source = import_library("ray.data.datasource")
    block = import_library("ray.data.block")

    class Shards(source.Datasource):  # type: ignore[name-defined]
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[Any]:
            metadata = block.BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [source.ReadTask(list_shards, metadata)]

    return Shards()
