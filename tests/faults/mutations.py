"""Damage to the bytes of a file, drawn from a seed: what disks, editors, scripts and malice do to labels."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

EXTREME_NUMBERS = (
    *(b"0", b"-0", b"-1", b"1", b"0.5", b"-1e-300", b"1e-400", b"1e38", b"3.5e38", b"1e999", b"-1e999"),
    *(b"NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"1e18", b"2147483648", b"4294967296", b"1_000"),
    *(b"9223372036854775808", b"18446744073709551616", b"0x10", b"true", b"null", b'"7"', b"\xd9\xa3"),
    *(b"1" + b"0" * 400, b"-" + b"9" * 400, b"9" * 5000, b"0." + b"3" * 5000),
)
UNICODE_JUNK = (
    *("\u202e", "\ufeff", "\u0000", "\u2028", "\u2029", "\x85", "\x1b[2J", "é", "\u0301" * 50, "漢字", "🚗"),
    *("\r", "\n\n", "\t", "\x0b", "\x1c", "\ud800", "\udcff", "İ", "ẞ", " "),  # two of them halves of pairs
)
WHOLE_NUMBERS = (
    0,
    1,
    0x7F,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
LARGEST = 1 << 22
"""Bytes; what has grown beyond is cut off, so that the time goes into odd files and not into large ones."""


@dataclass(frozen=True)
class Vocabulary:
    """What is put into the files of one format.

    Attributes:
        tokens: pieces that mean something in the format, some of them well-known attacks.
        keys: names that the format uses, to be taken for each other.
        nests: openings of something that can lie inside of itself, repeated many times.
    """

    tokens: Sequence[bytes]
    keys: Sequence[bytes]
    nests: Sequence[bytes] = (b"(", b"[", b"{")


class Mutator:
    """Damages the bytes of files; the same seed gives the same damage."""

    def __init__(self, seed: str, vocabulary: Vocabulary) -> None:
        self.random = random.Random(seed)
        self.vocabulary = vocabulary

    def mutated(self, content: bytes) -> bytes:
        """Give `content` with one to four things wrong with it."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 4))):
            content = self.random.choice(DAMAGES)(self, content)[:LARGEST]
        return content

    def place(self, content: bytes) -> int:
        """Draw a place in the content: one where something stands, for packs are mostly empty."""
        if len(content) > 1 << 16 and self.random.random() < 0.95:
            taken = np.flatnonzero(np.frombuffer(content, np.uint8))
            if len(taken):
                return int(taken[self.random.randrange(len(taken))])
        return self.random.randrange(len(content) + 1)

    def span(self, content: bytes) -> tuple[int, int]:
        """Draw a piece of the content, mostly a short one."""
        start = self.place(content)
        return start, min(len(content), start + self.random.choice((1, 2, 4, 8, 30, 200, 3000)))


def _flip_bits(m: Mutator, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(m.random.choice((1, 1, 2, 8, 64)) if content else 0):
        changed[min(m.place(content), len(content) - 1)] ^= 1 << m.random.randrange(8)
    return bytes(changed)


def _delete(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    return content[:start] + content[end:]


def _insert_bytes(m: Mutator, content: bytes) -> bytes:
    place = m.place(content)
    return content[:place] + m.random.randbytes(m.random.choice((1, 1, 4, 40))) + content[place:]


def _overwrite(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    return content[:start] + m.random.randbytes(end - start) + content[end:]


def _null_bytes(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    return content[:start] + bytes(end - start) + content[end if m.random.random() < 0.7 else start :]


def _duplicate(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    return content[:end] + content[start:end] * m.random.choice((1, 1, 2, 50, 1000)) + content[end:]


def _swap_blocks(m: Mutator, content: bytes) -> bytes:
    (a, b), (c, d) = sorted((m.span(content), m.span(content)))
    c = max(b, c)
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[max(d, c) :]


def _truncate(m: Mutator, content: bytes) -> bytes:
    return content[: m.place(content)]


def _change_number(m: Mutator, content: bytes) -> bytes:
    found = [match.span() for match in NUMBER.finditer(content[: 1 << 16])]
    if not found:
        return content
    new = m.random.choice(EXTREME_NUMBERS)
    for start, end in sorted(
        m.random.sample(found, min(len(found), m.random.choice((1, 1, 3)))), reverse=True
    ):
        content = content[:start] + new + content[end:]
    return content


def _change_whole_number(m: Mutator, content: bytes) -> bytes:
    width, place = m.random.choice((1, 2, 4, 8)), m.place(content)
    number = m.random.choice(WHOLE_NUMBERS) & ((1 << 8 * width) - 1)
    return (
        content[:place]
        + number.to_bytes(width, m.random.choice(("little", "big")))
        + content[place + width :]
    )


def _insert_token(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    return content[:start] + m.random.choice(m.vocabulary.tokens) + content[m.random.choice((start, end)) :]


def _swap_token(m: Mutator, content: bytes) -> bytes:
    """Put a token in the place of a word, where it is most likely to be taken for what it says."""
    words = [match.span() for match in re.finditer(rb"[\w./-]+", content[: 1 << 16])]
    if not words:
        return _insert_token(m, content)
    start, end = m.random.choice(words)
    return content[:start] + m.random.choice(m.vocabulary.tokens) + content[end:]


def _exchange_words(m: Mutator, content: bytes) -> bytes:
    """Let two words change places: what comes out is still well formed, and means something else."""
    words = [match.span() for match in re.finditer(rb"[\w./-]+", content[: 1 << 16])]
    if len(words) < 2:
        return content
    (a, b), (c, d) = sorted(m.random.sample(words, 2))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _rename_key(m: Mutator, content: bytes) -> bytes:
    present = [key for key in m.vocabulary.keys if key in content]
    if not present:
        return content
    old = m.random.choice(present)
    new = m.random.choice((*m.vocabulary.keys, old.upper(), old + b"_", old[:-1], b""))
    return content.replace(old, new, m.random.choice((1, -1)))


def _unicode_junk(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    junk = m.random.choice(UNICODE_JUNK) * m.random.choice((1, 1, 3))
    coding = m.random.choice(("utf-8", "utf-8", "utf-16-le"))
    return content[:start] + junk.encode(coding, "surrogatepass") + content[m.random.choice((start, end)) :]


def _recode(m: Mutator, content: bytes) -> bytes:
    """Write a text as other programs would: with another encoding, byte-order mark, or ends of lines."""
    text = content.decode("latin-1")
    if m.random.random() < 0.5:
        return text.encode(m.random.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-be")))
    return content.replace(b"\n", m.random.choice((b"\r\n", b"\r", b"\0", b"", b"\n\n")))


def _nest(m: Mutator, content: bytes) -> bytes:
    start, end = m.span(content)
    bomb = m.random.choice(m.vocabulary.nests) * m.random.choice((30, 2000, 100_000))
    return content[:start] + bomb + content[m.random.choice((start, end, len(content))) :]


def _replace_all(m: Mutator, content: bytes) -> bytes:
    return m.random.choice((b"", b"\0", b"\n", b"{}", b"[]", b"null", content * 2, *m.vocabulary.tokens))


DAMAGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    *(_flip_bits, _delete, _insert_bytes, _overwrite, _null_bytes, _duplicate, _swap_blocks, _truncate),
    *(_change_number, _change_number, _change_whole_number, _insert_token, _swap_token, _swap_token),
    *(
        _exchange_words,
        _exchange_words,
        _rename_key,
        _rename_key,
        _unicode_junk,
        _recode,
        _nest,
        _replace_all,
    ),
)
"""What may happen to a file; what finds most stands twice."""
