"""Augmentation of real photographs with their real labels."""

import os
from pathlib import Path

import cv2
import defusedxml.ElementTree
import numpy as np
import pytest

from ssd_keras.data.augment import CHAINS, OriginalChain
from ssd_keras.data.image_headers import encoded_image_size
from ssd_keras.data.images import IMAGE_SUFFIXES, read_image
from ssd_keras.data.samples import GroundTruth, Sample

SIZE = (300, 300)


@pytest.fixture(scope="module")
def folder():
    root = os.environ.get("SSD_KERAS_TEST_DATA")
    if not root:
        pytest.skip("SSD_KERAS_TEST_DATA is not set: no real photographs")
    return Path(root)


@pytest.fixture(scope="module")
def samples(folder):
    voc = folder / "voc2007-mini" / "VOCdevkit" / "VOC2007"
    if not voc.is_dir():
        pytest.skip(f"{voc} is missing: no labelled photographs")
    samples = []
    for annotation in sorted((voc / "Annotations").glob("*.xml")):
        objects = defusedxml.ElementTree.parse(annotation).getroot().iter("object")
        boxes_px = [
            [float(one.find("bndbox").findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
            for one in objects
        ]
        truth = GroundTruth(np.array(boxes_px), np.zeros(len(boxes_px)))
        samples.append(Sample(voc / "JPEGImages" / f"{annotation.stem}.jpg", truth, annotation.stem))
    return samples


def test_headers_tell_the_size_of_every_photograph(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES][:400]
    assert files
    told = 0
    for path in files:
        size = encoded_image_size(path.read_bytes())
        told += size is not None
        assert size is None or size == read_image(path).shape[:2], path
    assert told > 0.9 * len(files)


@pytest.mark.parametrize("name", CHAINS)
def test_every_photograph_is_augmented(samples, name):
    chain = CHAINS[name]()
    rng = np.random.default_rng(0)
    objects = kept = 0
    for sample in samples:
        image, boxes, labels, _ = chain(sample, rng, SIZE)
        assert image.shape == (*SIZE, 3)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert len(boxes) == len(labels)
        objects += len(sample.ground_truth)
        kept += len(labels)
    assert 0.4 < kept / objects <= 1


def test_reduced_decoding_changes_photographs_little(samples):
    still = {"crop": None, "distortion": None, "interpolations": ("area",)}
    differences = []
    for sample in samples:
        reduced, full = (
            OriginalChain(**still, reduced_decoding=on)(sample, np.random.default_rng(5), (150, 150)).image
            for on in (True, False)
        )
        # Half a pixel of shift is allowed, so compare what is left after a slight blur.
        blurred = [cv2.blur(image, (5, 5)).astype(int) for image in (reduced, full)]
        differences.append(np.abs(blurred[0] - blurred[1]).mean())
    assert 0 < np.mean(differences) < 3
