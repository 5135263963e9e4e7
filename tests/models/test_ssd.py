import importlib.util
import os
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from keras import ops
from on_backend import called_once

from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors
from ssd_keras.boxes.formats import clip_to_image, relative_to_px
from ssd_keras.errors import InputError
from ssd_keras.models.building import build_preset
from ssd_keras.models.decoding import Decoding
from ssd_keras.models.loss import MultiBoxLoss, make_targets
from ssd_keras.models.predictor_heads import PredictorHeads
from ssd_keras.models.ssd import SSD

pytestmark = pytest.mark.backends

SIZE = (64, 96)
NAMES = ("car", "truck", "pedestrian", "bicyclist", "light")
OTHER_BACKENDS = [
    name
    for name in ("tensorflow", "jax", "torch")
    if name != keras.backend.backend() and importlib.util.find_spec(name)
]


# Decoding costs most of the time of these tests; the number of candidates changes nothing here.
QUICK = Decoding(candidates=50)


def images(count=2, size=SIZE, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, channels), dtype=np.uint8)


def ground_truth():
    """Boxes of four images: one, two, none and three objects."""
    boxes, labels = np.zeros((4, 3, 4), np.float32), np.full((4, 3), -1, np.int32)
    boxes[0, 0], labels[0, 0] = [0.1, 0.2, 0.5, 0.7], 0
    boxes[1, :2], labels[1, :2] = [[0, 0, 0.4, 0.5], [0.5, 0.4, 0.9, 1]], [1, 4]
    boxes[3], labels[3] = [[0.2, 0.1, 0.4, 0.9], [0.6, 0.1, 0.7, 0.3], [0.5, 0.5, 0.9, 0.9]], [2, 0, 3]
    return {"boxes": boxes, "labels": labels}


def predictions_equal(one, other):
    return set(one) == set(other) and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def model():
    """SSD7 for small images, untrained; tests leave it as it is."""
    return SSD.from_preset("ssd7", NAMES, image_size=SIZE)


@pytest.fixture(scope="module")
def peculiar():
    """A detector in which no setting has its default."""
    return SSD.from_preset(
        "ssd7",
        ["cat", "dog"],
        image_size=SIZE,
        channels=4,
        anchors=ScaledAnchors(
            scales=(0.1, 0.2, 0.4, 0.6, 0.9),
            aspect_ratios=((1.0,), (1.0, 0.5), (0.5, 2.0), (1.0, 3.0)),
            two_boxes_for_ar1=False,
            steps=((7, 9), None, 24.0, (60, 90)),
            offsets=((0.25, 0.75), 0.5, 0.4, 0.5),
            clip=True,
        ),
        preprocessing={"mean": (110, 120, 130, 5), "scale": 0.02, "to_bgr": True},
        variances=(0.2, 0.3, 0.4, 0.5),
        iou_threshold=0.6,
        neutral_threshold=0.4,
        loss=MultiBoxLoss(neg_pos_ratio=2.0, location_weight=0.5, negatives="batch", min_negatives=3),
        decoding=Decoding(min_score=0.02, iou_threshold=0.3, candidates=50, max_detections=10),
        heads=PredictorHeads((3, 1, 3, 1), separable=True, initializer="glorot_uniform"),
    )


@pytest.fixture(scope="module")
def planted():
    """A detector that always sees the same three objects, whatever the image shows.

    All stand on the single cell of the last layer, on its anchors 1 and 3: a truck on anchor 1; a car and a
    light, equally probable, on anchor 3 moved one width to the right and so half out of the image.
    """
    model = SSD.from_preset("ssd7", NAMES, image_size=SIZE)
    for layer in model.layers:
        if "mbox" in layer.name and layer.weights:
            kernel, bias = (np.zeros_like(weight) for weight in layer.get_weights())
            if layer.name.endswith("conf"):
                bias.reshape(4, 6)[:, 0] = 20
            if layer.name == "elu7_mbox_conf":
                bias.reshape(4, 6)[1, 2] = 40
                bias.reshape(4, 6)[3, [1, 5]] = 40
            if layer.name == "elu7_mbox_loc":
                bias.reshape(4, 4)[3, 0] = 10
            layer.set_weights([kernel, bias])
    return model


def planted_boxes(model):
    """Where the truck and the other two are, relative to the image and cut off at its edges."""
    truck, other = model.anchor_boxes[[-3, -1]]
    width = other[2] - other[0]
    return clip_to_image(
        np.array([truck, [other[0] + width, other[1], other[2] + width, other[3]]], np.float32)
    )


class TestArchitecture:
    def test_number_of_parameters(self, model):
        assert model.count_params() == 213_904
        assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 213_232

    @pytest.mark.parametrize(
        ("size", "channels", "feature_sizes"),
        [
            ((300, 480), 3, [(37, 60), (18, 30), (9, 15), (4, 7)]),
            ((64, 96), 1, [(8, 12), (4, 6), (2, 3), (1, 1)]),
            ((95, 65), 4, [(11, 8), (5, 4), (2, 2), (1, 1)]),
        ],
    )
    def test_shapes(self, size, channels, feature_sizes):
        detector = SSD.from_preset("ssd7", NAMES, image_size=size, channels=channels)
        assert [feature.shape[1:3] for feature in detector.backbone.outputs] == feature_sizes
        anchors = 4 * sum(height * width for height, width in feature_sizes)
        assert detector.input_shape == (None, *size, channels)
        assert detector.anchor_boxes.shape == (anchors, 4)
        assert detector.output["offsets"].shape == (None, anchors, 4)
        assert detector.output["logits"].shape == (None, anchors, 6)
        assert detector.image_size == size

    def test_number_of_anchors_at_the_size_of_the_preset(self):
        detector = SSD.from_preset("ssd7", NAMES)
        assert detector.image_size == (300, 480)
        assert detector.anchor_boxes.shape == (11_692, 4)

    def test_predictions(self, model):
        raw = model.predict_on_batch(images())
        assert set(raw) == {"offsets", "logits"}
        assert raw["offsets"].shape == (2, len(model.anchor_boxes), 4)
        assert raw["logits"].shape == (2, len(model.anchor_boxes), 6)
        assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in raw.values())
        assert not np.array_equal(raw["logits"][0], raw["logits"][1])

    def test_preprocessing_is_inside(self, model):
        assert model.input.dtype == "uint8"
        backbone_input = keras.Model(model.input, model.get_layer("preprocessing").output)
        expected = (images().astype(np.float32) - 127.5) / 127.5
        np.testing.assert_allclose(backbone_input.predict_on_batch(images()), expected, atol=1e-6)

    @pytest.mark.parametrize("size", [(16, 16), (63, 200), (200, 63)])
    def test_too_small_an_image_is_refused_in_one_line(self, size):
        with pytest.raises(InputError, match=f"ssd7.*{size[0]}x{size[1]}") as raised:
            SSD.from_preset("ssd7", NAMES, image_size=size)
        assert "\n" not in str(raised.value)

    def test_unknown_preset_is_refused(self):
        with pytest.raises(InputError, match=r"no model 'ssd8'.*ssd7"):
            build_preset("ssd8", NAMES)

    @pytest.mark.parametrize("names", [[], ["car", "car"], ["car", ""]])
    def test_class_names_are_checked(self, names):
        with pytest.raises(InputError, match="class"):
            SSD.from_preset("ssd7", names, image_size=SIZE)

    def test_anchors_must_fit_the_feature_maps(self):
        anchors = PaperAnchors((30,), (60,), ((2,),))
        with pytest.raises(InputError, match=r"1 predictor layers.* 4 feature maps"):
            SSD.from_preset("ssd7", NAMES, image_size=SIZE, anchors=anchors)


class TestSaving:
    def test_saved_detector_is_the_same_to_the_bit(self, peculiar, tmp_path):
        peculiar.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert type(again) is SSD
        np.testing.assert_array_equal(again.anchor_boxes, peculiar.anchor_boxes)
        batch = images(channels=4)
        assert predictions_equal(again.predict_on_batch(batch), peculiar.predict_on_batch(batch))

    def test_saved_detector_keeps_every_setting(self, peculiar, tmp_path):
        peculiar.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        for setting in (
            *("anchors", "class_names", "image_size", "variances", "iou_threshold", "neutral_threshold"),
            *("multibox_loss", "decoding", "heads", "name"),
        ):
            assert getattr(again, setting) == getattr(peculiar, setting), setting
        assert again.input_shape == peculiar.input_shape
        layer, other = again.get_layer("preprocessing"), peculiar.get_layer("preprocessing")
        assert (list(layer.mean), layer.scale, layer.to_bgr) == (list(other.mean), other.scale, other.to_bgr)

    def test_saved_detector_detects_the_same(self, planted, tmp_path):
        planted.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        image = images(1, (50, 70))[0]
        assert again.detect(image)[0].as_json() == planted.detect(image)[0].as_json()

    def test_settings_changed_after_building_are_saved(self, model, tmp_path):
        changed = SSD.from_config(model.get_config())
        changed.decoding = Decoding(max_detections=7)
        changed.multibox_loss = MultiBoxLoss(neg_pos_ratio=1.0)
        changed.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert again.decoding == Decoding(max_detections=7)
        assert again.multibox_loss == MultiBoxLoss(neg_pos_ratio=1.0)

    @pytest.mark.slow
    @pytest.mark.parametrize("backend", OTHER_BACKENDS)
    def test_other_backends_predict_the_same(self, model, tmp_path, backend):
        batch = images()
        model.save(tmp_path / "model.keras")
        np.save(tmp_path / "images.npy", batch)
        program = (
            "import keras, numpy as np, ssd_keras.models.ssd\n"
            "model = keras.saving.load_model('model.keras')\n"
            "raw = model.predict_on_batch(np.load('images.npy'))\n"
            "np.savez('found.npz', backend=keras.backend.backend(), anchors=model.anchor_boxes, **raw)\n"
        )
        environment = {**os.environ, "KERAS_BACKEND": backend}
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
        found, expected = np.load(tmp_path / "found.npz"), model.predict_on_batch(batch)
        assert found["backend"] == backend
        np.testing.assert_array_equal(found["anchors"], model.anchor_boxes)
        np.testing.assert_allclose(found["offsets"], expected["offsets"], atol=1e-4)
        np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-4)

    def test_precision_is_saved_and_outputs_stay_float32(self, tmp_path):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            detector = SSD.from_preset("ssd7", NAMES, image_size=SIZE)
        finally:
            keras.config.set_dtype_policy("float32")
        detector.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        for one in (detector, again):
            assert one.backbone.get_layer("conv1").compute_dtype == "bfloat16"
            assert one.get_layer("elu4_mbox_conf").compute_dtype == "bfloat16"
            assert one.backbone.get_layer("conv1").variable_dtype == "float32"
        raw = detector.predict_on_batch(images())
        assert all(value.dtype == np.float32 for value in raw.values())
        assert predictions_equal(raw, again.predict_on_batch(images()))


class TestTraining:
    def test_loss_is_that_of_the_targets(self, peculiar):
        truth, raw = ground_truth(), peculiar.predict_on_batch(images(4, channels=4))
        truth["labels"] = np.minimum(truth["labels"], 1)
        found = peculiar.compute_loss(y=truth, y_pred={k: ops.convert_to_tensor(v) for k, v in raw.items()})

        def by_hand(anchors, boxes, labels, offsets, logits):
            targets = make_targets(anchors, boxes, labels, peculiar.variances, 0.6, 0.4)
            return peculiar.multibox_loss(targets, offsets, logits)

        expected = called_once(by_hand, peculiar.anchor_boxes, *truth.values(), raw["offsets"], raw["logits"])
        assert float(found) == pytest.approx(float(expected.total), rel=1e-6)
        assert float(expected.positives) > 0

    def test_loss_without_ground_truth_is_a_fault(self, model):
        with pytest.raises(ValueError, match="to train on"):
            model.compute_loss(y=None, y_pred=None)

    def test_fit_lowers_the_loss(self):
        keras.utils.set_random_seed(1)
        detector = SSD.from_preset("ssd7", NAMES, image_size=SIZE)
        detector.compile(keras.optimizers.Adam(3e-3))
        history = detector.fit(images(4), ground_truth(), batch_size=4, epochs=12, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        assert history["loss"][-1] < 0.6 * history["loss"][0]

        targets = called_once(
            lambda *arrays: make_targets(*arrays, detector.variances, neutral_threshold=0.3),
            detector.anchor_boxes,
            *ground_truth().values(),
        )
        positives = (targets.classes > 0).sum()
        assert history["positives"] == [positives] * 12
        parts = np.add(history["confidence_loss"], history["location_loss"])
        np.testing.assert_allclose(parts, history["loss"], rtol=1e-4)

    def test_a_batch_without_objects_trains(self):
        detector = SSD.from_preset("ssd7", NAMES, image_size=SIZE)
        detector.compile(keras.optimizers.SGD(0.1))
        nothing = {"boxes": np.zeros((2, 1, 4), np.float32), "labels": np.full((2, 1), -1, np.int32)}
        before = detector.get_layer("elu4_mbox_conf").get_weights()[0]
        assert detector.train_on_batch(images(), nothing, return_dict=True)["loss"] == 0
        np.testing.assert_array_equal(detector.get_layer("elu4_mbox_conf").get_weights()[0], before)


class TestDetection:
    def test_no_images(self, model):
        assert model.detect([]) == []

    def test_boxes_are_in_pixels_of_the_original_image(self, planted):
        for size in (SIZE, (128, 288), (50, 30)):
            (found,) = planted.detect(images(1, size)[0], threshold=0.6)
            assert [one.label for one in found] == ["truck"]
            assert found.scores[0] == pytest.approx(1)
            assert found.size == size
            assert found.class_names == NAMES
            expected = relative_to_px(planted_boxes(planted)[:1], size)
            np.testing.assert_allclose(found.boxes_px, expected, rtol=1e-4)

    def test_boxes_are_cut_off_at_the_edges(self, planted):
        (found,) = planted.detect(images(1, (50, 60))[0], threshold=0.3)
        assert sorted(one.label for one in found) == ["car", "light", "truck"]
        expected = relative_to_px(planted_boxes(planted)[[0, 1, 1]], (50, 60))
        assert expected[1, 2] == 60
        np.testing.assert_allclose(found.boxes_px, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.scores, [1, 0.5, 0.5], rtol=1e-5)

    def test_fast_takes_one_class_an_anchor(self, planted):
        (found,) = planted.detect(images(1)[0], threshold=0.3, fast=True)
        assert [one.label for one in found] == ["truck", "car"]

    def test_threshold(self, planted):
        counts = [len(planted.detect(images(1)[0], threshold)[0]) for threshold in (0, 0.3, 0.6, 1.1)]
        assert counts == [3, 3, 1, 0]

    def test_files_bytes_and_pixels_one_or_several(self, model, tmp_path):
        pixels = images(1, (40, 50))[0]
        path = tmp_path / "image.png"
        cv2.imwrite(str(path), pixels[..., ::-1])
        (expected,) = model.detect(pixels, threshold=0.1)
        assert len(expected) > 0
        for source in (path, str(path), path.read_bytes(), [path], (path.read_bytes(),), [pixels]):
            (found,) = model.detect(source, threshold=0.1)
            np.testing.assert_array_equal(found.boxes_px, expected.boxes_px)
            np.testing.assert_array_equal(found.scores, expected.scores)
            np.testing.assert_array_equal(found.labels, expected.labels)

    def test_images_of_different_sizes_keep_their_order(self, model):
        sizes = [(40, 50), (64, 96), (100, 30)]
        several = [images(1, size, seed=seed)[0] for seed, size in enumerate(sizes)]
        for batch_size in (1, 2, 8):
            together = model.detect(several, threshold=0.1, batch_size=batch_size)
            assert [found.size for found in together] == sizes
            for found, image in zip(together, several, strict=True):
                (alone,) = model.detect(image, threshold=0.1)
                np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)

    def test_photographs_are_refused_where_the_network_takes_none(self, peculiar):
        with pytest.raises(InputError, match="images of 4 channels, photographs have 3"):
            peculiar.detect(images(1)[0])
        (found,) = peculiar.detect_batch(images(1, channels=4), [(10, 10)])
        assert found.size == (10, 10)

    def test_what_does_not_decode_is_refused(self, model, tmp_path):
        with pytest.raises(InputError):
            model.detect(b"no image")
        with pytest.raises(InputError, match="missing"):
            model.detect([images(1)[0], tmp_path / "missing.jpg"])

    def test_detections_are_the_decoded_predictions(self, model):
        batch = images()
        raw = model.predict_on_batch(batch)
        decoded = model.decoder().predict_on_batch(raw)
        expected = model.decoding(
            *(ops.convert_to_tensor(raw[key]) for key in ("offsets", "logits")),
            ops.convert_to_tensor(model.anchor_boxes),
            model.variances,
        )
        np.testing.assert_allclose(decoded["scores"], ops.convert_to_numpy(expected.scores), atol=1e-5)
        assert (decoded["scores"] > 0).any()
        for index, found in enumerate(model.detect_batch(batch, [SIZE, SIZE], threshold=0.2)):
            assert len(found) == (decoded["scores"][index] >= 0.2).sum()

    def test_padding_of_a_batch_yields_nothing(self, planted):
        found = planted.detect_batch(images(3), [(10, 10)])
        assert len(found) == 1

    def test_decoder_is_made_once_and_follows_the_settings(self, model):
        detector = SSD.from_config(model.get_config())
        assert detector.decoder() is detector.decoder()
        assert detector.decoder(fast=True) is not detector.decoder()
        assert detector.decoder().output["scores"].shape == (None, 200)
        detector.decoding = Decoding(candidates=50, max_detections=9)
        assert detector.decoder().output["scores"].shape == (None, 9)
