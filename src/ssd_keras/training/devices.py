"""What a run has to know of the backend beneath Keras: its random state, its devices.

On several devices each has the whole network and a part of every batch, and their gradients add up to those
of the batch. On JAX, `keras.distribution.DataParallel` does it: to the program there is one network and one
batch, so losses, gradients and batch norm are those of one device. On TensorFlow, a `MirroredStrategy` runs
the step once for each device, and what concerns the whole batch has to be summed by hand: the number of
matched anchors that the loss is divided by, and the gradients before they are shortened. Batch norm sees the
part on its device there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ssd_keras.boxes.arrays import Array
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import describe_detector
from ssd_keras.models.loss import LossParts, MultiBoxLoss
from ssd_keras.models.ssd import SSD
from ssd_keras.training.recipe import Recipe


@dataclass(frozen=True)
class Devices:
    """The devices of a run.

    Attributes:
        count: how many share a batch, of all processes together.
        strategy: Keras's or TensorFlow's name for what divides the work; None for one device.
    """

    count: int = 1
    strategy: Any = None

    def making(self) -> AbstractContextManager[Any]:
        """Give the context in which a model and its optimizer are made for these devices."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def training(self) -> AbstractContextManager[Any]:
        """Give the context in which steps run; TensorFlow's models know their devices by themselves."""
        return self.making() if keras.backend.backend() == "jax" else nullcontext()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Compute on one device of this process for a while."""
        if self.strategy is None or keras.backend.backend() != "jax":
            yield
            return
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self.strategy)

    def model_on_all(self, model: SSD) -> SSD:
        """Give the model that trains: `model` itself on one device, else its copy on all of them."""
        if self.strategy is None:
            return model
        with self.making():
            copy: SSD = keras.saving.deserialize_keras_object(describe_detector(model))
            copy_variables(model, copy)
        for ours, theirs in zip(copy._flatten_layers(), model._flatten_layers(), strict=True):
            ours.trainable = theirs.trainable
        if keras.backend.backend() == "tensorflow":
            copy.multibox_loss = _LossOfAPart(**model.multibox_loss.get_config())
            copy.supports_jit = False  # XLA compiles no sum over devices for TensorFlow
        return copy


def choose_devices(recipe: Recipe, loss: MultiBoxLoss, processes: int = 1) -> Devices:
    """Take the devices that a recipe asks for, of each of so many processes that train together.

    Raises:
        InputError: there are not that many, the batch cannot be divided among them, or the backend cannot use
            several, or not with these settings.
    """
    backend = keras.backend.backend()
    if recipe.devices == 1 and processes == 1:
        return Devices()
    if backend not in ("jax", "tensorflow"):
        raise InputError(
            f"devices is {recipe.devices}, and with {backend} Keras trains on one: set KERAS_BACKEND=jax "
            "or tensorflow, or leave devices out"
        )
    names = _device_names(recipe, processes)
    if len(names) == 1:
        return Devices()
    if recipe.batch_size % len(names):
        raise InputError(
            f"batch_size is {recipe.batch_size}, and {len(names)} devices share a batch: choose a multiple "
            f"of {len(names)}"
        )
    if backend == "jax":
        return Devices(len(names), keras.distribution.DataParallel(devices=names, auto_shard_dataset=False))
    _refuse_what_needs_the_whole_batch(recipe, loss)
    import tensorflow as tf

    return Devices(len(names), tf.distribute.MirroredStrategy([name.upper() for name in names]))


def _device_names(recipe: Recipe, processes: int) -> list[str]:
    """Name the devices to use, of all processes, by Keras's names: as many of each process."""
    there = _names_by_process() if processes > 1 else [keras.distribution.list_devices()]
    scarce = min(there, key=lambda names: len(names))
    fewest = len(scarce)
    count = fewest if recipe.devices == "all" else recipe.devices
    if count > fewest:
        owner = "a process has" if processes > 1 else "there are"
        raise InputError(
            f"devices is {count}, and {owner} {fewest} ({', '.join(scarce)}): choose at most that, or all"
        )
    return [name for names in there for name in names[:count]]


def _names_by_process() -> list[list[str]]:
    import jax

    names: dict[int, list[str]] = {}
    for device in jax.devices():
        names.setdefault(device.process_index, []).append(f"{device.platform}:{device.id}")
    return list(names.values())


def _refuse_what_needs_the_whole_batch(recipe: Recipe, loss: MultiBoxLoss) -> None:
    """Refuse what TensorFlow's devices, each with its part of the batch, cannot do; JAX can."""
    for setting, asked in (
        (f"accumulate: {recipe.accumulate}", recipe.accumulate > 1),
        ("precision: float16", recipe.precision == "float16"),
        ("loss negatives: batch", loss.negatives == "batch"),
    ):
        if asked:
            raise InputError(
                f"{setting} does not go with several devices on TensorFlow: leave it out, or set "
                "KERAS_BACKEND=jax"
            )


class _LossOfAPart(MultiBoxLoss):
    """The loss of the part of a batch that is on one of TensorFlow's devices; the parts add up to the whole.

    The two terms, which are only shown, are those of the whole batch.
    """

    def __call__(self, *tensors: Any, **settings: Any) -> LossParts:
        parts = super().__call__(*tensors, **settings)
        confidence, location = sum_over_devices(
            [ops.stop_gradient(parts.confidence), ops.stop_gradient(parts.location)]
        )
        return parts._replace(confidence=confidence, location=location)

    @property
    def share(self) -> float:
        import tensorflow as tf

        return 1.0 / float(tf.distribute.get_strategy().num_replicas_in_sync)

    def over_the_batch(self, number: Array) -> Array:
        return sum_over_devices([number])[0]


def sum_over_devices(tensors: Sequence[Array]) -> list[Array]:
    """Add up, over TensorFlow's devices, what each has of these (None stays); elsewhere leave them.

    Tensors of any shape; the sums have the same.
    """
    if keras.backend.backend() != "tensorflow":
        return list(tensors)
    import tensorflow as tf

    here = tf.distribute.get_replica_context()
    given = [tensor for tensor in tensors if tensor is not None]
    if here is None or here.num_replicas_in_sync == 1 or not given:
        return list(tensors)
    sums = iter(here.all_reduce(tf.distribute.ReduceOp.SUM, given))
    return [None if tensor is None else next(sums) for tensor in tensors]


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Give a model the values of another's variables, wherever the two have them."""
    for ours, theirs in zip(target.variables, source.variables, strict=True):
        ours.assign(keras.ops.convert_to_numpy(theirs))


def random_state() -> NDArray[np.uint8]:
    """Give the random state that is not in Keras's variables: torch draws dropout from one of its own.

    The shape is torch's, (5056,) on a CPU; (0,) on the other backends, which have none.
    """
    if keras.backend.backend() != "torch":
        return np.zeros(0, np.uint8)
    import torch

    state: NDArray[np.uint8] = torch.get_rng_state().numpy()
    return state


def set_random_state(state: NDArray[np.uint8]) -> None:
    """Put back what `random_state` gave; shape as there."""
    if state.size:
        import torch

        torch.set_rng_state(torch.from_numpy(state.copy()))


def bring_variables_up_to_date(model: keras.Model) -> None:
    """Have Keras give the variables their values: on JAX it keeps them to itself within an epoch."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
