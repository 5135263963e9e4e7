"""Videos with what was found drawn in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.checks import silent_decoders
from ssd_keras.data.images import resize_image
from ssd_keras.errors import InputError
from ssd_keras.inference.own_files import mark_video, refuse_to_replace
from ssd_keras.inference.sources.images import Clip
from ssd_keras.inference.sources.videos import quiet_ffmpeg, video_length

CODEC = "mp4v"
"""MPEG-4 part 2: the one for MP4 that OpenCV's wheels have and that keeps up. They have no encoder of H.264,
and VP9 takes some fifty times as long (174 and 3.3 ms a frame of 640 × 480 on two cores)."""

VIDEO_SUFFIX = ".mp4"

LOWEST_RATE = 0.01

MOST_TICKS = (1 << 16) - 1
"""MPEG-4 part 2 counts time in so many ticks a second at most. A frame takes a whole number of them."""


class VideoFile:
    """An MP4 file that frames are appended to; it has its name once it is closed, and whole.

    Its codec wants even sides: an odd one gets one more row or column, a copy of the last.

    Args:
        path: the file; an earlier one of ours is replaced. Its folder is there.
        clip: what the frames are from; those of a camera are shown for as long as they were seen.
        size: (height, width) of the frames.

    Raises:
        InputError: the file cannot be written, or something else has its name.
    """

    def __init__(self, path: Path, clip: Clip, size: tuple[int, int]) -> None:
        refuse_to_replace(path)
        self.path = path
        self._unfinished = path.with_name(f"unfinished-{path.name}")
        self._clip = clip
        self._size = size
        self._rate = writable_rate(clip.rate)
        self._written = 0
        quiet_ffmpeg()
        height, width = (side + side % 2 for side in size)
        with silent_decoders():
            self._writer = cv2.VideoWriter(
                str(self._unfinished.absolute()),
                cv2.CAP_FFMPEG,
                cv2.VideoWriter.fourcc(*CODEC),
                self._rate,
                (width, height),
            )
        if not self._writer.isOpened():
            raise InputError(
                f"{path} cannot be written as a video of {width} × {height} pixels: choose another --out, "
                "or use --no-pictures"
            )

    def add(self, picture: NDArray[np.uint8], time: float | None) -> None:
        """Append a frame (H, W, 3) uint8 RGB, which was seen `time` seconds after the first."""
        frame = cv2.cvtColor(resize_image(picture, self._size), cv2.COLOR_RGB2BGR)
        height, width = self._size
        frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        for _ in range(self._times_shown(time)):
            self._writer.write(frame)
            self._written += 1

    def _times_shown(self, time: float | None) -> int:
        """How often a frame is to be written: once, or as often as to catch up with the clock of a camera."""
        if not self._clip.is_live or time is None:
            return 1
        return max(0, round(time * self._rate) + 1 - self._written)

    def close(self) -> None:
        """End the file.

        Raises:
            InputError: not all frames arrived in it. OpenCV does not say when a disk is full.
        """
        if not self._writer.isOpened():
            return
        self._writer.release()
        try:
            if (video_length(self._unfinished) or 0) < self._written:
                raise OSError("not all frames arrived")
            mark_video(self._unfinished)
            self._unfinished.replace(self.path)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.path} cannot be written whole ({reason}): make room there, or choose another --out; "
                f"{self._unfinished.name} has what could be written"
            ) from error


def writable_rate(rate: float) -> float:
    """Give the rate nearest to `rate`, in frames a second, that the codec can hold.

    OpenCV hands on three digits behind the point, as 119883 ticks for 1000 frames. Slow motion of telephones
    has such rates, and so many ticks the codec does not count.
    """
    rate = max(rate, LOWEST_RATE)
    digits = next((digits for digits in (3, 2, 1) if rate * 10**digits <= MOST_TICKS), 0)
    return round(rate, digits)
