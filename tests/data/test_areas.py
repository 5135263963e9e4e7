"""Areas of objects and stated sizes of images: kept by every format, corrected, and scored by."""

import json

import cv2
import numpy as np
import pytest
from coco_judge import NUMBERS, official_numbers, shifted_results

from ssd_keras.data.conversion import Packing, convert_dataset
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.inspection.fixing import fix_dataset
from ssd_keras.data.readers.csv import read_csv
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.data.selection import only_classes
from ssd_keras.inference.results.official import read_coco_results
from ssd_keras.inference.scoring import score

HEIGHT, WIDTH = 200, 240
CLASSES = ("cat", "dog")
FORMAT_NAMES = [known.name for known in FORMATS]


def write_images(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """Objects of all sizes, whose areas are other than their boxes' and often of another class of sizes."""
    root = tmp_path_factory.mktemp("coco")
    write_images(root / "images", 6)
    rng = np.random.default_rng(1)
    annotations = []
    for number in range(60):
        side = rng.choice([12, 30, 34, 60, 98, 120])
        x, y = (round(float(rng.uniform(0, limit - side)), 2) for limit in (WIDTH, HEIGHT))
        area = round(float(rng.uniform(0.4, 1) * side * side), 6)
        entry = {"id": number + 1, "image_id": number % 6 + 1, "category_id": int(rng.integers(1, 3))}
        box = [x, y, float(side), float(side)]
        annotations.append({**entry, "bbox": box, "area": area, "iscrowd": int(number % 20 == 7)})
    annotations[0]["area"] = 1024  # on the border of small and medium, where both count it
    content = {
        "images": [
            {"id": i + 1, "file_name": f"{i:03d}.png", "height": HEIGHT, "width": WIDTH} for i in range(6)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return root


def numbers_of(split, results):
    """What `score` gives for results whose image ids count the images in the order of their names."""
    detections = read_coco_results(results, split, "results", (1, 2))
    return score(detections, split, "coco").numbers


def test_the_numbers_are_those_of_pycocotools_on_the_file(coco, tmp_path):
    annotations = coco / "annotations" / "instances_val.json"
    results = shifted_results(annotations)
    (tmp_path / "results.json").write_text(json.dumps(results))
    expected = official_numbers(annotations, tmp_path / "results.json")
    found = numbers_of(open_dataset(coco)["val"], results)
    assert tuple(found) == NUMBERS
    assert list(found.values()) == pytest.approx(expected, abs=1e-12)
    boxes_only = json.loads(annotations.read_text())
    for entry in boxes_only["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes_only))
    other = official_numbers(tmp_path / "boxes.json", tmp_path / "results.json")
    assert other[3:6] != pytest.approx(expected[3:6], abs=1e-3)


@pytest.mark.parametrize("to", FORMAT_NAMES)
def test_every_format_keeps_areas(coco, tmp_path, to):
    data = open_dataset(coco)
    convert_dataset(data, tmp_path / "out", to)
    again = open_dataset(tmp_path / "out")
    assert again.problems == ()
    (split,) = again.values()
    for read, written in zip(split, data["val"], strict=True):
        np.testing.assert_allclose(read.ground_truth.areas, written.ground_truth.areas, rtol=1e-6)


@pytest.mark.parametrize("to", [known.name for known in FORMATS if known.is_pack])
def test_areas_shrink_with_the_images_of_a_pack(coco, tmp_path, to):
    convert_dataset(open_dataset(coco), tmp_path / "out", to, Packing(size=(HEIGHT // 2, WIDTH // 4)))
    for read, written in zip(open_dataset(tmp_path / "out")["val"], open_dataset(coco)["val"], strict=True):
        np.testing.assert_allclose(read.ground_truth.areas, written.ground_truth.areas / 8)


def test_areas_go_with_their_boxes():
    truth = GroundTruth([[0, 0, 9, 9], [0, 0, 5, 5]], [0, 1], areas=[70, np.nan])
    np.testing.assert_array_equal(truth.select(np.array([False, True])).areas, [np.nan])
    joined = GroundTruth.together([truth, GroundTruth.empty(), truth])
    np.testing.assert_array_equal(joined.areas, [70, np.nan, 70, np.nan])
    assert GroundTruth.together([]).areas.shape == (0,)
    assert GroundTruth.empty().areas.shape == (0,)
    with pytest.raises(ValueError, match="2 boxes but 1 areas"):
        GroundTruth(truth.boxes_px, truth.labels, areas=[1])


def test_areas_stay_where_classes_are_chosen_and_faults_mended(coco):
    data = open_dataset(coco)
    dogs = only_classes(data, ["dog"])
    for sample, whole in zip(dogs["val"], data["val"], strict=True):
        kept = whole.ground_truth.labels == 1
        np.testing.assert_array_equal(sample.ground_truth.areas, whole.ground_truth.areas[kept])
    for sample, whole in zip(fix_dataset(data).dataset["val"], data["val"], strict=True):
        np.testing.assert_array_equal(sample.ground_truth.areas, whole.ground_truth.areas)


# --- Stated sizes ------------------------------------------------------------------------------------------


def coco_of_size(root, width):
    write_images(root / "images", 1)
    content = {
        "images": [{"id": 1, "file_name": "000.png", "height": HEIGHT, "width": width}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 200, 40]}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "labels.json").write_text(json.dumps(content))
    return root / "labels.json"


def csv_of_size(root, width):
    write_images(root / "images", 1)
    table = f"filename,width,height,class,xmin,ymin,xmax,ymax\n000.png,{width},{HEIGHT},cat,10,20,210,60\n"
    (root / "labels.csv").write_text(table)
    return root / "labels.csv"


def voc_of_size(root, width):
    write_images(root / "JPEGImages", 1)
    (root / "Annotations").mkdir()
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>210</xmax><ymax>60</ymax></bndbox>"
    size = f"<size><width>{width}</width><height>{HEIGHT}</height></size>"
    file = root / "Annotations" / "000.xml"
    file.write_text(f"<annotation>{size}<object><name>cat</name>{box}</object></annotation>")
    return file


@pytest.mark.parametrize("width", [640, 100])
@pytest.mark.parametrize("write", [coco_of_size, csv_of_size, voc_of_size])
def test_a_wrong_size_is_named_and_mended_without_loss_of_a_box(tmp_path, write, width):
    file = write(tmp_path / "data", width)
    data = open_dataset(tmp_path / "data")
    assert data.problems == ()
    (problem,) = inspect_dataset(data).problems
    assert problem.file == str(file)
    assert problem.problem == f"states a size of {width} × 200 for 000.png, but the image is 240 × 200"
    fixed = fix_dataset(data)
    assert fixed.changes == (f"{file}: {problem.problem}: put right",)
    convert_dataset(fixed.dataset, tmp_path / "fixed", data.format)
    again = open_dataset(tmp_path / "fixed")
    assert inspect_dataset(again).problems == ()
    (split,) = again.values()
    assert split[0].ground_truth.boxes_px.tolist() == [[10, 20, 210, 60]]


@pytest.mark.parametrize("write", [coco_of_size, csv_of_size, voc_of_size])
def test_a_right_size_is_nothing_to_be_told(tmp_path, write):
    write(tmp_path / "data", WIDTH)
    assert inspect_dataset(open_dataset(tmp_path / "data")).problems == ()


def sizes_in_table(folder, rows):
    write_images(folder / "images", 2)
    (folder / "labels.csv").write_text("image,xmin,ymin,xmax,ymax,class,width,height\n" + rows)
    return [sample.stated_size and sample.stated_size.size for sample in read_csv(folder)["all"]]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        ("000.png,10,20,110,50,cat,100,30\n001.png,0,0,8,9,cat,9,10\n", [None, None]),  # of the boxes
        ("000.png,10,20,110,50,cat,100,30\n001.png,0,0,8,9,cat,240,200\n", [(30, 100), (200, 240)]),
        ("000.png,,,,,,240,200\n001.png,,,,,,7,8\n", [(200, 240), (8, 7)]),
        (
            "000.png,1,2,3,4,cat,240,200\n000.png,1,2,3,4,dog,240,100\n001.png,1,2,3,4,cat,,\n",
            [(100, 240), None],
        ),
        ("000.png,1,2,3,4,cat,x,nan\n001.png,1,2,3,4,cat,0,inf\n", [None, None]),
    ],
)
def test_sizes_of_images_are_told_from_those_of_boxes(tmp_path, rows, sizes):
    assert sizes_in_table(tmp_path / "data", rows) == sizes


def test_samples_made_by_hand_state_no_size():
    assert Sample(b"", GroundTruth.empty(), "a").stated_size is None
