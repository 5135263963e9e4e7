"""The Dockerfile is simple enough to be right: here is checked what can be without an engine."""

import re

import pytest
from serving.dockerfile import ROOT, build_context, is_ignored, named, stages, variables

from ssd_keras.cli import main

BUILD, FINAL = stages()


def test_there_are_two_stages_on_the_same_pinned_base():
    bases = [stage[0].words for stage in (BUILD, FINAL)]
    assert bases == [["python:3.11-slim", "AS", "build"], ["python:3.11-slim"]]


@pytest.mark.parametrize("stage", [BUILD, FINAL])
def test_nothing_is_fetched_but_by_pip(stage):
    assert not named(stage, "ADD")
    for instruction in named(stage, "RUN"):
        assert re.match(r"(/opt/ssd-keras/bin/)?python -m (pip|venv) ", instruction.rest), instruction.rest


def test_the_image_runs_as_a_user_without_rights():
    (user,) = named(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.rest)
    after = [one.name for one in FINAL[FINAL.index(user) :]]
    assert not {"RUN", "COPY"} & set(after)
    assert not named(FINAL, "RUN")  # nothing is built as root in what is delivered


def test_nothing_is_written_but_to_tmp():
    set_to = variables(FINAL, "ENV")
    assert set_to["PYTHONDONTWRITEBYTECODE"] == "1"
    for name in ("HOME", "KERAS_HOME", "MPLCONFIGDIR"):
        assert set_to[name].startswith("/tmp")
    assert not named(FINAL, "VOLUME")


def test_what_is_copied_is_there_and_in_the_build_context():
    context = build_context()
    copied = [source for one in named(BUILD, "COPY") for source in one.words[:-1]]
    for source in copied:
        assert (ROOT / source).exists()
        assert any(path == source or path.startswith(f"{source}/") for path in context)
    (taken_over,) = named(FINAL, "COPY")
    assert taken_over.flags == ("--from=build",)
    assert taken_over.words[0] == taken_over.words[1]  # a virtual environment cannot be moved
    assert f"{taken_over.words[1]}/bin:" in variables(FINAL, "ENV")["PATH"]


def test_only_what_is_copied_is_sent_to_the_engine():
    copied = [source for one in named(BUILD, "COPY") for source in one.words[:-1]]
    for path in build_context():
        assert any(path == source or path.startswith(f"{source}/") for source in copied)


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/config",
        ".venv",
        "runs/mine/best.keras",
        "tests/scenes.py",
        ".env",
        "Dockerfile",
        "a.onnx",
    ],
)
def test_this_stays_outside(path):
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path", ["src/ssd_keras/__pycache__", "src/ssd_keras/__pycache__/a.pyc", "src/a.pyc"]
)
def test_compiled_files_stay_outside(path):
    assert is_ignored(path)


@pytest.mark.parametrize("path", ["pyproject.toml", "src/ssd_keras/serving/page/index.html"])
def test_this_is_sent(path):
    assert not is_ignored(path)


def test_the_versions_that_were_tested_together_are_installed():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    runtimes = variables(BUILD, "ARG")["RUNTIMES"].split()
    assert {*runtimes, "tensorflow-cpu", "uvicorn", "fastapi"} <= tested
    assert any("--constraint constraints.txt" in one.rest for one in named(BUILD, "RUN"))


def test_the_command_is_one_that_ssd_takes(capsys):
    (entrypoint,), (command,) = named(FINAL, "ENTRYPOINT"), named(FINAL, "CMD")
    words = [*entrypoint.words, *command.words]
    assert words[0] == "ssd"
    assert main(words[1:]) == 1  # there is no model here
    assert "/model/model.onnx does not exist" in capsys.readouterr().err


def test_all_speak_of_the_same_port():
    (exposed,), (check,), (entrypoint,) = (
        named(FINAL, name) for name in ("EXPOSE", "HEALTHCHECK", "ENTRYPOINT")
    )
    port = exposed.rest
    assert entrypoint.words[entrypoint.words.index("--port") + 1] == port
    assert entrypoint.words[entrypoint.words.index("--host") + 1] == "0.0.0.0"
    assert f"http://127.0.0.1:{port}/readyz" in check.rest
    compile(re.search(r'"-c", "(.*)"\]', check.rest)[1], "HEALTHCHECK", "exec")
