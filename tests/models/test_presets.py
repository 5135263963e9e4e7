"""The same tests for every preset: built, counted, trained, saved, used."""

import keras
import numpy as np
import pytest

from ssd_keras.models.presets import PRESETS
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

# What is called once or twice is soonest done without compiling, but JAX would compile each operation then.
EAGER = keras.backend.backend() != "jax"

QUICK = ("ssd7", "ssd300_vgg16") if keras.backend.backend() == "tensorflow" else ("ssd7",)
"""The others are left to `make test-all`."""


def trained(name, **options):
    case = " ".join([name, *options.values()])
    return pytest.param(name, options, id=case, marks=[] if case in QUICK else [pytest.mark.slow])


every_preset = pytest.mark.parametrize("name", PRESETS)

TRAINED = [trained(name) for name in PRESETS]
TRAINED += [trained("ssd300_vgg16", normalization=kind) for kind in ("group", "batch")]


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
        # A bias less, but four numbers a channel more, or two.
        ("ssd300_vgg16", 21, 26_285_486 + 3 * 8_192, {"normalization": "batch"}),
        ("ssd300_vgg16", 21, 26_285_486 + 8_192, {"normalization": "group"}),
        ("ssd512_vgg16", 21, 27_188_676 + 3 * 8_576, {"normalization": "batch"}),
        ("ssd512_vgg16", 21, 27_188_676 + 8_576, {"normalization": "group"}),
    ],
)
def test_parameters(name, logits, parameters, options):
    names = [str(number) for number in range(logits - 1)]
    assert SSD.from_preset(name, names, backbone_options=options).count_params() == parameters


@pytest.mark.backends
@pytest.mark.parametrize(("name", "options"), TRAINED)
def test_training_lowers_the_loss_and_what_is_saved_detects_the_same(name, options, tmp_path):
    """In mixed precision: finite gradients are then the hardest."""
    keras.utils.set_random_seed(2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = SSD.from_preset(name, CLASSES[:2], image_size=SMALL[name], backbone_options=options)
    finally:
        keras.config.set_dtype_policy("float32")
    size = model.image_size
    nothing, full = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    full[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = (200, 30, 0)
    truth = {
        "boxes": np.array([[[0, 0, 0, 0]], [[0.25, 0.25, 0.5, 0.5]]], np.float32),
        "labels": np.array([[-1], [1]], np.int32),
    }
    model.compile(keras.optimizers.Adam(2e-5), run_eagerly=EAGER)
    losses = [
        model.train_on_batch(np.stack([nothing, full]), truth, return_dict=True)["loss"] for _ in range(3)
    ]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.compile(run_eagerly=EAGER)
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
