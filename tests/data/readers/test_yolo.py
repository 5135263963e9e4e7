"""YOLO as it is met in the world: every layout of its folders, everything that can be wrong, and written."""

import shutil
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CLASS_NAMES, assert_same_areas, truths

from ssd_keras.data.readers.yolo import read_yolo, recognises_yolo, write_yolo
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 60, 100
PIXELS = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
JPEG = cv2.imencode(".jpg", PIXELS)[1].tobytes()
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()

LINE = "1 0.2 0.5 0.2 0.5"
BOX = [10, 15, 30, 45]
"""What `LINE` means in an image of this size."""

NAMES = "names: [cat, dog]\n"


class Folder:
    """A data set in the making."""

    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True)

    def add(self, image, label=LINE, content=JPEG, at=None):
        """Add an image and, unless it is None, its label file, in labels/ for images/ or at a place."""
        path = self.root / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if label is not None:
            before, _, behind = image.rpartition("images/")
            place = f"{before}labels/{behind}" if "images/" in image else image
            file = (self.root / (at or place)).with_suffix(".txt")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(label if isinstance(label, bytes) else label.encode())

    def describe(self, text, name="data.yaml"):
        (self.root / name).write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "data")


@pytest.fixture
def yolo(folder):
    """A data set with a description; its images are still to come."""
    folder.describe(f"train: images/train\n{NAMES}")
    return folder


def ids(data):
    return {name: [sample.image_id for sample in split] for name, split in data.items()}


def only_truth(data):
    (split,) = data.values()
    (sample,) = split
    return sample.ground_truth


def the_problem(data):
    (problem,) = data.problems
    assert "\n" not in str(problem)
    return problem


def the_error(path, *arguments):
    with pytest.raises(InputError) as error:
        read_yolo(path, *arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- What is read ------------------------------------------------------------------------------------------


def test_an_image_with_its_objects(yolo):
    yolo.add("images/train/a.jpg", f"{LINE}\n0 0.5 0.5 1 1\n")
    data = read_yolo(yolo.root)
    assert data.format == "yolo"
    assert data.class_names == ("cat", "dog")
    assert data.problems == ()
    (sample,) = data["train"]
    assert sample.image_id == "a"
    assert sample.image == yolo.root / "images" / "train" / "a.jpg"
    np.testing.assert_array_equal(sample.ground_truth.boxes_px, [BOX, [0, 0, WIDTH, HEIGHT]])
    np.testing.assert_array_equal(sample.ground_truth.labels, [1, 0])


@pytest.mark.parametrize("label", ["", " \n\n", None])
def test_an_empty_or_missing_label_file_means_no_object(yolo, label):
    yolo.add("images/train/a.jpg", label)
    yolo.add("images/train/b.jpg")
    data = read_yolo(yolo.root)
    assert [len(sample.ground_truth) for sample in data["train"]] == [0, 1]
    assert data.problems == ()


def test_a_split_without_any_label_file_is_told(yolo):
    yolo.add("images/train/a.jpg", None)
    data = read_yolo(yolo.root)
    assert len(only_truth(data)) == 0
    assert "none of the 1 images of 'train' has a label file" in the_problem(data).problem


@pytest.mark.parametrize(
    "label",
    [
        f"\ufeff{LINE}\r\n",
        f"\n\n  {LINE.replace(' ', '  ')}  \n",
        f"{LINE} 0.87",
        "1.0 .2 +0.5 2e-1 5.0E-1",
        "1.000000000000000000e+00 2.000000000000000000e-01 0.5 0.2 0.5",
        "1 0.1 0.25 0.3 0.25 0.3 0.75 0.1 0.75",
        "1 0.1 0.5 0.2 0.25 0.3 0.75",
    ],
    ids=["bom", "blanks", "confidence", "numbers", "numpy", "outline", "triangle"],
)
def test_ways_to_write_a_box(yolo, label):
    yolo.add("images/train/a.jpg", label)
    data = read_yolo(yolo.root)
    np.testing.assert_allclose(only_truth(data).boxes_px, [BOX], atol=1e-5)
    assert only_truth(data).labels.tolist() == [1]
    assert data.problems == ()


def test_of_key_points_only_the_box_is_read(yolo):
    yolo.describe(f"train: images/train\nkpt_shape: [2, 3]\n{NAMES}")
    yolo.add("images/train/a.jpg", f"{LINE} 0.9 0.9 2 0.8 0.8 2")
    np.testing.assert_allclose(only_truth(read_yolo(yolo.root)).boxes_px, [BOX], atol=1e-5)


def test_names_with_blanks_and_other_letters(yolo):
    yolo.add("images/train/Straße 1 – 猫.JPG")
    yolo.add("images/train/c.d.png", content=PNG)
    data = read_yolo(yolo.root)
    assert ids(data) == {"train": ["Straße 1 – 猫", "c.d"]}
    assert [len(sample.ground_truth) for sample in data["train"]] == [1, 1]


def test_no_image_is_decoded_whose_header_states_its_size(yolo):
    yolo.add("images/train/a.jpg", content=JPEG[: len(JPEG) // 2])
    np.testing.assert_allclose(only_truth(read_yolo(yolo.root)).boxes_px, [BOX], atol=1e-5)


# --- Class names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ("names: [no, 007]", ("no", "007")),
        ("names:\n  0: yes\n  1: 2020-01-01", ("yes", "2020-01-01")),
        ("names: {1: dog, 0: cat}", ("cat", "dog")),
        ("names: {1: dog}", ("class 0", "dog")),
        ("nc: 3", ("class 0", "class 1", "class 2")),
        ("names: []\nnc: 2", ("class 0", "class 1")),
        ("nc: 1\nnames: ['cat dog', ünï]", ("cat dog", "ünï")),
        ("names:\n- 'cat'\n- \"dog\"\n- cow", ("cat", "dog", "cow")),
    ],
)
def test_stated_names(folder, stated, names):
    folder.describe(f"train: images\n{stated}\n")
    folder.add("images/a.jpg")
    data = read_yolo(folder.root)
    assert data.class_names == names
    assert only_truth(data).labels.tolist() == [1]
    assert len(data.problems) == (1 if stated.startswith("nc: 1") else 0)


@pytest.mark.parametrize("name", ["classes.txt", "obj.names", "labels/classes.txt", "train/_darknet.labels"])
def test_names_in_a_list(folder, name):
    folder.add("images/a.jpg")
    (folder.root / name).parent.mkdir(exist_ok=True)
    (folder.root / name).write_text("cat\ndog \n\n")
    assert read_yolo(folder.root).class_names == ("cat", "dog")


def test_without_names_the_ids_in_use_are_counted(folder):
    folder.add("images/a.jpg", f"{LINE}\n10 0.5 0.5 1 1\n2 0.5 0.5 1 1\n7 5 5 1 1")
    data = read_yolo(folder.root)
    assert data.class_names == ("class 1", "class 2", "class 10")
    assert only_truth(data).labels.tolist() == [0, 2, 1]


def test_given_class_names_fix_the_labels(yolo):
    yolo.add("images/train/a.jpg")
    data = read_yolo(yolo.root, ["dog", "cow", "cat"])
    assert data.class_names == ("dog", "cow", "cat")
    assert only_truth(data).labels.tolist() == [0]


def test_given_class_names_count_where_the_data_set_has_none(folder):
    folder.add("images/a.jpg", f"{LINE}\n2 0.5 0.5 1 1")
    data = read_yolo(folder.root, ["dog", "cow"])
    assert data.class_names == ("dog", "cow")
    assert only_truth(data).labels.tolist() == [1]
    assert "line 2: the box has the class id 2, where the classes are 0 to 1" in the_problem(data).problem


def test_a_name_that_is_not_among_the_given_ones_is_an_error_with_a_guess(yolo):
    yolo.add("images/train/a.jpg")
    assert "did you mean 'dogs'?" in the_error(yolo.root, ["cat", "dogs"])


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("names: [cat, cat]", "listed twice"),
        ("names: [cat, '']", "is empty"),
        ("names: {cat: 0}", "no class id"),
        ("names: {0: cat, -1: dog}", "no class id"),
        ("names: {999999999: cat}", "no class id"),
        ("names: cat", "no list of class names"),
        ("names: [[cat], dog]", "no list of class names"),
        ("nc: 900000", "900000 classes"),
    ],
)
def test_names_that_cannot_be_used_are_an_error(folder, stated, said):
    folder.describe(f"train: images\n{stated}\n")
    folder.add("images/a.jpg")
    error = the_error(folder.root)
    assert said in error
    assert "data.yaml" in error


# --- Where things may be -----------------------------------------------------------------------------------

TRAIN_VAL = {"train": ["a"], "val": ["b"]}


@pytest.mark.parametrize(
    ("text", "train", "val"),
    [
        ("path: .\ntrain: images/train\nval: images/val", "images/train", "images/val"),
        ("path: ../datasets/x\ntrain: images/train17\nval: images/val17", "images/train17", "images/val17"),
        ("path: /content/data\ntrain: train/images\nval: valid/images", "train/images", "valid/images"),
        ("path: inner\ntrain: images/train\nval: images/val", "inner/images/train", "inner/images/val"),
        ("train: ../train/images\nval: ../valid/images", "train/images", "valid/images"),
        ("train: ../train/images\nval: ../valid/images", "../train/images", "../valid/images"),
        ("train: /content/x/train/images\nval: C:\\me\\x\\valid\\images", "train/images", "valid/images"),
        ("train: images/train\nvalid: images/val", "images/train", "images/val"),
        ("train: [images/1, images/missing]\nvalidation: ./images/2/", "images/1", "images/2"),
        ("train: train\nval: val", "train/images", "val/images"),
        ("train: train\nval: val", "train", "val"),
        ("{train: images/train, 'val': images/val, test: null,", "images/train", "images/val"),
    ],
)  # fmt: skip
def test_descriptions(folder, text, train, val):
    folder.describe(f"{text} {NAMES.strip()}}}" if text.startswith("{") else f"{text}\ntest:\n{NAMES}")
    folder.add(f"{train}/a.jpg")
    folder.add(f"{val}/b.jpg")
    for path in (folder.root, folder.root / "data.yaml"):
        assert recognises_yolo(path)
        data = read_yolo(path)
        assert ids(data) == TRAIN_VAL
        assert [len(split[0].ground_truth) for split in data.values()] == [1, 1]
        assert len(data.problems) == ("missing" in text)


def test_the_stated_root_comes_first_and_other_keys_are_no_splits(folder):
    folder.describe(f"path: inner\ntrain: images\nurl: https://x/inner\nextra: images\nauthor: me\n{NAMES}")
    folder.add("images/a.jpg")
    folder.add("inner/images/b.jpg")
    assert ids(read_yolo(folder.root)) == {"train": ["b"], "extra": ["b"]}


def test_absolute_paths_count_where_they_lie_beside_the_description(folder):
    folder.describe(f"train: {folder.root}/images/train\nval: {folder.root.parent}/other/images\n{NAMES}")
    folder.add("images/train/a.jpg")
    folder.add("../other/images/b.jpg")
    assert ids(read_yolo(folder.root)) == TRAIN_VAL


@pytest.mark.parametrize(
    "path", ["{outside}/images", "../../outside/images", "../inner/../../outside/images"]
)
def test_what_lies_elsewhere_is_not_read(tmp_path, path):
    outside = Folder(tmp_path / "outside")
    outside.add("images/secret.jpg")
    inside = Folder(tmp_path / "around" / "data")
    inside.describe(f"train: {path.format(outside=outside.root)}\n{NAMES}")
    error = the_error(inside.root)
    assert "no folder or list" in error
    assert "data.yaml" in error
    inside.describe(f"train: list.txt\n{NAMES}")
    (inside.root / "list.txt").write_text(f"{path}/secret.jpg".format(outside=outside.root))
    assert "there is no image" in the_error(inside.root)


def test_a_split_that_is_missing_is_told_and_the_others_are_read(yolo):
    yolo.describe(f"train: ../train/images\ntest: ../test/images\n{NAMES}")
    yolo.add("train/images/a.jpg")
    data = read_yolo(yolo.root)
    assert ids(data) == {"train": ["a"]}
    assert "names '../test/images' as test" in the_problem(data).problem


def test_two_splits_of_a_moved_data_set_are_not_taken_for_one_folder(folder):
    folder.describe(f"train: /x/train/images\nval: /x/val/images\n{NAMES}")
    folder.add("images/a.jpg")
    assert "no folder or list" in the_error(folder.root)


@pytest.mark.parametrize(
    "line", ["images/a.jpg", "./images/a.jpg", "/content/data/images/a.jpg", "x\\images\\a.jpg"]
)
def test_lists_of_images(folder, line):
    folder.describe(f"train: lists/train.txt\nval: [lists/val.txt]\n{NAMES}")
    folder.add("images/a.jpg")
    folder.add("images/b c.jpg")
    (folder.root / "lists").mkdir()
    (folder.root / "lists" / "train.txt").write_text(f"\ufeff{line}\n\nimages/b c.jpg\n{line}\n", "utf-8")
    (folder.root / "lists" / "val.txt").write_text(f"{line}\r\nimages/missing.jpg\n")
    data = read_yolo(folder.root)
    assert ids(data) == {"train": ["a", "b c"], "val": ["a"]}
    assert data["train"][0] is data["val"][0]
    assert the_problem(data).problem == "line 2: there is no image 'images/missing.jpg', so it is left out"


@pytest.mark.parametrize(
    ("images", "splits"),
    [
        (["images/a.jpg", "images/b.jpg"], {"all": ["a", "b"]}),
        (["images/train/a.jpg", "images/val/b.jpg"], TRAIN_VAL),
        (["images/train2017/a.jpg", "images/val2017/b.jpg"], {"train2017": ["a"], "val2017": ["b"]}),
        (["train/images/a.jpg", "valid/images/b.jpg"], TRAIN_VAL),
        (["images/left/a.jpg", "images/right/a.jpg"], {"all": ["images/left/a.jpg", "images/right/a.jpg"]}),
        (["Images/a.jpg"], {"all": ["a"]}),
        (["a.jpg", "b.jpg"], {"all": ["a", "b"]}),
        (["train/a.jpg", "valid/b.jpg"], TRAIN_VAL),
        (["obj_train_data/a.jpg"], {"all": ["a"]}),
    ],
)
def test_without_a_description(folder, images, splits):
    for image in images:
        folder.add(image, at=image.replace("Images", "Labels") if "Images" in image else None)
    assert recognises_yolo(folder.root)
    data = read_yolo(folder.root)
    assert ids(data) == splits
    assert data.class_names == ("class 1",)
    assert all(len(sample.ground_truth) == 1 for split in data.values() for sample in split)
    assert "nothing names the classes: they are called 'class 1'" in the_problem(data).problem


def test_lists_without_a_description(folder):
    folder.add("obj_train_data/a.jpg")
    folder.add("obj_train_data/b.jpg")
    (folder.root / "obj.names").write_text("cat\ndog\n")
    (folder.root / "train.txt").write_text("data/obj_train_data/a.jpg\n")
    (folder.root / "valid.txt").write_text("data/obj_train_data/b.jpg\n")
    data = read_yolo(folder.root)
    assert ids(data) == TRAIN_VAL
    assert data.class_names == ("cat", "dog")


def test_data_sets_in_folders_are_not_mixed(folder):
    for name in ("one", "two"):
        folder.add(f"{name}/images/a.jpg")
        folder.describe(f"path: .\ntrain: images\nnames: [cat, {name}]", f"{name}/data.yaml")
    with pytest.raises(InputError, match="its folders one, two have one each: name one of them"):
        read_yolo(folder.root)


def test_a_described_data_set_beside_labels_does_not_take_their_place(folder):
    folder.add("images/a.jpg")
    folder.add("export/images/b.jpg")
    folder.describe("path: .\ntrain: images\nnames: [cat, dog]", "export/data.yaml")
    assert ids(read_yolo(folder.root)) == {"all": ["a"]}


def test_a_data_set_in_a_folder_is_found(folder):
    folder.add("export/images/a.jpg")
    folder.describe("path: .\ntrain: images\nnames: [cat, dog]", "export/data.yaml")
    data = read_yolo(folder.root)
    assert (list(data), data.class_names) == (["train"], ("cat", "dog"))


def test_of_several_descriptions_the_usual_name_counts(folder):
    folder.add("images/a.jpg")
    folder.describe(f"train: images\n{NAMES}", "b.yaml")
    folder.describe(f"train: images\n{NAMES}", "c.yml")
    folder.describe("name: no data set\n", "a.yaml")
    assert "has 2 YAML files of data sets (b.yaml, c.yml)" in the_error(folder.root)
    folder.describe(f"val: images\n{NAMES}", "data.yaml")
    assert list(read_yolo(folder.root)) == ["val"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.jpg": JPEG},
        {"a.jpg": JPEG, "a.txt": b"a photograph of a cat"},
        {"notes.yaml": b"title: no data set"},
        {"labels/a.txt": b"Car 0.0 0 1.5 1 2 3 4"},
        {"recipe.yaml": b"data: x\nmodel: ssd7\n"},
        {"labels/a.txt": b"1" * 10_000},
    ],
)
def test_what_is_not_recognised(folder, files):
    for name, content in files.items():
        (folder.root / name).parent.mkdir(exist_ok=True)
        (folder.root / name).write_bytes(content)
        assert not recognises_yolo(folder.root / name)
    assert not recognises_yolo(folder.root)
    assert not recognises_yolo(folder.root / "missing")
    assert not recognises_yolo(folder.root / "missing.yaml")


def test_what_is_no_data_set_is_one_line(folder):
    assert "holds no image that can be used" in the_error(folder.root)
    assert "cannot be read" in the_error(folder.root / "missing.yaml")


# --- What is wrong in it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "read", "said"),
    [
        ("7 0.2 0.5 0.2 0.5", [], "the class id 7, where the classes are 0 to 1, and is left out"),
        ("-1 0.2 0.5 0.2 0.5", [], "the class id '-1', which is no whole number"),
        ("0.5 0.2 0.5 0.2 0.5", [], "the class id '0.5', which is no whole number"),
        ("nan 0.2 0.5 0.2 0.5", [], "the class id 'nan'"),
        ("dog 0.2 0.5 0.2 0.5", [], "the class id 'dog'"),
        (f"{'9' * 5000} 0.2 0.5 0.2 0.5", [], "the class id '9999"),
        ("1 nan 0.5 0.2 0.5", [], "has nan as x, which is not finite"),
        ("1 0.2 0.5 0.2 inf", [], "has inf as height"),
        ("1 0.2 1e300 0.2 0.5", [], "has 1e+300 as y"),
        ("1 0.2 0.5 wide 0.5", [], "has 'wide' as width, which is no number"),
        ("1 0.2 0.5 0.2", [], "has 4 columns in place of 5"),
        ("1", [], "has 1 columns"),
        ("1 0.2 0.5 0.2 0.5 0.1 0.1 0.1", [], "has 8 columns, which is neither a box nor an outline"),
        ("1 0.2 0.5 0.2 0.5 0.1 nan", [], "has nan as outline"),
        ("1 0.2 0.5 0 0.5", [], "has no width"),
        ("1 0.2 0.5 0.2 0", [], "has no height"),
        ("1 0.2 0.5 -0.2 0.5", [BOX], "swapped"),
        ("1 0.9 0.5 0.4 0.5", [[70, 15, 100, 45]], "reaches out of the image (100 × 60)"),
        ("1 1.5 0.5 0.2 0.5", [], "outside of the image"),
        ("1 20 30 20 30", [], "outside of the image"),
    ],
)
def test_faulty_lines(yolo, line, read, said):
    yolo.add("images/train/a.jpg", f"\n{LINE}\n\n{line}\n")
    data = read_yolo(yolo.root)
    np.testing.assert_allclose(only_truth(data).boxes_px, [BOX, *read], atol=1e-4)
    problem = the_problem(data)
    assert problem.file == str(yolo.root / "labels" / "train" / "a.txt")
    assert problem.problem.startswith("line 4: the box ")
    assert said in problem.problem
    assert len(problem.problem) < 200


def test_pixels_in_place_of_fractions_are_told_as_such(yolo):
    yolo.add("images/train/a.jpg", "1 20 30 20 30")
    assert "not pixels" in the_problem(read_yolo(yolo.root)).advice


def test_a_little_beyond_the_edge_is_cut_off_silently(yolo):
    yolo.add("images/train/a.jpg", "1 0.5 0.5 1.01 1.01")
    data = read_yolo(yolo.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[0, 0, WIDTH, HEIGHT]])
    assert data.problems == ()


def test_many_faulty_lines_are_counted(yolo):
    yolo.add("images/train/a.jpg", "9 1 1 1 1\n" * 1000 + LINE)
    data = read_yolo(yolo.root)
    assert len(only_truth(data)) == 1
    assert len(data.problems) == 11
    assert "has 990 more faulty lines" in data.problems[-1].problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (JPEG, "is no text"),
        (b"\x00\x01\x02", "is no text"),
        (LINE.encode("utf-16"), "is no text"),
        (b"1 0.5 0.5 1 1\n" * 200_000, "has more than 100000 lines"),
        (b" " * (9 << 20), "has more than 8 MiB"),
    ],
    ids=["jpeg", "nul", "utf-16", "long", "large"],
)
def test_a_label_file_that_cannot_be_read_leaves_its_image_out(yolo, content, said):
    yolo.add("images/train/a.jpg", content)
    yolo.add("images/train/b.jpg")
    data = read_yolo(yolo.root)
    assert ids(data) == {"train": ["b"]}
    assert the_problem(data).file.endswith("a.txt")
    assert the_problem(data).problem == f"{said}, so its image is left out"


@pytest.mark.parametrize("content", [b"", b"no image", JPEG[:20]])
def test_an_image_that_is_none_is_left_out(yolo, content):
    yolo.add("images/train/a.jpg", content=content)
    yolo.add("images/train/b.jpg")
    data = read_yolo(yolo.root)
    assert ids(data) == {"train": ["b"]}
    assert the_problem(data).file.endswith("a.jpg")
    assert "does not decode" in the_problem(data).problem


def test_labels_without_image_are_told(yolo):
    yolo.add("images/train/a.jpg")
    (yolo.root / "labels/train/b.txt").write_text(LINE)
    (yolo.root / "labels/train/notes.txt").write_text("seen by two people")
    assert the_problem(read_yolo(yolo.root)).file.endswith("b.txt")


def test_if_nothing_is_left_the_first_problem_says_why(yolo):
    yolo.add("images/train/a.jpg", b"\0")
    assert "no image that can be used: " in the_error(yolo.root)
    assert "a.txt: is no text" in the_error(yolo.root)


ALIAS_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 20}]\n" for i in range(1, 40))
MERGE_BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 20}]}}\n" for i in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: [", "is no YAML"),
        ("train: images\nnames: *cat", "is no YAML"),
        ("- train\n- val", "is no description"),
        ("", "is no description"),
        ("? [train]\n: images", "is no YAML"),
        ("train: " + "[" * 20_000, "is no YAML"),
        (f"{ALIAS_BOMB}train: *a39\nnames: *a39", "no list of class names"),
        (f"{MERGE_BOMB}names: [cat]", "names no folder of images"),
        (f"names: [cat]\ntrain: {'x' * 70_000}", "no folder or list"),
        ('names: [cat]\ntrain: "a\\0b"', "no folder or list"),
        ("names: [cat]\ntrain: {a: b}", "names no folder of images"),
        ("names: [cat]\ntrain: [[images]]", "names no folder of images"),
        ("names: [cat]", "names no folder of images"),
        ("#" * (1 << 20), "more than 512 KiB"),
        ("names: \ud800".encode("utf-8", "surrogatepass"), "is no YAML"),
    ],
    ids=range(15),
)
def test_descriptions_that_cannot_be_used(folder, text, said):
    folder.add("images/a.jpg")
    (folder.root / "data.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    begun = time.monotonic()
    error = the_error(folder.root / "data.yaml")
    assert said in error
    assert len(error) < 1000
    assert time.monotonic() - begun < 20
    recognises_yolo(folder.root)


def test_nothing_in_a_description_is_run(folder):
    folder.add("images/a.jpg")
    marker = folder.root / "marker"
    tag = f"!!python/object/apply:os.system ['touch {marker}']"
    folder.describe(f"train: images\nnames: [cat, dog]\ndownload: {tag}\nextra: {tag}")
    assert len(read_yolo(folder.root)["train"]) == 1
    assert not marker.exists()


def test_a_list_that_is_none_ends_soon(folder):
    folder.describe(f"train: list.txt\n{NAMES}")
    (folder.root / "list.txt").write_text("".join(f"{i}.jpg\n" for i in range(20_000)))
    assert "more than 10000 images that are missing" in the_error(folder.root)


# --- Writing -----------------------------------------------------------------------------------------------


def sample_of(image_id="a", boxes=((10, 20, 30, 40),), labels=(0,), image=JPEG, **flags):
    return Sample(image, GroundTruth(np.array(boxes, np.float32), np.array(labels), **flags), image_id)


def assert_same_truth(read, written):
    np.testing.assert_allclose(read.boxes_px, written.boxes_px, rtol=0, atol=1e-3)
    for name in ("labels", "difficult", "crowd", "truncated"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert_same_areas(read, written, rtol=2e-5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data):
    class_names = data.draw(st.lists(CLASS_NAMES, min_size=1, max_size=4, unique=True))
    image_ids = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True))
    split = data.draw(st.sampled_from(["train", "my split", "../all", "images", "path", "no"]))
    samples = [Sample(JPEG, data.draw(truths(len(class_names))), image_id) for image_id in image_ids]
    with tempfile.TemporaryDirectory() as folder:
        write_yolo(folder, {split: iter(samples), "val": []}, class_names)
        again = read_yolo(folder)
        assert again.problems == ()
        assert again.class_names == tuple(class_names)
        assert len(again["val"]) == 0
        written_as = "path_split" if split == "path" else split
        assert set(again) == {written_as, "val"}
        read = {sample.image.name: sample for sample in again[written_as]}
        assert len(read) == len(samples)
        folder_name = yaml.safe_load((Path(folder) / "data.yaml").read_text("utf-8"))[written_as]
        images = (Path(folder) / folder_name).iterdir()
        assert {image.name for image in images} == set(read)
        unmatched = list(samples)
        for sample in read.values():
            near = [one for one in unmatched if _is_same(sample.ground_truth, one.ground_truth)]
            unmatched.remove(near[0])


def _is_same(read, written):
    try:
        assert_same_truth(read, written)
    except AssertionError:
        return False
    return True


def test_other_programs_find_what_they_expect(tmp_path):
    samples = [sample_of("a", boxes=[(10, 15, 30, 45)], labels=[1]), sample_of("b", boxes=(), labels=())]
    others = [sample_of("c", boxes=[(10, 15, 30, 45)], labels=[1])]
    write_yolo(tmp_path / "out", {"train": samples, "val": others}, ["cat", "no"])
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "nc": 2,
        "names": {0: "cat", 1: "no"},
    }
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "1 0.2 0.5 0.2 0.5\n"
    assert (tmp_path / "out/labels/train/b.txt").read_text() == ""
    assert (tmp_path / "out/labels/val/c.txt").read_text() == "1 0.2 0.5 0.2 0.5\n"
    assert (tmp_path / "out/images/val/c.jpg").read_bytes() == JPEG


def test_names_and_files_are_kept_as_they_are(tmp_path):
    (tmp_path / "b 1.png").write_bytes(PNG)
    samples = [sample_of("a"), sample_of("7", image=tmp_path / "b 1.png"), sample_of("c.d", image=PIXELS)]
    write_yolo(tmp_path / "out", {"all": samples}, ["<cat & dog>"])
    again = read_yolo(tmp_path / "out")
    assert again.class_names == ("<cat & dog>",)
    assert [sample.image.name for sample in again["all"]] == ["a.jpg", "b 1.png", "c.d.jpg"]
    assert again["all"][1].image.read_bytes() == PNG


def test_pixels_come_back_in_large_images(tmp_path):
    image = np.zeros((2999, 4001, 3), np.uint8)
    boxes = [(0.1, 0.3, 3999.7, 2998.9), (1234.5678, 17.123, 1234.9, 17.5)]
    write_yolo(tmp_path / "out", {"train": [sample_of("a", boxes, (0, 0), image)]}, ["cat"])
    truth = only_truth(read_yolo(tmp_path / "out"))
    np.testing.assert_allclose(truth.boxes_px, np.float32(boxes), rtol=0, atol=1e-3)


def test_a_box_that_leaves_the_image_is_written_as_it_is(tmp_path):
    write_yolo(tmp_path / "out", {"train": [sample_of(boxes=[(-50, 15, 50, 45)])]}, ["cat"])
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "0 0 0.5 1 0.5\n"
    data = read_yolo(tmp_path / "out")
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[0, 15, 50, 45]])
    assert "reaches out" in the_problem(data).problem


def test_flags_stay_with_their_boxes_when_one_before_them_cannot_be_used(tmp_path):
    boxes = [(200, 0, 210, 10), (1, 1, 9, 9), (2, 2, 8, 8)]
    flags = {"crowd": [False, True, False], "difficult": [True, False, True]}
    write_yolo(tmp_path / "out", {"train": [sample_of("ü 1", boxes, (0, 0, 0), **flags)]}, ["cat"])
    truth = only_truth(read_yolo(tmp_path / "out"))
    assert truth.crowd.tolist() == [True, False]
    assert truth.difficult.tolist() == [False, True]


def test_a_sample_in_two_splits_is_written_once_and_listed(tmp_path):
    first, both, last = sample_of("a"), sample_of("b"), sample_of("c")
    splits = {"train": [first, both], "trainval": [last, both], "val": [last]}
    write_yolo(tmp_path / "out", splits, ["cat"])
    images = sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.glob("out/images/*/*"))
    assert images == ["images/train/a.jpg", "images/train/b.jpg", "images/trainval/c.jpg"]
    stated = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert [stated[split] for split in splits] == ["images/train", "trainval.txt", "val.txt"]
    assert (tmp_path / "out/trainval.txt").read_text() == "./images/trainval/c.jpg\n./images/train/b.jpg\n"
    assert not (tmp_path / "out/images/val").exists()
    again = read_yolo(tmp_path / "out")
    assert again.problems == ()
    assert ids(again) == {"train": ["a", "b"], "trainval": ["c", "b"], "val": ["c"]}
    assert again["train"][1] is again["trainval"][1]


def test_category_ids_stay(tmp_path):
    write_yolo(tmp_path / "out", {"all": [sample_of()]}, ["cat", "dog"], category_ids=[18, 17])
    assert read_yolo(tmp_path / "out").category_ids == (18, 17)
    assert read_yolo(tmp_path / "out", ["dog", "cat"]).category_ids == (17, 18)
    with pytest.raises(InputError, match="give each class one of its own"):
        write_yolo(tmp_path / "other", {"all": [sample_of()]}, ["cat", "dog"], category_ids=[1])


def test_flags_are_dropped_and_told_where_a_box_was_removed_since(tmp_path):
    sample = sample_of("a", [(1, 1, 9, 9), (2, 2, 8, 8)], (0, 0), difficult=[True, False])
    write_yolo(tmp_path / "out", {"train": [sample]}, ["cat"])
    labels = tmp_path / "out/labels/train/a.txt"
    labels.write_text(labels.read_text().splitlines()[1] + "\n\n")
    data = read_yolo(tmp_path / "out")
    assert only_truth(data).difficult.tolist() == [False]
    assert the_problem(data).file == str(labels)
    assert "ssd-keras.json" in the_problem(data).problem


def test_splits_are_not_named_as_lists_of_classes(tmp_path):
    sample = sample_of("a")
    write_yolo(tmp_path / "out", {"train": [sample], "classes": [sample]}, ["cat"])
    assert ids(read_yolo(tmp_path / "out")) == {"train": ["a"], "classes": ["a"]}
    assert not (tmp_path / "out" / "classes.txt").exists()


def test_a_sample_twice_in_one_split_is_written_once(tmp_path):
    sample = sample_of("a", crowd=[True])
    write_yolo(tmp_path / "out", {"train": [sample, sample], "val": [sample]}, ["cat"])
    again = read_yolo(tmp_path / "out")
    assert {name: len(split) for name, split in again.items()} == {"train": 1, "val": 1}
    assert all(split[0].ground_truth.crowd.all() for split in again.values())


def test_two_images_of_one_name_both_remain(tmp_path):
    splits = {"train": [sample_of("a"), sample_of("a", boxes=[(1, 1, 2, 2)]), sample_of("A")]}
    write_yolo(tmp_path / "out", splits, ["cat"])
    assert sorted(ids(read_yolo(tmp_path / "out"))["train"]) == ["A_3", "a", "a_2"]


def test_splits_of_one_name_have_folders_of_their_own(tmp_path):
    splits = {name: [sample_of("a")] for name in ("a/b", "a:b", "A_b", "images", "nc")}
    write_yolo(tmp_path / "out", splits, ["cat"])
    assert {name: len(split) for name, split in read_yolo(tmp_path / "out").items()} == dict.fromkeys(
        ("a/b", "a:b", "A_b", "images", "nc_split"), 1
    )


def test_a_data_set_that_was_moved_is_read(tmp_path):
    write_yolo(tmp_path / "out", {"train": [sample_of()]}, ["cat"])
    shutil.move(tmp_path / "out", tmp_path / "images")
    assert len(only_truth(read_yolo(tmp_path / "images"))) == 1


def test_a_relative_path_will_do(tmp_path, monkeypatch):
    write_yolo(tmp_path / "out", {"train": [sample_of(crowd=[True])]}, ["cat"])
    for place, path in ((tmp_path, "out"), (tmp_path / "out", "."), (tmp_path / "out", "data.yaml")):
        monkeypatch.chdir(place)
        data = read_yolo(path)
        assert only_truth(data).crowd.tolist() == [True]
        assert data["train"][0].image.is_file()


def test_no_file_is_written_outside_of_the_folder(tmp_path):
    write_yolo(tmp_path / "out", {"../../x": [sample_of("../../../evil")]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read_yolo(tmp_path / "out")) == 1


def test_samples_are_taken_one_at_a_time(tmp_path):
    def samples():
        for number in range(3):
            yield sample_of(str(number))
            assert (tmp_path / "out" / "labels" / "train" / f"{number}.txt").exists()

    write_yolo(tmp_path / "out", {"train": samples()}, ["cat"])
    assert len(read_yolo(tmp_path / "out")["train"]) == 3


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        write_yolo(tmp_path, {"train": [sample_of()]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", " a", "a\udc80"])
def test_a_name_that_text_files_cannot_hold_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="class name"):
        write_yolo(tmp_path / "out", {"train": [sample_of()]}, [name])


@pytest.mark.parametrize("image", [b"", b"text", b"\xff\xd8\xff"])
def test_an_image_that_is_none_is_an_error(tmp_path, image):
    with pytest.raises(InputError, match="image"):
        write_yolo(tmp_path / "out", {"train": [sample_of(image=image)]}, ["cat"])
