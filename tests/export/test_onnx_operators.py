"""Networks of other layers than SSD7's, in ONNX: what converts, and what does not and says so."""

import keras
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.export.artefact_files import write_artefact
from ssd_keras.export.comparison import TOLERANCE, largest_difference
from ssd_keras.export.onnx_graph import make_onnx_graph
from ssd_keras.export.worker import describe, found_by_keras
from ssd_keras.models.decoding import Decoding
from ssd_keras.models.ssd import SSD
from ssd_keras.runtimes.artefact import load_artefact

QUICK = Decoding(candidates=100, max_detections=80)


@pytest.fixture(autouse=True)
def no_error_is_caught(monkeypatch):
    """Let tf2onnx raise what it meets, as it does in the process that makes artefacts."""
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "FALSE")


def detector(activation):
    """Build a network whose convolutions without bias are followed by this activation."""

    def features(image):
        maps = []
        for number, width in enumerate((8, 8, 1, 8)):  # of one channel, a number may be a bias
            layer = keras.layers.Conv2D(width, 3, 2, "same", use_bias=False, name=f"conv{number}")
            image = activation(layer(image))
            maps.append(image)
        return maps

    keras.utils.set_random_seed(1)
    return SSD.from_backbone(features, ["a", "b"], (64, 96), decoding=QUICK)


def check_equal_to_keras(model, folder):
    path = folder / "x.onnx"
    write_artefact(model, "onnx", path, describe(model, False).as_text(), False)
    images = np.random.default_rng(0).integers(0, 256, (2, *model.image_size, 3), np.uint8)
    artefact = load_artefact(path)
    difference = largest_difference(
        found_by_keras(model, images), artefact.predict(images), artefact.metadata
    )
    assert difference < TOLERANCE / 10
    return path


@pytest.mark.parametrize(
    "activation",
    [
        lambda x: keras.layers.Activation("gelu")(x),
        lambda x: keras.layers.Activation("hard_swish")(x),
        lambda x: x + 3.0,
    ],
    ids=["gelu", "hard_swish", "a number added"],
)
def test_activations(activation, tmp_path):
    check_equal_to_keras(detector(activation), tmp_path)


@pytest.mark.slow
def test_the_preset_with_hard_swish(tmp_path):
    import onnx

    keras.utils.set_random_seed(1)
    model = SSD.from_preset("ssdlite320_mobilenet_v3", ["a", "b"], image_size=(96, 128), decoding=QUICK)
    path = check_equal_to_keras(model, tmp_path)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("Transpose") < operators.count("Conv")  # the layout was put in order


def test_an_operator_that_onnx_has_not_is_named():
    with pytest.raises(
        InputError, match=r"TensorFlow's Lgamma\), .*: export to litert or saved_model"
    ) as error:
        make_onnx_graph(detector(_log_gamma))
    assert "\n" not in str(error.value)


def _log_gamma(values):
    import tensorflow as tf

    return keras.layers.Lambda(lambda x: tf.math.lgamma(x * x + 1.0))(values)
