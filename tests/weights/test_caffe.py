"""Caffe models: both kinds of layer messages, anchors, batch normalisation, and files that are broken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity.caffemodels import Layer, Network, write_caffemodel

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.errors import InputError
from ssd_keras.weights.caffe import read_caffemodel

RANDOM = np.random.default_rng(0)
KERNEL, BIAS = RANDOM.random((4, 3, 3, 2), np.float32), RANDOM.random(4, np.float32)


def network(*layers):
    return Network("small", 300, 21, (104.0, 117.0, 123.0), 1.0, layers)


def layer(name, type_, *blobs, **settings):
    return Layer(name, type_, ("data",), name, settings, blobs)


def read(folder, *layers, old=False):
    write_caffemodel(folder / "some.caffemodel", network(*layers), old)
    return read_caffemodel(folder / "some.caffemodel")


def read_or_refusal(path):
    try:
        return read_caffemodel(path), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("old", [False, True])
class TestLayers:
    def test_convolution(self, tmp_path, old):
        tensors = read(tmp_path, layer("conv6_1", "Convolution", KERNEL, BIAS), old=old).tensors
        assert set(tensors) == {"conv6_1/kernel", "conv6_1/bias"}
        np.testing.assert_array_equal(tensors["conv6_1/kernel"], KERNEL.transpose(2, 3, 1, 0))
        np.testing.assert_array_equal(tensors["conv6_1/bias"], BIAS)

    def test_the_first_convolution_is_turned_from_bgr_to_rgb(self, tmp_path, old):
        first, second = layer("conv1_1", "Convolution", KERNEL, BIAS), layer("conv1_2", "Convolution", KERNEL)
        file = read(tmp_path, first, second, old=old)
        assert file.bgr
        expected = KERNEL.transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(file.tensors["conv1_1/kernel"], expected[:, :, ::-1])
        np.testing.assert_array_equal(file.tensors["conv1_2/kernel"], expected)

    def test_depthwise_convolution(self, tmp_path, old):
        kernel = RANDOM.random((8, 1, 3, 3), np.float32)
        tensors = read(tmp_path, layer("conv1/dw", "Convolution", kernel), old=old).tensors
        np.testing.assert_array_equal(tensors["conv1_dw/kernel"], kernel.transpose(2, 3, 0, 1))

    def test_normalisation(self, tmp_path, old):
        scale = RANDOM.random(512, np.float32)
        tensors = read(tmp_path, layer("conv4_3_norm", "Normalize", scale), old=old).tensors
        assert list(tensors) == ["conv4_3_norm/gamma"]
        np.testing.assert_array_equal(tensors["conv4_3_norm/gamma"], scale)

    def test_heads_of_ones_own_classes(self, tmp_path, old):
        tensors = read(tmp_path, layer("conv11_mbox_conf_new", "Convolution", KERNEL, BIAS), old=old).tensors
        assert set(tensors) == {"conv11_mbox_conf/kernel", "conv11_mbox_conf/bias"}

    def test_layers_without_weights_are_passed_over(self, tmp_path, old):
        conv = layer("conv6_1", "Convolution", KERNEL)
        assert set(read(tmp_path, layer("relu1_1", "ReLU"), conv, old=old).tensors) == {"conv6_1/kernel"}


def test_batch_normalisation_is_divided_by_its_factor(tmp_path):
    mean, variance, gamma, beta = RANDOM.random((4, 5), np.float32)
    tensors = read(
        tmp_path,
        layer("conv0/bn", "BatchNorm", mean * 8, variance * 8, np.array([8], np.float32)),
        layer("conv0/scale", "Scale", gamma, beta),
        layer("conv1/bn", "BatchNorm", mean, variance, np.array([0], np.float32)),
    ).tensors
    np.testing.assert_allclose(tensors["conv0_bn/moving_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(tensors["conv0_bn/moving_variance"], variance, rtol=1e-6)
    np.testing.assert_array_equal(tensors["conv0_bn/gamma"], gamma)
    np.testing.assert_array_equal(tensors["conv0_bn/beta"], beta)
    np.testing.assert_array_equal(tensors["conv1_bn/moving_mean"], np.zeros(5))


class TestAnchors:
    def prior(self, **changes):
        usual = {"min_size": [35.84], "max_size": [76.8], "aspect_ratio": [2.0, 3.0], "variance": [0.1] * 2}
        return layer(
            "x_mbox_priorbox",
            "PriorBox",
            prior_box_param={**usual, "variance": [0.1, 0.1, 0.2, 0.2], **changes},
        )

    def test_are_those_of_the_file(self, tmp_path):
        conv = layer("conv6_1", "Convolution", KERNEL)
        second = self.prior(max_size=[], step=16.0, offset=0.25, clip=False)
        settings_of_file = read(tmp_path, conv, self.prior(step=8.0), second).settings
        assert settings_of_file["anchors"] == PaperAnchors(
            min_sizes=(35.84, 35.84),
            max_sizes=(76.8, None),
            aspect_ratios=((2.0, 3.0), (2.0, 3.0)),
            steps=((8.0, 8.0), (16.0, 16.0)),
            offsets=(0.5, 0.25),
            truncate=True,
        )
        assert settings_of_file["variances"] == pytest.approx((0.1, 0.1, 0.2, 0.2))

    def test_one_variance_stands_for_all(self, tmp_path):
        conv = layer("conv6_1", "Convolution", KERNEL)
        file = read(tmp_path, conv, self.prior(variance=[0.25], clip=True, flip=False))
        assert file.settings["variances"] == (0.25,) * 4
        assert file.settings["anchors"].clip
        assert not file.settings["anchors"].flip
        assert file.settings["anchors"].steps is None

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"clip": True}, "not the same flip, clip and variances"),
            ({"variance": [0.2]}, "not the same flip"),
            ({"min_size": [10.0]}, "min_sizes that shrink"),
            ({"min_size": []}, "not one min_size"),
        ],
    )
    def test_layers_that_contradict_each_other_are_refused(self, tmp_path, change, said):
        conv = layer("conv6_1", "Convolution", KERNEL)
        with pytest.raises(InputError, match=said):
            read(tmp_path, conv, self.prior(), self.prior(**change))

    def test_several_sizes_a_layer_are_refused(self, tmp_path):
        with pytest.raises(InputError, match="not one min_size"):
            read(tmp_path, layer("conv6_1", "Convolution", KERNEL), self.prior(min_size=[1.0, 2.0]))

    def test_files_without_them_say_nothing(self, tmp_path):
        assert read(tmp_path, layer("conv6_1", "Convolution", KERNEL)).settings == {}


class TestBrokenFiles:
    def test_every_cut_is_noticed_or_loses_whole_layers_only(self, tmp_path):
        path = tmp_path / "some.caffemodel"
        layers = [layer("conv6_1", "Convolution", KERNEL, BIAS), layer("conv6_2", "Convolution", KERNEL)]
        write_caffemodel(path, network(*layers))
        whole = path.read_bytes()
        read = []
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            file, refusal = read_or_refusal(path)
            if file:
                read.append(set(file.tensors))
            else:
                assert str(path) in refusal
                assert "\n" not in refusal
        assert read == [{"conv6_1/kernel", "conv6_1/bias"}]  # the cut between both layers

    @pytest.mark.parametrize(
        "content", [b"", b"\x0a\x05hello", b"PNG and more", b"\xff" * 100, b"\x00" * 100]
    )
    def test_foreign_files_are_refused_in_one_line(self, tmp_path, content):
        path = tmp_path / "foreign.caffemodel"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"foreign.caffemodel") as error:
            read_caffemodel(path)
        assert "\n" not in str(error.value)

    def test_blobs_that_do_not_fit_their_shape(self, tmp_path):
        path = tmp_path / "some.caffemodel"
        write_caffemodel(path, network(layer("conv6_1", "Convolution", KERNEL)))
        # The shape's first number, 4, becomes 5.
        path.write_bytes(path.read_bytes().replace(b"\x0a\x04\x04\x03\x03\x02", b"\x0a\x04\x05\x03\x03\x02"))
        with pytest.raises(InputError, match="cut off or no Caffe model"):
            read_caffemodel(path)

    @given(st.integers(0, 400), st.integers(0, 255))
    @settings(max_examples=300)
    def test_a_changed_byte_is_never_a_traceback(self, tmp_path_factory, place, byte):
        path = tmp_path_factory.getbasetemp() / "changed.caffemodel"
        prior = TestAnchors().prior(step=8.0)
        small = np.ones((2, 3, 1, 1), np.float32)
        scale = layer("conv4_3_norm", "Normalize", np.ones(3, np.float32))
        write_caffemodel(
            path, network(prior, layer("conv0", "Convolution", small, np.ones(2, np.float32)), scale)
        )
        content = bytearray(path.read_bytes())
        content[place % len(content)] = byte
        path.write_bytes(content)
        _, refusal = read_or_refusal(path)
        assert "\n" not in refusal
