"""Augmentation: sampled as geometry first, and pixels are touched once."""

from ssd_keras.data.augment.chains import (
    CHAINS,
    Augmentation,
    AugmentedSample,
    ConstantSizeChain,
    OriginalChain,
    ResizeOnly,
)
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.photometric import Distortion

__all__ = [
    "CHAINS",
    "Augmentation",
    "AugmentedSample",
    "BatchSampler",
    "ConstantSizeChain",
    "Distortion",
    "Expand",
    "OriginalChain",
    "ResizeOnly",
]
