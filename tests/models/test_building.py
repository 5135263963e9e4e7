"""Detectors as they are asked for: anchors that follow, any base network, and what cannot be built."""

import keras
import numpy as np
import pytest

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.building import build_preset
from ssd_keras.models.presets import PRESETS
from ssd_keras.models.ssd import SSD

CLASSES = ("car", "truck")


class TestAnchors:
    def test_sets_by_name(self):
        coco = SSD.from_preset("ssd300_vgg16", CLASSES, anchors="coco")
        assert coco.anchors.min_sizes == (21, 45, 99, 153, 207, 261)
        assert coco.anchors.max_sizes == (45, 99, 153, 207, 261, 315)
        with pytest.raises(InputError, match=r"no anchors 'imagenet'.*voc, coco"):
            SSD.from_preset("ssd300_vgg16", CLASSES, anchors="imagenet")

    @pytest.mark.parametrize(
        ("anchors", "truncated", "smallest"),
        [("voc", True, 35), ("coco", True, 20), ("voc_untruncated", False, 35.84)],
    )
    def test_those_of_ssd512_are_truncated_unless_asked(self, anchors, truncated, smallest):
        preset = PRESETS["ssd512_vgg16"].anchors[anchors]
        assert preset.truncate is truncated
        assert preset.cell_shapes((512, 512))[0][0].tolist() == pytest.approx([smallest, smallest])

    def test_they_follow_the_size_of_the_image(self):
        model = SSD.from_preset("ssd300_mobilenet", CLASSES, image_size=(600, 450))
        assert model.anchors.min_sizes == (90, 157.5, 225, 292.5, 360, 427.5)
        assert model.anchors.max_sizes[:2] == (None, 225)
        first = model.anchor_boxes[0] * [450, 600, 450, 600]
        np.testing.assert_allclose((first[:2] + first[2:]) / 2, [450 / 29 / 2, 600 / 38 / 2], rtol=1e-5)

    def test_they_follow_the_number_of_feature_maps(self):
        model = SSD.from_preset("ssd300_resnet50", CLASSES, image_size=(160, 160))
        assert len(model.anchors.min_sizes) == len(model.backbone.outputs) == 5

    def test_changes(self):
        model = SSD.from_preset("ssd7", CLASSES, anchor_changes={"scales": (0.1, 0.2, 0.3, 0.4, 0.5)})
        assert model.anchors.scales == (0.1, 0.2, 0.3, 0.4, 0.5)
        with pytest.raises(InputError, match="ssd300_vgg16 have no 'scales'"):
            SSD.from_preset("ssd300_vgg16", CLASSES, anchor_changes={"scales": (0.1, 0.2)})


class TestAnyBaseNetwork:
    def test_of_keras_applications(self):
        model = SSD.from_backbone("keras:EfficientNetV2B0", CLASSES, (256, 320))
        assert [tuple(feature.shape[1:3]) for feature in model.backbone.outputs] == [
            *((32, 40), (16, 20), (8, 10), (4, 5), (2, 3), (1, 2))
        ]
        assert model.name == "keras_EfficientNetV2B0"
        assert isinstance(model.anchors, PaperAnchors)
        assert model.preprocessing == {"mean": 0.0}

    def test_options_of_its_function(self):
        narrow = {"backbone_options": {"alpha": 0.25}}
        model = SSD.from_backbone("keras:MobileNet", CLASSES, (128, 128), **narrow)
        assert [feature.shape[-1] for feature in model.backbone.outputs[:3]] == [64, 128, 256]
        with pytest.raises(InputError, match=r"does not take these backbone_options.*wide"):
            SSD.from_backbone("keras:MobileNet", CLASSES, (128, 128), backbone_options={"wide": 2})

    @pytest.mark.parametrize(
        ("network", "mean", "to_bgr"),
        [("ResNet50", (123.68, 116.779, 103.939), True), ("ResNet50V2", 127.5, False)],
    )
    def test_gets_the_preprocessing_of_its_family(self, network, mean, to_bgr):
        preprocessing = SSD.from_backbone(f"keras:{network}", CLASSES, (128, 128)).get_layer("preprocessing")
        assert (preprocessing.mean, preprocessing.to_bgr) == (mean, to_bgr)

    def test_a_function(self):
        model = SSD.from_backbone(ssd7_features, CLASSES, (64, 96), channels=1)
        assert model.input_shape == (None, 64, 96, 1)
        assert len(model.anchors.min_sizes) == 4

    def test_a_function_in_a_file(self, tmp_path):
        file = tmp_path / "my_network.py"
        file.write_text(
            "from keras import layers\n\n"
            "def features(image):\n"
            "    maps = [image]\n"
            "    for number in range(5):\n"
            "        maps.append(layers.Conv2D(8, 3, 2, padding='same', name=f'block{number}')(maps[-1]))\n"
            "    return maps[-3:]\n"
        )
        model = SSD.from_backbone(f"{file}:features", CLASSES, (64, 64))
        assert [feature.shape[1] for feature in model.backbone.outputs] == [8, 4, 2]
        assert model.get_layer("block2_mbox_conf")

    @pytest.mark.parametrize(
        ("text", "place", "said"),
        [
            ("x = 1", "{}:features", "no function 'features'"),
            ("x = 1", "{}:x", "no function 'x'"),
            ("import nothing_of_this_name", "{}:features", "ModuleNotFoundError"),
            ("x = 1", "{}missing.py:features", "there is no such file, give FILE.py:FUNCTION"),
            ("x = 1", "nonsense", "'keras:NAME'"),
            ("x = 1", "keras:NoNetwork", "no network 'NoNetwork'"),
            ("x = 1", "keras:backend", "no network 'backend'"),
            ("x = 1", "keras:NASNetMobile", "no feature map at stride"),
        ],
    )
    def test_what_is_none_is_refused_in_one_line(self, tmp_path, text, place, said):
        file = tmp_path / "my_network.py"
        file.write_text(text)
        with pytest.raises(InputError, match=said) as error:
            SSD.from_backbone(place.format(file), CLASSES, (128, 128))
        assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_are_said_in_one_line(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure on https://somewhere/vgg16.h5: None -- [Errno -2]\nunknown")

    monkeypatch.setattr(keras.applications, "VGG16", fail)
    with pytest.raises(InputError, match=r"ssd300_vgg16 cannot be fetched .*somewhere") as error:
        build_preset("ssd300_vgg16", CLASSES, weights="imagenet")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ssd300_vgg16", {"image_size": (200, 200)}, "ssd300_vgg16.*200x200.*larger"),
        ("ssd7", {"weights": "imagenet"}, "ssd7 has no ImageNet weights"),
        ("ssd300_vgg16", {"weights": "mnist"}, "weights 'mnist' are unknown"),
        ("ssd300_vgg16", {"weights": "imagenet", "channels": 1}, "3 channels, not 1"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(name, settings, said):
    with pytest.raises(InputError, match=said) as error:
        build_preset(name, CLASSES, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ["ssd7", "ssd300_mobilenet"])
def test_images_of_other_channels_are_preprocessed_alike(name, channels):
    model = SSD.from_preset(name, CLASSES, image_size=(96, 96), channels=channels)
    raw = model.predict_on_batch(np.zeros((1, 96, 96, channels), np.uint8))
    assert np.isfinite(raw["logits"]).all()


def test_vgg16_on_grey_images_subtracts_the_mean_of_the_colours():
    grey = SSD.from_preset("ssd300_vgg16", CLASSES, channels=1)
    colour = SSD.from_preset("ssd300_vgg16", CLASSES)
    assert grey.preprocessing["mean"] == pytest.approx(np.mean(colour.preprocessing["mean"]))


def test_a_size_as_a_list_gives_the_same_anchors():
    listed = SSD.from_preset("ssd300_vgg16", CLASSES, image_size=[300, 300])
    np.testing.assert_array_equal(listed.anchor_boxes, SSD.from_preset("ssd300_vgg16", CLASSES).anchor_boxes)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (lambda image: {}["no"], "KeyError"),
        (lambda image: [], "0 feature maps"),
        (lambda image: [image, image], "2 feature maps, not one or more that differ"),
        (
            lambda image: [image, keras.layers.Flatten()(image)],
            r"map 2 has shape \(None, 27648\), not",
        ),
        (lambda image: image, r"no list of feature maps: write \[map\]"),
        (lambda image: None, "no list of feature maps"),
    ],
)
def test_a_function_that_gives_no_feature_maps_is_blamed_itself(features, said):
    with pytest.raises(InputError, match=said) as error:
        SSD.from_backbone(features, CLASSES, (96, 96))
    assert "larger images" not in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_options_of_a_preset_are_refused():
    with pytest.raises(InputError, match="does not take these backbone_options"):
        SSD.from_preset("ssd300_mobilenet", CLASSES, backbone_options={"colour": 1})
