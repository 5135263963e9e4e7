"""Videos and a detector for the tests: what is in each is known to the pixel."""

import struct
from pathlib import Path

import cv2
import numpy as np

from ssd_keras.detections import Detections
from ssd_keras.inference.sources.videos import quiet_ffmpeg

RATE = 10.0
SIZE = (48, 64)
CLASSES = ("blue", "red")


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Draw the frame of a video: grey that grows brighter, red in the corner at the top left."""
    image = np.full((*size, 3), 60 + 3 * number, np.uint8)
    image[: size[0] // 3, : size[1] // 3] = (220, 30, 30)
    return image


def write_video(file: Path, frames: int = 20, size: tuple[int, int] = SIZE, codec: str = "mp4v") -> Path:
    """Write a video of `frames` frames, `RATE` of them a second."""
    quiet_ffmpeg()
    writer = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), RATE, size[::-1])
    for number in range(frames):
        writer.write(cv2.cvtColor(frame(number, size), cv2.COLOR_RGB2BGR))
    writer.release()
    return file


def turn(file: Path) -> None:
    """Let the metadata of an MP4 say that it is to be shown turned by 90° clockwise."""
    data = bytearray(file.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[0] << 16, 0, 1 << 30
    )
    file.write_bytes(data)


def cut(file: Path, part: float) -> Path:
    """Keep only this part of a file's bytes."""
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    return file


class CornerDetector:
    """Stands in for a detector: finds red in the corner of an image; how red it is is the score."""

    class_names = CLASSES
    image_size = (24, 32)

    def __init__(self):
        self.batches = []

    def detect_batch(self, batch, sizes, threshold=0.5, fast=False):
        """Look at the pixel in the corner of each image."""
        self.batches.append((batch.shape, len(sizes)))
        found = []
        for image, size in zip(batch, sizes, strict=False):
            score = (int(image[2, 2, 0]) - int(image[2, 2, 2])) / 255
            box = [0, 0, size[1] / 3, size[0] / 3]
            kept = score >= threshold
            found.append(Detections([box] * kept, [score] * kept, [1] * kept, self.class_names, size))
        return found
