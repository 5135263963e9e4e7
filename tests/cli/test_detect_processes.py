"""`ssd detect` in a process of its own: what comes through pipes, and what is left when it is stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import SIZE, frame, write_video

from ssd_keras.inference.drawing import save_picture
from ssd_keras.inference.sources.videos import video_images

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
from clips import CornerDetector
from ssd_keras.cli import detect, main
detect.model_file = lambda path: path
detect.load_detector = lambda *_: CornerDetector()
sys.exit(main(["detect", "stand-in", *sys.argv[1:]]))
"""


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("a.png", "b.png", "deep/a.png"):
        save_picture(folder / name, frame(0))
    save_picture(folder / "none.png", np.full((*SIZE, 3), 90, np.uint8))
    return folder


def start(*words, **pipes):
    """Run `ssd detect` with the stand-in detector in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **pipes,
    )


def test_an_image_on_standard_input(photos):
    process = start("-", "--json")
    out, _ = process.communicate((photos / "a.png").read_bytes(), timeout=60)
    (entry,) = json.loads(out)
    assert process.returncode == 0
    assert (entry["image"], entry["size"], len(entry["detections"])) == ("standard-input", list(SIZE), 1)


def test_lines_on_standard_input_are_answered_as_they_come(photos):
    with start("-", "--format", "jsonl") as process:
        for name in ("a.png", "none.png"):
            process.stdin.write(f"{photos / name}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["image"] == str(photos / name)
        process.stdin.write(b"gone.png\n")
        process.stdin.flush()
        assert b"gone.png does not exist" in process.stderr.readline()
        process.stdin.close()
        assert process.wait(60) == 1
        assert b"1 of 3 images could not be read" in process.stderr.read()


def test_ctrl_c_keeps_what_is_done(photos, tmp_path):
    out = tmp_path / "out"
    clip = write_video(tmp_path / "clip.mp4", frames=12)
    with start("-", "--out", out, "--json") as process:
        process.stdin.write(f"{photos}\n{clip}\n".encode())
        process.stdin.flush()
        deadline = time.monotonic() + 60
        results = out / "detections.json"
        while not results.exists() or results.read_text().count("clip.mp4") < 12:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate(timeout=60)
        assert process.returncode == 130
    lines = err.decode().splitlines()
    assert lines[-1] == "ssd: stopped; what was finished is kept"
    assert "4 images and 12 frames" in lines[0]
    assert len(lines) == 2
    assert len(json.loads(printed)) == 16
    assert json.loads(results.read_text()) == json.loads(printed)
    assert sum(1 for _ in video_images(out / "clip.mp4")) == 12
