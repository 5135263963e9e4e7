"""The commands and the program of the README, run as they stand in it by somebody who has what it speaks of.

Three things differ: a training takes few epochs of a few images, the first one is killed so that there is
something to resume, and the server takes any free port.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from clips import write_video
from parity.caffemodels import NETWORKS, write_caffemodel
from scenes import sample, write_data

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line for language, block in BLOCKS if language == "sh" for line in block.splitlines() if line.strip()
]
PROGRAMS = [block for language, block in BLOCKS if language == "python"]
EPOCHS = re.compile(r"(--epochs |epochs=)\d+")
SECONDS = 300
SOME_EPOCHS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the README's reader has: photographs, a street, a clip, and weights of Caffe."""
    here = tmp_path_factory.mktemp("newcomer")
    write_data(here / "photos", train=6, val=2, test=2)
    cv2.imwrite(str(here / "street.jpg"), sample(100).image[..., ::-1])
    write_video(here / "clip.mp4", frames=5)
    write_caffemodel(here / "SSD_300x300.caffemodel", NETWORKS["ssd300_vgg16"]())
    return here


def run(words, folder):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS)


def words_of(command):
    """Give the words of a command of `ssd`; a training takes few epochs."""
    words = shlex.split(EPOCHS.sub(rf"\g<1>{SOME_EPOCHS}", command), comments=True)[1:]
    if words[0] == "train" and "--epochs" not in words:
        words += ["--epochs", "1"]
    if words[0] == "train":
        words += ["--batch-size", "2"]
    return [sys.executable, "-m", "ssd_keras", *words]


def killed(words, folder):
    """Start a training and kill it after its first epoch; give the exit status 0 and what it said."""
    with (folder / "said").open("w+") as said:
        training = subprocess.Popen(words, cwd=folder, stdout=said, stderr=said, start_new_session=True)
        log, until = folder / "runs" / "mine" / "log.csv", time.monotonic() + SECONDS
        while not (log.exists() and len(log.read_text().splitlines()) > 1):
            assert training.poll() is None, (folder / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(training.pid, signal.SIGKILL)
        assert training.wait(SECONDS) == -signal.SIGKILL
    return 0, ""


def served(words, folder):
    """Start a server, wait until it is ready, and stop it; give its exit status and what it said."""
    server = subprocess.Popen(
        [*words, "--port", "0", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
    server.send_signal(signal.SIGTERM)
    _, said = server.communicate(timeout=SECONDS)
    assert ready["url"].startswith("http://127.0.0.1:")
    return server.returncode, said


@pytest.mark.slow
def test_every_command_works(folder):
    ran = set()
    for command in COMMANDS:
        program, *rest = command.split()
        if program == "ssd":
            words = words_of(command)
            if rest[0] == "serve":
                status, said = served(words, folder)
            elif "runs/mine" in rest and rest[0] == "train":
                status, said = killed(words, folder)
            else:
                done = run(words, folder)
                status, said = done.returncode, done.stderr
            assert status == 0, f"{command}\n{said}"
            ran.add(rest[0])
    assert {"inspect", "train", "resume", "evaluate", "detect", "export", "serve", "weights"} <= ran
    for name in (
        "photos.html",
        "runs/mine/report.html",
        "found/detections.json",
        "voc.keras",
        "traffic.keras",
    ):
        assert (folder / name).is_file(), name
    assert list((folder / "found").glob("clip*.mp4"))


@pytest.mark.slow
def test_the_program_works(folder, tmp_path):
    assert len(PROGRAMS) == 1
    for name in ("photos", "street.jpg"):
        (tmp_path / name).symlink_to(folder / name)
    done = run([sys.executable, "-c", EPOCHS.sub(r"\g<1>1", PROGRAMS[0])], tmp_path)
    assert done.returncode == 0, done.stderr
    assert 0 <= float(done.stdout.splitlines()[0]) <= 1


def test_what_is_not_ssd_is_a_target_of_make_or_starts_the_environment():
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    others = [shlex.split(command, comments=True) for command in COMMANDS if not command.startswith("ssd ")]
    assert [".", ".venv/bin/activate"] in others
    assert {words[1] for words in others if words[0] == "make"} == {"install", "demo"}
    assert {words[0] for words in others} == {"make", "."}
    assert set(re.findall(r"`make ([\w-]+)`", README)) <= targets


def test_the_check_of_a_change_runs_the_demo_and_installs_as_the_readme_says():
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make install" in check
    assert "ssd demo" in check
