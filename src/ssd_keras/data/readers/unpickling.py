"""Reads pickles and runs nothing.

A pickle is a program that may run anything. None is run here: `Unpickler` knows the instructions that
describe dictionaries, lists, texts, numbers and NumPy arrays, makes nothing else, and calls nothing.

    with open_pickle(file) as unpickler:
        content = unpickler.run()  # arrays in it are `PlainArray`, keys of dictionaries texts
        array = unpickler.array(content["000012.jpg"])
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ssd_keras.data.readers.pickled_data import (
    EMPTY,
    KNOWN,
    LARGEST_SCALAR,
    LARGEST_TEXT,
    Buffer,
    DamagedError,
    ForeignError,
    Known,
    LargeError,
    NumberType,
    PlainArray,
    Raw,
    checked_byte_order,
    checked_code,
    checked_order,
    checked_shape,
)
from ssd_keras.errors import InputError

LARGEST = 1 << 30
"""Bytes of a file; it is mapped, not read, so memory is spent only on what counts."""

MOST_STEPS = 8_000_000
"""Of the machine; each takes at most about 100 bytes. Labels need some 40 for an image."""

ADVICE = "give a pickled dictionary of file names and arrays"
"""What to do about a pickle that is of no use."""


@contextlib.contextmanager
def open_pickle(file: Path) -> Iterator[Unpickler]:
    """Map a file for an `Unpickler`, as long as the context lasts.

    Raises:
        InputError: the file cannot be read, or what is done in the context finds it damaged, too large, or
            more than plain data: all that goes wrong there becomes one line.
    """
    try:
        with file.open("rb") as opened:
            if file.stat().st_size > LARGEST:
                raise LargeError
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield Unpickler(data)
    except OSError as error:
        reason = error.strerror or "it cannot be mapped"
        raise InputError(f"{file} cannot be read ({reason}): check the path") from error
    except ForeignError as error:
        what = "holds more than arrays, dictionaries and strings: nothing in it was run"
        raise InputError(f"{file} {what}: {ADVICE}") from error
    except (LargeError, MemoryError) as error:
        raise InputError(f"{file} takes more memory or time than labels do: divide it") from error
    except (DamagedError, ValueError) as error:  # a file of no bytes cannot be mapped
        raise InputError(f"{file} is no pickle, or not all of one: {ADVICE}") from error


class Unpickler:
    """Follows the instructions of a pickle (protocols 0 to 5) as far as they make plain data.

    Texts and arrays stay where they are in `data` and are described; `array` makes an array. Keys of
    dictionaries become texts: to hash anything else may take forever.
    """

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._position = 0
        self._steps = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Follow all instructions and give the object that is left.

        Raises:
            ForeignError: it would make something else than plain data.
            DamagedError: it is no pickle, or ends too early.
            LargeError: it takes too many steps, or a part is too large.
        """
        try:
            while (opcode := self._take(1)) != b".":
                self._spend(1)
                self._follow(opcode)
            return self._stack.pop()
        except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
            raise DamagedError from error

    def array(self, described: PlainArray) -> NDArray[Any]:
        """Make an array that is described in the file; errors as of `PlainArray.made`."""
        return described.made(self._data)

    # Taking bytes from the file.

    def _take(self, count: int) -> bytes:
        return self._data[self._position : self._skip(count)]

    def _skip(self, count: int) -> int:
        if count > len(self._data) - self._position:
            raise DamagedError
        self._position += count
        return self._position

    def _line(self) -> tuple[int, int]:
        """The start and the stop of the rest of the line."""
        start, stop = self._position, self._data.find(b"\n", self._position)
        if stop < 0:
            raise DamagedError
        self._position = stop + 1
        return start, stop

    def _line_text(self) -> str:
        start, stop = self._line()
        if stop - start > LARGEST_TEXT:
            raise LargeError
        return self._data[start:stop].decode("ascii")

    def _text(self, raw: Raw) -> str:
        return raw.text(self._data)

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise LargeError

    # One instruction.

    def _follow(self, opcode: bytes) -> None:
        if opcode in CONSTANTS:
            self._push(CONSTANTS[opcode]())
        elif opcode in COUNTED:
            size, encoding = COUNTED[opcode]
            count = self._number(size)
            self._spend(2)
            self._push(Raw(self._position, self._skip(count), encoding))
        elif opcode in INSTRUCTIONS:
            INSTRUCTIONS[opcode](self)
        elif opcode in FOREIGN:
            raise ForeignError
        else:
            raise DamagedError

    def _push_quoted(self) -> None:
        start, stop = self._line()
        self._spend(2)
        quotes = self._data[start : start + 1] + self._data[stop - 1 : stop]
        if quotes not in (b"''", b'""') or stop - start < 2:
            raise DamagedError
        self._push(Raw(start + 1, stop - 1, "escaped"))

    def _push_unicode_line(self) -> None:
        self._spend(2)
        self._push(Raw(*self._line(), "raw-unicode-escape"))

    def _push_number_line(self) -> None:
        text = self._line_text()
        self._push({"00": False, "01": True}[text] if text in ("00", "01") else int(text.rstrip("L")))

    def _push_float_line(self) -> None:
        self._push(float(self._line_text()))

    def _push_long(self, size: int) -> None:
        count = self._number(size)
        if count > LARGEST_TEXT:
            raise LargeError
        self._push(self._number(count, signed=True))

    def _push(self, item: Any) -> None:
        self._stack.append(item)

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _remember(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _push_tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise DamagedError
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._push(items)

    def _push_dictionary(self) -> None:
        items = self._pop_mark()
        self._push({})
        self._set_items(items)

    def _append(self, items: Sequence[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ForeignError
        self._spend(len(items))
        target.extend(items)

    def _append_one(self) -> None:
        item = self._stack.pop()
        self._append([item])

    def _set_items(self, items: Sequence[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ForeignError
        self._spend(len(items))
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value

    def _set_one(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _key(self, key: Any) -> str:
        if isinstance(key, Raw):
            return self._text(key)
        if key is None or isinstance(key, int | float):
            return str(key)
        raise ForeignError

    def _push_known(self, module: str, name: str) -> None:
        if (module, name) not in KNOWN:
            raise ForeignError
        self._push(KNOWN[module, name])

    def _push_known_lines(self) -> None:
        start, stop = self._line()
        more_start, more_stop = self._line()
        if max(stop - start, more_stop - more_start) > LARGEST_TEXT:
            raise LargeError
        names = self._data[start:stop], self._data[more_start:more_stop]
        self._push_known(*(name.decode("utf-8") for name in names))

    def _push_known_from_stack(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, Raw) or not isinstance(module, Raw):
            raise ForeignError
        self._push_known(self._text(module), self._text(name))

    # What takes the place of calls.

    def _reduce(self) -> None:
        arguments, known = self._stack.pop(), self._stack.pop()
        self._spend(2)
        match known, arguments:
            case Known.RECONSTRUCT, (Known.ARRAY, tuple(), Raw()):
                made: Any = PlainArray()
            case Known.FROM_BUFFER, (Raw() as content, NumberType() as kind, shape, Raw() as order, *_):
                made = PlainArray(checked_shape(shape), kind, content, checked_order(self._text(order)))
            case Known.SCALAR, (NumberType() as kind, Raw() as content) if content.length <= LARGEST_SCALAR:
                made = self.array(PlainArray((), kind, content)).item()
            case Known.DTYPE, (Raw() as code, *_):
                made = NumberType(checked_code(self._text(code)))
            case Known.ENCODE, (Raw() as content, Raw() as encoding):
                made = content.as_encoded(self._text(encoding))
            case Known.BYTES, ():
                made = EMPTY
            case _:
                raise ForeignError
        self._push(made)

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        match target, state:
            case NumberType(), (_, Raw() as order, *_):
                target.order = checked_byte_order(self._text(order))
            case PlainArray(), (int(), shape, NumberType() as kind, int() as is_fortran, Raw() as content):
                target.shape, target.type, target.content = checked_shape(shape), kind, content
                target.order = "F" if is_fortran else "C"
            case _:
                raise ForeignError


# --- The instructions by their codes ------------------------------------------------------------------------

CONSTANTS: dict[bytes, Callable[[], Any]] = {
    b"N": lambda: None,
    b"\x88": lambda: True,
    b"\x89": lambda: False,
    b")": tuple,
    b"]": list,
    b"}": dict,
}

COUNTED = {
    b"X": (4, "utf-8"),
    b"\x8c": (1, "utf-8"),
    b"\x8d": (8, "utf-8"),
    b"T": (4, "python 2"),
    b"U": (1, "python 2"),
    b"B": (4, "bytes"),
    b"C": (1, "bytes"),
    b"\x8e": (8, "bytes"),
    b"\x96": (8, "bytes"),
}
"""Texts and bytes: of how many bytes the number is that says their length, and what they are."""

INSTRUCTIONS: dict[bytes, Callable[[Unpickler], Any]] = {
    b"\x80": lambda m: m._skip(1),
    b"\x95": lambda m: m._skip(8),
    b"S": Unpickler._push_quoted,
    b"V": Unpickler._push_unicode_line,
    b"I": Unpickler._push_number_line,
    b"L": Unpickler._push_number_line,
    b"F": Unpickler._push_float_line,
    b"K": lambda m: m._push(m._number(1)),
    b"M": lambda m: m._push(m._number(2)),
    b"J": lambda m: m._push(m._number(4, signed=True)),
    b"\x8a": lambda m: m._push_long(1),
    b"\x8b": lambda m: m._push_long(4),
    b"G": lambda m: m._stack.extend(struct.unpack(">d", m._take(8))),
    b"(": Unpickler._mark,
    b"0": Unpickler._pop,
    b"1": Unpickler._pop_mark,
    b"2": lambda m: m._push(m._stack[-1]),
    b"t": lambda m: m._push(tuple(m._pop_mark())),
    b"\x85": lambda m: m._push_tuple(1),
    b"\x86": lambda m: m._push_tuple(2),
    b"\x87": lambda m: m._push_tuple(3),
    b"l": lambda m: m._push(m._pop_mark()),
    b"d": Unpickler._push_dictionary,
    b"a": Unpickler._append_one,
    b"e": lambda m: m._append(m._pop_mark()),
    b"s": Unpickler._set_one,
    b"u": lambda m: m._set_items(m._pop_mark()),
    b"p": lambda m: m._remember(int(m._line_text())),
    b"q": lambda m: m._remember(m._number(1)),
    b"r": lambda m: m._remember(m._number(4)),
    b"\x94": lambda m: m._remember(len(m._memo)),
    b"g": lambda m: m._push(m._memo[int(m._line_text())]),
    b"h": lambda m: m._push(m._memo[m._number(1)]),
    b"j": lambda m: m._push(m._memo[m._number(4)]),
    b"c": Unpickler._push_known_lines,
    b"\x93": Unpickler._push_known_from_stack,
    b"R": Unpickler._reduce,
    b"b": Unpickler._build,
}

FOREIGN = frozenset(bytes([code]) for code in b"PQiio\x81\x82\x83\x84\x8f\x90\x91\x92\x97\x98")
"""Instructions that make objects, sets, and what stands outside of the file."""
