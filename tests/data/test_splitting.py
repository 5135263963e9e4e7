"""New splits: by fractions, by lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.data.splitting import split_by_fractions, split_by_lists
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
