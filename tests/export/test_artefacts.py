"""Every format finds what Keras finds."""

import numpy as np
import pytest
from export.artefacts import CLASSES, FORMATS, IMAGE_SIZE, artefact, found_in_check_images, keras_detector

from ssd_keras.export.comparison import TOLERANCE, largest_difference
from ssd_keras.runtimes.artefact import load_artefact
from ssd_keras.runtimes.formats import recognise_format


@pytest.fixture(scope="module", params=FORMATS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(kind):
    return load_artefact(artefact(kind))


def test_it_is_recognised(kind):
    assert recognise_format(artefact(kind)) == kind


def test_it_says_what_it_is(loaded):
    metadata = loaded.metadata
    assert (metadata.class_names, metadata.image_size, metadata.gives) == (CLASSES, IMAGE_SIZE, "detections")
    assert (metadata.model, metadata.format_version) == ("ssd7", 1)
    assert metadata.decoding.iou_threshold == keras_detector().decoding.iou_threshold


def test_it_finds_what_keras_finds(kind, loaded):
    expected = found_in_check_images()
    assert (expected["scores"] > 0.3).sum() > 20  # else there was nothing to compare
    found = loaded.predict(expected["images"])
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        name: (expected[name].shape, expected[name].dtype) for name in ("boxes", "scores", "labels")
    }
    assert largest_difference(expected, found, loaded.metadata) < TOLERANCE / 10


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_images(kind, loaded, count):
    expected = found_in_check_images()
    some = {name: array[:count] for name, array in expected.items()}
    assert largest_difference(some, loaded.predict(some["images"]), loaded.metadata) < TOLERANCE / 10


def test_detections_are_those_of_the_model(kind, loaded):
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)
    (expected,), (found,) = (detector.detect(image, threshold=0.4) for detector in (keras_detector(), loaded))
    assert len(expected)
    assert (found.class_names, found.size) == (expected.class_names, (100, 200))
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    # Sorted, because equal scores may swap places.
    np.testing.assert_array_equal(np.sort(found.labels), np.sort(expected.labels))
    np.testing.assert_allclose(np.sort(found.boxes_px, 0), np.sort(expected.boxes_px, 0), atol=1e-2)


def test_nothing_found(loaded):
    (found,) = loaded.detect(np.zeros((*IMAGE_SIZE, 3), np.uint8), threshold=1.0)
    assert len(found) == 0


def test_raw_predictions_of_onnx():
    expected, loaded = found_in_check_images(), load_artefact(artefact("onnx", raw=True))
    found = loaded.predict(expected["images"])
    assert found.keys() == {"offsets", "logits"}
    np.testing.assert_allclose(loaded.metadata.anchors, keras_detector().anchor_boxes)
    assert loaded.metadata.variances == keras_detector().variances
    assert largest_difference(expected, found, loaded.metadata) < TOLERANCE / 10
    logits = keras_detector().predict_on_batch(expected["images"])["logits"]
    np.testing.assert_allclose(found["logits"], logits, atol=1e-3)


def test_litert_needs_no_tensorflow():
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(artefact("litert")))
    assert not [one["op_name"] for one in interpreter._get_ops_details() if one["op_name"].startswith("Flex")]


def test_other_programs_read_the_onnx_file():
    import onnx

    model = onnx.load(artefact("onnx"))
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == ["images"]
    assert {value.name for value in model.graph.output} == {"boxes", "scores", "labels"}
    shapes = {value.type.tensor_type.shape.dim[0].dim_param for value in model.graph.output}
    assert shapes == {"batch"}
