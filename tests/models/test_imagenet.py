"""ImageNet weights: a stand-in with random values must give the right feature maps. Nothing is downloaded."""

import keras
import numpy as np
import pytest

from ssd_keras.models.ssd import SSD

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 264, 264, 3), dtype=np.uint8)


@pytest.fixture
def stand_in(monkeypatch):
    """Give networks of `keras.applications` random values where they would fetch those of ImageNet."""

    def replace(name):
        original = getattr(keras.applications, name)
        made = []

        def with_random_values(*, weights=None, **settings):
            assert weights == "imagenet"
            network = original(weights=None, **settings)
            random = np.random.default_rng(len(name))
            for weight in network.weights:
                low, high = (0.5, 1.5) if "variance" in weight.name else (-0.05, 0.06)
                weight.assign(random.uniform(low, high, weight.shape))
            made.append(network)
            return network

        monkeypatch.setattr(keras.applications, name, with_random_values)
        return made

    return replace


def test_vgg16_is_reduced_as_the_authors_did_it(stand_in):
    made = stand_in("VGG16")
    model = SSD.from_preset("ssd300_vgg16", ["car"], weights="imagenet", image_size=(264, 264))
    (full,) = made
    # What Keras's VGG16 takes: BGR, here with the mean of SSD.
    x = IMAGE[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    for layer in full.layers[1 : full.layers.index(full.get_layer("block4_conv3")) + 1]:
        x = layer(x)
    rgb = IMAGE.astype(np.float32) - np.array([123, 117, 104], np.float32)
    conv4_3 = keras.Model(model.backbone.input, model.backbone.get_layer("conv4_3").output)
    np.testing.assert_allclose(conv4_3(rgb), x, rtol=1e-4, atol=1e-4)

    kernel, bias = full.get_layer("fc1").get_weights()
    fc6, fc6_bias = model.backbone.get_layer("fc6").get_weights()
    kernel = kernel.reshape(7, 7, 512, 4096)
    assert fc6.shape == (3, 3, 512, 1024)
    for row, column, channel, unit in [(0, 0, 0, 0), (1, 2, 100, 7), (2, 1, 511, 1023)]:
        assert fc6[row, column, channel, unit] == kernel[3 * row, 3 * column, channel, 4 * unit]
    np.testing.assert_array_equal(fc6_bias, bias[::4])
    kernel, bias = full.get_layer("fc2").get_weights()
    fc7, fc7_bias = model.backbone.get_layer("fc7").get_weights()
    assert fc7.shape == (1, 1, 1024, 1024)
    assert fc7[0, 0, 5, 9] == kernel[20, 36]
    np.testing.assert_array_equal(fc7_bias, bias[::4])


@pytest.mark.parametrize(
    ("preset", "network", "tap", "feature"),
    [
        ("ssd300_densenet121", "DenseNet121", "pool4_relu", 1),
        ("ssd300_resnet50", "ResNet50", "conv3_block4_out", 0),
    ],
)
def test_networks_of_keras_applications(stand_in, preset, network, tap, feature):
    made = stand_in(network)
    model = SSD.from_preset(preset, ["car"], weights="imagenet", image_size=(96, 96))
    pixels = IMAGE[:, :96, :96].astype(np.float32)
    expected = keras.Model(made[0].inputs[0], made[0].get_layer(tap).output)(pixels)
    np.testing.assert_allclose(model.backbone(pixels)[feature], expected, rtol=1e-4, atol=1e-5)


def test_last_stage_of_a_resnet_is_dilated_and_keeps_its_weights(stand_in):
    made = stand_in("ResNet50")
    model = SSD.from_preset("ssd300_resnet50", ["car"], weights="imagenet", image_size=(96, 96))
    for block in (1, 2, 3):
        layer = model.backbone.get_layer(f"conv5_block{block}_2_conv")
        assert (layer.dilation_rate, layer.strides) == ((2, 2), (1, 1))
        source = made[0].get_layer(f"conv5_block{block}_2_conv")
        np.testing.assert_array_equal(layer.get_weights()[0], source.get_weights()[0])
    assert model.backbone.get_layer("conv5_block1_0_conv").strides == (1, 1)
    assert model.backbone.get_layer("conv4_block1_1_conv").strides == (2, 2)


def test_the_backbone_of_any_network(stand_in):
    made = stand_in("MobileNetV2")
    model = SSD.from_backbone("keras:MobileNetV2", ["car"], (96, 96), weights="imagenet")
    pixels = IMAGE[:, :96, :96] / np.float32(127.5) - 1
    expected = keras.Model(made[0].inputs[0], made[0].get_layer("block_13_expand_relu").output)(pixels)
    np.testing.assert_allclose(model.backbone(pixels)[1], expected, rtol=1e-4, atol=1e-5)
