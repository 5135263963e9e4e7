"""One formula for NumPy arrays and for tensors: which of the two libraries computes it."""

from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""A NumPy array, or a tensor of the Keras backend."""


def array_library(*arrays: Array) -> ModuleType:
    """Give `numpy` if all `arrays` are NumPy's, else `keras.ops`, which is imported only then.

    The workers that load images compute with NumPy and never start a deep-learning framework.
    """
    if all(isinstance(array, np.ndarray | np.generic | float | int) for array in arrays):
        return np
    from keras import ops

    return ops  # type: ignore[no-any-return]
