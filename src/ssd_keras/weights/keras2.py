"""Weights of the Keras ports of SSD: HDF5 files of Keras 2 and Keras 1, weights alone or whole models."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np

from ssd_keras.errors import InputError
from ssd_keras.weights.weights_file import Tensors, WeightsFile, put, to_rgb

CHANNEL_SWAP = "input_channel_swap"
"""The layer by which the port of 2018 gives its VGG16 images in BGR."""

POOLED_HEAD = "pool6_mbox_loc"
"""What only the port of 2017 has."""

SMALL, LARGEST_COMPRESSION = 1 << 20, 20
"""Bytes that no tensor has to explain, and how many times what is stored of it a larger one may be."""

VARIABLES = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
"""Keras 1 to Keras 3."""


def read_keras_hdf5(path: Path) -> WeightsFile:
    """Read the weights of an SSD of the Keras ports of 2017 and 2018.

    Layers keep their names, but the heads of SSD7 are called after their feature maps and the dense heads of
    the port of 2017 become 1 × 1 convolutions. Networks that take BGR are turned to RGB.

    Raises:
        InputError: the file is cut off, or holds no weights of Keras.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = file.get("model_weights", file)
            names = [_text(name) for name in np.atleast_1d(layers.attrs.get("layer_names", []))]
            tensors = _read_tensors(layers)
        if not tensors:
            raise InputError(
                f"{path} is an HDF5 file without weights of Keras: give a file of an SSD's weights"
            )
        tensors = _named_as_here(tensors)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = (str(error).strip("'\"").splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} is cut off or no HDF5 file of weights ({reason}): fetch it again"
        ) from error
    oldest = f"{POOLED_HEAD}/kernel" in tensors
    bgr = oldest or CHANNEL_SWAP in names
    return WeightsFile(f"Keras port of {2017 if oldest else 2018}", to_rgb(tensors) if bgr else tensors, bgr)


def _read_tensors(layers: h5py.Group) -> Tensors:
    """Read all tensors of floating-point numbers, named by their layer and variable."""
    tensors: Tensors = {}

    def read(place: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset) or place.startswith("optimizer_weights"):
            return
        if item.shape is None or item.dtype.kind != "f":
            return
        _check_storage(place, item)
        layer, variable = place.split("/")[0], place.split("/")[-1]
        variable = variable.removesuffix(":0").removeprefix(f"{layer}_")
        put(tensors, f"{layer}/{VARIABLES.get(variable, variable)}", np.asarray(item, np.float32))

    layers.visititems(read)
    return tensors


def _check_storage(place: str, item: h5py.Dataset) -> None:
    """Raise `ValueError` where a tensor is said to be far larger than what the file holds of it."""
    if item.external:
        raise ValueError(f"{place} lies in another file")
    if item.nbytes > max(SMALL, LARGEST_COMPRESSION * item.id.get_storage_size()):
        raise ValueError(f"{place} states {item.nbytes} bytes, more than there are")


def _named_as_here(tensors: Tensors) -> Tensors:
    named: Tensors = {}
    for name, tensor in tensors.items():
        put(named, _renamed(name), _as_convolution(name, tensor))
    return named


def _renamed(name: str) -> str:
    """Name a tensor as here: the heads of SSD7 and of the pooled layer, and those for other classes."""
    layer, variable = name.split("/")
    if head := re.fullmatch(r"(classes|boxes)(\d)", layer):
        layer = f"elu{head[2]}_mbox_{'conf' if head[1] == 'classes' else 'loc'}"
    layer = re.sub(r"(_mbox_(?:loc|conf))(?:_flat)?(?:_\d+)?$", r"\1", layer)
    return f"{layer}/{variable}"


def _as_convolution(name: str, tensor: np.ndarray) -> np.ndarray:
    """Give the kernel of a dense layer, which stands on a single cell, as that of a 1 × 1 convolution."""
    return tensor[None, None] if name.endswith("/kernel") and tensor.ndim == 2 else tensor


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
