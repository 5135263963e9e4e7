"""The inspection counts what is there and finds what is wrong, whatever the format."""

import json

import cv2
import numpy as np
import pytest

from ssd_keras.boxes.anchors import ScaledAnchors
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.inspection.anchor_fit import Network
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split


def encoded(seed, suffix=".jpg", size=(60, 100)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def sample_of(image_id, image=None, boxes=((10, 20, 35, 35),), labels=None, **flags):
    labels = np.zeros(len(boxes)) if labels is None else labels
    truth = GroundTruth(np.array(boxes, np.float32), labels, **flags)
    return Sample(encoded(ord(image_id)) if image is None else image, truth, image_id)


def dataset_of(problems=(), **splits):
    names = ("cat", "dog")
    return Dataset(
        names, {name: Split(name, tuple(s), names) for name, s in splits.items()}, "test", problems
    )


def the_problem(data):
    (problem,) = inspect_dataset(data).problems
    return problem


def test_a_data_set_without_anything():
    found = inspect_dataset(dataset_of(train=[]))
    assert (found.images, found.boxes) == (0, 0)
    assert found.classes == {"cat": 0, "dog": 0}
    assert found.boxes_per_image == {}
    assert found.box_sizes == {}
    json.dumps(found.as_json(), allow_nan=False)


def test_counts():
    both = [(10, 20, 35, 35), (0, 0, 100, 60)]
    a = sample_of("a", encoded(1), both, [0, 1], difficult=[True, False], crowd=[False, True])
    b = sample_of("b", encoded(2, size=(50, 50)), [])
    c = sample_of("c", encoded(3), both[:1])
    found = inspect_dataset(dataset_of(train=[a, b], val=[c], trainval=[a, b, c]))
    assert (found.images, found.boxes, found.difficult, found.crowd) == (3, 3, 1, 1)
    assert found.classes == {"cat": 2, "dog": 1}
    assert found.splits["train"].images == 2
    assert found.splits["train"].classes == {"cat": 1, "dog": 1}
    assert (found.splits["trainval"].images, found.splits["trainval"].boxes) == (3, 3)
    assert found.images_without_objects == 1
    assert found.boxes_per_image == {"min": 0, "median": 1, "max": 2}
    assert found.image_sizes == {(60, 100): 2, (50, 50): 1}
    assert found.problems == ()


def test_box_sizes_are_relative_to_the_image():
    found = inspect_dataset(dataset_of(train=[sample_of("a", boxes=[(10, 20, 35, 35), (0, 0, 100, 60)])]))
    assert found.box_sizes["0%"] == pytest.approx(0.25)  # 25 of 100 pixels wide, 15 of 60 high
    assert found.box_sizes["50%"] == pytest.approx(0.625)
    assert found.box_sizes["100%"] == pytest.approx(1)


def test_the_json_holds_what_the_command_line_promises():
    known = Problem("a.xml", "box 1 has no width", "correct it")
    report = inspect_dataset(dataset_of([known], train=[sample_of("a")])).as_json()
    assert json.loads(json.dumps(report)) == report
    assert report["images"] == report["boxes"] == 1
    assert report["classes"] == {"cat": 1, "dog": 0}
    assert report["splits"] == {"train": {"images": 1, "boxes": 1, "classes": {"cat": 1, "dog": 0}}}
    assert report["image_sizes"] == [{"size": [60, 100], "images": 1}]
    assert report["problems"] == [{"file": "a.xml", "problem": "box 1 has no width", "advice": "correct it"}]


def test_progress_is_told():
    told = []
    inspect_dataset(dataset_of(train=[sample_of("a"), sample_of("b")]), lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (encoded(1)[:-2], "cut short"),
        (encoded(1)[:800], "cut short"),
        (encoded(1, ".png")[:-300], "cut short"),
        (b"no image", "does not decode"),
        (b"", "does not decode"),
    ],
)
def test_images_that_do_not_decode_are_named(image, said):
    data = dataset_of(train=[sample_of("a"), sample_of("b", image)])
    problem = the_problem(data)
    assert problem.file == "b"
    assert said in problem.problem
    assert "replace" in problem.advice
    assert inspect_dataset(data).images == 2


def test_an_image_that_is_gone_is_named(tmp_path):
    problem = the_problem(dataset_of(train=[sample_of("a", tmp_path / "gone.jpg")]))
    assert problem.file == str(tmp_path / "gone.jpg")
    assert "cannot be read" in problem.problem


def test_boxes_that_do_not_fit_the_decoded_image_are_named():
    problem = the_problem(dataset_of(train=[sample_of("a", boxes=[(1, 1, 2, 2), (10, 20, 150, 40)])]))
    assert problem.problem == "box 2 does not fit into the image (100 × 60)"


def test_pixels_are_inspected_too():
    pixels = np.zeros((60, 100, 3), np.uint8)
    found = inspect_dataset(dataset_of(train=[sample_of("a", pixels)], val=[sample_of("b", pixels + 1)]))
    assert found.image_sizes == {(60, 100): 2}
    assert found.problems == ()


def test_the_same_bytes_in_two_splits_are_named_once():
    image = encoded(1)
    data = dataset_of(
        train=[sample_of("a", image)], trainval=[sample_of("a", image)], test=[sample_of("b", image)]
    )
    problem = the_problem(data)
    assert problem.file == "a"
    assert problem.problem == "has the same bytes as b, and they are in the splits train and test"


def test_the_same_file_in_two_splits_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(1))
    sample = sample_of("a", tmp_path / "a.jpg")
    data = dataset_of(train=[sample], test=[sample])
    assert the_problem(data).problem == "is in the splits train and test"
    assert inspect_dataset(data).images == 1


def test_splits_that_contain_each_other_by_name_may_share_images():
    sample = sample_of("a")
    data = dataset_of(train=[sample], trainval=[sample], all=[sample])
    assert inspect_dataset(data).problems == ()


def test_a_wrong_size_tag_is_named(tmp_path):
    write_voc(tmp_path / "voc", {"train": [sample_of("a"), sample_of("b")]}, ["cat", "dog"])
    annotation = tmp_path / "voc" / "Annotations" / "a.xml"
    annotation.write_text(annotation.read_text().replace("<width>100<", "<width>99<"))
    problem = the_problem(open_dataset(tmp_path / "voc"))
    assert problem.file == str(annotation)
    assert problem.problem == "states a size of 99 × 60 for a.jpg, but the image is 100 × 60"


def test_tiny_boxes_are_found_at_the_input_of_the_network():
    data = dataset_of(train=[sample_of("a", boxes=[(0, 0, 50, 50), (0, 0, 50, 0.5)]), sample_of("b")])
    found = inspect_dataset(data)
    assert found.tiny_boxes == {"a": (2,)}
    assert found.tiny == found.as_json()["tiny_boxes"] == 1
    assert inspect_dataset(data, input_size=(600, 600)).tiny_boxes == {}


def test_the_anchors_of_a_network_are_compared_with_all_boxes_but_crowds():
    network = Network("small", ScaledAnchors((0.2, 0.5), (1.0,)), (100, 100), [(10, 10)])
    boxes = [(35, 21, 55, 33), (0, 0, 2, 1), (0, 0, 100, 60)]
    found = inspect_dataset(dataset_of(train=[sample_of("a", boxes=boxes, crowd=[0, 0, 1])]), network=network)
    assert found.input_size == (100, 100)
    assert found.anchor_fit.boxes == 2
    assert found.anchor_fit.coverage.share == 0.5
    assert sum(one.boxes for one in found.anchor_fit.sizes) == 2
    json.dumps(found.as_json(), allow_nan=False)
    assert inspect_dataset(dataset_of(train=[]), network=network).anchor_fit.sizes == ()


def test_copies_with_other_boxes_are_told_apart_from_those_with_the_same():
    image = encoded(1)
    same = dataset_of(train=[sample_of("a", image), sample_of("b", image)])
    assert the_problem(same).problem == "has the same bytes as a, also in the split train"
    other = dataset_of(train=[sample_of("a", image), sample_of("b", image, [])])
    assert the_problem(other).problem.endswith("train, with other boxes (0 and 1)")


def test_pixels_of_another_shape_are_another_image():
    pixels = np.zeros((60, 100, 3), np.uint8)
    data = dataset_of(train=[sample_of("a", pixels), sample_of("b", pixels.reshape(100, 60, 3), [])])
    assert inspect_dataset(data).problems == ()


def test_imbalance_is_between_classes():
    assert inspect_dataset(dataset_of(train=[sample_of("a")])).imbalance is None
    both = dataset_of(train=[sample_of("a", boxes=[(0, 0, 9, 9)] * 3, labels=[0, 0, 1])])
    assert inspect_dataset(both).imbalance == 2
    names = ("cat",)
    one = Dataset(names, {"train": Split("train", (sample_of("a"),), names)}, "test")
    assert inspect_dataset(one).imbalance is None


def test_decoders_do_not_talk_and_speak_again_afterwards(capfd):
    level = cv2.utils.logging.getLogLevel()
    inspect_dataset(dataset_of(train=[sample_of("a", encoded(1, ".bmp")[:900])]))
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == level


def test_a_problem_is_one_line_that_a_terminal_can_show():
    problem = Problem("a\nb\x1b[31m", "class 'x\u2028y\u202e'", "do\x85it")
    assert str(problem) == "a b [31m: class 'x y ': do it"
    assert problem.file == "a\nb\x1b[31m"
