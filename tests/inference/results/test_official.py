"""Official result files: what the official tools read, and what is read again without any loss."""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged_cases import CLASSES, middling
from pycocotools.coco import COCO

from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.results import read_detections
from ssd_keras.inference.results.official import write_results
from ssd_keras.inference.scoring import score

CATEGORY_IDS = (17, 90, 1)
COORDINATES = st.floats(-50, 5000, width=32).filter(lambda x: x == 0 or abs(x) > 1e-4)
SCORES = st.floats(0, 1, width=32)
ROWS = st.lists(
    st.tuples(st.tuples(*[COORDINATES] * 4), SCORES, st.integers(0, len(CLASSES) - 1)), max_size=5
)


def split_of(*ids, truths=None, class_names=CLASSES):
    truths = truths or [GroundTruth.empty() for _ in ids]
    return Split("test", tuple(Sample(b"", t, i) for i, t in zip(ids, truths, strict=True)), class_names)


def detections_of(rows):
    return Detections([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], CLASSES, (9, 9))


def of_class(found, label):
    chosen = found.labels == label
    return found.boxes_px[chosen], found.scores[chosen]


def place_of(files):
    """Give what `--detections` names: the JSON file, or the folder of the text files."""
    return files[0] if files[0].suffix == ".json" else files[0].parent


@pytest.mark.parametrize("protocol", ["voc07", "coco"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=3, max_size=3))
def test_what_is_written_is_read_again_to_the_bit(tmp_path, protocol, rows):
    split = split_of("12", "000012", "a b")
    detections = [detections_of(of_image) for of_image in rows]
    files = write_results(tmp_path, protocol, split, detections, CATEGORY_IDS)
    again = read_detections(place_of(files), split, CATEGORY_IDS)
    for before, after in zip(detections, again, strict=True):
        assert len(before) == len(after)
        for label in range(len(CLASSES)):
            for values, read in zip(of_class(before, label), of_class(after, label), strict=True):
                np.testing.assert_array_equal(values, read)


@pytest.mark.parametrize("protocol", ["voc07", "voc10", "coco"])
def test_a_file_scores_exactly_as_what_it_was_written_from(tmp_path, protocol):
    detections, truths = middling(5, side=120)
    split = split_of(*map(str, range(1, 31)), truths=truths)
    files = write_results(tmp_path, protocol, split, detections)
    again = read_detections(place_of(files), split)
    assert score(again, split, protocol).as_json() == score(detections, split, protocol).as_json()


def test_the_files_of_voc_have_a_line_a_detection(tmp_path):
    split = split_of("000012", "2008_000002")
    detections = [
        Detections([[1, 2, 30.5, 40]], [0.25], [1], CLASSES, (50, 60)),
        Detections([[3, 4, 5, 6], [7, 8, 9, 10]], [0.5, 0.75], [1, 0], CLASSES, (50, 60)),
    ]
    files = write_results(tmp_path / "made", "voc10", split, detections)
    assert [file.name for file in files] == [f"comp4_det_test_{name}.txt" for name in CLASSES]
    assert files[0].read_text() == "2008_000002 0.75 7 8 9 10\n"
    assert files[1].read_text() == "000012 0.25 1 2 30.5 40\n2008_000002 0.5 3 4 5 6\n"
    assert files[2].read_text() == ""


def test_the_file_of_coco_has_the_original_ids(tmp_path):
    split = split_of("397133", "000012")
    one = Detections([[10, 20, 30.5, 60]], [0.25], [1], CLASSES, (99, 99))
    (file,) = write_results(tmp_path, "coco", split, [one, one], CATEGORY_IDS)
    assert file.name == "detections_test_ssd_results.json"
    entry = {"category_id": 90, "bbox": [10, 20, 20.5, 40], "score": 0.25}
    assert json.loads(file.read_text()) == [
        {"image_id": 397133, **entry},
        {"image_id": "000012", **entry},
    ]


def test_pycocotools_takes_the_file_of_coco(tmp_path):
    split = split_of("7", "8")
    one = Detections([[10, 20, 30.5, 60]], [0.25], [1], CLASSES, (99, 99))
    (file,) = write_results(tmp_path, "coco", split, [one, one], CATEGORY_IDS)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        categories = [{"id": number} for number in CATEGORY_IDS]
        coco.dataset = {
            "info": {},
            "images": [{"id": 7}, {"id": 8}],
            "annotations": [],
            "categories": categories,
        }
        coco.createIndex()
        results = coco.loadRes(str(file))
    assert [entry["area"] for entry in results.anns.values()] == [20.5 * 40] * 2


@pytest.mark.parametrize("protocol", ["voc07", "coco"])
def test_no_detection_at_all_is_normal(tmp_path, protocol):
    split = split_of("1", "2")
    nothing = Detections([], [], [], CLASSES, (9, 9))
    files = write_results(tmp_path, protocol, split, [nothing, nothing])
    assert [len(found) for found in read_detections(place_of(files), split)] == [0, 0]


def test_images_of_other_splits_are_passed_over_and_only_those_are_an_error(tmp_path):
    one = Detections([[10, 20, 30, 60]], [0.25], [1], CLASSES, (99, 99))
    for protocol in ("voc07", "coco"):
        files = write_results(tmp_path / protocol, protocol, split_of("1", "2"), [one, one])
        assert [len(found) for found in read_detections(place_of(files), split_of("2", "3"))] == [1, 0]
        with pytest.raises(InputError, match="knows no image of split 'test'"):
            read_detections(place_of(files), split_of("3"))


def test_a_class_without_a_file_has_no_detections_but_one_is_needed(tmp_path):
    (tmp_path / "comp4_det_test_dog.txt").write_text("1 0.5 1 2 3 4\r\n\n")
    (found,) = read_detections(tmp_path, split_of("1"))
    assert (found.labels.tolist(), found.scores.tolist()) == ([1], [0.5])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no comp4_det_test_cat\.txt nor one for another class"):
        read_detections(tmp_path / "empty", split_of("1"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 0.5 1 2 3", "line 1: .* is not an image id and five numbers"),
        ("1 0.5 1 2 3 x", "is not an image id and five numbers"),
        ("1 nan 1 2 3 4", "are not all finite numbers"),
        ("1 0.5 1 2 3 inf", "are not all finite numbers"),
    ],
)
def test_a_damaged_text_file_is_refused_in_one_line(tmp_path, line, said):
    (tmp_path / "comp4_det_test_cat.txt").write_text(line)
    with pytest.raises(InputError, match=said) as error:
        read_detections(tmp_path, split_of("1"))
    assert "\n" not in str(error.value)


def entry(**changes):
    return {"image_id": 1, "category_id": 90, "bbox": [1, 2, 3, 4], "score": 0.5, **changes}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(bbox=[1, 2, 3])], "entry 1 is no entry of COCO's results"),
        ([entry(), {"image_id": 1}], "entry 2 is no entry of COCO's results"),
        ([entry(), 5], "entry 2 is no entry of COCO's results"),
        ([entry(score="high")], "entry 1 is no entry"),
        ([entry(score=float("nan"))], "are not all finite"),
        ([entry(bbox=[1, 2, float("inf"), 4])], "are not all finite"),
        ([entry(category_id=2)], "category_id 2 is no class of the data set, which has 17, 90, 1"),
        ([entry(category_id=[90])], r"category_id \[90\] is no class"),
        ([entry(image_id=9)], "knows no image"),
    ],
)
def test_a_damaged_file_of_coco_is_refused_in_one_line(tmp_path, entries, said):
    file = tmp_path / "found.json"
    file.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=said) as error:
        read_detections(file, split_of("1"), CATEGORY_IDS)
    assert "\n" not in str(error.value)


def test_what_official_files_cannot_hold_is_refused(tmp_path):
    nothing = Detections([], [], [], CLASSES, (9, 9))
    with pytest.raises(InputError, match="two images of split 'test' have the id '1'"):
        write_results(tmp_path, "coco", split_of("1", "1"), [nothing] * 2)
    with pytest.raises(InputError, match="does not fit into a line"):
        write_results(tmp_path, "voc07", split_of("1\n2"), [nothing])
    with pytest.raises(InputError, match="'a/b' and 'a:b' would share the file"):
        write_results(tmp_path, "voc07", split_of("1", class_names=("a/b", "a:b")), [nothing])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written .*: choose another --results"):
        write_results(tmp_path / "file", "voc07", split_of("1"), [nothing])
