"""Images behind URLs: fetched when needed, tried again, or one line why not."""

from pathlib import Path

import fsspec
import pytest

from ssd_keras.bulk import places
from ssd_keras.bulk.places import RemoteImage, image_at, is_relative, open_place, without_passwords
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.links import Link


def test_names_of_all_kinds():
    assert image_at("a.jpg", "/photos") == Path("/photos/a.jpg")
    assert image_at("/b/a.jpg", "/photos") == Path("/b/a.jpg")
    assert isinstance(image_at("https://example.org/a.jpg", "/"), Link)
    assert image_at("s3://bucket/a.jpg", "/").name == "s3://bucket/a.jpg"


def test_a_name_with_a_zero_byte_is_refused():
    with pytest.raises(InputError, match=r"a\\x00b.jpg has a zero byte"):
        image_at("a\0b.jpg", "/photos")


def test_what_depends_on_the_folder():
    assert is_relative("a.jpg")
    assert not is_relative("/b/a.jpg")
    assert not is_relative("s3://bucket/a.jpg")


def test_a_path_is_no_chain_of_file_systems(tmp_path):
    (tmp_path / "a::b.jpg").write_bytes(b"bytes")
    file_system, path = open_place(str(tmp_path / "a::b.jpg"))
    assert file_system.cat_file(path) == b"bytes"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ftp://me:sec@ret@host:21/a is away", "ftp://me@host:21/a is away"),
        ("s3://key:secret@bucket and ftp://b:c@d", "s3://key@bucket and ftp://b@d"),
        ("http://host:80/a@b:c@d", "http://host:80/a@b:c@d"),
        ("abfs://container@account.net/a:b", "abfs://container@account.net/a:b"),
        ("photos/a:b@c.jpg", "photos/a:b@c.jpg"),
    ],
)
def test_passwords_are_left_out(text, told):
    assert without_passwords(text) == told


def test_the_bytes_of_a_url(tmp_path):
    fsspec.filesystem("memory").pipe_file("/places/a.jpg", b"bytes")
    (tmp_path / "a b#1.jpg").write_bytes(b"more bytes")
    assert RemoteImage("memory://places/a.jpg").load() == b"bytes"
    assert RemoteImage(f"file://{tmp_path}/a b#1.jpg").load() == b"more bytes"


def test_what_is_not_there_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(places.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(InputError, match=r"memory://places/none.jpg cannot be read .there is no such file"):
        RemoteImage("memory://places/none.jpg").load()
    with pytest.raises(InputError, match="cannot be reached"):
        RemoteImage("nothing-knows-this://a.jpg").load()


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_store_that_fails_for_a_moment_is_asked_again(monkeypatch, failures):
    waited, asked = [], []
    monkeypatch.setattr(places.time, "sleep", waited.append)

    class Flaky:
        def cat_file(self, path):
            asked.append(path)
            if len(asked) <= failures:
                raise ConnectionError("reset by peer")
            return b"bytes"

    monkeypatch.setattr(places, "open_place", lambda url: (Flaky(), "a.jpg"))
    if failures < 3:
        assert RemoteImage("s3://bucket/a.jpg").load() == b"bytes"
    else:
        with pytest.raises(InputError, match=r"s3://bucket/a.jpg cannot be read .reset by peer"):
            RemoteImage("s3://bucket/a.jpg").load()
    assert waited == list(places.PAUSES)[:failures]


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(InputError, match=r"pip install 'ssd-keras\[ray\]'"):
        open_place("s3://bucket")
