"""Which files are videos, by their first bytes.

The suffix is never enough: behind it may be a playlist, with which FFmpeg would open whatever it names.
"""

from __future__ import annotations

from pathlib import Path

from ssd_keras.data.images import is_readable_kind

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv"}
    | {".ts", ".webm", ".wmv"}
)
"""By these the videos in a folder are known."""

STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"\x00\x00\x01\xba",  # MPEG programme stream
    b"\x00\x00\x01\xb3",  # MPEG video
)

QUICKTIME_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""The first box of an MP4 or MOV file, behind the four bytes of its length."""

STILL_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"})
"""Files laid out like MP4 that hold photographs."""

TRANSPORT_SYNC, TRANSPORT_PACKETS = 0x47, ((0, 188), (4, 196))
"""An MPEG transport stream has this byte at the start of each packet; cameras put four bytes before it."""

HEAD_BYTES = 256

RIFF_HEAD = 8
"""Bytes of a chunk of AVI before its content: its kind, and how long that is."""


def is_video(path: Path) -> bool:
    """Tell whether a file is a video by its content; one that cannot be read is none."""
    try:
        if not is_readable_kind(path):
            return False
        with path.open("rb") as file:
            return starts_as_video(file.read(HEAD_BYTES))
    except OSError:
        return False


def lacks_its_end(path: Path) -> bool:
    """Tell whether a file is an AVI and shorter than it says; of other videos their frames tell.

    It is a row of chunks that state their lengths, of which large files have several.
    """
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            place = 0
            while (head := file.read(RIFF_HEAD)).startswith(b"RIFF") and len(head) == RIFF_HEAD:
                place += RIFF_HEAD + int.from_bytes(head[4:], "little")
                place += place % 2  # chunks begin at even places
                if place > length + 1:
                    return True
                file.seek(place)
    except OSError:
        pass  # its frames could be read, and that is what counts
    return False


def starts_as_video(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is a video."""
    if head[4:8] in QUICKTIME_BOXES:
        return head[8:12] not in STILL_BRANDS
    if head.startswith(b"RIFF"):
        return head[8:11] == b"AVI"
    return head.startswith(STARTS) or _is_transport_stream(head)


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > second and head[first] == head[second] == TRANSPORT_SYNC
        for first, second in TRANSPORT_PACKETS
    )
