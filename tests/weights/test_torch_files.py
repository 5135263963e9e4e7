"""State dictionaries of PyTorch: both namings, both kinds of file, and what is refused."""

import importlib.util
import pickle

import numpy as np
import pytest
from parity.torch_networks import port_shapes, random_weights, torchvision_shapes
from safetensors.numpy import save_file

from ssd_keras.errors import InputError
from ssd_keras.weights.torch_files import port_names, read_pth, read_safetensors, torchvision_names

needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")


def small(shapes):
    """Weights of the same names and ranks, but tiny."""
    return random_weights({name: tuple(min(side, 3) for side in shape) for name, shape in shapes.items()}, 0)


@pytest.mark.parametrize("shapes", [torchvision_shapes(5), port_shapes(21)])
def test_every_tensor_has_a_place_and_caffes_name(tmp_path, shapes):
    state = small(shapes)
    save_file(state, tmp_path / "ssd.safetensors")
    tensors = read_safetensors(tmp_path / "ssd.safetensors").tensors
    assert len(tensors) == len(state)
    layers = {name.split("/")[0] for name in tensors}
    convolutions = {
        f"conv{block}_{n}" for block, last in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, last + 1)
    }
    convolutions |= {f"conv{number}_{half}" for number in range(6, 10) for half in (1, 2)}
    sources = ("conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2")
    heads = {f"{source}_mbox_{part}" for source in sources for part in ("loc", "conf")}
    assert layers == convolutions | heads | {"conv4_3_norm", "fc6", "fc7"}


@pytest.mark.parametrize(
    ("shapes", "name", "variable"),
    [
        (torchvision_shapes(5), "backbone.extra.0.7.1", "fc6"),
        (torchvision_shapes(5), "backbone.extra.0.3", "conv5_2"),
        (torchvision_shapes(5), "backbone.extra.3.2", "conv8_2"),
        (torchvision_shapes(5), "head.regression_head.module_list.1", "fc7_mbox_loc"),
        (port_shapes(21), "vgg.28", "conv5_3"),
        (port_shapes(21), "extras.5", "conv8_2"),
        (port_shapes(21), "conf.0", "conv4_3_norm_mbox_conf"),
    ],
)
def test_kernels_are_transposed(tmp_path, shapes, name, variable):
    state = small(shapes)
    save_file(state, tmp_path / "ssd.safetensors")
    file = read_safetensors(tmp_path / "ssd.safetensors")
    assert not file.bgr
    np.testing.assert_array_equal(
        file.tensors[f"{variable}/kernel"], state[f"{name}.weight"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(file.tensors[f"{variable}/bias"], state[f"{name}.bias"])


def test_ssd512_has_names_too():
    assert port_names()["extras.9"] == torchvision_names()["backbone.extra.5.2"] == "conv10_2"
    assert port_names()["loc.6"] == "conv10_2_mbox_loc"


def test_prefix_of_parallel_training_is_left_out(tmp_path):
    state = {f"module.{name}": value for name, value in small(port_shapes(21)).items()}
    save_file(state, tmp_path / "ssd.safetensors")
    assert "conv1_1/kernel" in read_safetensors(tmp_path / "ssd.safetensors").tensors


def test_what_is_unknown_is_kept_under_its_own_name(tmp_path):
    state = {**small(port_shapes(21)), "priors": np.zeros((4, 4), np.float32), "steps": np.array(3)}
    save_file(state, tmp_path / "ssd.safetensors")
    assert {"priors", "steps"} <= set(read_safetensors(tmp_path / "ssd.safetensors").tensors)


@needs_torch
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
def test_pth_is_read_like_safetensors(tmp_path, wrap):
    import torch

    state = small(torchvision_shapes(5))
    save_file(state, tmp_path / "ssd.safetensors")
    torch.save(wrap({name: torch.from_numpy(value) for name, value in state.items()}), tmp_path / "ssd.pth")
    tensors, expected = (
        read(tmp_path / name).tensors
        for read, name in ((read_pth, "ssd.pth"), (read_safetensors, "ssd.safetensors"))
    )
    assert set(tensors) == set(expected)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, expected[name])


@needs_torch
def test_parameters_that_can_be_trained_are_taken_too(tmp_path):
    import torch

    state = {name: torch.nn.Parameter(torch.from_numpy(v)) for name, v in small(port_shapes(21)).items()}
    torch.save(state, tmp_path / "ssd.pth")
    np.testing.assert_array_equal(
        read_pth(tmp_path / "ssd.pth").tensors["conv1_1/bias"], state["vgg.0.bias"].detach().numpy()
    )


class TestRefused:
    def refusal(self, read, path):
        with pytest.raises(InputError, match=path.name) as error:
            read(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_safetensors_that_is_cut_off(self, tmp_path):
        path = tmp_path / "ssd.safetensors"
        save_file(small(port_shapes(21)), path)
        content = path.read_bytes()
        for length in (0, 5, 9, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            assert "cut off" in self.refusal(read_safetensors, path)

    @pytest.mark.parametrize("kind", [np.int8, np.complex64, np.bool_])
    def test_weights_that_are_no_plain_numbers(self, tmp_path, kind):
        state = small(port_shapes(21))
        state["vgg.0.weight"] = np.ones(state["vgg.0.weight"].shape, kind)
        save_file(state, tmp_path / "ssd.safetensors")
        assert "vgg.0.weight holds" in self.refusal(read_safetensors, tmp_path / "ssd.safetensors")

    def test_two_tensors_of_one_name(self, tmp_path):
        state = small(port_shapes(21))
        save_file({**state, "module.vgg.0.weight": state["vgg.0.weight"]}, tmp_path / "ssd.safetensors")
        assert "two tensors for vgg.0.weight" in self.refusal(read_safetensors, tmp_path / "ssd.safetensors")

    @needs_torch
    @pytest.mark.parametrize("kind", ["sparse", "expanded", "meta"])
    def test_tensors_that_do_not_hold_their_numbers(self, tmp_path, kind):
        import torch

        tensor = {
            "sparse": torch.eye(4).to_sparse(),
            "expanded": torch.zeros(1).expand(10**9),
            "meta": torch.zeros(4, device="meta"),
        }[kind]
        torch.save({"vgg.0.weight": tensor}, tmp_path / "ssd.pth")
        assert "vgg.0.weight" in self.refusal(read_pth, tmp_path / "ssd.pth")

    @needs_torch
    def test_old_files_that_are_cut_off(self, tmp_path):
        import torch

        path = tmp_path / "ssd.pth"
        torch.save({"vgg.0.weight": torch.zeros(4, 3, 3, 3)}, path, _use_new_zipfile_serialization=False)
        content = path.read_bytes()
        for length in range(2, len(content) - 1, 7):
            path.write_bytes(content[:length])
            self.refusal(read_pth, path)

    def test_another_network(self, tmp_path):
        save_file({"layer1.weight": np.zeros((2, 2), np.float32)}, tmp_path / "resnet.safetensors")
        assert "it has layer1.weight" in self.refusal(read_safetensors, tmp_path / "resnet.safetensors")

    @needs_torch
    def test_pth_that_is_cut_off(self, tmp_path):
        import torch

        path = tmp_path / "ssd.pth"
        torch.save({"vgg.0.weight": torch.zeros(64, 3, 3, 3)}, path)
        content = path.read_bytes()
        for length in (0, 3, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:length])
            self.refusal(read_pth, path)

    @needs_torch
    def test_nothing_in_a_pickle_is_run(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "was_run"), "w"))

        path = tmp_path / "ssd.pth"
        path.write_bytes(pickle.dumps({"vgg.0.weight": Trap()}, protocol=2))
        assert "nothing in it was run" in self.refusal(read_pth, path)
        assert not (tmp_path / "was_run").exists()

    @needs_torch
    def test_a_file_without_a_dictionary(self, tmp_path):
        import torch

        torch.save([1, 2, 3], tmp_path / "list.pth")
        assert "no state dictionary" in self.refusal(read_pth, tmp_path / "list.pth")
