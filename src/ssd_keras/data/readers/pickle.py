"""The labels of the oldest Keras port of SSD: a pickled dictionary from file names to arrays.

    labels.pkl   {"000012.jpg": float array (n, 4 + K), ...}
    images/      the files themselves, here or anywhere below the folder

A row is a box: xmin, ymin, xmax and ymax as fractions of the image's sides, then a one for its class and
zeros for the K - 1 others; background is no class. Names of classes, splits and flags have no place there.

A pickle is a program that may run anything. None is run here: `_Machine` knows the instructions that describe
dictionaries, lists, texts, numbers and NumPy arrays, makes nothing else, and calls nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import enum
import math
import mmap
import pickle  # to write; what others wrote is read by the machine below only
import reprlib
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import px_to_relative, relative_to_px
from ssd_keras.classes import checked_class_names
from ssd_keras.data.checks import BOX_ADVICE, check_box, image_size
from ssd_keras.data.readers.assembly import LabelledImage, NamedBox, assemble_dataset
from ssd_keras.data.readers.csv import _image_files, _image_ids, _ImageFinder
from ssd_keras.data.readers.sidecar import (
    FLAGS,
    SIDECAR,
    Sidecar,
    flags_to_state,
    read_sidecar,
    write_sidecar,
)
from ssd_keras.data.readers.writing import (
    JPEG_QUALITY,
    ImageWriter,
    new_folder,
    writable_class_names,
)
from ssd_keras.data.samples import Dataset, Problem, Sample
from ssd_keras.errors import InputError

LABELS, IMAGES = "labels.pkl", "images"
"""The names that `write_pickle` gives."""

SUFFIXES = (".pkl", ".pickle")
PROTOCOL = 2
"""The newest one that Python 2 reads, which the port was written in."""

ALL = "all"
"""The name of the only split where nothing defines one."""

CORNERS = 4
EXACT = 1e-3
"""How far a number of a class may be from 0 or 1."""

LARGEST = 1 << 30
"""Bytes of a file; it is mapped, not read, so memory is spent only on what counts."""

LARGEST_ARRAY = 1 << 22
LARGEST_TEXT = 1 << 12
LARGEST_SCALAR = 1 << 6
"""Bytes; larger ones than these are no labels."""

MOST_STEPS = 8_000_000
"""Of the machine; each takes at most about 100 bytes. Labels need some 40 for an image."""

MOST_ROWS = 1_000_000
MOST_CLASSES = 10_000
MOST_TOLD = 10
"""Faulty rows of one image that are told one by one; the others are counted."""

STARTS = (b"}", b"(d", b"\x80")
"""How a pickle of a dictionary begins, in protocols 1, 0 and from 2 on."""

ADVICE = "give a pickled dictionary of file names and arrays"
FILE_ADVICE = "correct the file"


# --- A machine that reads pickles and runs nothing ----------------------------------------------------------


class _ForeignError(Exception):
    """A pickle holds something that is no plain data."""


class _DamagedError(Exception):
    """The bytes are no pickle, or not all of it."""


class _LargeError(Exception):
    """A pickle would take more memory or time than labels need."""


class _Known(enum.Enum):
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
        for name, known in (("_reconstruct", _Known.RECONSTRUCT), ("scalar", _Known.SCALAR))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Known.FROM_BUFFER for core in ("core", "_core")},
    ("numpy", "ndarray"): _Known.ARRAY,
    ("numpy", "dtype"): _Known.DTYPE,
    ("_codecs", "encode"): _Known.ENCODE,
    **{(module, "bytes"): _Known.BYTES for module in ("builtins", "__builtin__")},
}


class _Raw(NamedTuple):
    """A text or bytes where they stand in the file; they are decoded when they are needed, if ever."""

    start: int
    stop: int
    encoding: str
    is_encoded_text: bool = False

    @property
    def length(self) -> int:
        return self.stop - self.start


EMPTY = _Raw(0, 0, "bytes")


@dataclass(slots=True)
class _Type:
    """The type of an array's numbers."""

    code: str
    order: str = "="

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass(slots=True)
class _Array:
    """An array as a file describes it; it is made when it is needed."""

    shape: tuple[int, ...] = ()
    type: _Type | None = None
    content: _Raw = EMPTY
    order: str = "C"


class _Machine:
    """Follows the instructions of a pickle (protocols 0 to 5) as far as they make plain data.

    Texts and arrays stay where they are in `data`; use `text` and `array` to get at them. Keys of
    dictionaries become texts: to hash anything else may take forever.

    Raises:
        _ForeignError: it would make something else.
        _DamagedError: it is no pickle, or ends too early.
        _LargeError: it takes too many steps.
    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._position = 0
        self._steps = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Follow all instructions and give the object that is left."""
        try:
            while (opcode := self._take(1)) != b".":
                self._spend(1)
                self._follow(opcode)
            return self._stack.pop()
        except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
            raise _DamagedError from error

    def text(self, raw: _Raw) -> str:
        """Decode a text. What Python 2 wrote is in UTF-8 if it can be, as file names were, or in Latin-1."""
        if raw.length > LARGEST_TEXT:
            raise _LargeError
        data = self._data[raw.start : raw.stop]
        if raw.encoding == "escaped":
            data = codecs.escape_decode(data)[0]
        if raw.encoding in ("utf-8", "raw-unicode-escape"):
            return data.decode(raw.encoding, "surrogatepass" if raw.encoding == "utf-8" else "strict")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def array(self, described: _Array) -> NDArray[Any]:
        """Make an array; `_DamagedError` where its bytes are not those of its shape."""
        if described.type is None:
            raise _DamagedError
        try:
            dtype, content = described.type.dtype, self._bytes(described.content)
            if math.prod(described.shape) * dtype.itemsize != len(content):
                raise _DamagedError
            flat = np.frombuffer(content, dtype) if content else np.zeros(0, dtype)
            return flat.reshape(described.shape, order="F" if described.order == "F" else "C")
        except (ValueError, TypeError, OverflowError) as error:
            raise _DamagedError from error

    def _bytes(self, raw: _Raw) -> bytes:
        if raw.length > LARGEST_ARRAY:
            raise _LargeError
        data = self._data[raw.start : raw.stop]
        if raw.is_encoded_text:  # Python 3 writes bytes as a text to encode where Python 2 shall read it
            return data.decode(raw.encoding).encode("latin-1")
        if raw.encoding == "escaped":
            return bytes(codecs.escape_decode(data)[0])
        return data

    # Taking bytes from the file.

    def _take(self, count: int) -> bytes:
        return self._data[self._position : self._skip(count)]

    def _skip(self, count: int) -> int:
        if count > len(self._data) - self._position:
            raise _DamagedError
        self._position += count
        return self._position

    def _line(self) -> tuple[int, int]:
        """The start and the stop of the rest of the line."""
        start, stop = self._position, self._data.find(b"\n", self._position)
        if stop < 0:
            raise _DamagedError
        self._position = stop + 1
        return start, stop

    def _line_text(self) -> str:
        start, stop = self._line()
        if stop - start > LARGEST_TEXT:
            raise _LargeError
        return self._data[start:stop].decode("ascii")

    def _number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise _LargeError

    # One instruction.

    def _follow(self, opcode: bytes) -> None:
        if opcode in CONSTANTS:
            self._push(CONSTANTS[opcode]())
        elif opcode in COUNTED:
            size, encoding = COUNTED[opcode]
            count = self._number(size)
            self._spend(2)
            self._push(_Raw(self._position, self._skip(count), encoding))
        elif opcode in INSTRUCTIONS:
            INSTRUCTIONS[opcode](self)
        elif opcode in FOREIGN:
            raise _ForeignError
        else:
            raise _DamagedError

    def _push_quoted(self) -> None:
        start, stop = self._line()
        self._spend(2)
        quotes = self._data[start : start + 1] + self._data[stop - 1 : stop]
        if quotes not in (b"''", b'""') or stop - start < 2:
            raise _DamagedError
        self._push(_Raw(start + 1, stop - 1, "escaped"))

    def _push_unicode_line(self) -> None:
        self._spend(2)
        self._push(_Raw(*self._line(), "raw-unicode-escape"))

    def _push_number_line(self) -> None:
        text = self._line_text()
        self._push({"00": False, "01": True}[text] if text in ("00", "01") else int(text.rstrip("L")))

    def _push_float_line(self) -> None:
        self._push(float(self._line_text()))

    def _push_long(self, size: int) -> None:
        count = self._number(size)
        if count > LARGEST_TEXT:
            raise _LargeError
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
            raise _DamagedError
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
            raise _ForeignError
        self._spend(len(items))
        target.extend(items)

    def _append_one(self) -> None:
        item = self._stack.pop()
        self._append([item])

    def _set_items(self, items: Sequence[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise _ForeignError
        self._spend(len(items))
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value

    def _set_one(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _key(self, key: Any) -> str:
        if isinstance(key, _Raw):
            return self.text(key)
        if key is None or isinstance(key, int | float):
            return str(key)
        raise _ForeignError

    def _push_known(self, module: str, name: str) -> None:
        if (module, name) not in KNOWN:
            raise _ForeignError
        self._push(KNOWN[module, name])

    def _push_known_lines(self) -> None:
        start, stop = self._line()
        more_start, more_stop = self._line()
        if max(stop - start, more_stop - more_start) > LARGEST_TEXT:
            raise _LargeError
        names = self._data[start:stop], self._data[more_start:more_stop]
        self._push_known(*(name.decode("utf-8") for name in names))

    def _push_known_from_stack(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Raw) or not isinstance(module, _Raw):
            raise _ForeignError
        self._push_known(self.text(module), self.text(name))

    # What takes the place of calls.

    def _reduce(self) -> None:
        arguments, known = self._stack.pop(), self._stack.pop()
        self._spend(2)
        match known, arguments:
            case _Known.RECONSTRUCT, (_Known.ARRAY, tuple(), _Raw()):
                made: Any = _Array()
            case _Known.FROM_BUFFER, (_Raw() as content, _Type() as kind, shape, _Raw() as order, *_):
                made = _Array(_checked_shape(shape), kind, content, _checked_order(self.text(order)))
            case _Known.SCALAR, (_Type() as kind, _Raw() as content) if content.length <= LARGEST_SCALAR:
                made = self.array(_Array((), kind, content)).item()
            case _Known.DTYPE, (_Raw() as code, *_):
                made = _Type(_checked_code(self.text(code)))
            case _Known.ENCODE, (_Raw() as content, _Raw() as encoding):
                made = self._encoded(content, self.text(encoding))
            case _Known.BYTES, ():
                made = EMPTY
            case _:
                raise _ForeignError
        self._push(made)

    def _encoded(self, content: _Raw, encoding: str) -> _Raw:
        if content.encoding not in ("utf-8", "raw-unicode-escape") or content.is_encoded_text:
            raise _ForeignError
        if encoding.lower().replace("-", "") not in ("latin1", "iso88591"):
            raise _ForeignError
        return content._replace(is_encoded_text=True)

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        match target, state:
            case _Type(), (_, _Raw() as order, *_):
                target.order = _checked_byte_order(self.text(order))
            case _Array(), (int(), shape, _Type() as kind, bool() | int() as is_fortran, _Raw() as content):
                target.shape, target.type, target.content = _checked_shape(shape), kind, content
                target.order = "F" if is_fortran else "C"
            case _:
                raise _ForeignError


def _checked_shape(shape: Any) -> tuple[int, ...]:
    match shape:
        case tuple() if len(shape) <= 8 and all(isinstance(n, int) and 0 <= n < 1 << 31 for n in shape):
            return shape
    raise _DamagedError


def _checked_order(order: str) -> str:
    if order not in ("C", "F"):
        raise _ForeignError
    return order


def _checked_byte_order(order: str) -> str:
    if order not in ("<", ">", "=", "|"):
        raise _ForeignError
    return order


def _checked_code(code: str) -> str:
    """The code of a type of numbers; objects, texts and records are none."""
    kind = code.lstrip("<>=|")
    if kind not in NUMBER_CODES:
        raise _ForeignError
    return kind


NUMBER_CODES = frozenset({"b1", *(f"{kind}{size}" for kind in "iu" for size in "1248"), "f2", "f4", "f8"})

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

INSTRUCTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m._skip(1),
    b"\x95": lambda m: m._skip(8),
    b"S": _Machine._push_quoted,
    b"V": _Machine._push_unicode_line,
    b"I": _Machine._push_number_line,
    b"L": _Machine._push_number_line,
    b"F": _Machine._push_float_line,
    b"K": lambda m: m._push(m._number(1)),
    b"M": lambda m: m._push(m._number(2)),
    b"J": lambda m: m._push(m._number(4, signed=True)),
    b"\x8a": lambda m: m._push_long(1),
    b"\x8b": lambda m: m._push_long(4),
    b"G": lambda m: m._stack.extend(struct.unpack(">d", m._take(8))),
    b"(": _Machine._mark,
    b"0": _Machine._pop,
    b"1": _Machine._pop_mark,
    b"2": lambda m: m._push(m._stack[-1]),
    b"t": lambda m: m._push(tuple(m._pop_mark())),
    b"\x85": lambda m: m._push_tuple(1),
    b"\x86": lambda m: m._push_tuple(2),
    b"\x87": lambda m: m._push_tuple(3),
    b"l": lambda m: m._push(m._pop_mark()),
    b"d": _Machine._push_dictionary,
    b"a": _Machine._append_one,
    b"e": lambda m: m._append(m._pop_mark()),
    b"s": _Machine._set_one,
    b"u": lambda m: m._set_items(m._pop_mark()),
    b"p": lambda m: m._remember(int(m._line_text())),
    b"q": lambda m: m._remember(m._number(1)),
    b"r": lambda m: m._remember(m._number(4)),
    b"\x94": lambda m: m._remember(len(m._memo)),
    b"g": lambda m: m._push(m._memo[int(m._line_text())]),
    b"h": lambda m: m._push(m._memo[m._number(1)]),
    b"j": lambda m: m._push(m._memo[m._number(4)]),
    b"c": _Machine._push_known_lines,
    b"\x93": _Machine._push_known_from_stack,
    b"R": _Machine._reduce,
    b"b": _Machine._build,
}

FOREIGN = frozenset(bytes([code]) for code in b"PQiio\x81\x82\x83\x84\x8f\x90\x91\x92\x97\x98")
"""Instructions that make objects, sets, and what stands outside of the file."""


# --- Reading -----------------------------------------------------------------------------------------------


def recognises_pickle(path: Path) -> bool:
    """Tell whether `path` is a pickle, or a folder with one and with images in it or below.

    Only the first bytes are looked at.
    """
    try:
        if path.is_dir():
            return bool(_pickles(path)) and any(_image_files(path))
        return _looks_like_pickle(path)
    except (OSError, ValueError):
        return False


def read_pickle(path: str | Path, class_names: Sequence[str] | None = None) -> Dataset:
    """Read a dictionary of file names and arrays; nothing in it is run.

    No image is decoded whose header states its size.

    Args:
        path: the file, or a folder with no other pickle. Images are found by their names, in the folder of
            the file or anywhere below; those that the file does not name do not count.
        class_names: the classes in the order of their labels; None: those of the sidecar, or "class 1" and
            so on. Without a sidecar there must be one for each class of the file.

    Returns:
        The data set. Its splits are those of the sidecar, or one, "all". An empty array stands for an image
        without objects.

    Raises:
        InputError: the file cannot be read, is no pickle, or holds more than arrays, dictionaries, texts and
            numbers; the class names do not fit, or no image is left that can be used.
    """
    file = _only_pickle(Path(path))
    problems: list[Problem] = []
    sidecar = read_sidecar(file.parent, problems)
    with _machine_on(file) as machine:
        arrays = _arrays(file, machine.run(), problems)
        classes = _class_count(file, arrays)
        names = _names(file, classes, sidecar, class_names, problems)
        images = _images(file, arrays, problems)
        ids = _image_ids(images, file.parent)
        reader = _RowReader(file, machine, names, sidecar, problems)
        labelled = {image: reader.read(image, ids[image], array) for image, array in images.items()}
    usable = {image: found for image, found in labelled.items() if found is not None}
    splits = _splits(file, usable, sidecar, problems)
    return assemble_dataset(file, "pickle", splits, names if class_names is None else class_names, problems)


def _pickles(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if _looks_like_pickle(file)]


def _looks_like_pickle(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(2).startswith(STARTS)


def _only_pickle(path: Path) -> Path:
    try:
        files = _pickles(path) if path.is_dir() else [path]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}): check the path") from error
    if not files:
        raise InputError(f"{path} has no pickle: name a folder with one, or the file")
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{path} has {len(files)} pickles ({names}): name one of them")
    return files[0]


@contextlib.contextmanager
def _machine_on(file: Path) -> Iterator[_Machine]:
    """Map a file for a machine; what goes wrong there becomes one line."""
    try:
        with file.open("rb") as opened:
            if file.stat().st_size > LARGEST:
                raise _LargeError
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield _Machine(data)
    except OSError as error:
        reason = error.strerror or "it cannot be mapped"
        raise InputError(f"{file} cannot be read ({reason}): check the path") from error
    except _ForeignError as error:
        what = "holds more than arrays, dictionaries and strings: nothing in it was run"
        raise InputError(f"{file} {what}: {ADVICE}") from error
    except (_LargeError, MemoryError) as error:
        raise InputError(f"{file} takes more memory or time than labels do: divide it") from error
    except (_DamagedError, ValueError) as error:  # a file of no bytes cannot be mapped
        raise InputError(f"{file} is no pickle, or not all of one: {ADVICE}") from error


def _arrays(file: Path, content: Any, problems: list[Problem]) -> dict[str, _Array]:
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no dictionary: {ADVICE}")
    arrays = {name: value for name, value in content.items() if isinstance(value, _Array)}
    others = [name for name in content if name not in arrays]
    if others:
        problem = f"{_listed(others)} with something else than an array, which is left out"
        problems.append(Problem(str(file), f"has {problem}", FILE_ADVICE))
    if sum(array.shape[0] for array in arrays.values() if array.shape) > MOST_ROWS:
        raise InputError(f"{file} has more than {MOST_ROWS} boxes: divide it")
    return arrays


def _listed(names: Sequence[str]) -> str:
    """How many names there are, and the first of them."""
    first = reprlib.repr(names[0])
    return f"the entry {first}" if len(names) == 1 else f"{len(names)} entries (the first: {first})"


def _class_count(file: Path, arrays: Mapping[str, _Array]) -> int:
    """How many classes most arrays have columns for; empty ones count where there are no others."""
    tables = [array.shape for array in arrays.values() if len(array.shape) == 2]
    widths = Counter(shape[1] for shape in tables if shape[0]) or Counter(shape[1] for shape in tables)
    if not widths:
        return 0
    width = widths.most_common(1)[0][0]
    if not 0 < width - CORNERS <= MOST_CLASSES:
        expected = f"{CORNERS} for the box and one for each class"
        raise InputError(f"{file} has arrays of {width} columns where {expected} belong: {ADVICE}")
    return width - CORNERS


def _names(
    file: Path,
    classes: int,
    sidecar: Sidecar,
    class_names: Sequence[str] | None,
    problems: list[Problem],
) -> tuple[str, ...] | None:
    """The name of each class column; None where there is neither a column nor a name."""
    names = sidecar.class_names
    if names and not classes:
        return names
    if len(names) == classes == len(set(names)):
        return names or None
    if names:
        problem = f"has {len(names)} class names for {classes} classes, which are left out"
        problems.append(Problem(str(file.parent / SIDECAR), problem, "name each class once"))
    if class_names is None:
        return tuple(f"class {number}" for number in range(1, classes + 1))
    if classes and len(class_names) != classes:
        raise InputError(
            f"{file} has {classes} classes, but {len(class_names)} class names are given: name each of them"
        )
    return checked_class_names(class_names)


def _images(file: Path, arrays: Mapping[str, _Array], problems: list[Problem]) -> dict[Path, _Array]:
    """The array of each image file that is found."""
    finder = _ImageFinder(file.parent)
    images: dict[Path, _Array] = {}
    missing, repeated = [], []
    for name, array in arrays.items():
        try:
            image = finder.find(name)
        except LookupError:
            missing.append(name)
            continue
        if image in images:
            repeated.append(name)
        images.setdefault(image, array)
    if missing:
        problem = f"{_listed(missing)} for which no image, or more than one, is below {file.parent}"
        problems.append(Problem(str(file), f"has {problem}", "add the images, or remove what has none"))
    if repeated:
        problem = f"{_listed(repeated)} for an image that has one already, which is left out"
        problems.append(Problem(str(file), f"has {problem}", FILE_ADVICE))
    return images


def _splits(
    file: Path, images: Mapping[Path, LabelledImage], sidecar: Sidecar, problems: list[Problem]
) -> dict[str, list[LabelledImage]]:
    if not sidecar.splits:
        return {ALL: list(images.values())}
    by_path = {image.relative_to(file.parent).as_posix(): found for image, found in images.items()}
    splits = {
        split: [by_path[path] for path in dict.fromkeys(paths) if path in by_path]
        for split, paths in sidecar.splits.items()
    }
    listed = {path for paths in sidecar.splits.values() for path in paths}
    for paths, fault in (
        ([path for path in by_path if path not in listed], "which are in no split, and are left out"),
        ([path for path in listed if path not in by_path], "in its splits that have no labels of use"),
    ):
        if paths:
            problem = f"{len(paths)} images (the first: {reprlib.repr(min(paths))})"
            advice = "correct its 'splits'"
            problems.append(Problem(str(file.parent / SIDECAR), f"{problem} {fault}", advice))
    return splits


@dataclass(frozen=True)
class _RowReader:
    """Turns the rows of arrays into named boxes in pixels."""

    file: Path
    machine: _Machine
    names: Sequence[str] | None
    sidecar: Sidecar
    problems: list[Problem]

    def read(self, image: Path, image_id: str, described: _Array) -> LabelledImage | None:
        """Read the rows of an image; None, and one problem more, if they or the image are of no use."""
        if 0 in described.shape:
            return LabelledImage(image, image_id, [], where=str(self.file))
        size = image_size(image)
        if size is None:
            problem = "does not decode as an image, so its size is not known, and it is left out"
            self.problems.append(Problem(str(image), problem, "replace the image"))
            return None
        try:
            rows = self._rows(described)
        except (_DamagedError, _LargeError, ValueError) as error:
            reason = str(error) or "is damaged or too large"
            problem = f"the array of {image.name} {reason}, so the image is left out"
            self.problems.append(Problem(str(self.file), problem, FILE_ADVICE))
            return None
        return LabelledImage(image, image_id, self._boxes(image, rows, size), where=str(self.file))

    def _rows(self, described: _Array) -> NDArray[np.float64]:
        columns = CORNERS + len(self.names or ())
        if len(described.shape) != 2 or described.shape[1] != columns:
            raise ValueError(f"is of shape {described.shape} where (n, {columns}) belongs")
        with np.errstate(all="ignore"):
            return self.machine.array(described).astype(np.float64)

    def _boxes(self, image: Path, rows: NDArray[np.float64], size: tuple[int, int]) -> list[NamedBox]:
        stated = self.sidecar.flags.get(image.relative_to(self.file.parent).as_posix(), {})
        flags = {flag: frozenset(stated.get(flag, ())) for flag in FLAGS}
        with np.errstate(all="ignore"):
            corners = relative_to_px(rows[:, :CORNERS], size).tolist()
        boxes: list[NamedBox] = []
        faulty = 0
        for index, columns in enumerate(rows[:, CORNERS:]):
            box, fault = check_box(corners[index], size)
            try:
                name = self._class_of(columns)
            except ValueError as error:
                box, fault = None, str(error)
            if box is not None:
                boxes.append(NamedBox(name, box, *(index in flags[flag] for flag in FLAGS)))
            faulty += fault is not None
            if fault is not None and faulty <= MOST_TOLD:
                problem = f"row {index + 1} of {image.name}: the box {fault}"
                self.problems.append(Problem(str(self.file), problem, BOX_ADVICE))
        if faulty > MOST_TOLD:
            untold = f"{faulty - MOST_TOLD} more rows of {image.name} are faulty"
            self.problems.append(Problem(str(self.file), untold, BOX_ADVICE))
        return boxes

    def _class_of(self, columns: NDArray[np.float64]) -> str:
        """The name of the class whose column has the one, or `ValueError` with what is wrong."""
        is_one = np.abs(columns - 1) <= EXACT
        ones = np.flatnonzero(is_one)
        if not np.all(is_one | (np.abs(columns) <= EXACT)):
            raise ValueError("has other numbers than 0 and 1 for its class and is left out")
        if len(ones) != 1:
            raise ValueError(f"has {len(ones) or 'no'} class{'es' if len(ones) else ''} and is left out")
        return (self.names or ())[int(ones[0])]


# --- Writing -----------------------------------------------------------------------------------------------


def write_pickle(
    folder: str | Path,
    splits: Mapping[str, Iterable[Sample]],
    class_names: Sequence[str],
    jpeg_quality: int = JPEG_QUALITY,
) -> None:
    """Write a data set as `labels.pkl` and the folder `images`, for the Keras port of 2017.

    Samples are taken one at a time; the image of one that stands in two splits is written once. Pixels are
    encoded as JPEG; files and encoded bytes are copied as they are. The rows are float64, in protocol 2 and
    under names that Python 2 and all versions of NumPy read. Names of classes, splits and flags stand in a
    file of our own, which `read_pickle` understands.

    Raises:
        InputError: `folder` is not empty, an image cannot be read, or a name cannot stand in a text file.
    """
    names = writable_class_names(class_names)
    root = new_folder(Path(folder))
    images = ImageWriter(root / IMAGES, jpeg_quality)
    rows: dict[str, NDArray[np.float64]] = {}
    flags: dict[str, dict[str, list[int]]] = {}
    listed: dict[str, list[str]] = {split: [] for split in splits}
    for split, samples in splits.items():
        for sample in samples:
            image, is_new = images.write(sample)
            path = f"{IMAGES}/{image.name}"
            listed[split].append(path)
            if is_new:
                rows[image.name] = _rows_of(sample, image, len(names))
                flags[path] = flags_to_state(sample.ground_truth)
    (root / LABELS).write_bytes(_pickled(rows))
    write_sidecar(root, Sidecar(names, listed, {path: said for path, said in flags.items() if said}))


def _rows_of(sample: Sample, image: Path, classes: int) -> NDArray[np.float64]:
    size = image_size(image)
    if size is None:
        raise InputError(f"{sample.name} does not decode as an image: take it out of the data set")
    truth = sample.ground_truth
    boxes = px_to_relative(truth.boxes_px.astype(np.float64), size)
    return np.hstack([boxes, np.eye(classes)[truth.labels]])


def _pickled(rows: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Pickle the labels, with the name that NumPy 2 gives a module of its own put back to the old one.

    The name is spelled out at the first array only; no file name holds a line break.
    """
    new, old = (f"c{core}.multiarray\n_reconstruct\n".encode() for core in ("numpy._core", "numpy.core"))
    return pickle.dumps(dict(rows), protocol=PROTOCOL).replace(new, old, 1)
