"""What a detector is given to look at, one at a time: a photograph, or a frame of a video or camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.images import ImageSource


@dataclass(frozen=True, eq=False)
class Clip:
    """A video or a camera, of which frames are looked at.

    Attributes:
        name: the file as it was given, or the camera.
        rate: frames looked at for each second of play.
        is_live: a camera, whose frames come when they come; those of a video come at `rate`.
    """

    name: str
    rate: float
    is_live: bool = False


class SourceImage(NamedTuple):
    """An image on its way to a detector.

    Attributes:
        name: what it is called in results: a path, a link, a camera; all frames of a video have its name.
        content: a file, encoded bytes, something to be fetched, or pixels (H, W, 3) uint8 RGB.
        frame: the number of the frame in its video, from 0.
        time: when the frame is shown, in seconds from the start of the video.
        clip: what the frame is from; None for an image of its own.
        pixels: what `content` decodes to, (H, W, 3) uint8 RGB, where somebody has done it already.
    """

    name: str
    content: ImageSource
    frame: int | None = None
    time: float | None = None
    clip: Clip | None = None
    pixels: NDArray[np.uint8] | None = None

    @property
    def shown_name(self) -> str:
        """What to call it in messages."""
        if self.frame is None:
            return self.name
        return f"{self.name}, frame {self.frame}" + ("" if self.time is None else f" ({self.time:.2f} s)")
