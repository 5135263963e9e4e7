"""Images whose headers declare more pixels than memory holds: one line, and no memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from faults.huge_images import huge_images

from ssd_keras.data.images import read_image
from ssd_keras.data.pixel_limit import MOST_PIXELS, declared_size
from ssd_keras.errors import InputError

TESTS = Path(__file__).parents[1]
MOST_MIB = 512


def test_nothing_makes_room_for_sixty_thousand_by_sixty_thousand_pixels(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "faults.huge_images", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["grown_mib"] < MOST_MIB
    huge = len(huge_images())
    assert len(found["skipped"]) == len(found["detected"]) == found["images"] - 1
    for text in (*found["problems"], *found["skipped"], *found["detected"], *found["read"].values()):
        assert "\n" not in text
    for name, text in found["read"].items():
        assert "60000 × 60000 pixels" in text, name
    assert sum("60000 × 60000" in text or "decode" in text for text in found["problems"]) >= huge - 1


@pytest.mark.parametrize("name", huge_images())
def test_the_declared_size_is_found(name):
    assert declared_size(huge_images()[name]) == (60_000, 60_000)
    assert declared_size(huge_images(300)[name]) == (300, 300)


@pytest.mark.parametrize("name", huge_images())
def test_a_header_that_is_cut_off_anywhere_declares_its_size_or_none(name):
    data = huge_images()[name]
    for end in range(len(data)):
        assert declared_size(data[:end]) in (None, (60_000, 60_000))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".ppm", ".pgm", ".pbm"])
@pytest.mark.parametrize(("height", "width"), [(37, 52), (1, 1), (300, 2)])
def test_what_is_declared_is_what_decoding_gives(suffix, height, width):
    shape = (height, width) if suffix in (".pgm", ".pbm") else (height, width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    settings = [[]]
    if suffix == ".jpg":
        settings.append([cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    if suffix == ".webp":  # with and without loss
        settings = [[cv2.IMWRITE_WEBP_QUALITY, quality] for quality in (50, 101)]
    for flags in settings:
        data = cv2.imencode(suffix, pixels, flags)[1].tobytes()
        assert declared_size(data) == (height, width) == read_image(data).shape[:2]


def test_pixels_up_to_the_limit_are_decoded():
    data = cv2.imencode(".png", np.zeros((1, MOST_PIXELS // 4096, 3), np.uint8))[1].tobytes()
    assert read_image(data).shape == (1, MOST_PIXELS // 4096, 3)


@pytest.mark.parametrize(
    "data", [b"", b"#?RADIANCE\n\n-Y 60000 +X 60000\n", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"P"]
)
def test_other_formats_are_not_decoded(data):
    with pytest.raises(InputError, match="here does not decode as an image"):
        read_image(data, name="here")


def test_a_directory_beyond_all_bytes_is_no_size():
    assert declared_size(b"MM\0+\0\x08\0\0" + b"\xff" * 8) is None
