"""The same tests for every preset: built, counted, trained, saved, used."""

import keras
import numpy as np
import pytest

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.errors import InputError
from ssd_keras.models.backbones.ssd7 import ssd7_features
from ssd_keras.models.presets import PRESETS, build_preset
from ssd_keras.models.ssd import SSD

CLASSES = tuple(f"class {number}" for number in range(20))

# Anchors and parameters with 20 classes, at the size of the preset, and sides of the feature maps.
FACTS = {
    "ssd7": (11_692, 317_824, [37, 18, 9, 4]),
    "ssd300_vgg16": (8_732, 26_285_486, [38, 19, 10, 5, 3, 1]),
    "ssd512_vgg16": (24_564, 27_188_676, [64, 32, 16, 8, 4, 2, 1]),
    "ssd300_vgg16_v1": (7_308, 25_765_497, [38, 19, 10, 5, 3, 1]),
    "ssd300_mobilenet": (1_917, 5_821_433, [19, 10, 5, 3, 2, 1]),
    "ssd300_resnet50": (7_308, 33_798_329, [38, 19, 10, 5, 3, 1]),
    "ssd300_resnet101": (7_308, 52_868_793, [38, 19, 10, 5, 3, 1]),
    "ssd512_resnet50": (24_564, 35_457_796, [64, 32, 16, 8, 4, 2, 1]),
    "ssd300_densenet121": (8_096, 13_551_918, [37, 18, 9, 5, 3, 1]),
    "ssd300_inception_resnet_v2": (7_134, 61_587_022, [35, 17, 8, 4, 2, 1]),
    "ssdlite320_mobilenet_v3": (3_234, 4_066_884, [20, 10, 5, 3, 2, 1]),
}

# Small images that each network still takes.
SMALL = {
    "ssd7": (64, 96),
    "ssd300_vgg16": (264, 264),
    "ssd512_vgg16": (264, 272),
    "ssd300_vgg16_v1": (64, 96),
    "ssd300_mobilenet": (96, 64),
    "ssd300_resnet50": (72, 96),
    "ssd300_resnet101": (72, 96),
    "ssd512_resnet50": (96, 128),
    "ssd300_densenet121": (96, 128),
    "ssd300_inception_resnet_v2": (139, 160),
    "ssdlite320_mobilenet_v3": (96, 128),
}

every_preset = pytest.mark.parametrize("name", PRESETS)


def test_every_preset_is_tested():
    assert set(FACTS) == set(SMALL) == set(PRESETS)


@every_preset
def test_anchors_parameters_and_feature_maps(name):
    model = SSD.from_preset(name, CLASSES)
    anchors, parameters, sides = FACTS[name]
    assert model.anchor_boxes.shape == (anchors, 4)
    assert model.count_params() == parameters
    assert [feature.shape[1] for feature in model.backbone.outputs] == sides
    assert model.output["logits"].shape == (None, anchors, 21)
    assert model.name == name


@pytest.mark.parametrize(
    ("name", "logits", "parameters", "options"),
    [
        ("ssd300_vgg16", 81, 34_305_206, {}),
        ("ssd300_vgg16", 201, 50_344_646, {}),
        ("ssd512_vgg16", 81, 36_038_196, {}),
        ("ssd512_vgg16", 201, 53_737_236, {}),
        ("ssd300_mobilenet", 21, 5_783_417, {"batch_norm": False}),
    ],
)
def test_parameters_of_the_original(name, logits, parameters, options):
    names = [str(number) for number in range(logits - 1)]
    assert SSD.from_preset(name, names, backbone_options=options).count_params() == parameters


@pytest.mark.backends
@every_preset
def test_training_lowers_the_loss_and_what_is_saved_detects_the_same(name, tmp_path):
    """In mixed precision: finite gradients are then the hardest."""
    keras.utils.set_random_seed(2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = SSD.from_preset(name, CLASSES[:2], image_size=SMALL[name])
    finally:
        keras.config.set_dtype_policy("float32")
    size = model.image_size
    nothing, full = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    full[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = (200, 30, 0)
    truth = {
        "boxes": np.array([[[0, 0, 0, 0]], [[0.25, 0.25, 0.5, 0.5]]], np.float32),
        "labels": np.array([[-1], [1]], np.int32),
    }
    model.compile(keras.optimizers.Adam(2e-5), run_eagerly=True)
    losses = [
        model.train_on_batch(np.stack([nothing, full]), truth, return_dict=True)["loss"] for _ in range(3)
    ]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.compile(run_eagerly=True)
    np.testing.assert_array_equal(again.anchor_boxes, model.anchor_boxes)
    assert (again.anchors, again.heads, again.preprocessing) == (
        model.anchors,
        model.heads,
        model.preprocessing,
    )
    for image in (nothing, full):
        raw, expected = again.predict_on_batch(image[None]), model.predict_on_batch(image[None])
        np.testing.assert_array_equal(raw["logits"], expected["logits"])
        np.testing.assert_array_equal(raw["offsets"], expected["offsets"])
        (found,) = again.detect(image, threshold=0.01)
        assert np.isfinite(found.boxes_px).all()
        assert (np.diff(found.scores) <= 0).all()
        assert found.size == size


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
            ("x = 1", "{}.missing:features", "existing 'FILE.py:FUNCTION'"),
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
