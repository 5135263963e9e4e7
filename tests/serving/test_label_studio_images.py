"""Images of tasks are fetched from the one host that the operator named, with its token, and nowhere else."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from serving.coloured import encoded, picture

from ssd_keras.serving.label_studio_images import TaskImages
from ssd_keras.serving.refusals import Refusal
from ssd_keras.serving.settings import ServerSettings

PNG = encoded(picture((5, 7)))
PERSONAL = "header.payload.signature"


class LabelStudio(BaseHTTPRequestHandler):
    """Answers as the path says, and notes what it was asked."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if path.endswith("/elsewhere.png"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/secret")
            self.end_headers()
        elif path.endswith("/page"):
            self.answer(b"<html>")
        elif path.endswith("/large.png"):
            self.answer(PNG + bytes(30_000))
        elif path.endswith("/short.png"):
            self.answer(PNG[:20], stated=len(PNG))
        elif path.endswith("/slow.png"):
            self.send_response(200)
            self.end_headers()
            for byte in PNG:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        elif path.endswith(".png"):
            self.answer(PNG)
        else:
            self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if body == {"refresh": PERSONAL}:
            self.answer(b'{"access": "short-lived"}')
        else:
            self.send_error(401)

    def answer(self, content, stated=None):
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(stated or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), LabelStudio)
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def asked(server):
    server.asked = []
    return server.asked


def test_no_more_of_a_data_uri_is_decoded_than_an_image_may_have(monkeypatch):
    source = TaskImages(ServerSettings(max_image_bytes=10_000))
    assert source.load("data:;base64," + "QUFB" * 3_000) == b"AAA" * 3_000
    assert refused(source, "data:;base64," + "QUFB" * 3_500).status == 413
    monkeypatch.setattr("ssd_keras.serving.label_studio_images.b64decode", pytest.fail)
    assert refused(source, "data:;base64," + "QUFB" * 5_000).status == 413
    assert refused(source, "data:;base64," + "%41" * 10_000).status == 413


@pytest.mark.parametrize("token", ["abc123\n", " abc123 \r\n"])
def test_the_line_break_of_a_file_with_the_token_is_no_part_of_it(server, asked, token):
    images(server, token).load("/data/a.png")
    assert asked == [("/data/a.png", "Token abc123")]


def test_the_token_is_told_to_nobody_but_the_host(server):
    """Not even where it cannot be sent, of which the standard library says all of the header."""
    source = images(server)
    source._token = "abc\n123"
    assert "abc" not in str(refused(source, "/data/a.png"))


def images(server, token="key", base="", **settings):
    return TaskImages(
        ServerSettings(label_studio_url=server.url + base, label_studio_token=token, **settings)
    )


def refused(images, address):
    with pytest.raises(Refusal) as caught:
        images.load(address)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/a.png",
        "/data/local-files/?d=a.png/../x.png",
        "{url}/data/a.png",
        "{url}/tasks/1/a.png?x=1",
    ],
)
def test_what_is_at_the_host_is_fetched_with_its_token(server, asked, address):
    wanted = address.format(url=server.url)
    if "local-files" in wanted:
        assert refused(images(server), wanted).status == 400  # this host has none there, but was asked
    else:
        assert images(server).load(wanted) == PNG
    assert asked == [(wanted.removeprefix(server.url), "Token key")]


def test_without_a_token_none_is_sent(server, asked):
    TaskImages(ServerSettings(label_studio_url=server.url)).load("/data/a.png")
    assert asked == [("/data/a.png", None)]


def test_a_personal_token_is_exchanged_once(server, asked):
    source = images(server, PERSONAL)
    source.load("/data/a.png")
    source.load("/data/b.png")
    assert asked == [
        ("/api/token/refresh", {"refresh": PERSONAL}),
        ("/data/a.png", "Bearer short-lived"),
        ("/data/b.png", "Bearer short-lived"),
    ]


def test_a_personal_token_that_is_not_taken(server):
    assert "check --label-studio-token" in str(refused(images(server, "a.b.c"), "/data/a.png"))


@pytest.mark.parametrize("address", ["/data/a.png", "/studio/data/a.png", "{url}/studio/data/a.png"])
def test_a_host_below_a_path(server, asked, address):
    images(server, base="/studio/").load(address.format(url=server.url))
    assert asked[0][0] == "/studio/data/a.png"


def test_blanks_and_letters_of_other_alphabets_are_encoded(server, asked):
    images(server).load("/data/ä b.png")
    assert asked[0][0] == "/data/%C3%A4%20b.png"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/data/a.png",
        "http://localhost:{port}/data/a.png",  # the operator named the number
        "https://127.0.0.1:{port}/data/a.png",
        "http://127.0.0.1:{port}@example.org/data/a.png",
        "http://example.org\\@127.0.0.1:{port}/data/a.png",
        "http://127.0.0.1:99999999/data/a.png",
        "http://[/data/a.png",
        "//example.org/data/a.png",
        "///example.org/data/a.png",
        "/api/users/a.png",
        "/database/a.png",
        "/data/../api/a.png",
        "/data/%2e%2e/api/a.png",
        "/data/..\\api/a.png",
        "{url}/data/../api/a.png",
        "data/a.png",
        "s3://bucket/a.png",
        "ftp://127.0.0.1:{port}/a.png",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/a.png",
    ],
)
def test_nothing_else_is_asked_for(server, asked, address):
    fault = refused(images(server), address.format(port=server.server_port, url=server.url))
    assert fault.status == 400
    assert "is not fetched" in str(fault)
    assert asked == []


def test_line_breaks_do_not_end_the_request(server, asked):
    images(server).load("/data/a.png?x=\r\nHost: example.org\r\n\r\n")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/data/elsewhere.png", "answers 302"),
        ("/data/nothing", "answers 404"),
        ("/data/page", "is no known image"),
        ("/data/short.png", "broke off"),
    ],
)
def test_what_is_no_whole_image_is_said(server, asked, path, reason):
    fault = refused(images(server), path)
    assert fault.status == 400
    assert reason in str(fault)
    assert len(asked) == 1  # redirects are not followed


def test_a_large_answer_is_not_read_to_its_end(server):
    assert refused(images(server, max_image_bytes=20_000), "/data/large.png").status == 413


def test_a_slow_answer_is_given_up(server):
    started = time.monotonic()
    assert "not whole after" in str(refused(images(server, time_limit=0.5), "/data/slow.png"))
    assert time.monotonic() - started < 5


def test_a_host_that_is_not_there():
    source = TaskImages(ServerSettings(label_studio_url="http://127.0.0.1:1"))
    assert "cannot be fetched" in str(refused(source, "/data/a.png"))
