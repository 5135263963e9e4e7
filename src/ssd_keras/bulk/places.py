"""Where images and results are: on a disk, or behind a URL that fsspec knows, such as s3://bucket/folder."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ssd_keras.bulk.libraries import import_library
from ssd_keras.data.images import ImageSource, StoredImage
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.links import Link, is_link

CHAINED = "::"
"""Between the parts of a URL that leads through one file system into another, as zip://*::s3://... does."""

PAUSES = (1.0, 4.0)
"""Seconds before a store that did not answer is asked again: stores refuse some of very many readers."""

LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, InputError)
"""What asking again does not change."""

PASSWORD = re.compile(r"(\w[\w+-]*://[^\s/@:]*):[^\s/]*@")
"""In the URLs of a text: all between the name of a user and the host."""


def is_url(name: str) -> bool:
    """Tell whether a name is a URL, and not a path."""
    return is_link(name)


def is_web_link(name: str) -> bool:
    """Tell whether a name is a link to be fetched over HTTP."""
    return name.lower().startswith(("http://", "https://"))


def is_relative(name: str) -> bool:
    """Tell whether it depends on the folder that a command is called in what a name stands for."""
    return not is_url(name) and not Path(name).is_absolute()


def without_passwords(text: str) -> str:
    """Leave the passwords out of the URLs in a text: of ftp://me:secret@host/a, ftp://me@host/a remains."""
    return PASSWORD.sub(r"\1@", text)


def open_place(url: str) -> tuple[Any, str]:
    """Give the fsspec file system of a URL or absolute path, and the path in it.

    Raises:
        InputError: fsspec knows no such URLs, or a library for them is not installed.
    """
    fsspec = import_library("fsspec")
    if not is_url(url):  # in a path "::" is nothing but two letters
        return fsspec.filesystem("file"), url
    try:
        file_system, path = fsspec.core.url_to_fs(url)
    except InputError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise unreachable(url, error) from error
    return file_system, str(path)


def said_by(error: Exception) -> str:
    """Give what a file system says in one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def unreachable(url: str, error: Exception) -> InputError:
    """Say in one line why a file system does not give what was asked of it."""
    return InputError(
        f"{url} cannot be reached ({said_by(error)}): check the name, the rights, and that fsspec's library "
        "for such URLs is installed"
    )


class RemoteImage(StoredImage):
    """An image behind a URL, fetched when it is needed.

    Args:
        url: as fsspec takes it.
    """

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def name(self) -> str:
        """The URL itself."""
        return self._url

    def load(self) -> bytes:
        """Fetch the encoded bytes; what fails for a moment is tried three times.

        Raises:
            InputError: there is no such image, or it may not be read.
        """
        for pause in (*PAUSES, None):
            try:
                file_system, path = open_place(self._url)
                return bytes(file_system.cat_file(path))
            except Exception as error:  # each file system has errors of its own
                if pause is None or isinstance(error, LASTING):
                    raise self._unreadable(error) from error
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _unreadable(self, error: Exception) -> InputError:
        if isinstance(error, InputError):
            return error
        kind = "there is no such file" if isinstance(error, FileNotFoundError) else said_by(error)
        return InputError(f"{self._url} cannot be read ({kind}): check the name and the rights")


def image_at(name: str, base: str) -> ImageSource:
    """Give what a detector reads of the image with a name.

    Args:
        name: a path, a URL that fsspec knows, or a link, which is fetched as `ssd detect` fetches one.
        base: the folder that paths are relative to.

    Raises:
        InputError: no file and no link can have such a name.
    """
    if "\0" in name:  # which the system refuses in a way of its own
        raise InputError(f"{name} has a zero byte, as no name has: correct the list that it is in")
    if is_web_link(name):
        return Link(name)
    return RemoteImage(name) if is_url(name) else Path(base, name)
