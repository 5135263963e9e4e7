"""What `ssd detect` is to look at: files, folders, patterns, videos, cameras, standard input, links."""

from __future__ import annotations

import glob
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_keras.data.images import READABLE_SUFFIXES
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.inference.sources.links import Link, is_link
from ssd_keras.inference.sources.standard_input import STANDARD_INPUT, standard_input_images
from ssd_keras.inference.sources.video_formats import VIDEO_SUFFIXES, is_video
from ssd_keras.inference.sources.videos import CAMERA_PREFIX, Camera, video_images, video_length

Images = Iterator[SourceImage | InputError]
"""What a source gives, one after the other; in place of an image that cannot be had, why."""

MediaFile = tuple[Path, bool]
"""A file, and whether it is a video."""

Seen = set[Path] | None
"""Files that other sources gave, without links on the way; None: no other source gives files."""

PATTERN_SIGNS = frozenset("*?[")


@dataclass(frozen=True)
class Reading:
    """How sources are read.

    Attributes:
        every: of videos and cameras each so many-th frame.
        max_frames: of each video and camera so many at most; None: all.
        out: the folder of results; what an earlier run drew there is no image to look at.
        draws: pictures are to be written there: all in it is passed over, and no image may lie in it.
    """

    every: int = 1
    max_frames: int | None = None
    out: Path | None = None
    draws: bool = True


@dataclass(frozen=True)
class Source:
    """One of the things to look at.

    Attributes:
        images: gives its images; nothing is read before, and never more than asked for. Files that are among
            those seen are passed over, by whatever name, and the others are added to them.
        count: gives how many there will be, None where nobody knows.
        is_live: its images come when they come, and each is wanted at once.
        folder: the folder that its images are in, where it is one.
    """

    images: Callable[[Seen], Images]
    count: Callable[[], int | None]
    is_live: bool = False
    folder: Path | None = None


@dataclass(frozen=True)
class Sources:
    """All that is to be looked at, in order; each file once."""

    sources: tuple[Source, ...]

    @property
    def is_live(self) -> bool:
        """Whether images are wanted one by one, as soon as they come."""
        return any(source.is_live for source in self.sources)

    @property
    def folder(self) -> Path | None:
        """The folder that all images are in, where only that was named."""
        return self.sources[0].folder if len(self.sources) == 1 else None

    def images(self) -> Images:
        """Give the images of all sources, one by one."""
        # Names of a single source differ: a folder of a million needs no list of them.
        seen: Seen = set() if len(self.sources) > 1 else None
        for source in self.sources:
            yield from source.images(seen)

    def count(self) -> int | None:
        """Count the images, those named twice twice; None where nobody knows."""
        return _total(source.count() for source in self.sources)


def open_sources(names: Sequence[str | Path], reading: Reading | None = None) -> Sources:
    """Find what is meant by names of sources.

    A name is that of a file (image or video, told by their content), of a folder (all images and videos below
    it), a pattern such as `photos/*.jpg`, a camera such as `camera:0`, an HTTP or HTTPS link to an image, or
    `-`: standard input, an image or lines that name sources. What is named twice is opened once.

    Raises:
        InputError: a source does not exist, holds no image, or lies where results are to be written; there is
            no such camera; it is another kind of link.
    """
    if not names:
        raise InputError("no image given: name files, folders or patterns such as 'photos/*.jpg'")
    once = dict.fromkeys(map(str, names))
    return Sources(tuple(open_source(name, reading or Reading()) for name in once))


def open_source(name: str, reading: Reading) -> Source:
    """Find what is meant by the name of a source; see `open_sources`."""
    if not name:  # else it would be the working directory
        raise InputError("the name of a source is empty: name a file, a folder or a pattern")
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise InputError("standard input is closed: name files, folders or patterns instead of -")
        return Source(lambda _: _of_standard_input(reading), lambda: None, is_live=True)
    if is_link(name):
        link = Link(name)
        return Source(lambda _: iter([SourceImage(name, link)]), lambda: 1)
    path = Path(name)
    if name.startswith(CAMERA_PREFIX) and not path.exists():
        return _camera(Camera(name), reading)
    if path.is_dir():
        return _folder(path, reading)
    if path.is_file():
        return _files([path], reading)
    if path.exists():
        raise InputError(f"{name} is a pipe or a device: give files, or {STANDARD_INPUT} for standard input")
    return _files(_matches(name, reading), reading)


def _camera(camera: Camera, reading: Reading) -> Source:
    def images(_: Seen) -> Images:
        return camera.images(reading.every, reading.max_frames)

    return Source(images, lambda: reading.max_frames, is_live=True)


def _files(files: Sequence[Path], reading: Reading) -> Source:
    for file in files:
        for parent in (file.parent, file.resolve().parent):
            _check_apart(parent, file, reading)
    return _media(lambda: ((file, is_video(file)) for file in files), reading)


def _folder(folder: Path, reading: Reading) -> Source:
    _check_apart(folder, folder, reading)
    if next(_files_below(folder, reading), None) is None:
        known = ", ".join(sorted(READABLE_SUFFIXES | VIDEO_SUFFIXES))
        raise InputError(f"folder {folder} holds no image: known are {known}")
    # In a folder the suffix says what is a video: to open each of a million images would take minutes.
    return _media(
        lambda: ((file, _has_video_suffix(file)) for file in _files_below(folder, reading)),
        reading,
        folder,
    )


def _media(found: Callable[[], Iterator[MediaFile]], reading: Reading, folder: Path | None = None) -> Source:
    """Make a source of files, each of them with whether it is a video."""

    def images(seen: Seen) -> Images:
        for file, video in found():
            if seen is not None:
                real = file.resolve()
                if real in seen:
                    continue
                seen.add(real)
            yield from _of_file(file, video, reading)

    def count() -> int | None:
        limits = reading.every, reading.max_frames
        return _total(video_length(file, *limits) if video else 1 for file, video in found())

    return Source(images, count, folder=folder)


def _files_below(folder: Path, reading: Reading) -> Iterator[Path]:
    """Give images and videos, folder by folder, by name, without those that are results.

    Links to folders are followed; each folder is gone through once, however many links lead to it. Last come
    folders that cannot be looked into: who reads them as images learns why.
    """
    closed: list[Path] = []
    results = _results_inside(folder, reading.out)
    passed_over = {reading.out.resolve()} if reading.out and reading.draws else set()
    walk = os.walk(folder, followlinks=True, onerror=lambda error: closed.append(Path(error.filename)))
    for parent, folders, names in walk:
        here = Path(parent)
        if (real := here.resolve()) in passed_over:
            folders.clear()
            continue
        passed_over.add(real)
        folders.sort()
        for name in sorted(names):
            file = here / name
            has_suffix = file.suffix.lower() in READABLE_SUFFIXES or _has_video_suffix(file)
            if has_suffix and not _is_result(real / name, results):
                yield file
    yield from closed


def _has_video_suffix(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES


def _results_inside(searched: Path, out: Path | None) -> Path | None:
    """Give the folder of results, without links on the way, where it lies in a folder that is searched."""
    results = None if out is None else out.resolve()
    return results if results and searched.resolve() in results.parents else None


def _is_result(real: Path, results: Path | None) -> bool:
    """Tell whether a file, named without links on the way, was drawn by an earlier run."""
    if results is None or not real.is_relative_to(results):
        return False
    from ssd_keras.inference.own_files import is_own

    return is_own(real)


def _matches(pattern: str, reading: Reading) -> list[Path]:
    matches = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207, Path.glob takes no absolute pattern
    searched = itertools.takewhile(lambda part: PATTERN_SIGNS.isdisjoint(part), Path(pattern).parts)
    results = _results_inside(Path(*searched), reading.out)
    found: dict[Path, Path] = {}  # links may lead to one file by many names, and in circles
    for match in sorted(match for match in matches if match.is_file()):
        if not _is_result(real := match.resolve(), results):
            found.setdefault(real, match)
    if not found:
        raise InputError(_nothing_found(pattern))
    return list(found.values())


def _nothing_found(pattern: str) -> str:
    if PATTERN_SIGNS.isdisjoint(pattern):
        return f"{pattern} does not exist: give a file, a folder or a pattern such as 'photos/*.jpg'"
    return f"no file is called like {pattern}: correct the pattern, or give a file or a folder"


def _of_file(file: Path, video: bool, reading: Reading) -> Images:
    if video:
        return video_images(file, reading.every, reading.max_frames)
    return iter([SourceImage(str(file), file)])


def _total(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _of_standard_input(reading: Reading) -> Images:
    return standard_input_images(sys.stdin.buffer, lambda line: open_source(line, reading).images(None))


def _check_apart(folder: Path, source: Path, reading: Reading) -> None:
    """Raise `InputError` where results would be written among the images, and over them."""
    if reading.out is not None and reading.draws and _is_same(folder, reading.out):
        raise InputError(
            f"pictures in {reading.out} could overwrite the images of {source}: choose another --out"
        )


def _is_same(folder: Path, other: Path) -> bool:
    return folder.resolve() == other.resolve()
