"""Augmentation: sampled as geometry first, and pixels are touched once."""

from ssd_keras.data.augment.chains import CHAINS, MildChain, OriginalChain, ResizeOnly
from ssd_keras.data.augment.crops import BatchSampler, Expand
from ssd_keras.data.augment.one_touch import Augmentation, AugmentedSample
from ssd_keras.data.augment.photometric import Distortion
from ssd_keras.data.augment.port_chains import ConstantSizeChain, SatelliteChain, VariableSizeChain

__all__ = [
    "CHAINS",
    "Augmentation",
    "AugmentedSample",
    "BatchSampler",
    "ConstantSizeChain",
    "Distortion",
    "Expand",
    "MildChain",
    "OriginalChain",
    "ResizeOnly",
    "SatelliteChain",
    "VariableSizeChain",
]
