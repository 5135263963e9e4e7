"""How many pixels an image declares, and the most that are decoded: a few bytes may ask for gigabytes.

Decoders make room for what a header says before they find that nothing follows. So the size is looked up here
first, as leniently as the decoders do it, and what is in none of the formats below is not decoded at all.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

MOST_PIXELS = 1 << 27
"""134 million, more than cameras make. Decoding takes up to seven bytes for each (progressive JPEG)."""

JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_BARE = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xD9)})
"""Second bytes of what has no length behind it: padding, markers without content, and chance."""

PORTABLE = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,10})(?:\s|#[^\n]*\n)+(\d{1,10})(?=[\s#])")
"""The beginning of PBM, PGM and PPM: width and height as text, with comments between."""

TIFF_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of whole numbers in TIFF, by their codes."""
TIFF_WIDTH, TIFF_HEIGHT = 0x0100, 0x0101
MOST_ENTRIES = 4096

Size = tuple[int, int]


def declared_size(data: bytes) -> Size | None:
    """Give (height, width) as an encoded image declares it, before any turning.

    None where there is none, or in no format that is read: JPEG, PNG, BMP, GIF, WebP, TIFF, PBM, PGM, PPM.
    """
    for signature, size_of in SIGNATURES.items():
        if data.startswith(signature):
            try:
                size = size_of(data)
            except (struct.error, IndexError, OverflowError):
                return None
            return size if size is not None and min(size) > 0 else None
    return None


def _jpeg_size(data: bytes) -> Size | None:
    place = 2
    while True:
        place = data.find(b"\xff", place)  # what stands between segments is passed over, as decoders do
        if place < 0:
            return None
        marker = data[place + 1]
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return height, width
        is_bare = marker in JPEG_BARE
        place += 1 if is_bare else 2 + max(2, struct.unpack_from(">H", data, place + 2)[0])


def _png_size(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _bmp_size(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(height), abs(width)  # a negative height means that the first row is on top


def _gif_size(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _webp_size(data: bytes) -> Size | None:
    kind = data[8:16]
    if kind == b"WEBPVP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"WEBPVP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"WEBPVP8X":
        sides = data[24:30]
        if len(sides) == 6:
            return int.from_bytes(sides[3:], "little") + 1, int.from_bytes(sides[:3], "little") + 1
    return None


def _tiff_size(data: bytes) -> Size | None:
    order = "<" if data.startswith(b"I") else ">"
    is_big = 43 in data[2:4]
    (directory,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, directory)
    first, length = directory + (8 if is_big else 2), 20 if is_big else 12
    sides: dict[int, int] = {}
    for number in range(min(entries, MOST_ENTRIES)):
        entry = first + number * length
        if entry + length > len(data):
            break
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT) and kind in TIFF_NUMBERS:
            (side,) = struct.unpack_from(
                order + TIFF_NUMBERS[kind], data, entry + length - (8 if is_big else 4)
            )
            sides[tag] = max(side, sides.get(tag, 0))
    return (sides[TIFF_HEIGHT], sides[TIFF_WIDTH]) if len(sides) == 2 else None


def _portable_size(data: bytes) -> Size | None:
    match = PORTABLE.match(data[: 1 << 16])
    return (int(match[2]), int(match[1])) if match else None


SIGNATURES: dict[bytes, Callable[[bytes], Size | None]] = {
    b"\xff\xd8": _jpeg_size,
    b"\x89PNG": _png_size,
    b"BM": _bmp_size,
    b"GIF8": _gif_size,
    b"RIFF": _webp_size,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff_size),
    b"P": _portable_size,
}
"""How the bytes of an image begin, and where they say its size."""
