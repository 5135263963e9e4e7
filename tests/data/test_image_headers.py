"""Headers tell the size that decoding gives, or nothing."""

import struct

import cv2
import numpy as np
import pytest

from ssd_keras.data.image_headers import DeferredImage, encoded_image_size, read_resized
from ssd_keras.data.images import read_image
from ssd_keras.errors import InputError


def encoded(suffix, height=37, width=52, **settings):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    flags = [number for pair in settings.get("flags", []) for number in pair]
    return cv2.imencode(suffix, image, flags)[1].tobytes()


def exif(orientation, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "HHHIHH", 2, 0x0100, 3, 1, 52, 0)
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "I", 8) + entries + bytes(4)


def jpeg_with_exif(block):
    data = encoded(".jpg")
    content = b"Exif\0\0" + block
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize(("height", "width"), [(37, 52), (1, 1), (300, 2)])
def test_the_header_tells_the_size_decoding_gives(suffix, height, width):
    data = encoded(suffix, height, width)
    assert encoded_image_size(data) == (height, width) == read_image(data).shape[:2]


def test_progressive_and_grey_jpegs_have_a_size():
    assert encoded_image_size(encoded(".jpg", flags=[(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])) == (37, 52)
    grey = cv2.imencode(".jpg", np.zeros((20, 30), np.uint8))[1].tobytes()
    assert encoded_image_size(grey) == (20, 30)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_only_an_upright_exif_orientation_lets_the_header_tell(orientation, order):
    data = jpeg_with_exif(exif(orientation, order))
    assert encoded_image_size(data) == ((37, 52) if orientation == 1 else None)
    image = DeferredImage(data, "turned")
    pixels, _ = image.pixels()
    assert image.size == pixels.shape[:2] == ((52, 37) if orientation >= 5 else (37, 52))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"GIF89a" + bytes(20),
        encoded(".bmp"),
        encoded(".jpg")[:30],
        jpeg_with_exif(b"II*\0\xff\xff\xff\xff"),
        jpeg_with_exif(b"??"),
    ],
)
def test_a_header_that_does_not_settle_the_size_tells_nothing(data):
    assert encoded_image_size(data) is None


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_a_jpeg_is_decoded_reduced(reduction):
    pixels, used = DeferredImage(encoded(".jpg"), "photo").pixels(reduction)
    assert used == reduction
    assert pixels.shape == (-(-37 // reduction), -(-52 // reduction), 3)


@pytest.mark.parametrize("source", [encoded(".png"), encoded(".bmp"), read_image(encoded(".png"))])
def test_anything_else_is_decoded_in_full(source):
    image = DeferredImage(source, "photo")
    pixels, used = image.pixels(4)
    assert used == 1
    assert pixels.shape == (*image.size, 3) == (37, 52, 3)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(".jpg"))
    assert DeferredImage(path, str(path)).size == (37, 52)


def test_errors_name_the_image(tmp_path):
    with pytest.raises(InputError, match=r"none\.jpg cannot be read"):
        DeferredImage(tmp_path / "none.jpg", "none.jpg")
    with pytest.raises(InputError, match="photo 7 does not decode"):
        DeferredImage(b"no image", "photo 7")
    broken = DeferredImage(encoded(".png")[:40], "photo 8")
    with pytest.raises(InputError, match="photo 8 does not decode"):
        broken.pixels()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_large_photograph_is_averaged_not_sampled(suffix):
    # A fine chessboard is grey from afar; sampling single pixels of it would give black and white noise.
    board = (np.indices((960, 1280)).sum(axis=0) % 2 * 255).astype(np.uint8)
    data = cv2.imencode(suffix, np.repeat(board[..., None], 3, axis=2))[1].tobytes()
    size, pixels = read_resized(data, (120, 160), "chessboard")
    assert size == (960, 1280)
    assert pixels.shape == (120, 160, 3)
    assert np.abs(pixels.astype(int) - 127).max() <= 8


def test_an_image_that_shrinks_little_is_resized_as_the_original_does():
    image = np.random.default_rng(0).integers(0, 256, (100, 130, 3), dtype=np.uint8)
    size, pixels = read_resized(image, (60, 80), "noise")
    assert size == (100, 130)
    np.testing.assert_array_equal(pixels, cv2.resize(image, (80, 60), interpolation=cv2.INTER_LINEAR))
