"""Reading images: what is no file is not opened, and colours come out as they are stored."""

import io
import os
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssd_keras.data.images import READABLE_SUFFIXES, encoded_bytes, read_image
from ssd_keras.data.tiff_alpha import keep_colours
from ssd_keras.errors import InputError

RED, HALF = (200, 100, 50), 128


def transparent(format, alpha=HALF, **options):
    """An encoded picture of one colour that is half transparent."""
    file = io.BytesIO()
    Image.new("RGBA", (30, 20), (*RED, alpha)).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("alpha", [0, 1, HALF, 255])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_transparency_does_not_darken(format, alpha):
    assert (read_image(transparent(format, alpha)) == RED).all()


def test_a_transparent_tiff_is_still_turned_and_unpacked():
    image = read_image(transparent("TIFF", compression="tiff_lzw", tiffinfo={274: 6}))
    assert image.shape == (30, 20, 3)
    assert (image == RED).all()


@pytest.mark.parametrize("order", "<>")
def test_what_a_big_tiff_says_of_its_alpha_is_taken_out(order):
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQQ", 43, 8, 0, 16, 2)
    others = struct.pack(order + "HHQHxxxxxx", 256, 3, 1, 30)
    alpha = struct.pack(order + "HHQHxxxxxx", 338, 3, 1, 2)
    assert keep_colours(start + others + alpha) == start + others + alpha[:12] + bytes(8)


@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b""]), st.binary(max_size=60))
def test_damaged_files_are_left_to_the_decoder(start, rest):
    assert len(keep_colours(start + rest)) == len(start + rest)


def test_other_images_are_not_touched():
    for data in (b"", transparent("PNG"), cv2.imencode(".tif", np.zeros((4, 4, 3), np.uint8))[1].tobytes()):
        assert keep_colours(data) is data


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "z.jpg")
    with pytest.raises(InputError, match="is a pipe or a device"):
        encoded_bytes(tmp_path / "z.jpg")
    with pytest.raises(InputError, match="cannot be read"):
        encoded_bytes(tmp_path)


@pytest.mark.parametrize("suffix", sorted(READABLE_SUFFIXES))
def test_every_suffix_is_of_a_format_that_is_read(suffix, tmp_path):
    kind = {".jfif": ".jpg", ".jpe": ".jpg"}.get(suffix, suffix)
    image = np.zeros((20, 30) if kind in (".pbm", ".pgm") else (20, 30, 3), np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(kind, image)[1].tobytes())
    assert read_image(tmp_path / f"a{suffix}").shape == (20, 30, 3)
