"""The files of the page: complete, from nowhere else, and delivered with the right headers."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ssd_keras.serving.pages import add_page, page_files

FILES = page_files()


@pytest.fixture
def client():
    app = FastAPI()
    add_page(app)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES)])
def test_each_file_is_delivered_with_its_type_and_the_policy(client, path):
    answer = client.get(path)
    name = path.removeprefix("/page/").removeprefix("/") or "index.html"
    assert answer.status_code == 200
    assert answer.content == FILES[name].content
    assert answer.headers["content-type"] == FILES[name].kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'; img-src 'self' blob: data:" in answer.headers["content-security-policy"]


def test_what_did_not_change_is_not_sent_again(client):
    tag = client.get("/").headers["etag"]
    answer = client.get("/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_head_of_the_page(client):
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["none.js", "%2e%2e/pages.py", "..%2fpages.py", "%00"])
def test_nothing_else_is_delivered(client, name):
    assert client.get(f"/page/{name}").status_code == 404


def test_the_page_is_not_part_of_the_interface(client):
    assert client.get("/openapi.json").json()["paths"] == {}


def test_all_that_the_page_names_is_there():
    html = FILES["index.html"].content.decode()
    named = re.findall(r'(?:src|href)="page/([^"]+)"', html)
    assert {"page.css", "page.js", "icon.svg"} <= set(named)
    for name, file in FILES.items():
        if name.endswith(".js"):
            named += re.findall(r'from "\./([^"]+)"', file.content.decode())
    assert set(named) | {"index.html"} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(name):
    text = FILES[name].content.decode().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|url\(|@import|//cdn", text)
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*src=)|innerHTML|eval\(", text)


def test_each_element_that_the_scripts_look_for_is_there():
    ids = set(re.findall(r'\sid="([^"]+)"', FILES["index.html"].content.decode()))
    for name, file in FILES.items():
        if name.endswith(".js"):
            assert set(re.findall(r'\bat\("([\w-]+)"\)', file.content.decode())) <= ids
