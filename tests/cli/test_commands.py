"""The list of commands: each has its help, with examples that can be typed."""

import shlex

import pytest

from ssd_keras import cli
from ssd_keras.cli.commands import COMMANDS

EXAMPLES = [line for _, lines in COMMANDS.values() for line in lines.splitlines()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_can_be_typed(example):
    program, *words = shlex.split(example)
    assert program == "ssd"
    cli.app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "words", [[name] for name in COMMANDS] + [["weights", "import"], ["weights", "select-classes"]]
)
def test_help_shows_them(words, call):
    status, out, _ = call(*words, "--help")
    assert status == 0
    assert "Examples" in out
    assert f"ssd {' '.join(words)}" in out.split("Examples")[1]


def test_the_overview_names_every_command(call):
    out = call("--help")[1]
    assert all(purpose.split()[0] in out and f" {name} " in out for name, (purpose, _) in COMMANDS.items())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_every_command(shell):
    script = cli.app.generate_completion(shell=shell)
    assert all(name in script for name in (*COMMANDS, "weights"))
