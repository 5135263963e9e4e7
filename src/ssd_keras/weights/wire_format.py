"""The wire format of protocol buffers, as far as reading a `.caffemodel` takes.

A message is a sequence of fields; each is a number, a wire type, and a value. Nothing is copied: a value that
has a length is given as a view of the file, which may be mapped into memory.

Source: "Encoding" in the documentation of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: which field of the message it is.
        wire_type: `VARINT`, `FIXED64`, `BYTES` or `FIXED32`.
        value: an integer for `VARINT`, else the bytes.
    """

    number: int
    wire_type: int
    value: int | memoryview

    @property
    def content(self) -> memoryview:
        """The bytes of a string, a message or a packed list; `ValueError` where there are none."""
        if isinstance(self.value, int):
            raise ValueError(f"field {self.number} holds a number, not bytes")
        return self.value

    @property
    def integer(self) -> int:
        """The integer; `ValueError` where there is none."""
        if not isinstance(self.value, int):
            raise ValueError(f"field {self.number} holds bytes, not a number")
        return self.value


def read_fields(message: memoryview) -> Iterator[Field]:
    """Go through the fields of a message, one after the other.

    Raises:
        ValueError: the bytes end within a field, or are no message at all.
    """
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("there is no field 0")
        if wire_type == VARINT:
            value, place = _read_varint(message, place)
            yield Field(number, wire_type, value)
            continue
        if wire_type == BYTES:
            length, place = _read_varint(message, place)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire_type} does not exist")
        if place + length > len(message):
            raise ValueError(f"field {number} ends {place + length - len(message)} bytes behind the end")
        yield Field(number, wire_type, message[place : place + length])
        place += length


def read_varints(packed: memoryview) -> list[int]:
    """Read a packed list of integers."""
    values, place = [], 0
    while place < len(packed):
        value, place = _read_varint(packed, place)
        values.append(value)
    return values


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    """Read an integer of up to ten bytes, seven bits in each; give it and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("the bytes end within a number")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has more than ten bytes")
