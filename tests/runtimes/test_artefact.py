"""Artefacts as detectors, on a session that tells where its images went."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.errors import InputError
from ssd_keras.runtimes.artefact import Artefact
from ssd_keras.runtimes.detector import Detector
from ssd_keras.runtimes.metadata import ArtefactMetadata, DecodingSettings

METADATA = ArtefactMetadata(
    library_version="1",
    model="ssd7",
    gives="detections",
    class_names=("a", "b"),
    image_size=(4, 6),
    decoding=DecodingSettings(min_score=0.01, iou_threshold=0.5, candidates=9, max_detections=2),
    variances=(0.1, 0.1, 0.2, 0.2),
)


class Session:
    """Finds in each image one box whose score is its first pixel, in per cent."""

    outputs = ("boxes", "scores", "labels")

    def __init__(self, batch_size=None, metadata=METADATA, inputs=None, outputs=outputs):
        self.inputs = [(batch_size, 4, 6, 3)] if inputs is None else inputs
        self.outputs = list(outputs)
        self.metadata = metadata.as_text()
        self.batches = []

    def run(self, images):
        self.batches.append(len(images))
        count = len(images)
        scores = np.zeros((count, 2), np.float32)
        scores[:, 0] = images[:, 0, 0, 0] / 100
        boxes = np.tile(np.array([[0.25, 0.5, 1.5, 1.0], [0, 0, 0, 0]], np.float32), (count, 1, 1))
        return {"boxes": boxes, "scores": scores, "labels": np.ones((count, 2), np.int32)}


def images(*values):
    return np.stack([np.full((4, 6, 3), value, np.uint8) for value in values])


def test_nothing_found():
    detector: Detector = Artefact(Path("x.onnx"), Session())
    (found,) = detector.detect_batch(images(0), [(40, 60)])
    assert len(found) == 0
    assert found.class_names == detector.class_names == ("a", "b")


def test_boxes_are_in_pixels_of_the_original_and_cut_off_at_its_edges():
    first, second = Artefact(Path("x"), Session()).detect_batch(images(80, 60), [(40, 60), (100, 100)])
    assert first.boxes_px.tolist() == [[15, 20, 60, 40]]
    assert second.boxes_px.tolist() == [[25, 50, 100, 100]]
    assert first.scores.tolist() == [pytest.approx(0.8)]
    assert first.labels.tolist() == [1]


def test_threshold_includes_equal_scores():
    artefact = Artefact(Path("x"), Session())
    half = np.float32(50 / 100)
    counts = [len(one) for one in artefact.detect_batch(images(49, 50, 51), [(4, 6)] * 3, float(half))]
    assert counts == [0, 1, 1]


def test_padding_of_the_batch_is_left_out():
    assert len(Artefact(Path("x"), Session()).detect_batch(images(80, 0, 0), [(4, 6)])) == 1


@given(st.integers(1, 5), st.lists(st.integers(1, 100), min_size=1, max_size=12))
def test_batches_are_split_and_padded_to_a_fixed_size(batch_size, values):
    session = Session(batch_size)
    found = Artefact(Path("x"), session).detect_batch(images(*values), [(4, 6)] * len(values), threshold=0)
    assert [round(float(one.scores[0]) * 100) for one in found] == values
    assert set(session.batches) == {batch_size}
    assert len(session.batches) == -(-len(values) // batch_size)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_of_no_image_nothing_is_found_and_no_runtime_is_asked_for_it(batch_size):
    session = Session(batch_size)
    found = Artefact(Path("x"), session).predict(np.zeros((0, 4, 6, 3), np.uint8))
    assert {name: values.shape for name, values in found.items()} == {
        "boxes": (0, 2, 4),
        "scores": (0, 2),
        "labels": (0, 2),
    }
    assert Artefact(Path("x"), session).detect_batch(np.zeros((0, 4, 6, 3), np.uint8), []) == []
    assert set(session.batches) == {batch_size or 1}


def test_images_of_any_size_and_kind(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 60, 3), 70, np.uint8))
    found = Artefact(Path("x"), Session()).detect([tmp_path / "a.png", np.full((8, 9, 3), 60, np.uint8)])
    assert [one.size for one in found] == [(40, 60), (8, 9)]
    assert [round(float(one.scores[0]), 3) for one in found] == [0.7, 0.6]


def test_raw_predictions_are_not_detections():
    raw = METADATA.model_copy(update={"gives": "raw", "anchors": ()})
    session = Session(metadata=raw, outputs=("offsets", "logits"))
    for use in (lambda artefact: artefact.detect_batch(images(1), [(4, 6)]), Artefact.check):
        with pytest.raises(InputError, match=r"x\.onnx gives raw predictions.*without --raw"):
            use(Artefact(Path("x.onnx"), session))
    assert not session.batches


def test_the_fast_decoding_is_not_inside():
    artefact = Artefact(Path("x.onnx"), session := Session())
    artefact.check()
    for use in (lambda: artefact.detect_batch(images(1), [(4, 6)], fast=True), lambda: artefact.check(True)):
        with pytest.raises(InputError, match=r"x\.onnx decodes every class.*leave --fast out"):
            use()
    assert not session.batches


@pytest.mark.parametrize(
    "inputs",
    [[], [()], [(None, 4, 6)], [(None, 6, 4, 3)], [(None, 4, 6, 1)], [(4, 6, 3), (4, 6, 3)], [(None,) * 4]],
)
def test_what_goes_in_is_what_the_metadata_says(inputs):
    with pytest.raises(InputError, match=r"x takes .*, and its metadata says any × 4 × 6 × 3: export"):
        Artefact(Path("x"), Session(inputs=inputs))


def test_what_comes_out_is_what_the_metadata_says():
    with pytest.raises(InputError, match="x gives no labels, and its metadata says that it gives det"):
        Artefact(Path("x"), Session(outputs=("boxes", "scores")))


def test_a_label_without_a_name():
    one_class = METADATA.model_copy(update={"class_names": ("a",)})
    artefact = Artefact(Path("x"), Session(metadata=one_class))
    (nothing,) = artefact.detect_batch(images(0), [(4, 6)])  # the label of the padding is of no account
    assert not len(nothing)
    with pytest.raises(InputError, match=r"x finds objects with label 1, .*has 1 class name: export"):
        artefact.detect_batch(images(50), [(4, 6)])
