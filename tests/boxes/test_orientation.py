"""Boxes follow the EXIF orientation of their image, as its pixels do."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from ssd_keras.boxes.orientation import upright_boxes

SIZE = (30, 50)
BOX = np.array([[5, 8, 20, 12]], np.float32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_goes_where_its_pixels_go(orientation):
    pixels = np.zeros(SIZE, np.uint8)
    pixels[8:12, 5:20] = 255
    stored = Image.fromarray(pixels)
    exif = stored.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    rows, columns = np.nonzero(shown)
    expected = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
    np.testing.assert_array_equal(upright_boxes(BOX, orientation, SIZE), expected)


def test_without_boxes_there_is_nothing_to_turn():
    assert upright_boxes(np.zeros((0, 4), np.float32), 6, SIZE).shape == (0, 4)
