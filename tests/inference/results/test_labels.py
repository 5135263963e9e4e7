"""Detections that are read again: to be evaluated, and as the labels of a data set."""

import csv
import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CLASS_NAMES

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.drawing import save_picture
from ssd_keras.inference.results import RESULT_FORMATS, open_results, read_detections

CLASSES = ("car", "person", "unseen")
SIZE = (40, 60)
LABEL_FORMATS = {"coco": "images", "csv": "images", "voc": "JPEGImages", "yolo": "images"}
"""The formats that `open_dataset` reads, and where the images of a data set lie in them."""


def some(*rows, names=CLASSES):
    boxes, scores, labels = ([row[i] for row in rows] for i in range(3))
    return Detections(boxes, scores, labels, names, SIZE)


NOTHING = some()
TWO = some(([1.5, 2, 30.25, 39.125], 0.25, 1), ([5, 6, 7.0625, 38.3], 0.75, 0))


@pytest.mark.parametrize(("format", "file"), [("json", "detections.json"), ("jsonl", "detections.jsonl")])
def test_what_is_written_is_evaluated(tmp_path, format, file):
    with open_results(format, tmp_path, CLASSES) as results:
        results.add("photos/a.jpg", TWO)
        results.add("clip.mp4", TWO, frame=3, time=0.12)
        results.add("clip.mp4", NOTHING, frame=4)
        results.add("photos/b.jpg", NOTHING)
    samples = tuple(Sample(Path(name), GroundTruth.empty(), name) for name in ("b.jpg", "a.jpg"))
    b, a = read_detections(tmp_path / file, Split("test", samples, CLASSES))
    assert (len(b), len(a)) == (0, 2)
    np.testing.assert_allclose(a.boxes_px, TWO.boxes_px, atol=0.006)
    np.testing.assert_array_equal(a.labels, TWO.labels)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"image": "a.jpg", "size": [1, 2], "detections": []}\n{"image": "b', "line 2, is not JSON"),
        ('{"some": "thing"}\n', "holds no list of images"),
        ('{"image": "z.jpg", "size": [1, 2], "detections": []}\n', "knows no image"),
        ("[" * 100_000, "is not JSON"),
        ("\udcff", "is no text"),
    ],
)
def test_lines_that_are_none_of_ours_are_refused_in_one_line(tmp_path, text, said):
    file = tmp_path / "found.txt"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    split = Split("test", (Sample(Path("a.jpg"), GroundTruth.empty(), "a"),), CLASSES)
    with pytest.raises(InputError, match=said) as error:
        read_detections(file, split)
    assert "\n" not in str(error.value)


def labelled_folder(folder, format, detections, class_names, names=("a.jpg", "sub/b.jpg")):
    """A data set of images whose labels are detections."""
    images = folder / LABEL_FORMATS[format]
    for name in names:
        save_picture(images / name, np.zeros((*SIZE, 3), np.uint8))
    with open_results(format, folder, class_names, image_root=images) as results:
        for name, found in zip(names, detections, strict=True):
            results.add(str(images / name), found)
    return folder


@pytest.mark.parametrize("format", LABEL_FORMATS)
def test_detections_are_the_labels_of_a_data_set(tmp_path, format):
    folder = labelled_folder(tmp_path, format, [TWO, NOTHING], CLASSES)
    data = open_dataset(folder, class_names=CLASSES)
    assert data.problems == ()
    [split] = data.values()
    by_name = {sample.image.name: sample.ground_truth for sample in split}
    assert {name: len(truth) for name, truth in by_name.items()} == {"a.jpg": 2, "b.jpg": 0}
    np.testing.assert_allclose(by_name["a.jpg"].boxes_px, TWO.boxes_px, atol=1e-4)
    np.testing.assert_array_equal(by_name["a.jpg"].labels, TWO.labels)


@pytest.mark.parametrize("format", LABEL_FORMATS)
def test_the_classes_keep_their_order_and_those_that_were_not_found(tmp_path, format):
    names = ("person", "car", "unseen")
    folder = labelled_folder(tmp_path, format, [some(([1, 2, 3, 4], 0.5, 1), names=names)], names, ["a.jpg"])
    assert open_dataset(folder).class_names == names


@settings(max_examples=25)
@given(st.data(), st.lists(CLASS_NAMES, min_size=1, max_size=3, unique_by=str.casefold))
@pytest.mark.parametrize("format", LABEL_FORMATS)
def test_any_detections_of_any_classes_are_read_again(tmp_path_factory, format, data, names):
    corners = st.tuples(*[st.floats(0, 0.75, width=32)] * 2, *[st.floats(0.0078125, 0.25, width=32)] * 2)
    rows = data.draw(
        st.lists(st.tuples(corners, st.floats(0, 1, width=32), st.integers(0, len(names) - 1)), max_size=3)
    )
    scale = np.tile(SIZE[::-1], 2)
    rows = [(np.array([x, y, x + w, y + h]) * scale, score, label) for (x, y, w, h), score, label in rows]
    found = some(*rows, names=tuple(names))
    folder = labelled_folder(tmp_path_factory.mktemp("out"), format, [found], names, ["a.jpg"])
    [split] = open_dataset(folder, class_names=names).values()
    [sample] = split
    np.testing.assert_allclose(sample.ground_truth.boxes_px, found.boxes_px, atol=1e-3)
    np.testing.assert_array_equal(sample.ground_truth.labels, found.labels)


def test_the_results_of_coco_are_read_for_images_whose_names_are_numbers(tmp_path):
    with open_results("coco", tmp_path, CLASSES) as results:
        for name, found in {
            "x/000012.jpg": TWO,
            "street.jpg": NOTHING,
            "7.png": TWO,
            "y/12.jpg": TWO,
        }.items():
            results.add(name, found)
    document = json.loads((tmp_path / "detections_coco.json").read_text())
    assert [image["id"] for image in document["images"]] == [12, 1, 7, 2]
    assert [entry["id"] for entry in document["annotations"]] == [1, 2, 3, 4, 5, 6]
    samples = (Sample(Path("000012.jpg"), GroundTruth.empty(), "12"),)
    [found] = read_detections(tmp_path / "detections_coco_results.json", Split("val", samples, CLASSES))
    np.testing.assert_array_equal(found.boxes_px, TWO.boxes_px)
    np.testing.assert_array_equal(found.scores, TWO.scores)


STRANGE_STEMS = (
    *("2024-01-01T12:30:01", "what?", 'x "q", y', "ünï", "dot.", " lead", "a", "A", "n" * 180, "ä" * 120),
    *("two  blanks", "star*", "back\\slash", "tail "),
)


@pytest.mark.skipif(os.name != "posix", reason="such names are not possible there")
@pytest.mark.parametrize("format", ["coco", "csv", "voc", "yolo"])
def test_images_of_any_name_find_their_labels(tmp_path, format):
    stems = [stem for stem in STRANGE_STEMS if not (format in ("csv", "voc", "coco") and "\\" in stem)]
    names = [f"{stem}.jpg" for stem in stems]
    found = [some(*[([1 + n, 2, 30, 31], 0.5, 0)] * (n % 3)) for n in range(len(names))]
    folder = labelled_folder(tmp_path, format, found, CLASSES, names)
    data = open_dataset(folder, class_names=CLASSES)
    assert data.problems == ()
    [split] = data.values()
    read = {sample.image.name: sample.ground_truth.boxes_px for sample in split}
    assert set(read) == set(names)
    for name, expected in zip(names, found, strict=True):
        np.testing.assert_allclose(read[name], expected.boxes_px, atol=1e-3, err_msg=name)


ONE = some(([2, 2, 9, 9], 0.5, 0))


@pytest.mark.parametrize("format", ["voc", "yolo"])
def test_an_image_whose_name_another_has_is_to_be_renamed(tmp_path, format):
    images = tmp_path / "set" / LABEL_FORMATS[format]
    with open_results(format, tmp_path / "set", CLASSES) as results:
        assert results.add("p/a.jpg", TWO) is None
        misfit = results.add("q/a.jpg", ONE)
    assert "the labels of q/a.jpg are in" in str(misfit)
    assert "rename the image to a-2.jpg" in str(misfit)
    assert "\n" not in str(misfit)
    for name in ("a.jpg", "a-2.jpg"):
        save_picture(images / name, np.zeros((*SIZE, 3), np.uint8))
    [split] = open_dataset(tmp_path / "set", class_names=CLASSES).values()
    assert {sample.image.name: len(sample.ground_truth) for sample in split} == {"a.jpg": 2, "a-2.jpg": 1}


def test_images_that_only_their_suffixes_tell_apart(tmp_path):
    """VOC's labels say themselves what they belong to; YOLO's go by the name without suffix."""
    images = tmp_path / "voc" / "JPEGImages"
    for name in ("a.jpg", "a.png"):
        save_picture(images / name, np.zeros((*SIZE, 3), np.uint8))
    with open_results("voc", tmp_path / "voc", CLASSES, images) as results:
        assert results.add(str(images / "a.jpg"), TWO) is None
        assert results.add(str(images / "a.png"), ONE) is None
    [split] = open_dataset(tmp_path / "voc", class_names=CLASSES).values()
    assert {sample.image.name: len(sample.ground_truth) for sample in split} == {"a.jpg": 2, "a.png": 1}
    with open_results("yolo", tmp_path / "yolo", CLASSES, images) as results:
        assert results.add(str(images / "a.jpg"), TWO) is None
        assert "rename the image to a-2.png" in str(results.add(str(images / "a.png"), ONE))


def test_a_name_that_is_too_long_for_labels_is_said(tmp_path):
    with open_results("yolo", tmp_path, CLASSES) as results:
        assert results.add(f"{'n' * 230}.jpg", TWO) is None
        assert f"rename the image to {'n' * 230}-2.png" in str(results.add(f"{'n' * 230}.png", TWO))
        assert f"rename the image to {'m' * 200}.jpg" in str(results.add(f"{'m' * 250}.jpg", TWO))


def test_frames_and_links_are_called_as_their_labels_are(tmp_path):
    with open_results("yolo", tmp_path, CLASSES) as results:
        assert results.add("clip.mp4", TWO, 3) is None
        assert results.add("http://h/a%3A?b.jpg", TWO) is None


@pytest.mark.parametrize("file", ["classes.txt", "data.yaml", "labels/a.txt"])
def test_labels_of_a_data_set_are_not_replaced(tmp_path, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("cat\ndog\n")
    with pytest.raises(InputError, match="is there already"):
        open_results("yolo", tmp_path, CLASSES)
    assert (tmp_path / file).read_text() == "cat\ndog\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]


def test_every_format_says_the_score(tmp_path):
    for format in RESULT_FORMATS:
        with open_results(format, tmp_path / format, CLASSES) as results:
            results.add("a.jpg", TWO)
    with (tmp_path / "csv/detections.csv").open() as file:
        assert [row["score"] for row in csv.DictReader(file)] == ["0.75", "0.25"]
    tree = ElementTree.parse(tmp_path / "voc/Annotations/a.xml")
    assert [element.text for element in tree.findall("object/score")] == ["0.75", "0.25"]
    lines = (tmp_path / "yolo/labels/a.txt").read_text().splitlines()
    assert [line.split()[5] for line in lines] == ["0.75", "0.25"]
    document = json.loads((tmp_path / "coco/detections_coco.json").read_text())
    assert [entry["score"] for entry in document["annotations"]] == [0.75, 0.25]
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == dict(enumerate(CLASSES))
