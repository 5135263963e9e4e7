"""What a pickle may hold to be read here: dictionaries, lists, texts, numbers, and NumPy arrays of numbers.

A text or an array is a description of where its bytes stand in the file, until it is asked for.
"""

from __future__ import annotations

import codecs
import enum
import math
import mmap
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST_ARRAY = 1 << 22
LARGEST_TEXT = 1 << 12
LARGEST_SCALAR = 1 << 6
"""Bytes; larger ones than these are no labels."""

MOST_DIMENSIONS, LONGEST_DIMENSION = 8, 1 << 31
"""Of the shape of an array; a shape beyond that is damaged."""

NUMBER_CODES = frozenset({"b1", *(f"{kind}{size}" for kind in "iu" for size in "1248"), "f2", "f4", "f8"})
"""NumPy's codes of types: truth values, integers and floats."""

Buffer = bytes | mmap.mmap
"""The bytes of a file."""


class PickleError(Exception):
    """A pickle is not read on; what is raised is one of the three below."""


class ForeignError(PickleError):
    """A pickle holds something that is no plain data."""


class DamagedError(PickleError):
    """The bytes are no pickle, or not all of it."""


class LargeError(PickleError):
    """A pickle would take more memory or time than labels need."""


class Known(enum.Enum):
    """The names a pickle may mention. They are signs here, not functions."""

    RECONSTRUCT = enum.auto()
    FROM_BUFFER = enum.auto()
    SCALAR = enum.auto()
    ARRAY = enum.auto()
    DTYPE = enum.auto()
    ENCODE = enum.auto()
    BYTES = enum.auto()


KNOWN = {
    **{
        (f"numpy.{core}.multiarray", name): known
        for core in ("core", "_core")
        for name, known in (("_reconstruct", Known.RECONSTRUCT), ("scalar", Known.SCALAR))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): Known.FROM_BUFFER for core in ("core", "_core")},
    ("numpy", "ndarray"): Known.ARRAY,
    ("numpy", "dtype"): Known.DTYPE,
    ("_codecs", "encode"): Known.ENCODE,
    **{(module, "bytes"): Known.BYTES for module in ("builtins", "__builtin__")},
}
"""By module and name, as a pickle mentions them."""


class Raw(NamedTuple):
    """A text or bytes where they stand in the file; they are decoded when they are needed, if ever.

    Attributes:
        start: its first byte, from the beginning of the file.
        stop: the byte behind it.
        encoding: what the bytes are; one of Python's encodings, "python 2", "escaped" or "bytes".
        is_encoded_text: it is a text that stands for bytes, in Latin-1.
    """

    start: int
    stop: int
    encoding: str
    is_encoded_text: bool = False

    @property
    def length(self) -> int:
        """How many bytes it takes in the file."""
        return self.stop - self.start

    def text(self, data: Buffer) -> str:
        """Decode a text. What Python 2 wrote is in UTF-8 if it can be, as file names were, or in Latin-1.

        Raises:
            LargeError: it is too long.
            ValueError: its bytes are no text of its encoding.
        """
        if self.length > LARGEST_TEXT:
            raise LargeError
        stored = data[self.start : self.stop]
        if self.encoding == "escaped":
            stored = codecs.escape_decode(stored)[0]
        if self.encoding in ("utf-8", "raw-unicode-escape"):
            return stored.decode(self.encoding, "surrogatepass" if self.encoding == "utf-8" else "strict")
        try:
            return stored.decode("utf-8")
        except UnicodeDecodeError:
            return stored.decode("latin-1")

    def decoded_bytes(self, data: Buffer) -> bytes:
        """Give the bytes of an array; errors as of `text`."""
        if self.length > LARGEST_ARRAY:
            raise LargeError
        stored = data[self.start : self.stop]
        if self.is_encoded_text:  # Python 3 writes bytes as a text to encode where Python 2 shall read it
            return stored.decode(self.encoding).encode("latin-1")
        if self.encoding == "escaped":
            return bytes(codecs.escape_decode(stored)[0])
        return stored

    def as_encoded(self, encoding: str) -> Raw:
        """Give the bytes that a text becomes in `encoding`; `ForeignError` if that is not Latin-1."""
        if self.encoding not in ("utf-8", "raw-unicode-escape") or self.is_encoded_text:
            raise ForeignError
        if encoding.lower().replace("-", "") not in ("latin1", "iso88591"):
            raise ForeignError
        return self._replace(is_encoded_text=True)


EMPTY = Raw(0, 0, "bytes")


@dataclass(slots=True)
class NumberType:
    """The type of an array's numbers: its code and byte order, as NumPy writes them."""

    code: str
    order: str = "="

    @property
    def dtype(self) -> np.dtype[Any]:
        """The same as NumPy knows it."""
        return np.dtype(self.order + self.code)


@dataclass(slots=True)
class PlainArray:
    """An array as a file describes it; it is made when it is needed.

    Attributes:
        shape: as that of the array.
        type: of its numbers; None where the file does not get to say it.
        content: where its numbers are.
        order: "C" where the numbers of a row stand together, "F" where those of a column do.
    """

    shape: tuple[int, ...] = ()
    type: NumberType | None = None
    content: Raw = EMPTY
    order: str = "C"

    def made(self, data: Buffer) -> NDArray[Any]:
        """Make the array.

        Raises:
            DamagedError: its bytes are not those of its shape.
            LargeError: they are too many.
        """
        if self.type is None:
            raise DamagedError
        try:
            dtype, content = self.type.dtype, self.content.decoded_bytes(data)
            if math.prod(self.shape) * dtype.itemsize != len(content):
                raise DamagedError
            flat = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
            return flat.reshape(self.shape, order="F" if self.order == "F" else "C")
        except (ValueError, TypeError, OverflowError) as error:
            raise DamagedError from error


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Give the shape of an array, or raise `DamagedError` where it is none."""
    match shape:
        case tuple() if len(shape) <= MOST_DIMENSIONS and all(map(_is_dimension, shape)):
            return shape
    raise DamagedError


def _is_dimension(number: Any) -> bool:
    return isinstance(number, int) and 0 <= number < LONGEST_DIMENSION


def checked_order(order: str) -> str:
    """Give the order of an array's numbers, or raise `ForeignError` where it is none."""
    if order not in ("C", "F"):
        raise ForeignError
    return order


def checked_byte_order(order: str) -> str:
    """Give the order of a number's bytes, or raise `ForeignError` where it is none."""
    if order not in ("<", ">", "=", "|"):
        raise ForeignError
    return order


def checked_code(code: str) -> str:
    """Give the code of a type of numbers, without byte order; of objects, texts, records: `ForeignError`."""
    kind = code.lstrip("<>=|")
    if kind not in NUMBER_CODES:
        raise ForeignError
    return kind
