"""Changes of colour against plain formulas on single pixels."""

import colorsys

import numpy as np
import pytest

from ssd_keras.data.augment.photometric import ColourChange, Distortion
from ssd_keras.errors import InputError


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_the_default_changes_nothing(image):
    np.testing.assert_array_equal(ColourChange().apply(image), image)
    np.testing.assert_array_equal(ColourChange(contrast_last=True).apply(image), image)


@pytest.mark.parametrize("brightness", [-300, -32.4, -0.6, 0.4, 31.7, 300])
def test_brightness_adds_and_saturates(image, brightness):
    expected = np.clip(np.rint(image + np.float64(brightness)), 0, 255)
    np.testing.assert_array_equal(ColourChange(brightness=brightness).apply(image), expected)


@pytest.mark.parametrize("contrast", [0, 0.5, 0.999, 1.5, 100])
def test_contrast_multiplies_about_zero_and_saturates(image, contrast):
    expected = np.clip(np.rint(image * np.float64(contrast)), 0, 255)
    np.testing.assert_array_equal(ColourChange(contrast=contrast).apply(image), expected)


@pytest.mark.parametrize("contrast", [0, 0.5, 1.8])
def test_contrast_turns_around_its_pivot(image, contrast):
    expected = np.clip(np.rint(127.5 + contrast * (image - 127.5)), 0, 255)
    changed = ColourChange(contrast=contrast, contrast_pivot=127.5).apply(image)
    np.testing.assert_array_equal(changed, expected)


def test_brightness_saturates_before_contrast(image):
    changed = ColourChange(brightness=100, contrast=0.5).apply(image)
    np.testing.assert_array_equal(changed, np.rint(np.minimum(image + 100.0, 255) * 0.5))


@pytest.mark.parametrize("contrast_last", [False, True])
def test_contrast_comes_before_or_after_saturation(contrast_last):
    pixel = np.array([[[100, 150, 200]]], np.uint8)
    both = ColourChange(contrast=1.5, saturation=0.5, contrast_last=contrast_last).apply(pixel)
    contrast, saturation = ColourChange(contrast=1.5), ColourChange(saturation=0.5)
    first, second = (saturation, contrast) if contrast_last else (contrast, saturation)
    np.testing.assert_array_equal(both, second.apply(first.apply(pixel)))


@pytest.mark.parametrize("saturation", [0.5, 1.3, 1.5])
@pytest.mark.parametrize("hue", [-18, 0, 7, 18])
def test_saturation_and_hue_follow_hsv(image, saturation, hue):
    def formula(pixel):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
        return np.multiply(colorsys.hsv_to_rgb((h + hue / 180) % 1, min(s * saturation, 1), v), 255)

    changed = ColourChange(saturation=saturation, hue=hue).apply(image)
    expected = np.apply_along_axis(formula, -1, image.astype(float))
    # uint8 holds the hue in steps of 2 degrees: half a step is up to 4.25 values of a colour.
    assert np.abs(changed - expected).max() < 9
    assert np.abs(changed - expected).mean() < 2


def test_hue_goes_around_the_circle():
    red = np.array([[[255, 0, 0]]], np.uint8)
    np.testing.assert_allclose(ColourChange(hue=-60).apply(red)[0, 0], [0, 0, 255], atol=1)
    np.testing.assert_allclose(ColourChange(hue=-18).apply(red)[0, 0], [255, 0, 153], atol=1)
    np.testing.assert_allclose(ColourChange(hue=120).apply(red)[0, 0], [0, 0, 255], atol=1)


def test_grey_has_no_hue_to_change():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    np.testing.assert_array_equal(ColourChange(hue=18, saturation=1.5).apply(grey), grey)


def test_the_image_given_is_not_changed(image):
    before = image.copy()
    ColourChange(10, 1.2, 1.3, 5, True).apply(image)
    np.testing.assert_array_equal(image, before)


def test_draws_stay_in_their_bounds_and_each_happens_half_the_time():
    rng = np.random.default_rng(0)
    changes = [Distortion().sample(rng) for _ in range(4000)]
    for name, unchanged, low, high in [
        ("brightness", 0, -32, 32),
        ("contrast", 1, 0.5, 1.5),
        ("saturation", 1, 0.5, 1.5),
        ("hue", 0, -18, 18),
    ]:
        values = np.array([getattr(change, name) for change in changes])
        drawn = values[values != unchanged]
        assert len(drawn) / len(values) == pytest.approx(0.5, abs=0.03)
        assert low <= drawn.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    assert np.mean([change.contrast_last for change in changes]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "settings",
    [{"probability": 1.1}, {"contrast": (1.5, 0.5)}, {"hue": (-100, 0)}, {"brightness": (0, float("nan"))}],
)
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        Distortion(**settings)
