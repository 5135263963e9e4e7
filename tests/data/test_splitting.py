"""New splits: by fractions, by lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.data.splitting import remarks_on_lists, split_by_fractions, split_by_lists
from ssd_keras.errors import InputError


def dataset(contents, **splits):
    """A data set whose images have these bytes; each split holds the images of these numbers."""
    samples = [Sample(content, GroundTruth.empty(), f"{n:03d}") for n, content in enumerate(contents)]
    splits = splits or {"all": range(len(samples))}
    return Dataset(
        ("a",), {k: Split(k, tuple(samples[n] for n in v), ("a",)) for k, v in splits.items()}, "voc"
    )


def different(count):
    return [b"image %d" % number for number in range(count)]


def ids(split):
    return [sample.image_id for sample in split]


def test_fractions_are_kept_and_every_image_is_in_one_split():
    found = split_by_fractions(dataset(different(100)), {"train": 0.7, "val": 0.1, "test": 0.2})
    assert [len(split) for split in found.values()] == [70, 10, 20]
    everything = [image_id for split in found.values() for image_id in ids(split)]
    assert sorted(everything) == [f"{n:03d}" for n in range(100)]


def test_one_seed_one_division():
    one, same, other = (
        split_by_fractions(dataset(different(50)), {"a": 0.5, "b": 0.5}, seed) for seed in (3, 3, 4)
    )
    assert ids(one["a"]) == ids(same["a"]) != ids(other["a"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=30), st.integers(0, 5))
def test_identical_images_stay_together_and_no_split_is_empty(contents, seed):
    images = [b"%d" % content for content in contents]
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    if len(set(images)) < 3:
        with pytest.raises(InputError, match="cannot fill 3 splits"):
            split_by_fractions(dataset(images), shares, seed)
        return
    found = split_by_fractions(dataset(images), shares, seed)
    places = {}
    for name, split in found.items():
        assert len(split)
        for sample in split:
            assert places.setdefault(sample.image, name) == name
    assert sum(map(len, found.values())) == len(images)


def test_pixels_count_as_content():
    pixels = [np.full((2, 2, 3), value, np.uint8) for value in (1, 1, 2)]
    found = split_by_fractions(dataset(pixels), {"a": 0.5, "b": 0.5})
    assert sorted(map(len, found.values())) == [1, 2]


@pytest.mark.parametrize(
    ("fractions", "said"),
    [
        ({"a": 0.5, "b": 0.4}, "add up to 0.9"),
        ({"a": 1.5, "b": -0.5}, "above 0"),
        ({"a": float("nan"), "b": 1}, "above 0"),
    ],
)
def test_fractions_that_make_no_sense_are_refused(fractions, said):
    with pytest.raises(InputError, match=said):
        split_by_fractions(dataset(different(9)), fractions)


def test_lists_name_images_by_id_by_file_or_by_path(tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"1")
    samples = (
        Sample(tmp_path / "one.jpg", GroundTruth.empty(), "7"),
        Sample(b"2", GroundTruth.empty(), "two words"),
        Sample(b"3", GroundTruth.empty(), "three"),
    )
    data = Dataset(("a",), {"all": Split("all", samples, ("a",))}, "coco")
    (tmp_path / "train.txt").write_text("images/one.jpg\n\ntwo words\n7\n")
    (tmp_path / "val.txt").write_text("three.png\n")
    found = split_by_lists(data, {"train": tmp_path / "train.txt", "val": tmp_path / "val.txt"})
    assert ids(found["train"]) == ["7", "two words"]
    assert ids(found["val"]) == ["three"]


def named(folder, *paths, ids=None):
    """A data set of files of these paths."""
    image_ids = ids or paths
    samples = tuple(
        Sample(folder / path, GroundTruth.empty(), image_id)
        for path, image_id in zip(paths, image_ids, strict=True)
    )
    return Dataset(("a",), {"all": Split("all", samples, ("a",))}, "coco")


@pytest.mark.parametrize("before", ["", "/elsewhere/rf_coco/", "./", "C:\\data\\"])
def test_of_images_of_one_name_the_path_tells_which(tmp_path, before):
    data = named(tmp_path / "set", "train/a.jpg", "valid/a.jpg", "valid/b.jpg", ids=["1", "2", "3"])
    (tmp_path / "train.txt").write_text(f"{before}train/a.jpg\n")
    (tmp_path / "val.txt").write_text(f"{before}valid/a\n{before}valid/b.png\n".replace("/", "\\"))
    found = split_by_lists(data, {"train": tmp_path / "train.txt", "val": tmp_path / "val.txt"})
    assert {name: ids(split) for name, split in found.items()} == {"train": ["1"], "val": ["2", "3"]}


@pytest.mark.parametrize("line", ["a.jpg", "a", "other/a.jpg"])
def test_a_name_of_two_images_is_refused(tmp_path, line):
    data = named(tmp_path / "set", "train/a.jpg", "valid/a.jpg")
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(
        InputError, match=r"line 1: '.*' may be 2 images, .*train/a.jpg and .*: write its path"
    ):
        split_by_lists(data, {"train": tmp_path / "list.txt"})


def test_ids_that_are_the_numbers_of_other_files(tmp_path):
    data = named(tmp_path, "1.jpg", "2.jpg", ids=["2", "1"])
    (tmp_path / "list.txt").write_text("2\n2.jpg\n")
    found = split_by_lists(data, {"train": tmp_path / "list.txt"})
    assert [sample.image.name for sample in found["train"]] == ["1.jpg", "2.jpg"]


def test_images_in_two_lists_and_in_none_are_told(tmp_path):
    data = named(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "one.txt").write_text("a.jpg\na.jpg\n")
    (tmp_path / "two.txt").write_text("a.jpg\nb.jpg\n")
    found = split_by_lists(data, {name: tmp_path / f"{name}.txt" for name in ("one", "two")})
    none, several = remarks_on_lists(data, found)
    assert none == f"1 of 3 images is in no list, and left out; the first: {tmp_path / 'c.jpg'}"
    assert several == f"1 of 3 images is in more than one list; the first: {tmp_path / 'a.jpg'}"
    (tmp_path / "one.txt").write_text("c.jpg")
    found = split_by_lists(data, {name: tmp_path / f"{name}.txt" for name in ("one", "two")})
    assert remarks_on_lists(data, found) == []


@pytest.mark.parametrize("line", [".", "/", "..", "a/..", "\\"])
def test_a_line_without_a_name_is_no_image(tmp_path, line):
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(InputError, match="line 1: there is no image"):
        split_by_lists(named(tmp_path, "a.jpg"), {"train": tmp_path / "list.txt"})


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_list_is_refused(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=r"list.txt is empty"):
        split_by_lists(dataset(different(2)), {"train": tmp_path / "list.txt"})


def test_lists_that_cannot_be_followed_are_refused(tmp_path):
    data = dataset(different(2))
    (tmp_path / "list.txt").write_text("000\nnone\n")
    with pytest.raises(InputError, match=r"list.txt, line 2: there is no image 'none'"):
        split_by_lists(data, {"train": tmp_path / "list.txt"})
    with pytest.raises(InputError, match="cannot be read"):
        split_by_lists(data, {"train": tmp_path / "missing.txt"})
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text"):
        split_by_lists(data, {"train": tmp_path / "list.txt"})
