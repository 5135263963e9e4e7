"""What comes on standard input: one image, or lines that name sources, each looked at as it comes."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import SourceImage

STANDARD_INPUT = "-"

LONGEST_LINE = 1 << 14
MOST_BYTES = 1 << 28

IMAGE_STARTS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of images that no line of text has; for the other formats see `starts_as_image`."""

SHORT_STARTS = (b"BM", b"RIFF")
"""First bytes of images that may begin a name just as well; what follows them tells."""

PORTABLE = re.compile(rb"P[1-6]\s")


def standard_input_images(
    stream: Any, images_of: Callable[[str], Iterator[SourceImage | InputError]]
) -> Iterator[SourceImage | InputError]:
    """Give the one image that a stream holds, or the images of the sources that its lines name.

    Lines are read one at a time, and the images of each are given before the next is read.

    Args:
        stream: buffered and binary, such as `sys.stdin.buffer`.
        images_of: gives the images of a source that a line names.
    """
    head: bytes = stream.readline(LONGEST_LINE).removeprefix(codecs.BOM_UTF8)  # as editors write it
    if head.startswith(SHORT_STARTS) and len(head) < 12:  # a number in it may look like the end of a line
        head += stream.read(1)
        head += stream.readline(LONGEST_LINE)
    if starts_as_image(head):
        yield _image(head + stream.read(MOST_BYTES))
        return
    number, named = 0, 0
    while head:
        for line in head.splitlines():
            number += 1
            named += bool(line.strip())
            yield from _of_line(line, number, images_of)
        head = stream.readline(LONGEST_LINE)
    if not named:
        yield InputError("nothing came on standard input: give an image, or lines that name images")


def starts_as_image(head: bytes) -> bool:
    """Tell whether `head` begins an encoded image, and no lines of text: these have no zero byte."""
    return head.startswith(IMAGE_STARTS) or b"\0" in head or PORTABLE.match(head) is not None


def _image(data: bytes) -> SourceImage:
    return SourceImage("standard-input", data)


def _of_line(
    line: bytes, number: int, images_of: Callable[[str], Iterator[SourceImage | InputError]]
) -> Iterator[SourceImage | InputError]:
    text = os.fsdecode(line.strip())
    if len(line) >= LONGEST_LINE - 1:
        yield InputError(f"line {number} of standard input is too long for a name: give one source a line")
    elif text == STANDARD_INPUT:
        yield InputError(f"line {number} of standard input names standard input: name a file or a link")
    elif text:
        try:
            yield from images_of(text)
        except InputError as error:
            yield error
