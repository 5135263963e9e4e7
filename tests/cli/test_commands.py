"""The list of commands: each has its help, with examples that can be typed; and the streams they print to."""

import io
import shlex
import sys

import pytest
from scenes import write_data

from ssd_keras import cli
from ssd_keras.cli import main
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


def test_a_stream_takes_names_that_it_cannot_encode(monkeypatch, tmp_path):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["inspect", str(tmp_path / "gr\xfcn\udcff")]) == 1
    stream.flush()
    assert b"gr\\xfcn\\udcff" in stream.buffer.getvalue()


def test_a_closed_standard_output_is_no_fault(monkeypatch, tmp_path):
    write_data(tmp_path / "data", train=1)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["convert", str(tmp_path / "data"), str(tmp_path / "out"), "--to", "csv"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "model.keras"], "--data is missing, or has no value."),
        (["export", "model.keras"], "--to is missing, or has no value."),
        (["detect", "model.keras", "a.jpg", "--treshold", "0.3"], "Did you mean --threshold?"),
        (["train", "--image-size", "240"], "requires 2 positional arguments"),
    ],
)
def test_flags_that_are_missing_or_mistyped_are_told(call, words, said):
    status, _, err = call(*words)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
