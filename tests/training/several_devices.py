"""Run by `test_devices.py` in its own process: steps or a run on two virtual devices of the processor."""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from ssd_keras.cli import main
from ssd_keras.data.formats import open_dataset
from ssd_keras.errors import InputError
from ssd_keras.training.devices import choose_devices
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.optimizers import make_optimizer
from ssd_keras.training.recipe import read_recipe


def refusal(recipe_file, **changes):
    """Give the error that a recipe ends with, or an empty text."""
    recipe = read_recipe(Path(recipe_file), **changes)
    try:
        choose_devices(recipe, build_model(recipe, ("blue", "red")).multibox_loss)
    except InputError as error:
        return str(error)
    return ""


def steps(recipe_file, out, **changes):
    """Make steps on batches of unequal halves; keep weights, losses and the norms of the gradients."""
    recipe = read_recipe(Path(recipe_file), **changes)
    dataset = open_dataset(recipe.data)
    model = build_model(recipe, dataset.class_names)
    devices = choose_devices(recipe, model.multibox_loss)
    trained = devices.model_on_all(model)
    with devices.making():
        trained.compile(make_optimizer(recipe, trained, 4))
        trained.optimizer.build(trained.trainable_variables)
    with devices.training():
        history = trained.fit(batches(4), epochs=1, steps_per_epoch=4, shuffle=False, verbose=0).history
    values = {f"weight {i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(trained.variables)}
    values |= {name: np.array(value) for name, value in history.items()}
    values["norms"] = keras.ops.convert_to_numpy(trained.optimizer.gradient_norms)
    np.savez(out, devices=np.array(devices.count), **values)


def batches(count):
    """Batches of four images; all objects are in the first half, and the last batch has none."""
    import grain

    def batch(number):
        rng = np.random.default_rng(number)
        boxes = np.zeros((4, 8, 4), np.float32)
        labels = np.full((4, 8), -1, np.int32)
        for row in range(2 if number < count - 1 else 0):
            low = rng.uniform(0, 0.5, (3, 2))
            boxes[row, :3] = np.concatenate([low, low + rng.uniform(0.2, 0.5, (3, 2))], axis=1)
            labels[row, :3] = rng.integers(0, 2, 3)
        images = rng.integers(0, 255, (4, 64, 96, 3), dtype=np.uint8)
        return images, {"boxes": boxes, "labels": labels}

    return grain.MapDataset.range(count).map(batch).to_iter_dataset(grain.ReadOptions(1, 1))


def make_devices():
    """Divide the processor into two devices, before anything is computed; JAX read a variable for that."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def run(task, arguments):
    make_devices()
    if task == "ssd":
        return main(arguments)
    if task == "refusals":
        recipe, changes = arguments[0], json.loads(arguments[1])
        print(json.dumps([refusal(recipe, **change) for change in changes]))
    else:
        recipe, out = arguments
        for number in (1, 2):
            steps(recipe, f"{out}-{number}.npz", devices=number)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
