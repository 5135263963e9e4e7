"""From a file to a detector: what is recognised, what is assumed, what is refused."""

import numpy as np
import pytest
from parity import caffemodels, keras2_networks, torch_networks
from safetensors.numpy import save_file

from ssd_keras.errors import InputError
from ssd_keras.weights.assignment import variables_by_name
from ssd_keras.weights.importing import import_weights, read_weights
from ssd_keras.weights.known_classes import COCO, VOC, coco_with_gaps, usual_class_names


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    """A small caffemodel: MobileNet-SSD for two classes, with the parameters of its anchors."""
    path = tmp_path_factory.mktemp("caffe") / "mobilenet.caffemodel"
    caffemodels.write_caffemodel(path, caffemodels.ssd300_mobilenet(logits=3))
    return path


@pytest.fixture(scope="module")
def ported(tmp_path_factory):
    """An SSD300 as PyTorch ports name it, for COCO's number of classes."""
    path = tmp_path_factory.mktemp("torch") / "ssd300.safetensors"
    save_file(torch_networks.random_weights(torch_networks.port_shapes(81), 0), path)
    return path


def refusal(*arguments, **settings):
    with pytest.raises(InputError) as error:
        import_weights(*arguments, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestKnownClasses:
    def test_numbers(self):
        assert (len(VOC), len(COCO), len(coco_with_gaps())) == (20, 80, 90)
        assert usual_class_names(21) == VOC
        assert usual_class_names(81) == COCO
        assert usual_class_names(4) == ("class 1", "class 2", "class 3")

    def test_coco_with_gaps_is_numbered_by_category(self):
        names = coco_with_gaps()
        assert len(set(names)) == 90
        by_number = {1: "person", 11: "fire hydrant", 12: "unused 12", 13: "stop sign", 44: "bottle"}
        by_number |= {62: "chair", 70: "toilet", 73: "laptop", 82: "refrigerator", 90: "toothbrush"}
        assert {number: names[number - 1] for number in by_number} == by_number


class TestWhatIsAssumed:
    def test_variances_and_size_of_ssd7(self, tmp_path):
        keras2_networks.ssd7().save_weights(tmp_path / "ssd7.h5")
        assumed = import_weights(tmp_path / "ssd7.h5")
        assert assumed.model.variances == (0.1, 0.1, 0.2, 0.2)
        assert "--variances 1 1 1 1" in assumed.notes[0]
        told = import_weights(tmp_path / "ssd7.h5", image_size=(96, 160), variances=(1, 1, 1, 1))
        assert told.notes == ()
        assert told.model.variances == (1, 1, 1, 1)
        assert told.model.image_size == (96, 160)

    def test_network_and_classes(self, mobilenet):
        imported = import_weights(mobilenet, class_names=["hole", "sign"])
        assert imported.model.name == "ssd300_mobilenet"
        assert imported.model.class_names == ("hole", "sign")
        assert imported.notes == ()
        assert imported.as_json()["tensors"]["missing"] == []

    def test_coco_has_its_own_anchors_and_the_ports_clip_theirs(self, ported):
        imported = import_weights(ported)
        assert imported.model.class_names == COCO
        assert imported.model.anchors.min_sizes == (21, 45, 99, 153, 207, 261)
        assert imported.model.anchors.clip
        assert "taken are 'coco'" in imported.notes[0]

    def test_anchors_can_be_chosen(self, ported):
        imported = import_weights(ported, anchors="voc")
        assert imported.model.anchors.min_sizes == (30, 60, 111, 162, 213, 264)
        assert imported.notes == ()

    def test_channel_order_can_be_chosen(self, mobilenet):
        usual, reversed_ = (
            variables_by_name(import_weights(mobilenet, bgr=bgr).model)["conv0/kernel"].numpy()
            for bgr in (True, False)
        )
        np.testing.assert_array_equal(usual, reversed_[:, :, ::-1])
        assert read_weights(mobilenet).bgr

    def test_batch_normalisation_can_be_split_off(self, mobilenet):
        merged = import_weights(mobilenet).model
        separate = import_weights(mobilenet, merge_batch_norm=False).model
        assert separate.count_params() > merged.count_params()
        image = caffemodels.random_image(300)[None]
        found, expected = separate.predict_on_batch(image), merged.predict_on_batch(image)
        np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-3, atol=1e-3)


class TestRefused:
    @pytest.mark.parametrize("logits", [0, 40_000])
    def test_heads_of_no_believable_number_of_classes(self, tmp_path, logits):
        state = torch_networks.random_weights(torch_networks.port_shapes(3), 0)
        state["loc.0.weight"] = np.zeros((16, 0, 1, 1), np.float32)
        state["conf.0.weight"] = np.zeros((4 * logits, 0, 1, 1), np.float32)
        save_file(state, tmp_path / "huge.safetensors")
        assert "the heads of conv4_3_norm" in refusal(tmp_path / "huge.safetensors", "ssd300_vgg16")

    def test_channels_of_a_file_of_heads_alone(self, tmp_path, mobilenet):
        network = caffemodels.ssd300_mobilenet(logits=3)
        heads = [layer for layer in network.layers if "mbox" in layer.name]
        path = tmp_path / "heads.caffemodel"
        caffemodels.write_caffemodel(
            path, caffemodels.Network(network.name, 300, 3, network.mean, network.scale, heads)
        )
        assert import_weights(path, "ssd300_mobilenet", bgr=False, allow_missing=True).tensors.taken

    def test_a_missing_file(self, tmp_path):
        assert "cannot be read" in refusal(tmp_path / "missing.caffemodel")

    def test_a_folder(self, tmp_path):
        assert "cannot be read" in refusal(tmp_path)

    def test_our_own_model(self, tmp_path):
        (tmp_path / "own.keras").write_bytes(b"PK\x03\x04 and so on")
        assert "Keras 3 model already" in refusal(tmp_path / "own.keras")

    def test_another_network_than_asked_for(self, mobilenet):
        for preset in ("ssd300_vgg16", "ssd512_vgg16"):
            said = refusal(mobilenet, preset)
            assert "holds ssd300_mobilenet, which predicts from conv11, conv13, conv14_2" in said
            assert f"no {preset}" in said

    def test_an_unknown_preset(self, mobilenet):
        assert "no model 'ssd9000'" in refusal(mobilenet, "ssd9000")

    def test_another_number_of_names(self, mobilenet):
        said = refusal(mobilenet, class_names=["one"])
        assert "heads for 2 classes, but 1 class names" in said
        assert "select-classes" in said

    def test_unknown_anchors(self, mobilenet):
        assert "no anchors 'coco'" in refusal(mobilenet, anchors="coco")

    def test_a_base_network_alone_unless_heads_may_begin_anew(self, tmp_path):
        network = caffemodels.ssd300_mobilenet(logits=3)
        base = [layer for layer in network.layers if "mbox" not in layer.name]
        caffemodels.write_caffemodel(
            tmp_path / "base.caffemodel",
            caffemodels.Network(network.name, 300, 3, network.mean, network.scale, base),
        )
        path = tmp_path / "base.caffemodel"
        assert "is of no known network" in refusal(path)
        assert "no predictor heads" in refusal(path, "ssd300_mobilenet")
        assert "--allow-missing" in refusal(path, "ssd300_mobilenet", class_names=["hole"])
        imported = import_weights(path, "ssd300_mobilenet", class_names=["hole"], allow_missing=True)
        assert {name.split("/")[0].split("_mbox_")[1] for name in imported.tensors.missing} == {"loc", "conf"}
