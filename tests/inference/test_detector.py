"""Detectors are saved whole or not at all."""

import os
import subprocess
import sys

import keras
import pytest

from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, load_model, save_detector
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.ssd import SSD

DEEP = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("ssd300_vgg16", "ssd300_resnet50", "ssdlite320_mobilenet_v3")
]


@pytest.mark.parametrize("name", ["ssd7", *DEEP])
def test_a_saved_detector_loads_in_a_new_process(tmp_path, name):
    model = SSD.from_preset(name, ["car"])
    save_detector(model, tmp_path / "model.keras")
    program = (
        "from ssd_keras.inference.detector import load_detector\n"
        "print(load_detector('model.keras').count_params())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) == model.count_params()


def test_saving_that_fails_midway_leaves_the_old_model(tmp_path):
    class Model:
        compiled = False

        def __init__(self, text):
            self.text = text

        def save(self, path):
            path.write_text(self.text[:3])
            if self.text == "broken":
                raise OSError("disk full")
            path.write_text(self.text)

    file = tmp_path / "last.keras"
    save_detector(Model("good"), file)
    with pytest.raises(InputError, match=r"last\.keras cannot be written \(disk full\)"):
        save_detector(Model("broken"), file)
    assert file.read_text() == "good"


def test_a_model_with_unknown_layers_says_which(tmp_path):
    @keras.saving.register_keras_serializable("of_a_user")
    class Twice(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    model = SSD.from_backbone(lambda image: ssd7_features(Twice()(image)), ["car"], (96, 96))
    save_detector(model, tmp_path / "own.keras")
    assert load_detector(tmp_path / "own.keras").class_names == ("car",)
    keras.saving.get_custom_objects().pop("of_a_user>Twice")
    with pytest.raises(InputError, match="Could not locate class 'Twice'"):
        load_detector(tmp_path / "own.keras")


def test_a_model_of_grey_images_looks_at_no_photographs(tmp_path):
    model = SSD.from_preset("ssd7", ["car"], image_size=(64, 96), channels=1)
    save_detector(model, tmp_path / "grey.keras")
    with pytest.raises(InputError, match=r"grey\.keras takes images of 1 channels, and photographs have 3"):
        load_detector(tmp_path / "grey.keras")
    assert load_model(tmp_path / "grey.keras").input_shape[-1] == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.keras")
    with pytest.raises(InputError, match=r"m\.keras is a pipe or a device: give a"):
        load_detector(tmp_path / "m.keras")
