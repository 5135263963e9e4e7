"""A real network, called from the thread of the batcher: each backend finds there what it finds elsewhere."""

import numpy as np
import pytest
from on_backend import SLOW_ON_JAX

from ssd_keras.models.ssd import SSD
from ssd_keras.serving.batching import Batcher
from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.reading import ReadImage

pytestmark = [pytest.mark.backends, *SLOW_ON_JAX]
SIZE = (96, 128)
SECONDS = 300


def test_a_network_in_the_thread_of_the_batcher():
    model = SSD.from_preset("ssd7", ("car", "truck"), image_size=SIZE)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (5, *SIZE, 3), np.uint8)
    expected = model.detect_batch(images, [SIZE] * 5, 0.3)
    batcher = Batcher(model, 4, 0.0, Metrics())
    batcher.start().result(SECONDS)
    found = [batcher.submit(ReadImage(SIZE, image), 0.3) for image in images]
    for future, wanted in zip(found, expected, strict=True):
        detections = future.result(SECONDS)
        assert len(detections) == len(wanted) > 0
        np.testing.assert_allclose(detections.scores, wanted.scores, atol=1e-4)
    assert batcher.stop(SECONDS)
