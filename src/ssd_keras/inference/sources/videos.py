"""Frames of videos and cameras, one at a time; OpenCV decodes, and turns them as their metadata says."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from ssd_keras.data.checks import silent_decoders
from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import Clip, SourceImage
from ssd_keras.inference.sources.video_formats import is_video, lacks_its_end

CAMERA_PREFIX = "camera:"

USUAL_RATE = 25.0
"""Frames a second where a video or camera does not say it, or says what cannot be."""

HIGHEST_RATE = 1000.0

TOLERATED_LOSS = 0.01
"""So much of its frames a whole video may lack: containers that do not count them state an estimate."""


def quiet_ffmpeg() -> None:
    """Keep FFmpeg from writing lines of its own; to be called before OpenCV opens the first video."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def video_images(
    path: Path, every: int = 1, max_frames: int | None = None
) -> Iterator[SourceImage | InputError]:
    """Give the frames of a video, as they are decoded.

    Args:
        path: the file.
        every: give each so many-th frame, beginning with the first.
        max_frames: give so many at most; None: all.

    Yields:
        The frames; where the video cannot be opened, or ends before it should, the error at the end.
    """
    with _opened(path) as capture:
        if not capture.isOpened():
            yield InputError(f"{path} does not open as a video: it is damaged, cut off or none; replace it")
            return
        clip = Clip(str(path), _rate(capture) / every)
        numbers = itertools.islice(itertools.count(), None if max_frames is None else max_frames * every)
        for number in numbers:
            if not capture.grab():
                yield from _loss(path, number, capture)
                return
            if number % every:
                continue
            decoded, image = capture.retrieve()
            if not decoded:
                yield from _loss(path, number, capture)
                return
            yield _frame(clip, image, number, _shown_at(capture, number))


def video_length(path: Path, every: int = 1, max_frames: int | None = None) -> int | None:
    """Give the number of frames that `video_images` will give, as the file states it; None if it does not."""
    with _opened(path) as capture:
        frames = _stated_frames(capture)
    if frames is None:
        return max_frames
    frames = -(-frames // every)
    return frames if max_frames is None else min(frames, max_frames)


class Camera:
    """A camera of this machine.

    Args:
        text: "camera:0" is the first one.

    Raises:
        InputError: there is none, or another program has it.
    """

    def __init__(self, text: str) -> None:
        number = text.removeprefix(CAMERA_PREFIX)
        if not (number.isascii() and number.isdecimal() and int(number) < 1000):
            raise InputError(f"{text} is no camera: name it by its number, as camera:0")
        self.name = text
        with silent_decoders():
            self._capture = cv2.VideoCapture(int(number))
        if not self._capture.isOpened():
            raise InputError(
                f"{text} is not there or cannot be opened: connect it, close other programs that use it, or "
                "give another number"
            )

    def images(self, every: int = 1, max_frames: int | None = None) -> Iterator[SourceImage | InputError]:
        """Give its frames as they come, as `video_images` does; an error where it gives none any more."""
        capture = self._capture
        clip = Clip(self.name, _rate(capture) / every, is_live=True)
        started = None
        numbers = itertools.islice(itertools.count(), None if max_frames is None else max_frames * every)
        try:
            for number in numbers:
                if not capture.grab():
                    yield InputError(f"{self.name} gives no frames after {number}: look at its connection")
                    return
                started = started or time.monotonic()
                if number % every:
                    continue
                decoded, image = capture.retrieve()
                if decoded:
                    yield _frame(clip, image, number, time.monotonic() - started)
        finally:
            capture.release()


def _frame(clip: Clip, image: Any, number: int, seconds: float) -> SourceImage:
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return SourceImage(clip.name, pixels, number, round(seconds, 3), clip)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a video file, if that is what it is, without what FFmpeg has to say of it."""
    quiet_ffmpeg()
    capture = cv2.VideoCapture()
    if is_video(path):
        with silent_decoders():
            # The whole path, since FFmpeg takes what stands before a colon for a protocol.
            capture.open(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        yield capture
    finally:
        capture.release()


def _rate(capture: Any) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return float(rate) if 0 < rate <= HIGHEST_RATE else USUAL_RATE


def _shown_at(capture: Any, number: int) -> float:
    """When the frame just grabbed is shown, in seconds; from its number where the file does not say it."""
    stated = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    return stated if stated > 0 else number / _rate(capture)


def _stated_frames(capture: Any) -> int | None:
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
    return int(frames) if 0 < frames < 2**31 else None


def _loss(path: Path, read: int, capture: Any) -> Iterator[InputError]:
    """Say so where a video ended before all of the frames that it states."""
    stated = _stated_frames(capture)
    if stated is None and read:
        return
    tolerated = 0 if lacks_its_end(path) else max(2, TOLERATED_LOSS * (stated or 0))
    if not read or stated is None or stated - read > tolerated:
        states = "" if stated is None else f" of {stated}"
        seconds = read / _rate(capture)
        yield InputError(
            f"{path} is cut off or damaged: it ends after {read}{states} frames ({seconds:.2f} s), and what "
            "could be read is done; fetch the file again for the rest"
        )
