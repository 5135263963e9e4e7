import keras
import numpy as np
import pytest
from keras import ops

from ssd_keras.models.preprocessing import ImagePreprocessing

pytestmark = pytest.mark.backends

PIXELS = np.array([[[[0, 128, 255], [10, 20, 30]]]], np.uint8)


def preprocess(image=PIXELS, **settings):
    return ops.convert_to_numpy(ImagePreprocessing(**settings)(image))


def test_mean_then_scale():
    found = preprocess(mean=127.5, scale=1 / 127.5)
    np.testing.assert_allclose(found[0, 0, 0], [-1, 0.5 / 127.5, 1], atol=1e-6)
    assert found.dtype == np.float32


def test_mean_per_channel_is_in_rgb_order_also_for_bgr():
    settings = {"mean": [123, 117, 104], "scale": 2.0}
    np.testing.assert_array_equal(preprocess(**settings)[0, 0, 1], [-226, -194, -148])
    np.testing.assert_array_equal(preprocess(**settings, to_bgr=True)[0, 0, 1], [-148, -194, -226])


def test_scale_per_channel():
    found = preprocess(mean=(1, 2, 3), scale=(1, 10, 100))
    np.testing.assert_allclose(found[0, 0, 1], [9, 180, 2700])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_any_number_type(dtype):
    np.testing.assert_array_equal(preprocess(PIXELS.astype(dtype), mean=1.0), PIXELS.astype(np.float32) - 1)


def test_low_precision_comes_last():
    found = ImagePreprocessing(mean=127.4, dtype="mixed_bfloat16")(np.full((1, 1, 1, 3), 128, np.uint8))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), 0.6, rtol=4e-3)


def test_shape_is_kept():
    assert ImagePreprocessing(mean=0)(keras.Input((7, 5, 4), dtype="uint8")).shape == (None, 7, 5, 4)


def test_config_makes_the_same_layer_again():
    layer = ImagePreprocessing(mean=[1, 2, 3], scale=0.5, to_bgr=True, dtype="mixed_bfloat16")
    again = ImagePreprocessing.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.mean, again.scale, again.to_bgr, again.compute_dtype) == ([1, 2, 3], 0.5, True, "bfloat16")
