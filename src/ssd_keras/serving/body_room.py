"""Room for the bodies of requests: how many bytes of them are in memory at a time, whoever sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ssd_keras.serving.refusals import TOO_MANY, Refusal

SECONDS_UNTIL_ROOM = 2
"""After which to ask again: bodies come and go within seconds."""

TakeBytes = Callable[[int], None]
"""Takes room for so many further bytes of a body; `Refusal` (429) where there is none."""


class BodyRoom:
    """Counts the bytes of bodies that were received and are still needed.

    Only bytes that have come count, not those a client has announced: whoever sends slowly takes no room from
    the others.

    Args:
        most_bytes: of all bodies together.

    Attributes:
        taken: bytes that are in memory now.
    """

    def __init__(self, most_bytes: int) -> None:
        self.taken = 0
        self._most_bytes = most_bytes

    @contextmanager
    def held(self) -> Iterator[TakeBytes]:
        """Give what takes room for the body of one request, which is given back at the end."""
        held = 0

        def take(count: int) -> None:
            nonlocal held
            if self.taken + count > self._most_bytes:
                raise Refusal(
                    TOO_MANY,
                    f"other requests fill the {self._most_bytes:,} bytes that are kept at a time: "
                    f"ask again in {SECONDS_UNTIL_ROOM} s",
                    {"Retry-After": str(SECONDS_UNTIL_ROOM)},
                )
            held += count
            self.taken += count

        try:
            yield take
        finally:
            self.taken -= held
