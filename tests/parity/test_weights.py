"""Weights of Caffe, Keras 2 and torchvision: what those programs make of them, and what we make of them.

Random weights, written by the tests. What OpenCV's Caffe reader and torchvision predict is recorded in
`golden/` by the `make_*_golden.py` beside it; Keras 2 runs here.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from parity import caffemodels, keras2_networks, torch_networks
from safetensors.numpy import save_file

from ssd_keras.weights.importing import import_weights

GOLDEN = Path(__file__).parent / "golden"

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras 2 runs on TensorFlow"
)


def scores_of(raw):
    """(A, C) after softmax."""
    logits = raw["logits"][0].astype(np.float64)
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def assert_predicts(imported, image, offsets, scores, rows=slice(None), atol=1e-4):
    """Compare raw predictions with those of the other program, everywhere or at some anchors."""
    assert imported.tensors.left == imported.tensors.missing == ()
    raw = imported.model.predict_on_batch(image[None])
    np.testing.assert_allclose(raw["offsets"][0][rows], offsets, atol=atol)
    np.testing.assert_allclose(scores_of(raw)[rows], scores, atol=atol)


@pytest.mark.parametrize("name", caffemodels.NETWORKS)
def test_caffe(tmp_path, name):
    golden = np.load(GOLDEN / f"opencv_{name}.npz")
    network = caffemodels.NETWORKS[name]()
    image = caffemodels.random_image(network.side)
    caffemodels.write_caffemodel(tmp_path / "some.caffemodel", network)

    # Caffe cuts the sizes of SSD512's anchors to whole pixels, OpenCV does not.
    imported = import_weights(
        tmp_path / "some.caffemodel", anchors="voc_untruncated" if name == "ssd512_vgg16" else None
    )
    rows = golden["rows"]
    assert imported.model.name == name.removesuffix("_batch_norm")
    assert_predicts(imported, image, golden["offsets"], golden["scores"], rows, atol=1e-3)
    np.testing.assert_allclose(imported.model.anchor_boxes[rows], golden["priors"], atol=1e-6)

    (found,) = imported.model.detect(image, threshold=0.01)
    labels, scores, boxes = np.split(golden["detections"], [1, 2], axis=1)
    np.testing.assert_allclose(found.scores, scores[:, 0], atol=1e-3)
    assert_same_objects(found, labels[:, 0] - 1, scores[:, 0], boxes * network.side)


def assert_same_objects(found, labels, scores, boxes_px):
    """Find each object of the other program among ours; nearly equal scores may come in another order."""
    ours = np.column_stack([found.labels, found.scores, found.boxes_px / 100])
    theirs = np.column_stack([labels, scores, np.clip(boxes_px, 0, found.size[0]) / 100])
    assert len(ours) == len(theirs)
    distance = np.abs(ours[:, None] - theirs[None]).max(-1)
    assert distance.min(0).max() < 1e-3
    assert distance.min(1).max() < 1e-3


def test_truncated_sizes_of_ssd512_are_those_of_caffe(tmp_path):
    network = caffemodels.ssd512_vgg16(logits=2)
    caffemodels.write_caffemodel(tmp_path / "some.caffemodel", network)
    model = import_weights(tmp_path / "some.caffemodel").model
    width, height = (model.anchor_boxes[0, 2:] - model.anchor_boxes[0, :2]) * 512
    assert (width, height) == (pytest.approx(35), pytest.approx(35))


def test_torchvision(tmp_path):
    golden = np.load(GOLDEN / "torchvision_ssd300.npz")
    shapes = torch_networks.torchvision_shapes(torch_networks.TORCHVISION_LOGITS)
    weights = torch_networks.random_weights(shapes, torch_networks.TORCHVISION_SEED)
    image = torch_networks.blob_image((300, 300), torch_networks.TORCHVISION_SEED)
    assert image.sum() == golden["made_from"][0]
    save_file(weights, tmp_path / "ssd300.safetensors")

    imported = import_weights(tmp_path / "ssd300.safetensors")
    rows = golden["rows"]
    assert_predicts(imported, image, golden["offsets"], golden["scores"], rows)
    np.testing.assert_allclose(imported.model.anchor_boxes[rows], golden["anchors"], atol=1e-6)


@on_tensorflow
class TestKeras2:
    def compare(self, theirs, path, image, **settings):
        offsets, scores = theirs.predict_on_batch(image[None].astype(np.float32))
        imported = import_weights(path, **settings)
        assert_predicts(imported, image, offsets[0], scores[0])
        return imported

    @pytest.mark.parametrize("whole", [False, True])
    def test_ssd300_of_2018(self, tmp_path, whole):
        theirs = keras2_networks.ssd_vgg16(n_classes=4)
        path = tmp_path / "ssd300.h5"
        keras2_networks.save_whole_model(theirs, path) if whole else theirs.save_weights(path)
        image = torch_networks.blob_image((300, 300), 1)
        imported = self.compare(theirs, path, image)
        assert imported.model.name == "ssd300_vgg16"
        assert imported.model.class_names == ("class 1", "class 2", "class 3", "class 4")

    def test_ssd512_of_2018(self, tmp_path):
        theirs = keras2_networks.ssd_vgg16(n_classes=2, image_size=(512, 512))
        theirs.save_weights(tmp_path / "ssd512.h5")
        imported = self.compare(theirs, tmp_path / "ssd512.h5", torch_networks.blob_image((512, 512), 1))
        assert imported.model.name == "ssd512_vgg16"

    def test_ssd7_of_2018(self, tmp_path):
        theirs = keras2_networks.ssd7()
        theirs.save_weights(tmp_path / "ssd7.h5")
        self.compare(theirs, tmp_path / "ssd7.h5", torch_networks.blob_image((300, 480), 1))

    @pytest.mark.parametrize("n_classes", [20, 3])
    def test_ssd300_of_2017(self, tmp_path, n_classes):
        theirs = keras2_networks.ssd300_vgg16_v1(n_classes=n_classes)
        theirs.save_weights(tmp_path / "weights.hdf5")
        image = torch_networks.blob_image((300, 300), 1)
        bgr = image[..., ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
        offsets, scores = theirs.predict_on_batch(bgr[None])
        imported = import_weights(tmp_path / "weights.hdf5")
        assert imported.model.name == "ssd300_vgg16_v1"
        assert_predicts(imported, image, offsets[0], scores[0])
