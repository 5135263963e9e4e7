"""Weights of PyTorch SSDs: torchvision's SSD300, and the `vgg./extras./loc./conf.` naming of many ports."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_keras.errors import InputError
from ssd_keras.models.backbones.vgg16 import BLOCKS
from ssd_keras.weights.weights_file import Tensors, WeightsFile, put

VGG_SOURCES = ("conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2", "conv10_2")

TORCHVISION = {"anchors": "torchvision", "preprocessing": {"mean": (122.99925, 116.9991, 103.9992)}}
"""Its mean is 0.48235, 0.45882, 0.40784 of 255."""

CLIPPED = {"anchor_changes": {"clip": True}}
"""The ports cut their anchors off at the edges of the image."""


NOTHING = np.zeros(0, np.float32)


def read_pth(path: Path) -> WeightsFile:
    """Read the state dictionary of an SSD on VGG16 from a file of PyTorch; nothing in it is run.

    Raises:
        InputError: the file is cut off, holds more than tensors, or is of no SSD that is known here; or torch
            is not installed.
    """
    return _of_state_dict(path, _load_pth(path))


def read_safetensors(path: Path) -> WeightsFile:
    """Read the state dictionary of an SSD on VGG16 from a `.safetensors` file; this takes no torch.

    Raises:
        InputError: the file is cut off, or is of no SSD that is known here.
    """
    return _of_state_dict(path, _load_safetensors(path))


def _of_state_dict(path: Path, state: dict[str, NDArray[Any]]) -> WeightsFile:
    """Name the tensors as here. These networks take RGB."""
    try:
        state = _without_wrapper(state)
    except ValueError as error:
        raise InputError(f"{path} is no state dictionary ({error}): save the model's state_dict()") from error
    torchvision = any(name.startswith("backbone.features.") for name in state)
    names = torchvision_names() if torchvision else port_names()
    tensors: Tensors = {}
    for name, tensor in state.items():
        module, _, variable = name.rpartition(".")
        layer = names.get(name) or names.get(module)
        if layer is None:
            tensors[name.replace(".", "/")] = NOTHING  # only its name is of interest
            continue
        if tensor.dtype.kind not in "fV":  # V is bfloat16
            raise InputError(f"{path}: {name} holds {tensor.dtype}, not plain weights: save it as float32")
        tensor = tensor.astype(np.float32)
        if tensor.ndim == 4:
            tensors[f"{layer}/kernel"] = tensor.transpose(2, 3, 1, 0)
        else:
            tensors[f"{layer}/{'gamma' if layer == 'conv4_3_norm' else variable}"] = tensor.reshape(-1)
    if "conv1_1/kernel" not in tensors:
        some = ", ".join(list(state)[:3]) or "nothing"
        raise InputError(
            f"{path} is of no SSD that is known here (it has {some}): give torchvision's ssd300_vgg16 or one "
            "with the names vgg., extras., loc., conf."
        )
    kind = "torchvision SSD300" if torchvision else "PyTorch port"
    return WeightsFile(kind, tensors, bgr=False, settings=TORCHVISION if torchvision else CLIPPED)


def _without_wrapper(state: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Name the tensors without what `DataParallel` puts before them."""
    plain: dict[str, NDArray[Any]] = {}
    for name, tensor in state.items():
        put(plain, re.sub(r"^module\.", "", name), tensor)
    return plain


def torchvision_names() -> dict[str, str]:
    """Give the Caffe name of each module of torchvision's SSD300."""
    names = {"backbone.scale_weight": "conv4_3_norm"}
    for place, layer in _vgg_places():
        # conv5 and what follows stands in a list of its own, behind the fourth pooling.
        names[f"backbone.extra.0.{place - 23}" if place > 23 else f"backbone.features.{place}"] = layer
    names |= {"backbone.extra.0.7.1": "fc6", "backbone.extra.0.7.3": "fc7"}
    for number in range(6, 11):
        for half in (1, 2):
            names[f"backbone.extra.{number - 5}.{2 * (half - 1)}"] = f"conv{number}_{half}"
    for index, source in enumerate(VGG_SOURCES):
        names[f"head.classification_head.module_list.{index}"] = f"{source}_mbox_conf"
        names[f"head.regression_head.module_list.{index}"] = f"{source}_mbox_loc"
    return names


def port_names() -> dict[str, str]:
    """Give the Caffe name of each module of the ports that call theirs vgg, extras, loc and conf."""
    names = {"L2Norm.weight": "conv4_3_norm", "vgg.31": "fc6", "vgg.33": "fc7"}
    names |= {f"vgg.{place}": layer for place, layer in _vgg_places()}
    for number in range(6, 11):
        for half in (1, 2):
            names[f"extras.{2 * (number - 6) + half - 1}"] = f"conv{number}_{half}"
    for index, source in enumerate(VGG_SOURCES):
        names |= {f"loc.{index}": f"{source}_mbox_loc", f"conf.{index}": f"{source}_mbox_conf"}
    return names


def _vgg_places() -> list[tuple[int, str]]:
    """Give the place of each convolution in a list of convolutions, ReLUs and poolings."""
    places, place = [], 0
    for block, (_, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            places.append((place, f"conv{block}_{number}"))
            place += 2  # the convolution and its ReLU
        place += 1  # the pooling
    return places


def _load_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (AttributeError, KeyError) as error:  # NumPy has no such numbers
        raise InputError(f"{path} has numbers of the kind {error}: save it as float32") from error
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is cut off or no safetensors file ({error}): fetch it again") from error


def _load_pth(path: Path) -> dict[str, NDArray[Any]]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"reading {path} takes PyTorch: install torch, or turn the file into .safetensors"
        ) from error
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors, or is no PyTorch file: nothing in it was run; "
            "save its state_dict() alone"
        ) from error
    except Exception as error:  # torch raises what it happens to meet in a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is cut off or no PyTorch file ({reason}): fetch it again") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise InputError(f"{path} holds no state dictionary: save the model's state_dict()")
    tensors = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    try:
        return {name: _of_torch(name, tensor) for name, tensor in tensors.items()}
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be taken ({reason}): save plain float32 tensors") from error


def _of_torch(name: str, tensor: Any) -> NDArray[Any]:
    """Give the numbers of a tensor; `ValueError` where it is none that holds all of them plainly."""
    tensor = tensor.detach()
    if tensor.is_sparse or tensor.is_quantized or tensor.is_meta:
        raise ValueError(f"{name} is no plain tensor")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"{name} states more numbers than there are")
    numbers: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return numbers
