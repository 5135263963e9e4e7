"""What every reader of foreign weights gives: tensors by the names and in the layout of Keras layers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]
"""By "layer/variable", such as "conv1_1/kernel": kernels (height, width, in, out), images in RGB."""

HEAD_MARK = "_mbox_"
"""What only the names of predictor heads have."""

MOST_LOGITS = 20_001
"""Of a file with more it is not believed that they are classes."""

HEAD = re.compile(r"(.+)_mbox_(loc|conf)/kernel")


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file.

    Attributes:
        kind: what it is, in words.
        tensors: its weights.
        bgr: whether its network takes BGR; the first kernel in `tensors` is turned to RGB then.
        settings: arguments of `build_preset` that the file or its origin fixes.
    """

    kind: str
    tensors: Tensors
    bgr: bool
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def first_kernel(self) -> str:
        """The convolution that sees the image."""
        return first_kernel(self.tensors)

    @property
    def sources(self) -> list[str]:
        """The feature maps that are predicted from."""
        heads = [HEAD.fullmatch(name) for name in self.tensors]
        return [head[1] for head in heads if head and head[2] == "loc"]

    @property
    def logits(self) -> int | None:
        """C, the number of classes and background; None where the file has no heads.

        Raises:
            ValueError: it cannot be the number of classes.
        """
        for source in self.sources:
            loc, conf = (self.tensors.get(f"{source}_mbox_{part}/kernel") for part in ("loc", "conf"))
            if loc is None or conf is None or loc.ndim != 4 or conf.ndim != 4:
                continue
            logits = conf.shape[-1] // max(loc.shape[-1] // 4, 1)
            if not conf.size or not loc.size or logits > MOST_LOGITS:
                raise ValueError(f"the heads of {source} have the shapes {loc.shape} and {conf.shape}")
            return int(logits)
        return None


def put(tensors: Tensors, name: str, tensor: NDArray[np.float32]) -> None:
    """Add a tensor of any shape; `ValueError` where there is one of this name: none is chosen by guess."""
    if name in tensors:
        raise ValueError(f"it has two tensors for {name}")
    tensors[name] = tensor


def first_kernel(tensors: Tensors) -> str:
    """Give the name of the convolution that sees the image: the first in the order of the file's layers."""
    known = ("conv1_1/kernel", "conv0/kernel", "conv1/kernel")
    return next((name for name in known if name in tensors), "")


def to_rgb(tensors: Tensors) -> Tensors:
    """Turn the first convolution from BGR to RGB."""
    name = first_kernel(tensors)
    if not name or tensors[name].shape[2:3] != (3,):
        return tensors
    return {**tensors, name: reverse_channels(tensors[name])}


def reverse_channels(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the kernel (height, width, 3, out) of a first convolution from BGR to RGB, or back."""
    return kernel[:, :, ::-1]
