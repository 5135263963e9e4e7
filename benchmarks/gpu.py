"""How fast SSD300 and SSD512 (VGG16) learn and detect on a GPU: JAX, bfloat16, batches of 32 to 256.

For each batch size: images/s, time to compile, memory, and the share of the rate that the chip reaches in a
plain matrix product. Inference is from uint8 images to decoded detections; training is the whole step.

    KERAS_BACKEND=jax python benchmarks/gpu.py [--models ssd300_vgg16 ssd512_vgg16] [--batches 32 64 128 256]

Without a GPU it says so and measures nothing, unless --cpu is given.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
from measuring import report

from ssd_keras.models.ssd import SSD

CLASSES = [f"class {number}" for number in range(20)]
OBJECTS = 8


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=["ssd300_vgg16", "ssd512_vgg16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 64, 128, 256])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument(
        "--matrix", type=int, default=8192, help="side of the matrices whose product is timed"
    )
    parser.add_argument("--cpu", action="store_true", help="measure without a GPU too")
    arguments = parser.parse_args()
    device = jax.devices()[0]
    if device.platform != "gpu" and not arguments.cpu:
        print("there is no GPU: nothing is measured")
        return
    peak = matmul_rate(arguments.matrix)
    rows = []
    for name in arguments.models:
        for batch in arguments.batches:
            try:
                rows += measure(name, batch, arguments.steps, peak)
            except jax.errors.JaxRuntimeError as error:
                print(f"{name}, batch {batch}: {str(error).splitlines()[0][:120]}")
            keras.backend.clear_session()
    if rows:
        report(
            "gpu",
            f"SSD on {device.device_kind}, JAX, bfloat16",
            rows,
            matmul_teraflops=peak / 1e12,
        )


def matmul_rate(side: int) -> float:
    """Give the floating-point operations a second of a square matrix product in bfloat16."""
    one = jnp.ones((side, side), jnp.bfloat16)
    product = jax.jit(lambda a: a @ a)
    return 2 * side**3 / median_seconds(lambda: product(one).block_until_ready(), 10)


def measure(name: str, batch: int, steps: int, peak: float) -> list[dict[str, Any]]:
    """Measure one model at one batch size: a row for training and one for inference."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = SSD.from_preset(name, CLASSES)
    keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.SGD(1e-4, momentum=0.9, weight_decay=5e-4))
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch, *model.image_size, 3), dtype=np.uint8)
    corners = random.uniform(0, 0.5, (batch, OBJECTS, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 0.5, corners.shape)], -1).astype(
        np.float32
    )
    truth = {"boxes": boxes, "labels": random.integers(0, len(CLASSES), (batch, OBJECTS), dtype=np.int32)}
    decoder = model.decoder()
    flops = forward_flops(model, images)
    tasks: dict[str, tuple[Callable[[], object], float]] = {
        # Backwards costs about twice the forward pass: gradients of the weights and of the activations.
        "training": (lambda: model.train_on_batch(images, truth), 3 * flops),
        "inference": (lambda: decoder.predict_on_batch(model.predict_on_batch(images)), flops),
    }
    rows = []
    for what, (task, operations) in tasks.items():
        started = time.perf_counter()
        task()
        first = time.perf_counter() - started
        seconds = median_seconds(task, steps)
        memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
        rows.append(
            {
                "model": name,
                "what": what,
                "batch": batch,
                "images/s": batch / seconds,
                "compile s": first - seconds,
                "peak memory GiB": memory / 2**30,
                "share of matmul rate": operations / seconds / peak,
            }
        )
    return rows


def forward_flops(model: SSD, images: Any) -> float:
    """Count the floating-point operations of the network on a batch, as the compiler does."""
    trainable, fixed = model.trainable_variables, model.non_trainable_variables

    def forward(trainable: Any, fixed: Any, images: Any) -> Any:
        return model.stateless_call(trainable, fixed, images, training=False)[0]

    values = [[variable.value for variable in variables] for variables in (trainable, fixed)]
    analysis = jax.jit(forward).lower(*values, images).cost_analysis()
    return float((analysis[0] if isinstance(analysis, list) else analysis)["flops"])


def median_seconds(task: Callable[[], object], rounds: int) -> float:
    """Time a task several times and give the median; it runs once before."""
    task()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
