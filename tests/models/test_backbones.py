"""Base networks: padding as in Caffe, pooling that rounds up, L2 normalisation, extra layers."""

import keras
import numpy as np
import pytest
from keras import layers
from on_backend import gradients, slow_on_jax

from ssd_keras.errors import InputError
from ssd_keras.models.backbones import dilated_convolution
from ssd_keras.models.backbones.blocks import (
    ExtraLayer,
    convolve,
    extra_layers_to_one_cell,
    is_extra_layer,
)
from ssd_keras.models.backbones.dilated_convolution import DilatedConv2D
from ssd_keras.models.backbones.l2_normalization import L2Normalization
from ssd_keras.models.ssd import SSD
from ssd_keras.training.freezing import freeze

pytestmark = pytest.mark.backends


def convolved_by_hand(x, kernel, stride, dilation, padding):
    """A convolution (h, w, 1) with one filter, as Caffe does it: zeros on all four sides, loops."""
    x = np.pad(x[..., 0], padding)
    reach = dilation * (kernel.shape[0] - 1) + 1
    rows, columns = ((side - reach) // stride + 1 for side in x.shape)
    taps = [(r, c) for r in range(kernel.shape[0]) for c in range(kernel.shape[1])]
    return np.array(
        [
            [
                sum(kernel[r, c] * x[i * stride + r * dilation, j * stride + c * dilation] for r, c in taps)
                for j in range(columns)
            ]
            for i in range(rows)
        ]
    )


@pytest.mark.parametrize("side", [9, 10])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "padding"),
    [
        (3, 1, 1, None),
        (3, 2, 1, None),
        (3, 2, 1, 1),
        (3, 1, 1, 0),
        (4, 1, 1, 1),
        (3, 1, 6, None),
        (1, 1, 1, None),
    ],
)
def test_zeros_lie_as_in_caffe(side, kernel, stride, dilation, padding):
    image = keras.Input((side, side + 1, 1))
    output = convolve(
        image, 1, kernel, "c", stride=stride, dilation=dilation, padding=padding, activation="linear"
    )
    model = keras.Model(image, output)
    random = np.random.default_rng(0)
    weights, x = random.random((kernel, kernel, 1, 1)), random.random((1, side, side + 1, 1))
    model.get_layer("c").set_weights([weights, np.zeros(1)])
    zeros = dilation * (kernel - 1) // 2 if padding is None else padding
    expected = convolved_by_hand(x[0], weights[..., 0, 0], stride, dilation, zeros)
    np.testing.assert_allclose(model.predict_on_batch(x)[0, ..., 0], expected, rtol=1e-4, atol=1e-5)


def test_keras_padding_would_differ_at_even_sides():
    """The trap that the test above guards against."""
    x = np.random.default_rng(0).random((1, 10, 10, 1)).astype(np.float32)
    same = layers.Conv2D(1, 3, 2, padding="same", kernel_initializer="ones")(x)
    expected = convolved_by_hand(x[0], np.ones((3, 3)), 2, 1, 1)
    assert same.shape[1:3] == expected.shape
    assert np.abs(keras.ops.convert_to_numpy(same)[0, ..., 0] - expected).max() > 0.5


class TestDilatedConvolution:
    def layers(self):
        """Ours and Keras's, with the same weights."""
        pair = (
            DilatedConv2D(4, 3, dilation_rate=6, padding="same"),
            layers.Conv2D(4, 3, dilation_rate=6, padding="same"),
        )
        for layer in pair:
            layer.build((None, 9, 9, 2))
        pair[1].set_weights(pair[0].get_weights())
        return pair

    def test_gradients_are_those_of_keras(self):
        x = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype(np.float32)
        ours, theirs = self.layers()
        kernel, _ = ours.get_weights()

        def loss_of(layer):
            def loss(x, kernel):
                return keras.ops.sum(keras.ops.square(layer.convolution_op(x, kernel)))

            return loss

        for found, expected in zip(
            gradients(loss_of(ours), [x, kernel]), gradients(loss_of(theirs), [x, kernel]), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    @slow_on_jax
    def test_it_is_taken_where_dilation_is(self):
        assert isinstance(SSD.from_preset("ssd300_vgg16", ["car"]).backbone.get_layer("fc6"), DilatedConv2D)

    def test_without_gradients_of_its_own_keras_computes_it(self, monkeypatch):
        x = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype(np.float32)
        ours, theirs = self.layers()
        monkeypatch.setattr(dilated_convolution, "_tensorflow_has_gradients", lambda: False)
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(ours(x)), keras.ops.convert_to_numpy(theirs(x))
        )


class TestL2Normalization:
    def test_values(self):
        x = np.random.default_rng(0).normal(size=(2, 3, 4, 8)).astype(np.float32)
        layer = L2Normalization(scale=20)
        layer.build(x.shape)
        gamma = np.linspace(10, 30, 8)
        layer.set_weights([gamma])
        expected = gamma * x / np.sqrt((x.astype(np.float64) ** 2).sum(-1, keepdims=True) + 1e-10)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, rtol=1e-5)

    def test_zeros_stay_zeros(self):
        found = keras.ops.convert_to_numpy(L2Normalization()(np.zeros((1, 1, 1, 512), np.float32)))
        np.testing.assert_array_equal(found, 0)

    @pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
    def test_large_values_do_not_overflow_in_half_precision(self, policy):
        layer = L2Normalization(dtype=policy)
        found = keras.ops.convert_to_numpy(keras.ops.cast(layer(np.full((1, 1, 1, 4), 3e4)), "float32"))
        np.testing.assert_allclose(found, 10, rtol=1e-2)

    def test_gamma_begins_at_20(self):
        model = SSD.from_preset("ssd300_vgg16", ["car"])
        (gamma,) = model.backbone.get_layer("conv4_3_norm").get_weights()
        np.testing.assert_array_equal(gamma, np.full(512, 20))


def test_conv4_3_is_normalised_for_its_predictions_only():
    model = SSD.from_preset("ssd300_vgg16", ["car"])
    norm = model.backbone.get_layer("conv4_3_norm")
    pool4 = model.backbone.get_layer("pool4")
    assert norm.input is pool4.input is model.backbone.get_layer("conv4_3").output
    assert model.backbone.outputs[0] is norm.output


def test_vgg16_is_that_of_the_original():
    backbone = SSD.from_preset("ssd300_vgg16", ["car"]).backbone
    assert backbone.get_layer("pool3").output.shape[1:3] == (38, 38)
    assert backbone.get_layer("pool5").output.shape[1:3] == (19, 19)
    assert backbone.get_layer("fc6").dilation_rate == (6, 6)
    assert [backbone.get_layer(f"conv5_{n}").dilation_rate for n in (1, 2, 3)] == [(1, 1)] * 3
    base = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
    parameters = sum(
        layer.count_params()
        for layer in backbone.layers
        if layer.name.startswith(base) and "norm" not in layer.name
    )
    assert parameters == 20_483_904


@slow_on_jax
class TestNormalizedVgg16:
    """For training from scratch."""

    @pytest.fixture(scope="class", params=["batch", "group"])
    @classmethod
    def model(cls, request):
        return SSD.from_preset(
            "ssd300_vgg16", ["car", "bus"], backbone_options={"normalization": request.param}
        )

    def test_every_convolution_is_normalised_before_its_relu(self, model):
        backbone = model.backbone
        convolutions = [layer for layer in backbone.layers if isinstance(layer, layers.Conv2D)]
        kinds = (layers.BatchNormalization, layers.GroupNormalization)
        assert len(convolutions) == 13 + 2 + 8
        assert sum(isinstance(layer, kinds) for layer in backbone.layers) == len(convolutions)
        for convolution in convolutions:
            relu = backbone.get_layer(f"{convolution.name}_relu")
            norm = relu.input._keras_history.operation
            assert isinstance(norm, kinds)
            assert norm.name.startswith(f"{convolution.name}_")
            assert norm.input is convolution.output
            assert not convolution.use_bias
            assert convolution.activation is keras.activations.linear

    def test_names_shapes_and_anchors_are_those_of_the_original(self, model):
        original = SSD.from_preset("ssd300_vgg16", ["car", "bus"])

        def kernels(detector):
            found = (*detector.backbone.layers, *detector.layers)
            return {layer.name: layer.kernel.shape for layer in found if isinstance(layer, layers.Conv2D)}

        assert kernels(model) == kernels(original)
        np.testing.assert_array_equal(model.anchor_boxes, original.anchor_boxes)
        for ours, theirs in zip(model.backbone.outputs, original.backbone.outputs, strict=True):
            assert ours.shape == theirs.shape

    def test_conv4_3_keeps_its_l2_normalisation(self, model):
        norm = model.backbone.get_layer("conv4_3_norm")
        assert norm.input is model.backbone.get_layer("pool4").input
        assert norm.input is model.backbone.get_layer("conv4_3_relu").output
        assert model.backbone.outputs[0] is norm.output

    def test_feature_maps_begin_alike_in_size(self, model):
        """Without normalisation they begin as large as the pixels, some 60."""
        random = np.random.default_rng(0)
        image = random.normal(0, 60, (2, 300, 300, 3)).astype(np.float32)
        maps = model.backbone(image, training=True)
        sizes = [float(np.sqrt(np.mean(keras.ops.convert_to_numpy(one) ** 2))) for one in maps]
        assert all(0.3 < size < 1.5 for size in sizes)

    def test_freezing_takes_the_normalisation_along(self, model):
        freeze(model, ["conv1", "conv4_3"])
        frozen = {layer.name for layer in model.backbone.layers if layer.weights and not layer.trainable}
        assert {name.rpartition("_")[0] for name in frozen if name.endswith(("_bn", "_gn"))} == {
            *("conv1_1", "conv1_2", "conv4_3")
        }
        freeze(model, ["backbone"])
        trained = [layer for layer in model.backbone.layers if layer.weights and layer.trainable]
        assert all(is_extra_layer(layer.name) for layer in trained)
        assert len(trained) == 2 * 8
        freeze(model, [])

    @pytest.mark.parametrize("normalization", ["layer", "Batch", 1])
    def test_other_normalisations_are_refused(self, normalization):
        with pytest.raises(InputError, match=r"normalization .* is unknown: choose one of batch, group"):
            SSD.from_preset("ssd512_vgg16", ["car"], backbone_options={"normalization": normalization})

    def test_imagenet_weights_are_refused(self):
        with pytest.raises(InputError, match=r"without normalization: leave out .*'weights'"):
            SSD.from_preset(
                "ssd300_vgg16", ["car"], weights="imagenet", backbone_options={"normalization": "batch"}
            )


class TestExtraLayers:
    @pytest.mark.parametrize(
        ("side", "sides"),
        [(10, [5, 3, 1]), (32, [16, 8, 4, 2, 1]), (19, [10, 5, 3, 1]), (3, [1]), (2, [1]), (1, [])],
    )
    def test_halve_until_one_cell_is_left(self, side, sides):
        found = []
        for extra in extra_layers_to_one_cell(side):
            side = (side + 2 * extra.padding - extra.kernel) // extra.stride + 1
            found.append(side)
        assert found == sides

    def test_the_first_is_the_widest(self):
        first, *others = extra_layers_to_one_cell(10)
        assert first == ExtraLayer(256, 512)
        assert {(one.squeeze, one.filters) for one in others} == {(128, 256)}

    @pytest.mark.parametrize(
        "name", ["conv6_1", "conv9_2", "conv10_2_padding", "conv14_2_bn", "conv17_1_relu"]
    )
    def test_are_known_by_their_names(self, name):
        assert is_extra_layer(name)

    @pytest.mark.parametrize(
        "name", ["conv5_3", "conv1_1", "conv13", "conv6_dw", "conv5_block1_1_conv", "fc6"]
    )
    def test_others_are_not(self, name):
        assert not is_extra_layer(name)


def test_batch_normalisation_arrives_within_a_short_training():
    model = SSD.from_backbone("keras:MobileNetV3Small", ["cell"], (64, 64))
    found = [layer for layer in model.backbone.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(found) > 30
    assert all(layer.momentum <= 0.99 for layer in found)  # 0.999 would still keep a fifth after 1,600 steps
