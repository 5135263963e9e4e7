"""Class selection: the heads of the kept classes, box by box, in the order asked for."""

import numpy as np
import pytest
from on_backend import slow_on_jax

from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.weights.selection import select_classes

pytestmark = pytest.mark.backends

NAMES = ("car", "truck", "pedestrian", "bicyclist", "light")
SIZE = (64, 96)


@pytest.fixture(scope="module")
def model():
    """A detector whose weights are all different from what a fresh one would have."""
    model = SSD.from_preset("ssd7", NAMES, image_size=SIZE)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 0.2, weight.shape) for weight in model.get_weights()])
    return model


def image():
    return np.random.default_rng(1).integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)


def test_logits_of_kept_classes_are_the_same_in_the_new_order(model):
    selected = select_classes(model, ["light", "car"])
    assert selected.class_names == ("light", "car")
    raw, expected = selected.predict_on_batch(image()), model.predict_on_batch(image())
    # Background, then the classes in the order asked for.
    np.testing.assert_allclose(raw["logits"], expected["logits"][..., [0, 5, 1]], rtol=1e-5)
    np.testing.assert_allclose(raw["offsets"], expected["offsets"], rtol=1e-5)


def test_channels_are_chosen_for_each_box(model):
    selected = select_classes(model, ["pedestrian"])
    kernel, bias = model.get_layer("elu5_mbox_conf").get_weights()
    new_kernel, new_bias = selected.get_layer("elu5_mbox_conf").get_weights()
    channels = [box * 6 + logit for box in range(4) for logit in (0, 3)]
    np.testing.assert_array_equal(new_kernel, kernel[..., channels])
    np.testing.assert_array_equal(new_bias, bias[channels])


def test_unknown_classes_begin_with_fresh_weights(model):
    selected = select_classes(model, ["truck", "tram"])
    _, bias = selected.get_layer("elu6_mbox_conf").get_weights()
    _, known = model.get_layer("elu6_mbox_conf").get_weights()
    np.testing.assert_array_equal(bias.reshape(4, 3)[:, :2], known.reshape(4, 6)[:, [0, 2]])
    np.testing.assert_array_equal(bias.reshape(4, 3)[:, 2], 0)
    kernel, _ = selected.get_layer("elu6_mbox_conf").get_weights()
    fresh = kernel.reshape(3, 3, 48, 4, 3)[..., 2]
    assert fresh.std() > 0
    assert np.abs(fresh.mean()) < 0.02  # not those of the model, which are above 0.1


def test_everything_else_is_copied_and_the_model_stays_as_it_is(model):
    before = model.get_weights()
    selected = select_classes(model, ["car"])
    for one, other in zip(selected.backbone.get_weights(), model.backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert selected.anchors == model.anchors
    assert selected.neutral_threshold == model.neutral_threshold


@slow_on_jax
def test_separable_heads():
    model = SSD.from_preset("ssdlite320_mobilenet_v3", NAMES, image_size=(96, 96))
    selected = select_classes(model, ["light", "car"])
    batch = np.zeros((1, 96, 96, 3), np.uint8)
    raw, expected = selected.predict_on_batch(batch), model.predict_on_batch(batch)
    np.testing.assert_allclose(raw["logits"], expected["logits"][..., [0, 5, 1]], rtol=1e-4, atol=1e-5)


def test_precision_can_be_changed(model):
    selected = select_classes(model, NAMES, "mixed_bfloat16")
    assert selected.backbone.get_layer("conv1").compute_dtype == "bfloat16"
    assert selected.get_layer("elu4_mbox_conf").compute_dtype == "bfloat16"
    raw, expected = selected.predict_on_batch(image()), model.predict_on_batch(image())
    assert raw["logits"].dtype == np.float32
    np.testing.assert_allclose(raw["logits"], expected["logits"], rtol=0.05)


@pytest.mark.parametrize("names", [[], ["car", "car"], [""]])
def test_names_that_cannot_be_are_refused(model, names):
    with pytest.raises(InputError, match="class"):
        select_classes(model, names)
