"""What all writers share: images under names of their own."""

import time

import cv2
import numpy as np
import pytest

from ssd_keras.data.images import StoredImage
from ssd_keras.data.readers.writing import ImageWriter
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

JPEG = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def sample(image_id, content=JPEG):
    return Sample(content, GroundTruth.empty(), image_id)


def other(number):
    """An image with the same pixels and other bytes."""
    return JPEG + b"%d" % number


def test_every_image_is_written_once_and_under_a_name_of_its_own(tmp_path):
    writer = ImageWriter(tmp_path / "images")
    samples = [
        sample("a"),
        sample("A", other(1)),
        sample("a_2", other(2)),
        sample("a", other(3)),
        sample("b"),
    ]
    written = [writer.write(one) for one in samples]
    assert [file.name for file, _ in written] == ["a.jpg", "A_2.jpg", "a_2_2.jpg", "a_3.jpg", "b.jpg"]
    assert [writer.write(one) for one in samples] == [(file, False) for file, _ in written]
    assert [file.read_bytes() for file, _ in written] == [one.image for one in samples]


def test_a_number_that_a_name_has_already_is_not_given_again(tmp_path):
    writer = ImageWriter(tmp_path)
    names = [
        writer.write(sample(stem, other(n)))[0].stem for n, stem in enumerate(["a_2", "a_3", "a", "a", "a"])
    ]
    assert names == ["a_2", "a_3", "a", "a_4", "a_5"]


class Packed(StoredImage):
    """An image of a pack that remembers its file."""

    name = "pack.h5[0]"
    file_name = "000012.png"

    def load(self):
        return JPEG


def test_images_of_packs_go_by_the_names_of_their_files(tmp_path):
    assert ImageWriter(tmp_path).write(sample("12", Packed()))[0].name == "000012.jpg"
    assert ImageWriter(tmp_path).write(Sample(tmp_path / "000012.jpg", GroundTruth.empty(), "12"))[
        0
    ].name == ("000012.jpg")


def test_many_images_of_one_name_take_no_longer_each(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageWriter, "_write", lambda self, one, stem: self.folder / f"{stem}.jpg")
    writer = ImageWriter(tmp_path)
    start = time.perf_counter()
    names = {writer.write(sample("a", other(number)))[0].name for number in range(20_000)}
    assert len(names) == 20_000
    assert time.perf_counter() - start < 10  # one by one through all numbers it would take minutes


def test_an_image_that_is_none_says_what_helps(tmp_path):
    with pytest.raises(InputError, match=r"a is in no known image format .* 'ssd inspect DATA --fix OUT'"):
        ImageWriter(tmp_path).write(sample("a", b"garbage"))
