"""The grievance register under what nobody should send, and without the file it keeps all in."""

import asyncio
import io
import socket
import sqlite3
from contextlib import closing

import httpx
import numpy as np
import pytest
from citizens import STAFF, correct, looked_at, make_app, make_settings, report, running, send
from fastapi import HTTPException
from grievances.app import DATABASE_NAME, HEADERS
from grievances.bodies import FIELDS, BodyLimit
from grievances.database import Database
from grievances.photos import clean_photo
from PIL import Image


def test_a_body_with_two_lengths_is_refused_before_it_is_read(client):
    url = httpx.URL(str(client.base_url))
    head = "POST /api/reports HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    lengths = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((url.host, url.port), timeout=20) as connection:
        connection.sendall((head + lengths).encode())  # and nothing of the body
        answer = connection.recv(4000).decode()
    assert answer.startswith("HTTP/1.1 400")
    assert all(name.lower() in answer.lower() for name in HEADERS)


@pytest.mark.parametrize("is_too_large", [False, True])
def test_what_comes_in_is_counted_whatever_the_headers_say(is_too_large):
    chunks = [b"x" * FIELDS, b"y" * (100 + is_too_large)]

    async def take_all(scope, receive, send):
        while chunks:
            await receive()

    async def receive():
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    scope = {"type": "http", "headers": [(b"content-length", b"3")]}
    chunks_read = BodyLimit(take_all, 100)(scope, receive, None)
    if is_too_large:
        with pytest.raises(HTTPException) as refused:
            asyncio.run(chunks_read)
        assert refused.value.status_code == 413
    else:
        asyncio.run(chunks_read)
    assert chunks == []


@pytest.mark.parametrize("number", ["99999999999999999999999", "-99999999999999999999999", "0", "x"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/photo"), ("PATCH", ""), ("PUT", "/detections")]
)
def test_a_number_that_no_report_can_have(client, method, path, number):
    content = {"version": 1} | ({"detections": [], "confirmed": True} if method == "PUT" else {})
    url = f"/api/staff/reports/{number}{path}"
    answer = client.request(method, url, json=content, headers=STAFF)
    assert (answer.status_code, "path.number" in answer.json()["detail"]) == (422, True)


def test_a_file_that_another_program_holds(client, tmp_path, monkeypatch):
    send(client)
    was = looked_at(client)
    monkeypatch.setattr("grievances.database.SECONDS_TO_WAIT", 0.05)
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for answer in (send(client, key="a-key-of-a-second-report"), correct(client, was, [])):
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "cannot be used now" in answer.json()["detail"]
            assert lower(HEADERS).items() <= dict(answer.headers).items()
    assert report(client) == was
    assert send(client, key="a-key-of-a-second-report").status_code == 201


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_a_fault_of_the_register_itself_has_the_headers_too(client, monkeypatch):
    monkeypatch.setattr("grievances.public_api.receipt", lambda *_: 1 / 0)
    answer = client.get("/api/receipts/any")
    assert (answer.status_code, list(answer.json())) == (500, ["detail"])
    assert lower(HEADERS).items() <= dict(answer.headers).items()


@pytest.mark.parametrize("content", [b"no database" * 100, None])
def test_a_file_that_is_no_database(tmp_path, content):
    file = tmp_path / DATABASE_NAME
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(ValueError, match=r"register.sqlite cannot be used \(.+\): name a folder"):
        Database(file)


def encoded(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("size", [(32, 48), (200, 100)])
def test_a_photograph_of_16_bit_greys_keeps_them(tmp_path, size):
    eight_bits = np.linspace(0, 255, size[1]).astype(np.uint8)[None].repeat(size[0], axis=0)
    settings = make_settings(tmp_path, kept_side=64)
    wanted, found = (
        clean_photo(encoded(values), settings) for values in (eight_bits, eight_bits.astype(np.uint16) * 257)
    )
    assert found == wanted


def test_line_breaks_count_as_one_character(client):
    lines = "\r\n".join(["x" * 99] * 20)  # 1,999 characters in the browser, which sends two for each break
    answer = send(client, description=lines)
    assert answer.status_code == 201, answer.text
    assert len(report(client)["description"]) == 1999
    too_long = send(client, description=lines + "\r\nyy", key="a-key-of-a-second-report")
    assert too_long.status_code == 422


@pytest.mark.parametrize("text", ["ärger", "ÄRGER", "strasse", "STRAẞE", "a\u0308rger"])
def test_letters_are_found_in_either_case(client, text):
    send(client, description="ÄRGER", address="Lange Straße")
    for asked, found in ((text, 1), ("arger", 0)):
        answer = client.get("/api/staff/reports", params={"text": asked}, headers=STAFF)
        assert answer.json()["total"] == found, asked


def test_a_box_without_a_class_is_named(client):
    send(client)
    was = looked_at(client)
    answer = correct(client, was, [{"label": "", "box": [0, 0, 9, 9]}])
    expected = "box 1 has no class: name one, or delete the box"
    assert (answer.status_code, answer.json()["detail"]) == (422, expected)
    assert report(client) == was


def test_too_large_a_photograph_is_told_with_the_headers(tmp_path):
    with running(make_app(tmp_path, most_photo_bytes=1000)) as url, httpx.Client(base_url=url) as client:
        answer = send(client, b"\xff" * (2000 + FIELDS))
    assert answer.status_code == 413
    assert lower(HEADERS).items() <= dict(answer.headers).items()
