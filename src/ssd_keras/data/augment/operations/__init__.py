"""Single operations for chains that users put together: `OperationChain([Flip(), Brightness((-20, 20))])`."""

from ssd_keras.data.augment.operations.base import Operation, OperationError, Traced
from ssd_keras.data.augment.operations.chain import OperationChain
from ssd_keras.data.augment.operations.filters import BoxFilter, Validator
from ssd_keras.data.augment.operations.geometric import (
    Crop,
    Flip,
    GeometricOperation,
    MaxCropFixedAspect,
    Pad,
    PadFixedAspect,
    RandomPatch,
    Resize,
    RotateQuarters,
    Translate,
    Zoom,
)
from ssd_keras.data.augment.operations.mixing import MixingOperation, MixUp, Mosaic, PartnersFrom
from ssd_keras.data.augment.operations.photometric import (
    Brightness,
    ChannelSwap,
    Contrast,
    Gamma,
    Greyscale,
    HistogramEqualization,
    Hue,
    PhotometricOperation,
    Saturation,
)
from ssd_keras.data.augment.operations.placement import Placement
from ssd_keras.data.augment.operations.registry import OPERATIONS, as_recipe_entries, make_operations

__all__ = [
    "OPERATIONS",
    "BoxFilter",
    "Brightness",
    "ChannelSwap",
    "Contrast",
    "Crop",
    "Flip",
    "Gamma",
    "GeometricOperation",
    "Greyscale",
    "HistogramEqualization",
    "Hue",
    "MaxCropFixedAspect",
    "MixUp",
    "MixingOperation",
    "Mosaic",
    "Operation",
    "OperationChain",
    "OperationError",
    "Pad",
    "PadFixedAspect",
    "PartnersFrom",
    "PhotometricOperation",
    "Placement",
    "RandomPatch",
    "Resize",
    "RotateQuarters",
    "Saturation",
    "Traced",
    "Translate",
    "Validator",
    "Zoom",
    "as_recipe_entries",
    "make_operations",
]
