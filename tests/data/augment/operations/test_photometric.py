"""Changes of colour: a plain formula each, boxes untouched, nothing wraps around."""

import colorsys
import itertools

import numpy as np
import pytest

from ssd_keras.data.augment.operations import (
    Brightness,
    ChannelSwap,
    Contrast,
    Gamma,
    Greyscale,
    HistogramEqualization,
    Hue,
    Saturation,
)
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

ALL = (Brightness, ChannelSwap, Contrast, Gamma, Greyscale, HistogramEqualization, Hue, Saturation)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def sample(image):
    truth = GroundTruth(np.array([(1, 2, 30, 20), (-3, 4, 60, 90)]), [1, 0], difficult=[True, False])
    return Sample(image, truth, "photo")


def changed(operation, image, seed=0):
    return operation(sample(image), np.random.default_rng(seed)).image


def table(values):
    return np.clip(np.rint(values), 0, 255)


@pytest.mark.parametrize("amount", [-255, -32.4, 0.4, 31.7, 255])
def test_brightness(image, amount):
    np.testing.assert_array_equal(
        changed(Brightness((amount, amount), 1), image), table(image + np.float64(amount))
    )


@pytest.mark.parametrize("factor", [0, 0.5, 1.5, 100])
def test_contrast(image, factor):
    expected = table(image * np.float64(factor))
    np.testing.assert_array_equal(changed(Contrast((factor, factor), 1), image), expected)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1, 2.2, 100])
def test_gamma(image, gamma):
    expected = table(255 * (image / 255) ** gamma)
    np.testing.assert_array_equal(changed(Gamma((gamma, gamma), 1), image), expected)


@pytest.mark.parametrize(
    ("operation", "formula"),
    [
        (Saturation((1.3, 1.3), 1), lambda h, s, v: (h, min(s * 1.3, 1), v)),
        (Saturation((0, 0), 1), lambda h, s, v: (h, 0, v)),
        (Hue((-18, -18), 1), lambda h, s, v: ((h - 0.1) % 1, s, v)),
        (Hue((90, 90), 1), lambda h, s, v: ((h + 0.5) % 1, s, v)),
    ],
)
def test_saturation_and_hue(image, operation, formula):
    def of_pixel(pixel):
        return np.multiply(colorsys.hsv_to_rgb(*formula(*colorsys.rgb_to_hsv(*(pixel / 255)))), 255)

    expected = np.apply_along_axis(of_pixel, -1, image.astype(float))
    difference = np.abs(changed(operation, image) - expected)
    # uint8 holds the hue in steps of 2 degrees: half a step is up to 4.25 values of a colour.
    assert difference.max() < 9
    assert difference.mean() < 2


def test_greyscale(image):
    grey = changed(Greyscale(1), image)
    assert (grey == grey[..., :1]).all()
    np.testing.assert_allclose(grey[..., 0], image @ [0.299, 0.587, 0.114], atol=0.6)


def test_channel_swap(image):
    np.testing.assert_array_equal(changed(ChannelSwap(((2, 0, 1),), 1), image), image[..., [2, 0, 1]])
    seen = {
        order
        for seed in range(60)
        for order in itertools.permutations(range(3))
        if np.array_equal(changed(ChannelSwap(probability=1), image, seed), image[..., list(order)])
    }
    assert seen == set(itertools.permutations(range(3))) - {(0, 1, 2)}


def test_histogram_equalization():
    grey = np.random.default_rng(1).integers(90, 140, (64, 64), np.uint8)
    image = np.repeat(grey[..., None], 3, axis=-1)
    counts = np.bincount(grey.ravel(), minlength=256).cumsum()
    lowest = counts[grey.min()]
    expected = table((counts[image] - lowest) / (grey.size - lowest) * 255)
    np.testing.assert_array_equal(changed(HistogramEqualization(1), image), expected)


def test_one_value_has_no_histogram_to_equalize():
    image = np.full((1, 1, 3), 77, np.uint8)
    np.testing.assert_array_equal(changed(HistogramEqualization(1), image), image)


@pytest.mark.parametrize(
    "operation", [Brightness((200, 255), 1), Contrast((5, 9), 1), Saturation((50, 90), 1)]
)
def test_nothing_wraps_around(operation, image):
    bright = np.maximum(image, 100)
    after = changed(operation, bright)
    assert (after.max(axis=-1) >= bright.max(axis=-1)).all()


@pytest.mark.parametrize("kind", ALL)
def test_boxes_stay_and_nothing_given_is_changed(kind, image):
    before, given = image.copy(), sample(image)
    for seed in range(5):
        after = kind(probability=1)(given, np.random.default_rng(seed))
        assert after.ground_truth is given.ground_truth
        assert after.image_id == "photo"
        assert after.image.shape == image.shape
        assert after.image.dtype == np.uint8
        assert after.image.flags.c_contiguous
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", ALL)
def test_probabilities(kind, image):
    given = sample(image)
    for seed in range(20):
        assert kind(probability=0)(given, np.random.default_rng(seed)) is given
        assert kind(probability=1)(given, np.random.default_rng(seed)) is not given
    rng = np.random.default_rng(0)
    assert np.mean([kind(probability=0.3)(given, rng) is not given for _ in range(1000)]) == pytest.approx(
        0.3, abs=0.05
    )


@pytest.mark.parametrize("kind", ALL)
def test_the_same_numbers_give_the_same_output(kind, image):
    for seed in range(3):
        a, b = (changed(kind(probability=1), image, seed) for _ in range(2))
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ALL)
def test_one_pixel(kind):
    assert changed(kind(probability=1), np.full((1, 1, 3), 90, np.uint8)).shape == (1, 1, 3)


def test_brightness_is_uniform_between_its_bounds():
    grey = np.full((1, 1, 3), 128, np.uint8)
    rng = np.random.default_rng(0)
    added = [Brightness((-20, 40), 1)(sample(grey), rng).image[0, 0, 0] - 128.0 for _ in range(3000)]
    assert (min(added), max(added)) == (-20, 40)
    assert np.mean(added) == pytest.approx(10, abs=1)


def test_gamma_brightens_as_often_as_it_darkens():
    grey = np.full((1, 1, 3), 128, np.uint8)
    rng = np.random.default_rng(0)
    values = np.array([Gamma(probability=1)(sample(grey), rng).image[0, 0, 0] for _ in range(2000)])
    assert np.mean(values > 128) == pytest.approx(0.5, abs=0.04)
    assert values.min() >= round(255 * (128 / 255) ** 2)
    assert values.max() <= round(255 * (128 / 255) ** 0.5)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Brightness, {"bounds": (32, -32)}),
        (Brightness, {"bounds": (-256, 0)}),
        (Brightness, {"bounds": "bright"}),
        (Brightness, {"bounds": (1, 2, 3)}),
        (Brightness, {"bounds": 5}),
        (Brightness, {"bounds": (True, False)}),
        (Brightness, {"bounds": (0, float("nan"))}),
        (Contrast, {"bounds": (-1, 1)}),
        (Saturation, {"bounds": (0, 101)}),
        (Hue, {"bounds": (-91, 0)}),
        (Gamma, {"bounds": (0, 1)}),
        (ChannelSwap, {"orders": ((0, 0, 1),)}),
        (ChannelSwap, {"orders": ()}),
        (ChannelSwap, {"orders": 7}),
        *[(kind, {"probability": wrong}) for kind in ALL for wrong in (-0.1, 1.1, "often", None, True)],
    ],
)
def test_settings_out_of_bounds_are_refused_in_one_line(kind, settings):
    (name,) = settings
    with pytest.raises(InputError, match=name) as error:
        kind(**settings)
    assert "\n" not in str(error.value)
