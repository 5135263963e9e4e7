"""TIFF with transparency: its colours are to come out as they are stored, as those of PNG and WebP do.

OpenCV's decoder multiplies colours of 8 bits by an alpha that is said to be apart from them ("unassociated",
ExtraSamples 2), which makes what is transparent dark. An alpha of which nothing is said it only leaves out.

Source: TIFF 6.0, section 18; BigTIFF has longer numbers at other places.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

EXTRA_SAMPLES, SHORT, UNASSOCIATED, UNSPECIFIED = 338, 3, 2, 0

MOST_ENTRIES = 4096


class _Layout(NamedTuple):
    """Where a kind of TIFF says where its directory is, and the formats of numbers in it."""

    directory: int
    offset: str
    entries: str
    entry: str
    length: int


LAYOUTS = {
    b"II*\0": _Layout(4, "<I", "<H", "<HHIH", 12),
    b"MM\0*": _Layout(4, ">I", ">H", ">HHIH", 12),
    b"II+\0": _Layout(8, "<Q", "<Q", "<HHQH", 20),
    b"MM\0+": _Layout(8, ">Q", ">Q", ">HHQH", 20),
}


def keep_colours(data: bytes) -> bytes:
    """Give an encoded image that decodes to the colours it stores: a TIFF without a word on its alpha."""
    layout = LAYOUTS.get(data[:4])
    if layout is None:
        return data
    try:
        place = _place_of_unassociated(data, layout)
    except (struct.error, OverflowError):  # it is damaged, which the decoder will say
        return data
    if place is None:
        return data
    return data[:place] + struct.pack(layout.entry[0] + "H", UNSPECIFIED) + data[place + 2 :]


def _place_of_unassociated(data: bytes, layout: _Layout) -> int | None:
    """Where the first image says that its one extra channel is an alpha apart from its colours."""
    directory = int(struct.unpack_from(layout.offset, data, layout.directory)[0])
    entries = int(struct.unpack_from(layout.entries, data, directory)[0])
    first = directory + struct.calcsize(layout.entries)
    for number in range(min(entries, MOST_ENTRIES)):
        entry = first + number * layout.length
        if struct.unpack_from(layout.entry, data, entry) == (EXTRA_SAMPLES, SHORT, 1, UNASSOCIATED):
            return entry + struct.calcsize(layout.entry) - 2
    return None
