"""From the settings of a recipe to what feeds a training run: augmentation and cache. Without Keras."""

from __future__ import annotations

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.one_touch import Augmentation
from ssd_keras.data.augment.operations import OperationChain, PartnersFrom, make_operations
from ssd_keras.data.cache import ImageCache
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import AugmentationSettings, Recipe
from ssd_keras.user_code import load_function, names_function


def make_augmentation(settings: AugmentationSettings, split: Split) -> Augmentation:
    """Make the chain that a recipe describes; where images are mixed, others come from `split`."""
    if settings.operations:
        return _operation_chain(settings, split)
    if settings.chain == "none":
        return CHAINS["none"]()
    flips = {"horizontal_flip": settings.horizontal_flip}
    if settings.vertical_flip is not None:
        flips["vertical_flip"] = settings.vertical_flip
    if settings.chain != "ssd":
        return CHAINS[settings.chain](**flips)
    return CHAINS["ssd"](
        expand=Expand(settings.expand_probability, settings.expand_max_ratio),
        crop=BatchSampler(scale=(settings.crop_min_scale, 1.0)),
        **flips,
    )


def _operation_chain(settings: AugmentationSettings, split: Split) -> OperationChain:
    if settings.chain != "ssd":
        raise InputError(f"augmentation: operations stand in place of a chain: leave {settings.chain!r} out")
    entries = [
        load_function(entry, "operation") if isinstance(entry, str) and names_function(entry) else entry
        for entry in settings.operations
    ]
    return OperationChain(make_operations(entries)).with_partners(PartnersFrom(split))


def make_cache(recipe: Recipe) -> ImageCache | None:
    """Make the cache of images that a recipe asks for; each process that reads images has its share of it."""
    if recipe.cache == "none":
        return None
    return ImageCache(recipe.cache, recipe.cache_mb * 1_000_000 // max(1, recipe.workers))
