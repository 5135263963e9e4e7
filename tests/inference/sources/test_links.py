"""Links are fetched with limits, over HTTP and HTTPS only, and what is wrong is said in one line."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.inference.sources.links import Link, is_link

PNG = cv2.imencode(".png", np.full((5, 7, 3), 9, np.uint8))[1].tobytes()


class Answers(BaseHTTPRequestHandler):
    """Answers as the path says."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif path == "/a%20b.png":
            self.answer("image/png", PNG)
        elif path == "/page":
            self.answer("text/html", b"<html>")
        elif path == "/short":
            self.answer("image/png", PNG[:20], stated=len(PNG))
        elif path == "/large":
            self.answer("image/png", PNG + bytes(3000))
        elif path == "/slow":
            self.answer("image/png", b"")
            for byte in PNG:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        elif path == "/silent":
            time.sleep(1)
        else:
            self.send_error(404)

    def answer(self, kind, content, stated=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if content:
            self.send_header("Content-Length", str(stated or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self):
        with contextlib.suppress(ConnectionError):  # who asked may have gone away
            super().handle()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/a%20b.png", "/a b.png", "/a%20b.png?size=1#here", "/to//a%20b.png"])
def test_an_image_is_fetched(host, path):
    link = Link(host + path)
    assert link.load() == PNG
    assert link.name == host + path


def test_the_file_name_is_the_last_part_of_the_path():
    assert Link("http://h/x/a%20b.png?q=/c.jpg").file_name == "a b.png"
    assert Link("https://h").file_name == ""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/missing.png", "answers 404 Not Found"),
        ("/page", "answers with text/html, which is no known image"),
        ("/short", "broke off after 20 of"),
        ("/large", "more than 0 MiB"),
        ("/slow", "not whole after"),
        ("/silent", "no answer in time"),
        ("/to/file:///etc/hostname", "answers 302 .* is not allowed"),
        ("/to/ftp://127.0.0.1/a.png", "only HTTP and HTTPS"),
        ("/to//to//missing.png", "answers 404"),
    ],
)
def test_what_is_wrong_is_one_line(host, path, said):
    seconds = 0.3 if path in ("/slow", "/silent") else 30
    with pytest.raises(InputError, match=said) as error:
        Link(host + path, most_bytes=2000, seconds=seconds).load()
    assert "\n" not in str(error.value)
    assert host + path in str(error.value)


def test_nobody_answers():
    with pytest.raises(InputError, match="cannot be fetched"):
        Link("http://127.0.0.1:9/a.png", seconds=0.3).load()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://h/a.png", "data://x", "http://", "http://[/"])
def test_other_links_are_refused(url):
    assert is_link(url)
    with pytest.raises(InputError, match="is no link"):
        Link(url)


@pytest.mark.parametrize("path", ["a.jpg", "/a/b", "camera:0", "-", "", "://", "a b://c"])
def test_paths_are_no_links(path):
    assert not is_link(path)
