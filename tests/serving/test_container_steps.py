"""The steps of the Dockerfile, done without an engine: a fresh installation, read-only, for a mere user."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from export.artefacts import artefact
from serving.coloured import encoded, picture
from serving.dockerfile import ROOT, build_context, named, stages, variables

from ssd_keras.serving.server import open_socket

pytestmark = pytest.mark.slow

BUILD, FINAL = stages()
USER = 10001
FOLDERS = ("/opt/ssd-keras", "/wheels", "/source", "/model", "/tmp")
"""Of the image; here they are below a folder of the test."""


class Image:
    """The file system of the image, below a folder."""

    def __init__(self, root):
        self.root = root

    def placed(self, text):
        """Put the image's absolute paths below the folder."""
        return re.sub(rf"(?<![\w.-])({'|'.join(FOLDERS)})\b", rf"{self.root}\1", text)

    def build(self):
        """Do what the first stage says."""
        source = Path(self.placed("/source"))
        source.mkdir(parents=True)
        set_to = {**variables(BUILD, "ENV"), **variables(BUILD, "ARG")}
        # The interpreter of the system, where there is one: others may be where only their owner may read.
        python = shutil.which("python3.11", path="/usr/bin:/usr/local/bin") or sys.executable
        for instruction in BUILD:
            if instruction.name == "RUN":
                command = self.placed(re.sub(r"^python ", f"{python} ", instruction.rest))
                subprocess.run(["sh", "-euc", command], cwd=source, env={**os.environ, **set_to}, check=True)
            elif instruction.name == "COPY":
                self.copy(source, instruction.words[:-1])

    def copy(self, target, wanted):
        """Copy what the build context has of `wanted`."""
        for path in build_context():
            if any(path == one or path.startswith(f"{one}/") for one in wanted):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, target / path)

    def environment(self):
        """Give the environment that the second stage sets, and nothing of this process's own but the path."""
        found = {name: self.placed(value) for name, value in variables(FINAL, "ENV").items()}
        found["PATH"] = found["PATH"].replace("$PATH", os.environ["PATH"])
        return found

    def contents(self):
        """Give all files of the installation with what would change if they were written."""
        installed = Path(self.placed("/opt/ssd-keras"))
        return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in installed.rglob("*")}

    def command(self, port):
        """Give ENTRYPOINT and CMD, for another port."""
        (entrypoint,), (command,) = named(FINAL, "ENTRYPOINT"), named(FINAL, "CMD")
        words = [self.placed(word) for word in (*entrypoint.words, *command.words)]
        words[words.index("--port") + 1] = str(port)
        words[0] = shutil.which(words[0], path=self.environment()["PATH"])
        return words


@pytest.fixture(scope="module")
def image():
    root = Path(tempfile.mkdtemp(prefix="ssd-image-"))
    root.chmod(0o755)
    made = Image(root)
    try:
        made.build()
        for folder in ("/model", "/tmp"):
            Path(made.placed(folder)).mkdir()
        Path(made.placed("/tmp")).chmod(0o777)
        shutil.copyfile(artefact("onnx"), made.placed("/model/model.onnx"))
        yield made
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def port():
    with open_socket("127.0.0.1", 0) as listening:
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def server(image, port):
    before = image.contents()
    with subprocess.Popen(
        [*restricted(image), *image.command(port)],
        env=image.environment(),
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield until_ready(process, port)
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert image.contents() == before


def restricted(image):
    """Give what starts a program as a mere user who sees the installation read-only, as far as may be."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return []
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    if subprocess.run([*user, image.placed("/opt/ssd-keras/bin/python"), "-c", ""], check=False).returncode:
        return []  # the interpreter is where only root may read
    mounts = "; ".join(
        f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"
        for place in map(image.placed, ("/opt/ssd-keras", "/model", "/source", "/wheels"))
    )
    read_only = ["unshare", "--mount", "sh", "-euc", f'{mounts}; exec "$@"', "sh"]
    allowed = subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode == 0
    return [*(read_only if allowed else []), *user]


def until_ready(process, port):
    (check,) = named(FINAL, "HEALTHCHECK")
    words = json.loads(check.rest[check.rest.index("[") :])
    asks = words[2].replace(":8000/", f":{port}/")
    until = time.monotonic() + 120
    while subprocess.run([sys.executable, "-c", asks], capture_output=True, check=False).returncode:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until, "the health check never succeeds"
        time.sleep(0.5)
    return f"http://127.0.0.1:{port}"


def test_it_installs_no_more_than_it_needs(image):
    installed = {path.name.lower() for path in Path(image.placed("/opt/ssd-keras/lib")).rglob("*.dist-info")}
    names = {name.partition("-")[0] for name in installed}
    assert {"ssd_keras", "onnxruntime", "openvino", "uvicorn"} <= names
    assert not {"tensorflow", "tensorflow_cpu", "jax", "torch", "pytest", "ruff"} & names


def test_it_detects(server):
    request = urllib.request.Request(
        f"{server}/v1/detect?threshold=0.1",
        encoded(picture(red=(20, 20, 90, 90))),
        {"Content-Type": "image/png"},
    )
    with contextlib.closing(urllib.request.urlopen(request, timeout=60)) as answer:
        (result,) = json.load(answer)["results"]
    assert result["size"] == [240, 320]


def test_it_shows_its_page(server):
    with contextlib.closing(urllib.request.urlopen(server, timeout=60)) as answer:
        assert b"<title>Find objects</title>" in answer.read()


def test_it_runs_as_it_should(image, server):
    if not restricted(image):
        pytest.skip("only root can become another user")
    processes = [int(name) for name in (path.name for path in Path("/proc").iterdir()) if name.isdigit()]
    mine = [number for number in processes if image.placed("/model/model.onnx") in command_line(number)]
    assert [Path(f"/proc/{number}").stat().st_uid for number in mine] == [USER]


def command_line(number):
    try:
        return Path(f"/proc/{number}/cmdline").read_text().split("\0")
    except OSError:
        return []
