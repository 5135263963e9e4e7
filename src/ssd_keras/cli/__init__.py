"""The command line, `ssd`: one thin file a command.

Exit status: 0 done, 1 the user's input is at fault, 2 wrong usage, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence

import cyclopts
from pydantic import ValidationError

import ssd_keras
from ssd_keras.cli.commands import COMMANDS, WEIGHTS, as_examples, shown_default
from ssd_keras.errors import InputError
from ssd_keras.training.recipe import NOT_SET_HERE, what_is_wrong

app = cyclopts.App(
    name="ssd",
    help="The Single Shot MultiBox Detector: own photographs in, a fast and honest detector out.",
    help_epilogue="'ssd COMMAND --help' says what flags a command has, and shows examples.",
    version=ssd_keras.__version__,
    suppress_keyboard_interrupt=False,  # which main() answers
    # Lists as they are typed: --class-names car truck
    default_parameter=cyclopts.Parameter(
        consume_multiple=True, negative_iterable=(), show_default=shown_default
    ),
)
for _name, (_purpose, _examples) in COMMANDS.items():
    app.command(f"ssd_keras.cli.{_name}:{_name}", help=_purpose, help_epilogue=as_examples(_examples))
app.command("ssd_keras.cli.weights:app", name="weights", help=WEIGHTS)
app.register_install_completion_command(help="Let the shell complete commands and flags with the Tab key.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _let_any_name_be_printed()
    _show_what_the_library_says()
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_none")
        if sys.stdout:  # None where it was closed
            sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        print(f"ssd: {_wrong_usage(error)}", file=sys.stderr)
        return 2
    except InputError as error:
        if "--debug" in words:
            raise
        print(f"ssd: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads standard output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # such as a full disk
        if "--debug" in words:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"ssd: {where}{error.strerror or error}: make room or check the path", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ssd: stopped; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def _let_any_name_be_printed() -> None:
    """Escape what a stream cannot encode, such as bytes of a file's name: they must not end hours of work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_what_the_library_says() -> None:
    """Send what the library logs to standard error as plain lines: what was assumed, kept or left out."""
    handler = logging.StreamHandler()  # of the standard error of now
    handler.setFormatter(logging.Formatter("%(message)s"))
    library = logging.getLogger("ssd_keras")
    library.handlers = [handler]
    library.setLevel(logging.INFO)


def _wrong_usage(error: cyclopts.CycloptsError) -> str:
    """Say in one line what is wrong with the flags."""
    if isinstance(error.__cause__, ValidationError):
        return what_is_wrong(error.__cause__)
    if isinstance(error, cyclopts.UnknownOptionError):
        flag = (error.token.keyword or error.token.value).partition("=")[0]
        if advice := NOT_SET_HERE.get(flag.removeprefix("--").replace("-", "_")):
            return f"Unknown option: {flag}: {advice}"
    said = " ".join(str(error).split())
    if isinstance(error, cyclopts.MissingArgumentError) and error.argument and not error.tokens_so_far:
        said = f"{error.argument.name} is missing, or has no value."
    command = " ".join(("ssd", *error.command_chain)) if error.command_chain else "ssd"
    return f"{said} See '{command} --help'."
