"""Frozen layers stay as they are, and their batch normalisation too."""

import keras
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.training.freezing import freeze, freeze_exactly, frozen_layers

SIZE = (64, 96)


def trained(names):
    """Train one step; give the names of the variables that changed."""
    keras.utils.set_random_seed(0)
    model = SSD.from_preset("ssd300_mobilenet", ["car"], image_size=SIZE)
    freeze(model, names)
    layers = [layer for layer in (*model.backbone.layers, *model.layers) if layer is not model.backbone]
    before = {layer.name: [weight.copy() for weight in layer.get_weights()] for layer in layers}
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    images = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    truth = {
        "boxes": np.full((2, 1, 4), [0.1, 0.1, 0.6, 0.7], np.float32),
        "labels": np.zeros((2, 1), np.int32),
    }
    model.train_on_batch(images, truth)
    return {
        layer.name
        for layer in layers
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }


def test_without_names_everything_is_trained():
    changed = trained([])
    assert {"conv0", "conv0_bn", "conv13", "conv14_1", "conv17_2_bn", "conv11_mbox_conf"} <= changed


def test_layers_by_the_beginning_of_their_names():
    changed = trained(["conv0", "conv1", "conv11_mbox_loc"])
    frozen = {"conv0", "conv0_bn", "conv1", "conv1_bn", "conv1_dw", "conv1_dw_bn", "conv11_mbox_loc"}
    assert not changed & frozen
    assert {"conv2", "conv10", "conv11", "conv13_bn", "conv11_mbox_conf"} <= changed


def test_the_backbone_is_the_base_network_without_the_extra_layers():
    changed = trained(["backbone"])
    assert {name.split("_")[0] for name in changed if "mbox" not in name} == {
        *("conv14", "conv15", "conv16", "conv17")
    }
    assert any("mbox" in name for name in changed)


def test_what_was_frozen_is_thawed_by_the_next_call():
    model = SSD.from_preset("ssd7", ["car"], image_size=SIZE)
    everything = len(model.trainable_weights)
    freeze(model, ["backbone"])
    assert len(model.trainable_weights) == 16  # the heads
    freeze(model, [])
    assert len(model.trainable_weights) == everything


def test_unknown_names_are_refused_in_one_line():
    model = SSD.from_preset("ssd7", ["car"], image_size=SIZE)
    with pytest.raises(InputError, match=r"'conv9': choose from backbone, conv1, bn1") as error:
        freeze(model, ["conv1", "conv9"])
    assert "\n" not in str(error.value)


def test_heads_learn_unless_they_are_named():
    model = SSD.from_preset("ssd300_mobilenet", ["car"], image_size=(96, 96))
    freeze(model, ["conv11", "conv13"])
    assert not model.backbone.get_layer("conv11").trainable
    assert model.get_layer("conv11_mbox_conf").trainable
    freeze(model, ["conv11_mbox"])
    assert not model.get_layer("conv11_mbox_conf").trainable
    assert model.backbone.get_layer("conv11").trainable


def test_something_is_left_to_learn():
    model = SSD.from_preset("ssd7", ["car"], image_size=SIZE)
    heads = {layer.name.split("_mbox")[0] for layer in model.layers if layer.name.endswith("_mbox_conf")}
    with pytest.raises(InputError, match="no layer is left that could learn"):
        freeze(model, ["backbone", *(f"{head}_mbox" for head in sorted(heads))])


def test_what_is_frozen_can_be_frozen_again():
    model, again = (SSD.from_preset("ssd7", ["car"], image_size=SIZE) for _ in range(2))
    model.backbone.get_layer("conv2").trainable = False
    model.get_layer("elu4_mbox_loc").trainable = False
    assert frozen_layers(model) == ["conv2", "elu4_mbox_loc"]
    freeze(again, ["conv1"])
    freeze_exactly(again, frozen_layers(model))
    assert frozen_layers(again) == ["conv2", "elu4_mbox_loc"]
    assert len(again.trainable_variables) == len(model.trainable_variables)
