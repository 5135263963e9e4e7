"""Standard input is an image, or lines that name sources, which are answered one by one."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.images import read_image
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.inference.sources.standard_input import LONGEST_LINE, standard_input_images, starts_as_image

IMAGE = np.random.default_rng(0).integers(0, 255, (9, 11, 3), dtype=np.uint8)


def images_of(line):
    if line == "bad":
        raise InputError("bad is not there")
    yield SourceImage(line, b"")


def names(data):
    return [
        str(image) if isinstance(image, InputError) else image.name
        for image in standard_input_images(io.BytesIO(data), images_of)
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm", ".gif"])
def test_the_bytes_of_an_image_are_one_image(suffix):
    data = cv2.imencode(suffix, IMAGE)[1].tobytes()
    (image,) = standard_input_images(io.BytesIO(data), images_of)
    assert image.content == data
    assert read_image(image.content).shape == IMAGE.shape


def test_a_length_that_looks_like_the_end_of_a_line_does_not_mislead():
    data = b"BM\n\0" + bytes(60)
    (image,) = standard_input_images(io.BytesIO(data), images_of)
    assert image.content == data


def test_lines_name_sources_and_empty_ones_name_nothing():
    assert names(b"a.jpg\n\n  b c.png  \r\nbad\nlast") == ["a.jpg", "b c.png", "bad is not there", "last"]
    assert names(b"BMW\nRIFF.jpg\n") == ["BMW", "RIFF.jpg"]
    assert names("ä.jpg\n".encode()) == ["ä.jpg"]
    assert names("a.jpg\r\nb.jpg".encode("utf-8-sig")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\n"])
def test_nothing_is_said_to_be_nothing(data):
    (said,) = names(data)
    assert "nothing came on standard input" in said


def test_a_line_that_leads_back_or_never_ends_is_refused():
    back, after = names(b"-\na")
    assert "names standard input" in back
    assert after == "a"
    assert "too long" in names(b"x" * (LONGEST_LINE + 5) + b"\n")[0]


def test_each_line_is_answered_before_the_next_is_read():
    class Lines:
        def __init__(self):
            self.lines = [b"a\n", b"b\n"]

        def readline(self, limit):
            return self.lines.pop(0) if self.lines else b""

    stream = Lines()
    images = standard_input_images(stream, images_of)
    assert next(images).name == "a"
    assert stream.lines == [b"b\n"]


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=3), min_size=1))
def test_no_line_of_letters_is_taken_for_an_image(lines):
    data = "\n".join(lines).encode()
    assert not starts_as_image(data)
