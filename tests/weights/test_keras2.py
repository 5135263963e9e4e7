"""HDF5 files of the Keras ports: names of Keras 1 and 2, and files that are none."""

import h5py
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.weights.keras2 import read_keras_hdf5

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.random((3, 3, 3, 8), np.float32)


def write(path, datasets, layer_names=(), under=""):
    with h5py.File(path, "w") as file:
        group = file.create_group(under) if under else file
        group.attrs["layer_names"] = [name.encode() for name in layer_names]
        for name, value in datasets.items():
            group[name] = value
    return path


def test_keras_2(tmp_path):
    path = write(
        tmp_path / "w.h5", {"conv6_1/conv6_1/kernel:0": KERNEL, "conv6_1/conv6_1/bias:0": KERNEL[0, 0, 0]}
    )
    tensors = read_keras_hdf5(path).tensors
    assert set(tensors) == {"conv6_1/kernel", "conv6_1/bias"}
    np.testing.assert_array_equal(tensors["conv6_1/kernel"], KERNEL)


def test_keras_1(tmp_path):
    names = ("conv6_1/conv6_1_W:0", "conv6_1/conv6_1_b:0", "conv4_3_norm/conv4_3_norm_gamma:0")
    tensors = read_keras_hdf5(write(tmp_path / "w.hdf5", dict.fromkeys(names, KERNEL[0, 0, 0]))).tensors
    assert set(tensors) == {"conv6_1/kernel", "conv6_1/bias", "conv4_3_norm/gamma"}


def test_whole_model_without_its_optimizer(tmp_path):
    path = write(tmp_path / "m.h5", {"conv6_1/conv6_1/kernel:0": KERNEL}, under="model_weights")
    with h5py.File(path, "a") as file:
        file["optimizer_weights/Adam/iterations:0"] = 7
    assert set(read_keras_hdf5(path).tensors) == {"conv6_1/kernel"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("classes4", "elu4_mbox_conf"),
        ("boxes7", "elu7_mbox_loc"),
        ("pool6_mbox_loc_flat", "pool6_mbox_loc"),
        ("pool6_mbox_conf_flat_5", "pool6_mbox_conf"),
        ("fc7_mbox_conf_101", "fc7_mbox_conf"),
        ("conv4_3_norm_mbox_loc", "conv4_3_norm_mbox_loc"),
    ],
)
def test_names_of_heads(tmp_path, theirs, ours):
    file = read_keras_hdf5(write(tmp_path / "w.h5", {f"{theirs}/{theirs}/bias:0": np.zeros(8)}))
    assert set(file.tensors) == {f"{ours}/bias"}


@pytest.mark.parametrize(
    ("layer_names", "bgr"),
    [(["input_1", "input_channel_swap", "conv1_1"], True), (["input_1", "conv1_1"], False)],
)
def test_bgr_is_known_by_the_layer_that_swaps(tmp_path, layer_names, bgr):
    file = read_keras_hdf5(write(tmp_path / "w.h5", {"conv1_1/conv1_1/kernel:0": KERNEL}, layer_names))
    assert file.bgr is bgr
    np.testing.assert_array_equal(file.tensors["conv1_1/kernel"], KERNEL[:, :, ::-1] if bgr else KERNEL)


def test_dense_head_becomes_a_convolution(tmp_path):
    dense = RANDOM.random((256, 24), np.float32)
    file = read_keras_hdf5(
        write(tmp_path / "w.h5", {"pool6_mbox_loc_flat/pool6_mbox_loc_flat/kernel:0": dense})
    )
    assert file.kind == "Keras port of 2017"
    assert file.tensors["pool6_mbox_loc/kernel"].shape == (1, 1, 256, 24)
    np.testing.assert_array_equal(file.tensors["pool6_mbox_loc/kernel"][0, 0], dense)


class TestRefused:
    def refusal(self, path):
        with pytest.raises(InputError, match=path.name) as error:
            read_keras_hdf5(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_cut_off(self, tmp_path):
        path = write(tmp_path / "w.h5", {"conv6_1/conv6_1/kernel:0": np.zeros((64, 64, 3, 3))})
        content = path.read_bytes()
        for length in (0, 8, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            assert "cut off" in self.refusal(path)

    def test_without_weights(self, tmp_path):
        assert "without weights" in self.refusal(write(tmp_path / "w.h5", {}))

    def test_a_table_of_something_else(self, tmp_path):
        self.refusal(write(tmp_path / "w.h5", {"names": np.array([b"a", b"b"])}))

    def test_a_tensor_that_states_more_than_it_holds(self, tmp_path):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.create_dataset("conv1_1/conv1_1/kernel", shape=(10**13,), chunks=(10**6,), dtype="f4")
        assert "more than there are" in self.refusal(tmp_path / "w.h5")

    def test_a_tensor_in_another_file(self, tmp_path):
        (tmp_path / "secret").write_bytes(bytes(400))
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.create_dataset("a/a/kernel", (100,), "f4", external=[(str(tmp_path / "secret"), 0, 400)])
        assert "in another file" in self.refusal(tmp_path / "w.h5")

    def test_two_heads_of_one_name(self, tmp_path):
        heads = {f"fc7_mbox_loc{end}/x/kernel:0": np.zeros((3, 3, 8, 16)) for end in ("", "_2")}
        assert "two tensors for fc7_mbox_loc/kernel" in self.refusal(write(tmp_path / "w.h5", heads))

    @pytest.mark.parametrize("content", ["text", 3.5, h5py.Empty("f4")])
    def test_what_is_no_tensor_is_passed_over(self, tmp_path, content):
        path = write(tmp_path / "w.h5", {"conv6_1/conv6_1/kernel:0": KERNEL})
        with h5py.File(path, "a") as file:
            file.create_dataset("conv6_1/title", data=content)
            file.attrs["layer_names"] = h5py.Empty("f4")
        assert "conv6_1/kernel" in read_keras_hdf5(path).tensors
