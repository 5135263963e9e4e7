"""Batches: what is in them, in which order, and what happens to images that cannot be read."""

from itertools import islice

import numpy as np
import pytest
from scenes import sample

from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.loader import TrainingLoader, detection_batches
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

SIZE = (48, 64)


def loader(samples, batch_size=4, chain="none", seed=0):
    return TrainingLoader(samples, SIZE, batch_size, CHAINS[chain](), seed)


def images_of(batches, count):
    return [batch[0] for batch in islice(batches, count)]


def test_a_batch_is_what_fit_takes():
    images, truth = next(iter(loader([sample(0, objects=3), sample(1, objects=0)], batch_size=2).batches))
    assert images.shape == (2, *SIZE, 3)
    assert images.dtype == np.uint8
    assert truth["boxes"].shape == (2, 8, 4)
    assert truth["boxes"].dtype == np.float32
    assert truth["labels"].dtype == np.int32
    counts = (truth["labels"] >= 0).sum(axis=1)
    assert sorted(counts) == [0, 3]
    assert set(truth["labels"][truth["labels"] < 0]) == {-1}
    assert truth["boxes"].min() >= 0
    assert truth["boxes"].max() <= 1


def test_more_than_eight_boxes_are_padded_to_the_next_multiple():
    _, truth = next(iter(loader([sample(0, objects=9)], batch_size=1).batches))
    assert truth["labels"].shape == (1, 16)
    assert (truth["labels"] >= 0).sum() == 9


@pytest.mark.parametrize("chain", ["ssd", "constant_size", "none"])
def test_the_seed_fixes_order_and_augmentation(chain):
    samples = [sample(number) for number in range(6)]
    first = images_of(loader(samples, chain=chain, seed=1).batches, 5)
    again = images_of(loader(samples, chain=chain, seed=1).batches, 5)
    other = images_of(loader(samples, chain=chain, seed=2).batches, 5)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_each_epoch_shows_every_image_once_in_another_order():
    samples = [sample(number) for number in range(8)]
    made = loader(samples)
    assert made.steps_per_epoch == 2
    names = [made.names_of_batch(step) for step in range(4)]
    epochs = [names[0] + names[1], names[2] + names[3]]
    everything = sorted(each.image_id for each in samples)
    assert sorted(epochs[0]) == everything
    assert sorted(epochs[1]) == everything
    assert epochs[0] != epochs[1]


def test_augmentation_differs_from_epoch_to_epoch():
    first, second = images_of(loader([sample(0)], batch_size=1, chain="ssd").batches, 2)
    assert (first != second).any()


def test_names_of_a_batch_are_those_of_its_images():
    samples = [sample(number) for number in range(5)]
    by_pixels = {
        loader([each], 1).augmentation(each, None, SIZE).image.tobytes(): each.name for each in samples
    }
    made = loader(samples, batch_size=3)
    for step, images in enumerate(images_of(made.batches, 4)):
        assert made.names_of_batch(step) == [by_pixels[image.tobytes()] for image in images]


def test_an_image_that_cannot_be_read_is_left_out_and_named(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    samples = [sample(0), sample(1), Sample(broken, GroundTruth.empty(), "broken")]
    made = loader(samples, batch_size=2)
    batches = images_of(made.batches, 6)
    assert all(len(images) == 2 for images in batches)
    assert list(made.skipped) == [str(broken)]
    by_pixels = {made.augmentation(each, None, SIZE).image.tobytes(): each.name for each in samples[:2]}
    for step, images in enumerate(batches):
        assert made.names_of_batch(step) == [by_pixels[image.tobytes()] for image in images]


def test_no_readable_image_at_all_is_one_error(tmp_path):
    missing = Sample(tmp_path / "missing.jpg", GroundTruth.empty(), "missing")
    with pytest.raises(InputError, match=r"no image of the split can be read.*missing\.jpg"):
        next(iter(loader([missing], batch_size=1).batches))


def test_no_sample_is_an_error():
    with pytest.raises(InputError, match="no image to train on"):
        loader([])


def test_crowds_are_not_trained_on():
    crowd = sample(0, objects=2)
    truth = GroundTruth(crowd.ground_truth.boxes_px, crowd.ground_truth.labels, crowd=[True, False])
    _, batch = next(iter(loader([Sample(crowd.image, truth, "crowd")], batch_size=1).batches))
    assert (batch["labels"] >= 0).sum() == 1


def test_images_for_detection_come_in_order_and_padded():
    images = [sample(number).image for number in range(5)]
    batches = list(detection_batches(images, SIZE, 2))
    assert [batch.indices for batch in batches] == [[0, 1], [2, 3], [4]]
    assert all(batch.images.shape == (2, *SIZE, 3) for batch in batches)
    assert batches[-1].sizes == [(96, 128)]
    assert not batches[-1].images[1].any()


def test_a_bad_image_is_handed_on_as_an_error_and_the_rest_goes_on(tmp_path):
    batches = list(detection_batches([sample(0).image, tmp_path / "missing.jpg", sample(1).image], SIZE, 3))
    assert batches[0].indices == [0, 2]
    assert list(batches[0].errors) == [1]
    assert "missing.jpg" in str(batches[0].errors[1])


def test_nothing_to_detect_on_gives_no_batch():
    assert list(detection_batches([], SIZE, 4)) == []
