"""COCO as it is met in the world: read, with everything that can be wrong in it, and written."""

import json
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CLASS_NAMES, assert_same_areas, truths

from ssd_keras.data.readers.coco import content as coco_content
from ssd_keras.data.readers.coco import json_lists, read_coco, recognises_coco, write_coco, writing
from ssd_keras.data.readers.sidecar import Sidecar, write_sidecar
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 60, 100
PIXELS = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
JPEG = cv2.imencode(".jpg", PIXELS)[1].tobytes()
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()
CAT, DOG = {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}
HUGE = 10**400


def image(number=1, file_name="a.jpg", **more):
    return {"id": number, "file_name": file_name, "height": HEIGHT, "width": WIDTH, **more}


def thing(category=1, bbox=(10, 20, 20, 20), of=1, **more):
    return {"id": 7, "image_id": of, "category_id": category, "bbox": bbox, **more}


def content(things=(), images=None, categories=(CAT, DOG)):
    return {"images": images or [image()], "annotations": list(things), "categories": list(categories)}


class Folder:
    """A data set in the making; "a.jpg" is in images/."""

    def __init__(self, root):
        self.root = root
        self.add_image("images/a.jpg")

    def add_image(self, place, data=JPEG):
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def add(self, *things, place="annotations/instances_train.json", **lists):
        return self.add_text(json.dumps(content(things, **lists)), place)

    def add_text(self, text, place="annotations/instances_train.json"):
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file


@pytest.fixture
def data_set(tmp_path):
    return Folder(tmp_path / "data")


def only_truth(data):
    (split,) = data.values()
    (sample,) = split
    return sample.ground_truth


def the_problem(data):
    (problem,) = data.problems
    assert "\n" not in str(problem)
    assert problem.advice
    return problem


def the_error(path, *class_names):
    with pytest.raises(InputError) as raised:
        read_coco(path, *class_names)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# --- What is read ------------------------------------------------------------------------------------------


def test_an_image_with_its_objects(data_set):
    data_set.add(thing(2), thing(1, [1, 2, 2.5, 2.25]))
    data = read_coco(data_set.root)
    assert data.format == "coco"
    assert data.class_names == ("cat", "dog")
    assert data.category_ids == (1, 2)
    assert data.problems == ()
    (sample,) = data["train"]
    assert sample.image_id == "1"
    assert sample.image == data_set.root / "images" / "a.jpg"
    np.testing.assert_array_equal(sample.ground_truth.boxes_px, [[10, 20, 30, 40], [1, 2, 3.5, 4.25]])
    np.testing.assert_array_equal(sample.ground_truth.labels, [1, 0])


def test_images_without_objects_are_kept(data_set):
    data_set.add()
    data = read_coco(data_set.root)
    assert len(only_truth(data)) == 0
    assert data.class_names == ("cat", "dog")
    assert data.problems == ()


def test_without_categories_there_are_images_only(data_set):
    data_set.add(categories=())
    data = read_coco(data_set.root)
    assert (len(data["train"]), data.class_names, data.category_ids) == (1, (), None)


def test_classes_come_in_the_order_of_their_ids_which_may_have_gaps(data_set):
    names = {90: "toothbrush", 7: "train", 0: "zebra"}
    data_set.add(thing(90), categories=[{"id": number, "name": name} for number, name in names.items()])
    data = read_coco(data_set.root)
    assert data.class_names == ("zebra", "train", "toothbrush")
    assert data.category_ids == (0, 7, 90)
    assert only_truth(data).labels.tolist() == [2]


def test_given_class_names_fix_the_labels(data_set):
    data_set.add(thing(1))
    data = read_coco(data_set.root, ["dog", "cat"])
    assert only_truth(data).labels.tolist() == [1]
    assert data.category_ids == (2, 1)
    assert read_coco(data_set.root, ["cat"]).class_names == ("cat",)  # nothing is a dog
    assert read_coco(data_set.root, ["cow", "cat"]).category_ids is None


def test_a_name_that_is_not_among_the_given_ones_is_an_error_with_a_guess(data_set):
    data_set.add(thing(1), categories=[{"id": 1, "name": "persn"}])
    assert "instances_train.json: class 'persn'" in the_error(data_set.root, ["person", "dog"])


def test_flags(data_set):
    data_set.add(
        thing(iscrowd=1, segmentation={"counts": [3, 4], "size": [60, 100]}),
        thing(iscrowd=0, difficult=1, truncated=0),
        thing(truncated=True, segmentation=[[1, 2, 3, 4, 5, 6]]),
        thing(iscrowd=[1], difficult="no"),
    )
    truth = only_truth(read_coco(data_set.root))
    assert truth.crowd.tolist() == [True, False, False, False]
    assert truth.difficult.tolist() == [False, True, False, False]
    assert truth.truncated.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("stated", "area"), [(702.1057499999998, 702.1057499999998), (31, 31), ("5.5", 5.5), (1e-9, 1e-9)]
)
def test_the_area_of_an_object_is_kept_as_it_is_stated(data_set, stated, area):
    data_set.add(thing(area=stated))
    assert only_truth(read_coco(data_set.root)).areas.tolist() == [area]


@pytest.mark.parametrize("stated", [None, 0, -3, "x", [], True, 1e300, float("nan")])
def test_an_area_that_makes_no_sense_is_not_known(data_set, stated):
    data_set.add(thing(area=stated), thing(bbox=(1, 2, 3, 4)))
    assert np.isnan(only_truth(read_coco(data_set.root)).areas).all()


def test_the_stated_size_goes_with_the_sample(data_set):
    file = data_set.add(thing(), images=[image(width=99, height=77)])
    assert read_coco(data_set.root)["train"][0].stated_size == ((77, 99), str(file))
    data_set.add(thing(), images=[{"id": 1, "file_name": "a.jpg"}])
    assert read_coco(data_set.root)["train"][0].stated_size is None


def test_no_image_is_opened_where_its_size_is_stated(data_set):
    data_set.add(thing(bbox=[10, 20, 290, 20]))
    data_set.add_image("images/a.jpg", b"")
    data = read_coco(data_set.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[10, 20, WIDTH, 40]])
    assert "box 7 of 'a.jpg' reaches out of the image (100 × 60)" in the_problem(data).problem


@pytest.mark.parametrize("size", [None, 0, -5, "60", 1e999, HUGE, float("nan"), [60]])
def test_without_a_usable_size_the_image_says_where_its_edge_is(data_set, size):
    data_set.add(thing(bbox=[10, 20, 290, 20]), images=[image(height=size)])
    np.testing.assert_array_equal(only_truth(read_coco(data_set.root)).boxes_px, [[10, 20, WIDTH, 40]])


def test_lists_may_come_in_any_order_beside_others_and_pretty(data_set):
    lists = {"licenses": [{"id": 1}], **content([thing()]), "info": {"images": [1]}, "type": "instances"}
    data_set.add_text("\ufeff" + json.dumps(dict(reversed(lists.items())), indent=4))
    assert len(only_truth(read_coco(data_set.root))) == 1


def test_a_file_is_read_in_pieces(data_set, monkeypatch):
    monkeypatch.setattr(json_lists.JsonText, "PIECE", 1)
    things = [thing(bbox=[number, 1.5e0, 2, 3]) for number in range(20)]
    data_set.add_text(json.dumps({"year": 2017, "true": True, **content(things)}, indent=1))
    boxes = only_truth(read_coco(data_set.root)).boxes_px
    np.testing.assert_array_equal(boxes[:, 0], range(20))


@pytest.mark.parametrize("number", ["12", 12, 12.0])
def test_ids_are_matched_as_text(data_set, number):
    data_set.add(thing(category="1", of=12), images=[image(number)])
    (sample,) = read_coco(data_set.root)["train"]
    assert (sample.image_id, len(sample.ground_truth)) == ("12", 1)


def test_ids_of_images_may_be_names(data_set):
    data_set.add(thing(of="img_a"), images=[image("img_a")])
    (sample,) = read_coco(data_set.root)["train"]
    assert (sample.image_id, len(sample.ground_truth)) == ("img_a", 1)


def test_a_category_around_all_others_is_no_class_unless_it_has_boxes(data_set):
    cells = {"id": 0, "name": "cells", "supercategory": "none"}
    inside = {"id": 1, "name": "RBC", "supercategory": "cells"}
    data_set.add(thing(1), categories=[cells, inside])
    assert read_coco(data_set.root).class_names == ("RBC",)
    data_set.add(thing(0), categories=[cells, inside])
    assert read_coco(data_set.root).class_names == ("cells", "RBC")
    data_set.add(thing(1), categories=[cells, {**inside, "name": "cells"}])
    data = read_coco(data_set.root)
    assert (data.class_names, data.category_ids, data.problems) == (("cells",), (1,), ())


# --- Files, splits, images ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "split"),
    [
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_default.json", "default"),
        ("annotations/val.json", "val"),
        ("instances_my-photos_2020.json", "my-photos_2020"),
        ("train.json", "train"),
        ("train_annotations.coco.json", "train"),
        ("annotations_test.json", "test"),
        ("labels.json", "all"),
        ("annotations/annotations.json", "all"),
        ("train/_annotations.coco.json", "train"),
        ("valid/_annotations.coco.json", "val"),
        ("night/labels.json", "night"),
    ],
)
def test_a_split_is_named_by_its_file_or_folder(data_set, place, split):
    file = data_set.add(thing(), place=place)
    assert recognises_coco(data_set.root)
    assert recognises_coco(file)
    assert list(read_coco(data_set.root)) == [split]
    if split != "night":
        assert list(read_coco(file)) == [split]


def test_one_file_of_many_can_be_read(data_set):
    data_set.add(thing())
    file = data_set.add(place="annotations/instances_val.json")
    assert list(read_coco(data_set.root)) == ["train", "val"]
    assert list(read_coco(file)) == ["val"]


def test_the_folder_of_one_split_can_be_read(data_set):
    data_set.add(thing(), place="valid/_annotations.coco.json")
    data_set.add_image("valid/a.jpg")
    (sample,) = read_coco(data_set.root / "valid")["val"]
    assert sample.image == data_set.root / "valid" / "a.jpg"


def test_names_of_files_take_no_time(data_set):
    name = "annotations" + "-_." * 40 + "x" + "._-" * 30
    data_set.add(thing(), place=f"{name}.json")
    assert list(read_coco(data_set.root)) == ["x"]


def test_two_files_of_one_split_get_names_of_their_own(data_set):
    data_set.add(place="train.json")
    data_set.add(thing(), place="train/labels.json")
    data_set.add(thing(), thing(), place="instances.json")
    data = read_coco(data_set.root)
    assert {name: len(split[0].ground_truth) for name, split in data.items()} == {
        "all": 2,
        "train": 0,
        "labels": 1,
    }


@pytest.mark.parametrize(
    "place",
    [
        *("annotations/a.jpg", "a.jpg", "images/a.jpg", "data/a.jpg", "train2017/a.jpg", "train/a.jpg"),
        *("images/train2017/a.jpg", "train2017/images/a.jpg"),
    ],
)
def test_images_are_found_in_the_usual_places(tmp_path, place):
    data_set = Folder(tmp_path / "data")
    (data_set.root / "images" / "a.jpg").unlink()
    data_set.add_image(place)
    file = data_set.add(thing(), place="annotations/instances_train2017.json")
    for path in (data_set.root, file):
        (sample,) = read_coco(path)["train2017"]
        assert sample.image == data_set.root / place


def test_images_of_the_split_come_first(data_set):
    for split in ("train", "val"):
        data_set.add(place=f"annotations/instances_{split}.json")
        data_set.add_image(f"{split}/a.jpg")
    data = read_coco(data_set.root)
    assert [split[0].image.parent.name for split in data.values()] == ["train", "val"]


@pytest.mark.parametrize("name", ["images/a.jpg", "./a.jpg", "images\\a.jpg", "./images//a.jpg"])
def test_names_of_images_may_be_paths(data_set, name):
    data_set.add(images=[image(file_name=name)])
    (sample,) = read_coco(data_set.root)["train"]
    assert sample.image.samefile(data_set.root / "images" / "a.jpg")


def test_relative_paths_will_do(data_set, monkeypatch):
    data_set.add(thing())
    monkeypatch.chdir(data_set.root / "annotations")
    for path in ("instances_train.json", "..", "../annotations/instances_train.json"):
        assert read_coco(path)["train"][0].image.is_file()
    data_set.add(thing(), place="valid/_annotations.coco.json")
    data_set.add_image("valid/a.jpg")
    monkeypatch.chdir(data_set.root / "valid")
    assert list(read_coco("_annotations.coco.json")) == list(read_coco(".")) == ["val"]


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.jpg", "/secret.jpg", "images/../../secret.jpg", "..\\secret.jpg", "C:\\secret.jpg"),
        *("\\secret.jpg", ".."),
    ],
)
def test_names_that_lead_out_of_the_folder_are_refused(data_set, name):
    data_set.add_image("../secret.jpg")
    data_set.add(thing(), thing(of=2), images=[image(), image(2, name)])
    data = read_coco(data_set.root)
    assert [sample.image_id for sample in data["train"]] == ["1"]
    assert "leads out of the data set's folder" in the_problem(data).problem


@pytest.mark.parametrize(
    "name",
    [
        *("../img/b.jpg", "/home/you/data/img/b.jpg", "C:\\data\\img\\b.jpg", "old/img/b.jpg"),
        "/data/local-files/?d=img/b.jpg",
    ],
)
def test_names_of_another_machine_count_by_their_last_parts(data_set, name):
    data_set.add_image("img/b.jpg")
    data_set.add(thing(), thing(of=2), images=[image(), image(2, name)])
    data = read_coco(data_set.root)
    assert data.problems == ()
    assert data["train"][1].image == data_set.root / "img" / "b.jpg"


def test_last_parts_that_fit_two_images_are_those_of_none(data_set):
    data_set.add_image("images/0.jpg")
    images = [image(1, "/x/one/0.jpg"), image(2, "/x/two/0.jpg"), image(3, "/x/a.jpg")]
    data_set.add(thing(), thing(of=2), images=images)
    data = read_coco(data_set.root)
    assert [sample.image_id for sample in data["train"]] == ["3"]
    assert ["leads out" in problem.problem for problem in data.problems] == [True, True]


def test_the_stated_place_counts_before_its_last_parts(data_set):
    data_set.add_image("images/sub/a.jpg")
    data_set.add(thing(), images=[image(1, "sub/a.jpg")])
    (sample,) = read_coco(data_set.root)["train"]
    assert sample.image == data_set.root / "images" / "sub" / "a.jpg"


def test_our_own_file_beside_another_format_is_no_coco(tmp_path):
    """It lists the images of splits, which may be called as COCO's lists are."""
    splits = {"images": ["a.jpg"], "annotations": ["b.jpg"]}
    write_sidecar(tmp_path, Sidecar(("cat",), splits))
    assert not recognises_coco(tmp_path)


@pytest.mark.parametrize("name", ["b.jpg", ".", "./", "x" * 999, "a\0.jpg", "\ud800/a.jpg", "train.txt"])
def test_an_image_that_is_not_there_is_left_out(data_set, name):
    data_set.add_image("images/train.txt")
    data_set.add(thing(), thing(of=2), images=[image(), image(2, name)])
    data = read_coco(data_set.root)
    assert [sample.image_id for sample in data["train"]] == ["1"]
    assert "image 2 is left out" in the_problem(data).problem
    assert the_problem(data).file.endswith("instances_train.json")


def test_an_image_in_two_splits_is_one_sample(data_set):
    data_set.add_image("images/b.jpg")
    both = [image(), image(2, "b.jpg")]
    data_set.add(thing(), thing(of=2))
    data_set.add(thing(), thing(of=2), images=both, place="annotations/instances_trainval.json")
    data_set.add(images=both[:1], place="annotations/instances_val.json")
    data = read_coco(data_set.root)
    assert data["train"][0] is data["trainval"][0]
    assert data["val"][0] is not data["train"][0]  # without boxes it is another


# --- Recognising -------------------------------------------------------------------------------------------


def test_captions_and_the_like_are_passed_over(data_set):
    data_set.add(thing(), place="annotations/train.json")
    captions = {"images": [image()], "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]}
    data_set.add_text(json.dumps(captions), "annotations/captions_val.json")
    data_set.add_text(json.dumps({"images": [image()], "categories": [CAT]}), "annotations/image_info.json")
    data_set.add_text(json.dumps([{"image_id": 1, "bbox": [1, 2, 3, 4]}]), "annotations/results.json")
    data_set.add_text('{"class_names": ["cat"]}', "ssd-keras.json")
    data = read_coco(data_set.root)
    assert list(data) == ["train"]
    assert data.problems == ()


def test_a_list_of_test_images_alone(data_set):
    data_set.add(thing())
    data_set.add_image("test2017/b.jpg")
    images = {"images": [image(7, "b.jpg")], "categories": [CAT]}
    file = data_set.add_text(json.dumps(images), "annotations/image_info_test-dev2017.json")
    data = read_coco(file)
    (sample,) = data["test-dev2017"]
    assert (sample.image_id, len(sample.ground_truth)) == ("7", 0)
    assert (data.class_names, data.category_ids) == (("cat",), (1,))
    assert "lists 1 image without annotations" in the_problem(data).problem
    assert list(read_coco(data_set.root)) == ["train"]


def test_where_there_are_instances_keypoints_are_passed_over(data_set):
    for kind in ("instances", "person_keypoints"):
        data_set.add(thing(), place=f"annotations/{kind}_train.json")
    assert list(read_coco(data_set.root)) == ["train"]


def test_only_captions_are_no_data_set(data_set):
    captions = {"images": [image()], "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]}
    file = data_set.add_text(json.dumps(captions))
    for path in (data_set.root, file):
        assert "annotations that have a bbox" in the_error(path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "no json", b"\xff\xfe", "[" * 100_000, '{"class_names": ["cat"]}'),
        *('{"shapes": [], "imagePath": "a.jpg"}', '{"images": ["a.jpg"]}', '{"categories": [{"name": "x"}]}'),
        json.dumps([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]),
    ],
)
def test_what_is_no_coco_is_not_recognised(data_set, text):
    file = data_set.add_text(text, "train.json")
    assert not recognises_coco(file)
    assert not recognises_coco(data_set.root)


def test_what_is_not_there_is_not_recognised(tmp_path):
    (tmp_path / "a.txt").write_text(json.dumps(content()))
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("", "missing", "missing.json", "a.txt", "pipe.json", "a\0.json"):
        assert not recognises_coco(tmp_path / name)
    for name in ("missing", "pipe.json"):
        assert "neither a file nor a folder" in the_error(tmp_path / name)
    assert "no COCO data set" in the_error(tmp_path)


@pytest.mark.parametrize(
    "order", [("images", "annotations", "categories"), ("categories", "annotations", "images")]
)
def test_large_files_are_recognised_by_their_ends(data_set, order):
    lists = content([thing(segmentation=[1.5] * 100)] * 500)
    assert recognises_coco(data_set.add_text(json.dumps({key: lists[key] for key in order})))


# --- What is wrong in it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bbox", "read", "said"),
    [
        ([30, 40, -20, -20], [[10, 20, 30, 40]], "swapped"),
        ([30, 20, -20, 20], [[10, 20, 30, 40]], "swapped"),
        ([10, 20, 290, 20], [[10, 20, 100, 40]], "reaches out of the image (100 × 60)"),
        ([-9, -9, 30, 30], [[0, 0, 21, 21]], "reaches out of the image (100 × 60)"),
        ([200, 20, 100, 20], [], "outside of the image (100 × 60)"),
        ([10, 20, 0, 20], [], "box 7 of 'a.jpg' has no width (xmin = xmax = 10) and is left out"),
        ([10, 20, 20, 0], [], "no height"),
        ([10, 20, 1e-9, 20], [], "no width"),
        ([10, float("nan"), 20, 20], [], "not finite"),
        ([10, 20, float("inf"), 20], [], "not finite"),
        ([10, 20, 1e39, 20], [], "not finite"),
        ([10, 20, HUGE, 20], [], "not four numbers"),
        ([10, "20", 20, 20], [], "not four numbers"),
        (["10", "20", "20", "20"], [], "not four numbers"),
        ([10, None, 20, 20], [], "not four numbers"),
        ([10, 20, 20], [], "not four numbers"),
        ([10, 20, 20, 20, 20], [], "not four numbers"),
        ([], [], "not four numbers"),
        ([[10, 20, 20, 20]], [], "not four numbers"),
        ({"x": 1, "y": 2, "w": 3, "h": 4}, [], "not four numbers"),
        ("abcd", [], "not four numbers"),
        (7, [], "box 7 has a bbox that is not four numbers (7) and is left out"),
    ],
)
def test_faulty_boxes(data_set, bbox, read, said):
    data_set.add(thing(bbox=bbox), thing())
    data = read_coco(data_set.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [*read, [10, 20, 30, 40]])
    assert said in the_problem(data).problem
    assert the_problem(data).file.endswith("instances_train.json")


def test_one_pixel_beyond_the_edge_is_cut_off_silently(data_set):
    data_set.add(thing(bbox=[-1, 0, WIDTH + 2, HEIGHT + 1]))
    data = read_coco(data_set.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[0, 0, WIDTH, HEIGHT]])
    assert data.problems == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (thing(category=3), "has the unknown category 3"),
        (thing(category=None), "has no usable category_id"),
        (thing(category="cat"), "has no usable category_id"),
        (thing(category=[1]), "has no usable category_id"),
        (thing(category=HUGE), "has no usable category_id"),
        (thing(of=5), "is of image '5', which is not listed"),
        (thing(of=None), "has no usable image_id"),
        (thing(of=1.5), "has no usable image_id"),
        (thing(of=True), "has no usable image_id"),
        (thing(of={}), "has no usable image_id"),
        ({"id": 3, "image_id": 1, "category_id": 1}, "has 1 annotation without bbox, left out"),
        ("text", "box 1 has a bbox that is not four numbers"),
        (None, "box 1 has a bbox that is not four numbers"),
    ],
)
def test_faulty_annotations_are_left_out(data_set, entry, said):
    data_set.add(entry, thing())
    data = read_coco(data_set.root)
    assert len(only_truth(data)) == 1
    assert said in the_problem(data).problem
    assert "left out" in the_problem(data).problem


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (image(1, "b.jpg"), "image 2 has the id '1' of another image"),
        (image(None), "image 2 has no usable id (None)"),
        (image([2]), "no usable id"),
        (image(HUGE), "no usable id"),
        (image(1e999), "no usable id"),
        (image("a\nb"), "no usable id"),
        ({"id": 2}, "image 2 has no usable file_name (None)"),
        (image(2, ""), "no usable file_name"),
        (image(2, 5), "no usable file_name"),
        (image(2, "x" * 100_000), "no usable file_name"),
        (5, "no usable id"),
    ],
)
def test_faulty_images_are_left_out(data_set, entry, said):
    data_set.add_image("images/b.jpg")
    data_set.add(thing(), *([thing(of=2)] if "file_name" in said else []), images=[image(), entry])
    data = read_coco(data_set.root)
    assert [sample.image.name for sample in data["train"]] == ["a.jpg"]
    assert said in the_problem(data).problem
    assert len(str(the_problem(data))) < 500


@pytest.mark.parametrize(
    ("entry", "names", "said"),
    [
        ({"id": 3, "name": "cat"}, ("cat", "dog"), "category 'cat' has the ids 1, 3"),
        ({"id": 1, "name": "cow"}, ("cat", "dog"), "category 'cow' has the id 1 of 'cat'"),
        ({"id": 3}, ("cat", "dog", "class 3"), "category 3 has no usable name (None)"),
        ({"id": 3, "name": " "}, ("cat", "dog", "class 3"), "category 3 has no usable name"),
        ({"id": 3, "name": 5}, ("cat", "dog", "class 3"), "category 3 has no usable name"),
        ({"id": 3, "name": "a\nb"}, ("cat", "dog", "class 3"), "category 3 has no usable name"),
        ({"id": 3, "name": "\ud800"}, ("cat", "dog", "class 3"), "category 3 has no usable name"),
        ({"id": "x", "name": "cow"}, ("cat", "dog"), "category 3 has no whole number as id ('x')"),
        ({"id": 1.5, "name": "cow"}, ("cat", "dog"), "no whole number"),
        ({"id": HUGE, "name": "cow"}, ("cat", "dog"), "no whole number"),
        ({"name": "cow"}, ("cat", "dog"), "no whole number"),
        ("cow", ("cat", "dog"), "no whole number"),
    ],
)
def test_faulty_categories(data_set, entry, names, said):
    data_set.add(thing(), categories=[CAT, DOG, entry])
    data = read_coco(data_set.root)
    assert data.class_names == names
    assert said in the_problem(data).problem


def test_of_two_ids_of_one_class_the_one_in_use_counts(data_set):
    data_set.add(thing(3), categories=[CAT, DOG, {"id": 3, "name": "cat"}])
    data = read_coco(data_set.root)
    assert (data.class_names, data.category_ids) == (("cat", "dog"), (3, 2))
    assert only_truth(data).labels.tolist() == [0]


def test_files_may_contradict_each_other_in_their_ids(data_set):
    data_set.add(thing(1), categories=[CAT, DOG])
    swapped = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    data_set.add(thing(1), categories=swapped, place="annotations/instances_val.json")
    data = read_coco(data_set.root)
    assert data.class_names == ("cat", "dog")
    assert data.category_ids is None
    assert [split[0].ground_truth.labels.tolist() for split in data.values()] == [[0], [1]]
    assert any("category 1 is 'cat', 'dog'" in problem.problem for problem in data.problems)


def test_one_file_may_name_the_categories_for_all(data_set):
    data_set.add(thing(1))
    data_set.add(thing(2), categories=(), place="annotations/instances_val.json")
    data = read_coco(data_set.root)
    assert data["val"][0].ground_truth.labels.tolist() == [1]
    assert data.problems == ()


def test_boxes_without_any_categories_are_an_error(data_set):
    data_set.add(thing(), categories=())
    assert "has boxes but no categories" in the_error(data_set.root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting '{' at character 0"),
        ("[]", "Expecting '{' at character 0"),
        ("[" * 100_000, "Expecting '{' at character 0"),
        ('{"images": ' + "[" * 100_000, "nested too deeply"),
        ('{"images": [' + '{"a":' * 100_000, "nested too deeply"),
        ('{"info": ' + '{"a":' * 100_000, "nested too deeply"),
        ('{"images": [], "annotations": [{"id": ' + "9" * 5000, "no COCO file"),
        ('{"images": {}}', "'images' is no list"),
        ('{"images": [{"id": 1,}', "Expecting property name"),
        ('{"images": [{"id": 1', "Expecting ',' delimiter at character 20"),
        ('{"images": [{"id": "1', "Unterminated string"),
        ('{"images": [],', "Expecting value at character 14"),
        ('{"images": []', "Expecting '}' at character 13"),
        ('{"images": []} {"images": []}', "something follows"),
        ("{1: []}", "Expecting the name of a property"),
        ('{"images" []}', "Expecting ':'"),
        (b'{"images": [\xff]}', "no text in UTF-8"),
        (json.dumps(content()).encode("utf-16"), "no text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(data_set, text, said):
    file = data_set.add_text(text)
    for path in (file, data_set.root):
        error = the_error(path)
        assert "instances_train.json is no " in error
        assert said in error


def test_a_fault_far_inside_is_found_where_it_is(data_set):
    text = json.dumps(content([thing()] * 50_000)).replace('"iscrowd": 0', "")
    place = text.rindex('"bbox"')
    data_set.add_text(text[:place] + "bbox" + text[place:])
    assert f"at character {place}" in the_error(data_set.root)


def test_one_entry_cannot_fill_the_memory(data_set, monkeypatch):
    monkeypatch.setattr(json_lists.JsonText, "PIECE", 10)
    monkeypatch.setattr(json_lists.JsonText, "LARGEST_VALUE", 1000)
    data_set.add(thing(segmentation=[[]] * 1000))
    assert "longer than 1000 characters" in the_error(data_set.root)


def test_problems_beyond_reason_are_counted_only(data_set, monkeypatch):
    monkeypatch.setattr(coco_content, "MOST_PROBLEMS", 3)
    data_set.add(*[5] * 10, thing())
    data = read_coco(data_set.root)
    assert len(data.problems) == 4
    assert "has 7 more problems, not listed" in data.problems[-1].problem


def test_too_many_categories_are_an_error(data_set, monkeypatch):
    monkeypatch.setattr(coco_content, "MOST_CLASSES", 1)
    data_set.add(thing())
    assert "more than 1 categories" in the_error(data_set.root)


def test_if_nothing_is_left_the_first_problem_says_why(data_set):
    data_set.add(thing(), images=[image(file_name="b.jpg")])
    assert "no image that can be used" in the_error(data_set.root)
    assert "'b.jpg' is not in" in the_error(data_set.root)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(HUGE),
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_that_a_file_holds_is_a_fault_of_the_program(data):
    def with_odd(entry):
        key = data.draw(st.sampled_from(sorted(entry)))
        return data.draw(ODD) if data.draw(st.integers(0, 9)) == 0 else {**entry, key: data.draw(ODD)}

    things = [with_odd(thing()), thing(), with_odd(thing(iscrowd=0, truncated=1, difficult=0))]
    lists = content(things, [image(), with_odd(image(2))], [CAT, with_odd({**DOG, "supercategory": "x"})])
    with tempfile.TemporaryDirectory() as folder:
        data_set = Folder(Path(folder))
        data_set.add_text(json.dumps(lists))
        read = read_coco(folder)
        assert "1" in [sample.image_id for sample in read["train"]]
        assert not any("\n" in str(problem) for problem in read.problems)


# --- Writing -----------------------------------------------------------------------------------------------


def sample_of(image_id="a", boxes=((10, 20, 30, 40),), labels=(0,), image=JPEG, **flags):
    return Sample(image, GroundTruth(np.array(boxes, np.float32), np.array(labels), **flags), image_id)


def assert_same_truth(read, written):
    for name in ("boxes_px", "labels", "difficult", "crowd", "truncated"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert_same_areas(read, written)


def written_json(root, split):
    return json.loads((root / "annotations" / f"instances_{split}.json").read_text(encoding="utf-8"))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data):
    class_names = tuple(data.draw(st.lists(CLASS_NAMES, min_size=1, max_size=4, unique=True)))
    ids = st.integers(0, 1 << 40)
    numbers = data.draw(st.lists(ids, min_size=len(class_names), max_size=len(class_names), unique=True))
    image_ids = data.draw(st.lists(st.text(max_size=8) | ids.map(str), min_size=1, max_size=4, unique=True))
    samples = [Sample(JPEG, data.draw(truths(len(class_names))), image_id) for image_id in image_ids]
    with tempfile.TemporaryDirectory() as folder:
        write_coco(folder, {"train": iter(samples), "val": []}, class_names, category_ids=numbers)
        assert recognises_coco(Path(folder))
        again = read_coco(folder, class_names)
        assert again.problems == ()
        assert again.category_ids == tuple(numbers)
        assert len(again["val"]) == 0
        for read, written in zip(again["train"], samples, strict=True):
            assert_same_truth(read.ground_truth, written.ground_truth)
            assert read.image.read_bytes() == JPEG


@settings(max_examples=500, deadline=None)
@given(st.floats(0, 1e9, width=32), st.floats(0, 1e9, width=32))
def test_both_corners_come_back_from_start_and_length(one, other):
    low, high = sorted([one, other])
    start, length = writing._start_and_length(low, high)
    assert float(np.float32(start)) == low
    assert float(np.float32(start + length)) == high


def test_numbers_are_written_as_short_as_they_were(tmp_path):
    boxes = np.array([[212.6, 55.62, 212.6 + 53.04, 55.62 + 53.46], [10, 20, 30, 40]])
    write_coco(tmp_path, {"all": [sample_of(boxes=boxes, labels=[0, 0], image=JPEG)]}, ["cat"])
    first, second = written_json(tmp_path, "all")["annotations"]
    assert first["bbox"] == [212.6, 55.62, 53.04, 53.46]
    assert '"bbox": [10, 20, 20, 20], "area": 400, "iscrowd": 0}' in json.dumps(second)


def test_a_file_as_other_programs_expect_it(tmp_path):
    samples = [sample_of("7", crowd=[True]), sample_of("3", [], []), sample_of("5", difficult=[True])]
    write_coco(tmp_path, {"train": samples}, ["cat", "dog"], category_ids=[18, 17])
    assert written_json(tmp_path, "train") == {
        "categories": [{"id": 18, "name": "cat"}, {"id": 17, "name": "dog"}],
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH}
            for number in (7, 3, 5)
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [10, 20, 20, 20], "area": 400, "iscrowd": 1},
            {"id": 2, "image_id": 5, "category_id": 18, "bbox": [10, 20, 20, 20], "area": 400, "iscrowd": 0}
            | {"difficult": 1},
        ],
    }
    assert read_coco(tmp_path).class_names == ("dog", "cat")  # in the order of their ids
    assert read_coco(tmp_path, ["cat", "dog"]).category_ids == (18, 17)


@pytest.mark.parametrize(
    ("image_ids", "numbers"),
    [
        (["7", "3"], [7, 3]),
        (["000012", "0"], [12, 0]),
        (["7", "07"], [1, 2]),
        (["7", "a"], [1, 2]),
        (["-1", "2"], [1, 2]),
        (["²", "2"], [1, 2]),
        (["9" * 30, "2"], [1, 2]),
    ],
)
def test_image_ids_are_kept_where_they_are_numbers(tmp_path, image_ids, numbers):
    write_coco(
        tmp_path, {"train": map(sample_of, image_ids[:1]), "val": map(sample_of, image_ids[1:])}, ["cat"]
    )
    again = read_coco(tmp_path)
    assert [int(sample.image_id) for split in again.values() for sample in split] == numbers


def test_names_and_files_are_kept_as_they_are(tmp_path):
    (tmp_path / "b 1.png").write_bytes(PNG)
    samples = [sample_of("a"), sample_of("7", image=tmp_path / "b 1.png"), sample_of("c.d", image=PIXELS)]
    write_coco(tmp_path / "out", {"all": samples}, ['"Kätzchen" & dog'])
    again = read_coco(tmp_path / "out")
    assert again.class_names == ('"Kätzchen" & dog',)
    assert [sample.image.name for sample in again["all"]] == ["a.jpg", "b 1.png", "c.d.jpg"]
    assert again["all"][1].image.read_bytes() == PNG
    np.testing.assert_allclose(cv2.imread(str(again["all"][2].image)), PIXELS, atol=2)


def test_a_sample_in_two_splits_is_written_once(tmp_path):
    sample, other = sample_of("a"), sample_of("b")
    write_coco(tmp_path / "out", {"train": [sample, sample], "trainval": [sample, other]}, ["cat"])
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2
    again = read_coco(tmp_path / "out")
    assert [len(split) for split in again.values()] == [1, 2]
    assert again["train"][0] is again["trainval"][0]
    assert [entry["id"] for entry in written_json(tmp_path / "out", "trainval")["annotations"]] == [1, 2]


def test_two_images_of_one_name_both_remain(tmp_path):
    splits = {"train": [sample_of("a")], "val": [sample_of("a", boxes=[(1, 1, 2, 2)]), sample_of("A")]}
    write_coco(tmp_path / "out", splits, ["cat"])
    again = read_coco(tmp_path / "out")
    assert [s.image.name for s in again["val"]] == ["a_2.jpg", "A_3.jpg"]
    np.testing.assert_array_equal(again["val"][0].ground_truth.boxes_px, [[1, 1, 2, 2]])


def test_no_file_is_written_outside_of_the_folder(tmp_path):
    splits = {"../../x": [sample_of("../../../evil")], "..\\..\\x": [sample_of("b")], "": []}
    write_coco(tmp_path / "out", splits, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [len(split) for split in read_coco(tmp_path / "out").values()] == [1, 1, 0]


@pytest.mark.parametrize("split", ["train", "valid", "instances_train", "my photos", "2017", "annotations"])
def test_names_of_splits_are_kept(tmp_path, split):
    write_coco(tmp_path / "out", {split: [sample_of()], "other": []}, ["cat"])
    assert set(read_coco(tmp_path / "out")) == {split, "other"}


def test_samples_are_taken_one_at_a_time(tmp_path):
    def samples():
        for number in range(3):
            yield sample_of(str(number))
            assert (tmp_path / "out" / "images" / f"{number}.jpg").exists()

    write_coco(tmp_path / "out", {"train": samples()}, ["cat"])
    assert len(read_coco(tmp_path / "out")["train"]) == 3


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        write_coco(tmp_path, {"train": [sample_of()]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", " a", "a\udc80"])
def test_a_name_that_text_cannot_hold_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="class name"):
        write_coco(tmp_path / "out", {"train": [sample_of()]}, [name])


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [1, 2, 3]])
def test_category_ids_that_do_not_fit_are_an_error(tmp_path, ids):
    with pytest.raises(InputError, match="category ids"):
        write_coco(tmp_path / "out", {"train": [sample_of()]}, ["cat", "dog"], category_ids=ids)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("image", [b"", b"text", b"\xff\xd8\xff", Path("missing.jpg")])
def test_an_image_that_is_none_is_an_error(tmp_path, image):
    with pytest.raises(InputError, match=r"image|cannot be read"):
        write_coco(tmp_path / "out", {"train": [sample_of(image=image)]}, ["cat"])


def test_a_box_that_is_not_finite_is_an_error(tmp_path):
    with pytest.raises(InputError, match="a has a box that is not finite"):
        write_coco(tmp_path / "out", {"train": [sample_of(boxes=[(1, 2, np.nan, 4)])]}, ["cat"])


# --- Real data ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_data():
    if "SSD_KERAS_TEST_DATA" not in os.environ:
        pytest.skip("SSD_KERAS_TEST_DATA is not set: there are no real data sets to read")
    return Path(os.environ["SSD_KERAS_TEST_DATA"])


def counts(data):
    return {
        name: (len(split), sum(len(sample.ground_truth) for sample in split)) for name, split in data.items()
    }


def test_coco_itself(real_data):
    data = read_coco(real_data / "coco-tiny")
    assert counts(data) == {"train2017": (80, 705), "val2017": (80, 815)}
    assert data.problems == ()
    assert data.class_names[:2] == ("person", "bicycle")
    assert data.category_ids[-3:] == (88, 89, 90)
    assert len(data.class_names) == len(data.category_ids) == 80
    assert sum(int(s.ground_truth.crowd.sum()) for split in data.values() for s in split) == 17


def test_voc_as_coco(real_data):
    data = read_coco(real_data / "voc2007-trainval")
    assert counts(data) == {"train": (4019, 12766), "val": (667, 1900)}
    assert data.problems == ()
    assert data.category_ids == tuple(range(1, 21))


def test_a_round_trip_of_real_data_loses_nothing(real_data, tmp_path):
    data = read_coco(real_data / "coco-tiny")
    write_coco(tmp_path / "out", data, data.class_names, category_ids=data.category_ids)
    again = read_coco(tmp_path / "out")
    assert (again.class_names, again.category_ids) == (data.class_names, data.category_ids)
    assert again.problems == ()
    for name in data:
        for read, written in zip(again[name], data[name], strict=True):
            assert read.image_id == written.image_id
            assert read.image.read_bytes() == written.image.read_bytes()
            assert_same_truth(read.ground_truth, written.ground_truth)


def test_boxes_are_written_as_coco_has_them(real_data, tmp_path):
    data = read_coco(real_data / "coco-tiny")
    write_coco(tmp_path / "out", data, data.class_names, category_ids=data.category_ids)
    original = json.loads((real_data / "coco-tiny" / "annotations" / "instances_val2017.json").read_text())
    before, now = ({}, {})
    for entries, boxes in ((original, before), (written_json(tmp_path / "out", "val2017"), now)):
        for entry in entries["annotations"]:
            boxes.setdefault(entry["image_id"], []).append(entry["bbox"])
    same = sum(boxes == now[key] for key, boxes in before.items())
    assert same > 0.8 * len(before)  # the others reach out of their images by a hundredth
