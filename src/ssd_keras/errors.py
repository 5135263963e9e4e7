"""What is raised when the user's input is at fault."""

import difflib
import re
from collections.abc import Iterable

UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""What would break a message into lines, be obeyed by a terminal, turn the order of the letters around, or
cannot be written as UTF-8; names of files may have it."""


class InputError(Exception):
    """The user's input is at fault: a file, a folder, a label, a setting.

    The message is one line that says what is wrong, where, and what to do. The command line prints it and
    exits with status 1; everything else that is raised is a fault of the program and keeps its traceback.
    Characters that would break the line, as names of files may have them, are shown as Python writes them.
    """

    def __init__(self, message: str) -> None:
        super().__init__(UNSHOWABLE.sub(lambda found: repr(found[0])[1:-1], message))


def nearest_name(wrong: object, known: Iterable[str]) -> str:
    """Give the end of a message about a name that is not known: the one that was probably meant, or all."""
    names = list(known)
    near = difflib.get_close_matches(str(wrong)[:100], names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
