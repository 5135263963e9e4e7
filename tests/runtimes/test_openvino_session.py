"""OpenVINO: a batch is computed image by image, several at the same time, and comes out in its order."""

import numpy as np
import pytest
from export.artefacts import artefact

from ssd_keras.runtimes import openvino_session
from ssd_keras.runtimes.openvino_session import OpenVinoSession


@pytest.fixture(scope="module")
def path():
    return artefact("openvino")


@pytest.fixture(scope="module")
def images(path):
    size = OpenVinoSession(path, "float32").inputs[0][1:]
    return np.random.default_rng(0).integers(0, 256, (7, *size), np.uint8)


@pytest.mark.parametrize("threads", [1, 2, 64])
def test_each_image_of_a_batch_is_found_what_is_found_in_it_alone(path, images, threads, monkeypatch):
    monkeypatch.setattr(openvino_session, "threads", lambda: threads)
    session = OpenVinoSession(path, "float32")
    together = session.run(images)
    assert set(together) == set(session.outputs)
    for number in range(len(images)):
        alone = session.run(images[number : number + 1])
        for name, found in together.items():
            np.testing.assert_allclose(found[number], alone[name][0], rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_was_found_is_not_written_over_by_the_next_batch(path, images):
    session = OpenVinoSession(path, "float32")
    first = session.run(images)
    kept = {name: found.copy() for name, found in first.items()}
    session.run(images[::-1].copy())
    session.run(images[3:4])
    for name, found in first.items():
        np.testing.assert_array_equal(found, kept[name])


def test_a_lone_image_keeps_its_outputs_too(path, images):
    session = OpenVinoSession(path, "float32")
    first = session.run(images[:1])
    kept = {name: found.copy() for name, found in first.items()}
    session.run(images[1:2])
    for name, found in first.items():
        np.testing.assert_array_equal(found, kept[name])
