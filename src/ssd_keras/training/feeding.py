"""From the settings of a recipe to what feeds a training run: augmentation and cache. Without Keras."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from ssd_keras.data.augment.chains import CHAINS, OriginalChain
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.one_touch import Augmentation
from ssd_keras.data.augment.operations import OperationChain, PartnersFrom, as_recipe_entries, make_operations
from ssd_keras.data.cache import ImageCache
from ssd_keras.data.images import ImageSource
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.settings import AugmentationSettings
from ssd_keras.user_code import load_function, names_function

FLIPS = frozenset({"horizontal_flip", "vertical_flip"})
SCALING = frozenset({"expand_probability", "expand_max_ratio", "crop_min_scale"})

USED = {
    "mild": FLIPS | SCALING,
    "ssd": FLIPS | SCALING,
    "constant_size": FLIPS,
    "variable_size": FLIPS,
    "satellite": FLIPS,
    "none": frozenset[str](),
}
"""Which settings of a recipe each chain uses."""


def make_augmentation(settings: AugmentationSettings, split: Split) -> Augmentation:
    """Make the chain that a recipe describes; where images are mixed, others come from `split`.

    Raises:
        InputError: a setting is changed that the chain does not use, or there is no such operation, or one
            that no recipe can hold.
    """
    _refuse_unused(settings)
    if settings.operations:
        return _operation_chain(settings, split)
    if settings.chain == "none":
        return CHAINS["none"]()
    flips = {"horizontal_flip": settings.horizontal_flip}
    if settings.vertical_flip is not None:
        flips["vertical_flip"] = settings.vertical_flip
    chain = CHAINS[settings.chain](**flips)
    return _scaled(chain, settings) if isinstance(chain, OriginalChain) else chain


def _scaled(chain: OriginalChain, settings: AugmentationSettings) -> OriginalChain:
    """Change how much a chain scales; what is not set stays as the chain has it."""
    expand = {"probability": settings.expand_probability, "max_ratio": settings.expand_max_ratio}
    crop = {"scale": settings.crop_min_scale and (settings.crop_min_scale, 1.0)}
    return dataclasses.replace(
        chain,
        expand=dataclasses.replace(chain.expand or Expand(), **_given(expand)),
        crop=dataclasses.replace(chain.crop or BatchSampler(), **_given(crop)),
    )


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _refuse_unused(settings: AugmentationSettings) -> None:
    """Raise `InputError` where a setting was changed that has no effect here.

    A recipe that was written by a run holds all settings: those with their defaults say nothing.
    """
    for name, field in AugmentationSettings.model_fields.items():
        if name in ("operations", "chain") or getattr(settings, name) == field.get_default():
            continue
        if settings.operations:
            raise InputError(f"augmentation: operations stand in place of a chain: leave {name} out")
        if name not in USED[settings.chain]:
            chains = ", ".join(chain for chain, used in USED.items() if name in used)
            raise InputError(
                f"augmentation: the chain {settings.chain} has no {name}, only {chains}: leave it out"
            )


def _operation_chain(settings: AugmentationSettings, split: Split) -> OperationChain:
    if settings.chain != AugmentationSettings.model_fields["chain"].get_default():
        chain = f"chain: {settings.chain}"
        raise InputError(f"augmentation: operations stand in place of a chain: leave {chain!r} out")
    assert settings.operations is not None
    as_recipe_entries(settings.operations)  # before a run folder is made, whose recipe is to hold them
    entries = [
        load_function(entry, "operation") if isinstance(entry, str) and names_function(entry) else entry
        for entry in settings.operations
    ]
    return OperationChain(make_operations(entries)).with_partners(PartnersFrom(split))


def digest_of(*splits: Split | None) -> str:
    """Give a digest of classes, labels, and images' ids and sizes, by which other data are noticed.

    Where the data lie does not count: they may have moved, or be named from another working directory.
    """
    digest = hashlib.sha256()
    for split in filter(None, splits):
        digest.update("\n".join(split.class_names).encode())
        for sample in split:
            truth = sample.ground_truth
            digest.update(f"{sample.image_id} {_bytes_of(sample.image)}\n".encode(errors="surrogateescape"))
            for column in (truth.boxes_px, truth.labels, truth.difficult, truth.crowd):
                digest.update(column.tobytes())
    return digest.hexdigest()


def _bytes_of(image: ImageSource) -> int:
    """Give the size of an image's file, without reading it; 0 of one that is gone or in a pack."""
    try:
        return image.stat().st_size if isinstance(image, Path) else 0
    except OSError:
        return 0


def make_cache(recipe: Recipe) -> ImageCache | None:
    """Make the cache of images that a recipe asks for; each process that reads images has its share of it."""
    if recipe.cache == "none":
        return None
    return ImageCache(recipe.cache, recipe.cache_mb * 1_000_000 // max(1, recipe.workers))
