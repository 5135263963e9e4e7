"""From one format to another: nothing of others is touched, nothing half done or wrong is left."""

import threading

import numpy as np
import pytest
from scenes import CLASSES, sample, write_data

from ssd_keras.data import conversion
from ssd_keras.data.conversion import convert_and_check, convert_dataset
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.samples import Dataset, GroundTruth, Problem, Sample, Split
from ssd_keras.errors import InputError

FOLDERS = [known.name for known in FORMATS if not known.is_pack]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(write_data(tmp_path_factory.mktemp("data") / "set", train=4, val=2))


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("to", FOLDERS)
def test_folders_of_others_stay(data, tmp_path, to):
    (tmp_path / "unfinished-mine").mkdir()
    (tmp_path / "unfinished-mine" / "precious.txt").write_text("x")
    convert_dataset(data, tmp_path / "mine", to)
    assert names_in(tmp_path) == ["mine", "unfinished-mine"]
    assert (tmp_path / "unfinished-mine" / "precious.txt").read_text() == "x"
    assert len(open_dataset(tmp_path / "mine")["train"]) == 4


def test_of_two_at_once_one_comes_through_and_the_other_is_told(data, tmp_path):
    both_write = threading.Barrier(2, timeout=60)
    waiting = threading.local()
    errors = []

    def wait_once():
        if not hasattr(waiting, "done"):
            waiting.done = True
            both_write.wait()

    def write():
        try:
            convert_dataset(data, tmp_path / "out", "csv", on_progress=wait_once)
        except InputError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (error,) = errors
    assert str(tmp_path / "out") in error
    assert names_in(tmp_path) == ["out"]
    assert len(open_dataset(tmp_path / "out")["train"]) == 4


def test_an_interruption_leaves_nothing(data, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_dataset(data, tmp_path / "out", "voc", on_progress=interrupt)
    assert names_in(tmp_path) == []


def test_folders_are_readable_for_all_whom_the_user_lets(data, tmp_path):
    (tmp_path / "usual").mkdir()
    convert_dataset(data, tmp_path / "out", "csv")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_long_name_and_folders_that_are_missing(data, tmp_path):
    target = tmp_path / "a" / "b" / ("ü" * 100)
    convert_dataset(data, target, "csv")
    assert names_in(target.parent) == [target.name]


def test_a_place_that_cannot_be_written_to_is_one_line(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        convert_dataset(data, tmp_path / "file" / "out", "csv")


@pytest.mark.parametrize("to", [known.name for known in FORMATS])
def test_numbers_of_classes_come_back(tmp_path, to):
    split = Split("train", (sample(1), sample(2)), CLASSES)
    numbered = Dataset(CLASSES, {"train": split}, "coco", category_ids=(90, 7))
    written = convert_and_check(numbered, tmp_path / "out", to)
    assert dict(zip(written.class_names, written.category_ids, strict=True)) == {"blue": 90, "red": 7}


def changed(truth, **values):
    return GroundTruth(**{"boxes_px": truth.boxes_px, "labels": truth.labels, **values})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda truth: truth.select(np.arange(len(truth)) > 0), "reads with 6 boxes, 12 were to be written"),
        (lambda truth: changed(truth, labels=0 * truth.labels), "boxes of '"),
    ],
)
@pytest.mark.parametrize("to", ["csv", "hdf5"])
def test_what_reads_otherwise_is_an_error_and_not_left(data, tmp_path, monkeypatch, to, change, said):
    def faulty(path):
        read = open_dataset(path)
        for split in read.values():
            for one in split:
                object.__setattr__(one, "ground_truth", change(one.ground_truth))
        object.__setattr__(read, "problems", (Problem("a.csv", "is odd", "correct it"),))
        return read

    one_class = Split("all", tuple(one for split in data.values() for one in split), CLASSES)
    monkeypatch.setattr(conversion, "open_dataset", faulty)
    with pytest.raises(InputError, match=said) as error:
        convert_and_check(Dataset(CLASSES, {"all": one_class}, "voc"), tmp_path / "out", to)
    assert "the first problem: a.csv: is odd" in str(error.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ({"a": 1, "b": 2}, "reads with 1 \\+ 2 images in its splits, 2 \\+ 2 were"),
        ({"a": 2}, "reads with 2 images in its splits, 2 \\+ 2 were"),
    ],
)
def test_images_that_are_gone_are_an_error(tmp_path, monkeypatch, read, said):
    empty = [Sample(sample(number).image, GroundTruth.empty(), str(number)) for number in range(2)]

    def of(counts):
        splits = {name: Split(name, tuple(empty[:count]), CLASSES) for name, count in counts.items()}
        return Dataset(CLASSES, splits, "voc")

    monkeypatch.setattr(conversion, "open_dataset", lambda path: of(read))
    with pytest.raises(InputError, match=said):
        convert_and_check(of({"a": 2, "b": 2}), tmp_path / "out", "csv")
    assert names_in(tmp_path) == []


def test_names_that_change_are_an_error(data, tmp_path, monkeypatch):
    def renamed(path):
        read = open_dataset(path)
        object.__setattr__(read, "class_names", ("class 1", "class 2"))
        return read

    monkeypatch.setattr(conversion, "open_dataset", renamed)
    with pytest.raises(InputError, match="reads with 'class 1', 'class 2' as classes, 'blue', 'red' were"):
        convert_and_check(data, tmp_path / "out", "csv")
