"""What silently costs accuracy in ports of SSD, and the tests that would fail here.

Shapes fit and losses fall in every one of these cases; only the mAP is lower.

1. RGB and BGR mixed up: here; `tests/weights/test_caffe.py`, `tests/weights/test_keras2.py`
2. "same" padding where Caffe pads all sides: `tests/models/test_backbones.py`, `tests/parity/test_weights.py`
3. pooling that rounds down, 37 cells for 38: `tests/models/test_backbones.py`
4. conv4_3 not normalised, or before pool4, or γ not imported: `tests/models/test_backbones.py`,
   `tests/parity/test_weights.py`
5. another order of the aspect ratios: `tests/parity/test_anchors.py`
6. steps of the image over the map for 8, 16, ..., 100, 300: `tests/parity/test_anchors.py`
7. VOC's sizes with COCO's weights, SSD512 truncated or not: `tests/parity/test_anchors.py`,
   `tests/weights/test_importing.py`, `tests/parity/test_weights.py`
8. background not first, labels off by one: `tests/models/test_loss.py`, `tests/models/test_decoding.py`
9. variances applied twice or not at all: `tests/boxes/test_offsets.py`, `tests/parity/test_weights.py`
10. 400 candidates after the suppression, boxes cut off before it: `tests/models/test_decoding.py`
11. logarithms of clamped probabilities in float16: `tests/models/test_loss.py`
12. negatives of the batch or of the image, images without objects: `tests/models/test_loss.py`,
    `tests/parity/test_loss.py`
13. doubled weight decay, decayed biases: `tests/training/test_optimizers.py`
14. coordinates rounded to whole pixels: here; `tests/evaluation/test_voc.py`
15. boxes without area after augmentation: `tests/data/augment/test_chains.py`, `tests/models/test_loss.py`
16. recalls compared as floats, unstable sorting, difficult objects: `tests/evaluation/test_voc.py`
17. settings lost when a model is saved: `tests/models/test_ssd.py`, `tests/models/test_presets.py`
18. padding rows taken for detections: `tests/models/test_ssd.py`
19. images kept in memory: here
20. weights of the first layout in the present one: here
"""

import weakref

import h5py
import numpy as np
import pytest
from scenes import write_data

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.loader import TrainingLoader
from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.weights.importing import import_weights


@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssd512_vgg16"])
def test_the_mean_is_in_the_order_of_the_image(name):
    preprocessing = SSD.from_preset(name, ["car"]).get_layer("preprocessing")
    red = np.full((1, 1, 1, 3), [255, 0, 0], np.uint8)
    np.testing.assert_allclose(np.asarray(preprocessing(red)).ravel(), [255 - 123, -117, -104])


def test_boxes_are_nowhere_rounded_to_whole_pixels(tmp_path):
    model = SSD.from_preset("ssd7", ["car"], image_size=(64, 96))
    (found,) = model.detect(np.full((123, 77, 3), 90, np.uint8), threshold=0.01)
    assert (found.boxes_px % 1 > 0.01).any()


def test_loading_keeps_no_images(tmp_path):
    samples = open_dataset(write_data(tmp_path / "data", train=40))["train"]
    seen = []

    class Noted(np.ndarray):
        """An image of which it is known whether it is still there: a plain array takes no weak reference."""

    chain = CHAINS["none"]()

    def augmentation(sample, rng, size):
        augmented = chain(sample, rng, size)
        image = augmented.image.view(Noted)
        seen.append(weakref.ref(image))
        return augmented._replace(image=image)

    loader = TrainingLoader(samples, (96, 128), 2, augmentation, seed=0)
    most = 0
    batches = iter(loader.batches)
    for _ in range(60):
        next(batches)
        most = max(most, sum(image() is not None for image in seen))
    assert 0 < most < 40  # what is read ahead, not the data set


def test_weights_of_the_first_layout_are_refused_for_the_present_one(tmp_path):
    path = tmp_path / "weights_SSD300.hdf5"
    sources = ("conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2")
    with h5py.File(path, "w") as file:
        for source in sources:
            for part in ("loc", "conf"):
                file[f"{source}_mbox_{part}/{source}_mbox_{part}_W:0"] = np.zeros(
                    (3, 3, 1, 24 if part == "loc" else 126)
                )
        file["pool6_mbox_loc_flat/pool6_mbox_loc_flat_W:0"] = np.zeros((256, 24))
        file["pool6_mbox_conf_flat/pool6_mbox_conf_flat_W:0"] = np.zeros((256, 126))
    with pytest.raises(InputError, match=r"holds ssd300_vgg16_v1, .*no ssd300_vgg16: leave --model out"):
        import_weights(path, "ssd300_vgg16")
