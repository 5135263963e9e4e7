"""Reading an object of long lists from JSON, entry by entry: not even its text is in memory at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO


class JsonText:
    """JSON in a file, decoded value by value, so that neither its text nor all it says is in memory at once.

    What is wrong is raised as `ValueError` or `RecursionError`.
    """

    PIECE = 1 << 20
    LARGEST_VALUE = 1 << 23
    """Characters; an entry that is longer has no good reason, and could fill the memory."""
    LONGEST_WORD = 16
    """Characters of the longest thing that makes no sense if its end is missing, other than a string."""
    BLANKS = re.compile(r"[ \t\n\r]*")

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._passed = "", 0, 0

    def peek(self) -> str:
        """Give the next character that is not blank; nothing at the end."""
        while True:
            self._at = self.BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self, character: str) -> None:
        """Go on behind `character`, which has to come next."""
        if self.peek() != character:
            raise ValueError(f"Expecting {character!r} at character {self._passed + self._at}")
        self._at += 1

    def value(self) -> Any:
        """Decode the next value, which is in memory as a whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem = f"{error.msg} at character {self._passed + error.pos}"
                at_end = error.pos + self.LONGEST_WORD > len(self._text)
                if not (at_end or error.msg.startswith("Unterminated")) or not self._read_on():
                    raise ValueError(problem) from error
                continue
            if end < len(self._text) or not self._read_on():  # else a number may go on
                self._at = end
                return value

    def items(self) -> Iterator[Any]:
        """Decode the entries of the list that comes next, one at a time."""
        self.take("[")
        if self.peek() != "]":
            yield self.value()
            while self.peek() == ",":
                self._at += 1
                yield self.value()
        self.take("]")

    def _read_on(self) -> bool:
        rest = self._text[self._at :]
        if len(rest) > self.LARGEST_VALUE:
            raise ValueError(f"one value is longer than {self.LARGEST_VALUE} characters")
        piece = self._file.read(max(self.PIECE, len(rest)))
        self._passed += self._at
        self._text, self._at = rest + piece, 0
        return bool(piece)


def read_lists(file: TextIO, take: Mapping[str, Callable[[Any, int], None]]) -> set[str]:
    """Hand the entries of lists to their functions, with numbers from 1, and tell which lists there were."""
    text = JsonText(file)
    keys: set[str] = set()
    text.take("{")
    separator = "," if text.peek() != "}" else ""
    while separator == ",":
        key = text.value()
        if not isinstance(key, str):
            raise ValueError("Expecting the name of a property")
        text.take(":")
        if text.peek() == "[":
            for number, entry in enumerate(text.items(), 1):
                if key in take:
                    take[key](entry, number)
        elif key in take:
            raise ValueError(f"{key!r} is no list")
        else:
            text.value()
        keys |= {key} & take.keys()
        separator = text.peek()
        if separator == ",":
            text.take(",")
    text.take("}")
    if text.peek():
        raise ValueError("something follows behind its end")
    return keys
