"""What decides what is found in an image, as results keep it, and on how many machines it is looked for."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssd_keras.bulk.model_files import ModelFiles
from ssd_keras.bulk.places import is_url
from ssd_keras.bulk.shards import SHARD_SIZE
from ssd_keras.errors import InputError
from ssd_keras.inference.thresholds import Thresholds
from ssd_keras.runtimes.detector import Precision

FORMAT_VERSION = 1
"""Of the files of results; raised when older ones cannot be gone on with."""


@dataclass(frozen=True)
class Finding:
    """How objects are looked for.

    Attributes:
        threshold: only detections with at least this score, 0-1.
        class_threshold: other ones for single classes: ("car=0.3",).
        fast: decode the best class of each anchor only.
        tile: pixels of the longer side of tiles that images are cut into; None: they are not.
        tile_overlap: the share of a tile that is also in the next one.
        precision: of the computation; "bfloat16" is for OpenVINO artefacts.
        batch_size: images, or tiles, for the network at once; None: what suits the machine.
    """

    threshold: float = 0.5
    class_threshold: tuple[str, ...] = ()
    fast: bool = False
    tile: int | None = None
    tile_overlap: float = 0.2
    precision: Precision = "float32"
    batch_size: int | None = None


@dataclass(frozen=True)
class Workforce:
    """Who looks for them.

    Attributes:
        workers: processes with a model of their own; None: one for each GPU of the cluster, or without a GPU
            one for each processor core.
        address: of a Ray cluster, such as "auto"; "local": one on this machine for this run alone.
        shard_size: images of a shard, which is what a worker does at a time and what a file of results holds.
    """

    workers: int | None = None
    address: str = "local"
    shard_size: int = SHARD_SIZE


@dataclass(frozen=True)
class Origin:
    """What the results of an image depend on; every file of results says it.

    Attributes:
        model: the name of the model, for people; models are told apart by `model_digest`.
        model_digest: `ModelFiles.digest`.
        class_names: all classes of the detector.
        thresholds: of each of them, 0-1.
        fast, tile, tile_overlap, precision: as in `Finding`; without tiles the overlap is 0.
        base: the folder that relative paths of images begin at, as `base_seen_from` gives it; None where no
            path is relative.
        format_version: of the files.
    """

    model: str
    model_digest: str
    class_names: tuple[str, ...]
    thresholds: tuple[float, ...]
    fast: bool
    tile: int | None
    tile_overlap: float
    precision: str
    base: str | None = None
    format_version: int = FORMAT_VERSION

    @classmethod
    def of(
        cls, model: ModelFiles, thresholds: Thresholds, finding: Finding, base: str | None = None
    ) -> Origin:
        """Give the origin of results that are made so."""
        return cls(
            model.name,
            model.digest,
            thresholds.class_names,
            tuple(thresholds.of(name) for name in thresholds.class_names),
            finding.fast,
            finding.tile,
            0.0 if finding.tile is None else finding.tile_overlap,
            finding.precision,
            base,
        )

    def as_json(self) -> str:
        """Give it as the files hold it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> Origin:
        """Read what `as_json` gave.

        Raises:
            InputError: it is nothing like that.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            lists: dict[str, Any] = {key: tuple(values[key]) for key in ("class_names", "thresholds")}
            return cls(**{**values, **lists})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{where} is of another version of ssd-keras: choose another --out") from error

    def check_same(self, other: Origin, where: str) -> None:
        """Raise `InputError` if results of `other`, which are there already, cannot stand beside ours."""
        if self.model_digest != other.model_digest:
            raise InputError(
                f"{where} holds results of another model ({other.model}, digest {other.model_digest[:8]}; "
                f"this one has {self.model_digest[:8]}): choose another --out"
            )
        if self.base is not None and other.base is not None and self.base != other.base:
            there = os.path.normpath(Path(where, other.base))
            raise InputError(
                f"{where} holds results of images whose paths begin at {there}, and here the same paths are "
                "those of others: call the command there, give absolute paths, or choose another --out"
            )
        for key, ours in asdict(self).items():
            theirs = getattr(other, key)
            if key not in ("model", "base") and ours != theirs:
                raise InputError(
                    f"{where} holds results with {key} {_shown(theirs)}, not {_shown(ours)}: set that as "
                    "it was, or choose another --out"
                )


def base_seen_from(out: str, base: str) -> str:
    """Give the folder that relative paths begin at as it is seen from results: both may be moved together.

    Args:
        out: where results are, a URL or a path.
        base: the folder.
    """
    return base if is_url(out) else os.path.relpath(os.path.realpath(base), os.path.realpath(out))


def _shown(value: object) -> str:
    """Show thresholds of all classes as one number, where they are all the same."""
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(map(str, value[:1] if len(set(value)) == 1 else value))
