"""Changes of colour: brightness, contrast, saturation and hue (Caffe: ApplyDistort; the paper cites Howard).

Each change maps a uint8 value to a uint8 value, so it is one table of 256 entries. Changes that follow each
other in the same colour space become one table, and pixels are converted to HSV only where saturation or hue
is drawn, once for both (the original converts, and rounds, for each).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.augment.settings import settle_number, settle_probability, settle_range

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

LEVELS = np.arange(256, dtype=np.float64)

HUES = 180
"""OpenCV counts a hue in steps of two degrees, so that the circle fits into uint8."""


@dataclass(frozen=True)
class ColourChange:
    """One drawn change of colour; the defaults change nothing.

    Attributes:
        brightness: added to each value.
        contrast: multiplies the distance of each value from `contrast_pivot`.
        contrast_pivot: the value that contrast leaves as it is. With 0, contrast above 1 also brightens.
        saturation: multiplies the saturation.
        hue: added to the hue in steps of two degrees, around the circle. (In Caffe a sum below 0 stops at 0,
            because it computes in uint8; above 179 it goes around.)
        contrast_last: contrast comes after saturation and hue, not before.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    contrast_last: bool = False
    contrast_pivot: float = 0.0

    def apply(self, image: Image) -> Image:
        """Change an image (H, W, 3) uint8 RGB; values are rounded and stop at 0 and 255 after each step."""
        brighten = _as_table(LEVELS + self.brightness)
        contrast = _as_table(self.contrast_pivot + self.contrast * (LEVELS - self.contrast_pivot))
        changes_hsv = self.saturation != 1 or self.hue != 0
        if changes_hsv and self.contrast_last:
            image = _look_up(image, brighten)
            return _look_up(self._in_hsv(image), contrast)
        image = _look_up(image, contrast[brighten])
        return self._in_hsv(image) if changes_hsv else image

    def _in_hsv(self, image: Image) -> Image:
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        if self.saturation != 1:
            saturation = cv2.LUT(saturation, _as_table(LEVELS * self.saturation))
        if self.hue != 0:
            hue = cv2.LUT(hue, _as_table(np.rint(LEVELS + self.hue) % HUES))
        changed: Image = cv2.cvtColor(cv2.merge((hue, saturation, value)), cv2.COLOR_HSV2RGB)
        return changed


def change_gamma(image: Image, gamma: float) -> Image:
    """Raise the values of an image (H, W, 3) uint8, taken as 0-1, to the power `gamma`: above 1 darkens."""
    return _look_up(image, _as_table(255 * (LEVELS / 255) ** gamma))


def equalize_histogram(image: Image) -> Image:
    """Spread the brightness (V of HSV) of an image (H, W, 3) uint8 RGB evenly over 0-255, the hue kept."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    equal: Image = cv2.cvtColor(cv2.merge((hue, saturation, cv2.equalizeHist(value))), cv2.COLOR_HSV2RGB)
    return equal


def to_greyscale(image: Image) -> Image:
    """Give an image (H, W, 3) uint8 RGB its luma (ITU-R BT.601) in all three channels."""
    grey: Image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return grey


@dataclass(frozen=True)
class Distortion:
    """Which changes of colour are drawn. The defaults are the original's.

    Attributes:
        brightness: bounds of what is added, in values of 0-255.
        contrast: bounds of the factor of contrast.
        contrast_pivot: the value that contrast leaves as it is: 0, or 127.5 in the Keras port of 2018.
        saturation: bounds of the factor of saturation.
        hue: bounds of what is added to the hue, in steps of two degrees.
        probability: how often each of the four happens, independently. Contrast comes first or last, equally
            often.

    Raises:
        InputError: a setting is out of bounds.
    """

    brightness: tuple[float, float] = (-32, 32)
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: tuple[float, float] = (-18, 18)
    probability: float = 0.5
    contrast_pivot: float = 0.0

    def __post_init__(self) -> None:
        settle_range(self, "brightness", -255, 255)
        settle_range(self, "contrast", 0, 100)
        settle_range(self, "saturation", 0, 100)
        settle_range(self, "hue", -90, 90)
        settle_probability(self)
        settle_number(self, "contrast_pivot", 0, 255)

    def sample(self, rng: np.random.Generator) -> ColourChange:
        """Draw one change of colour."""

        def draw(bounds: tuple[float, float], unchanged: float) -> float:
            return rng.uniform(*bounds) if rng.random() < self.probability else unchanged

        return ColourChange(
            brightness=draw(self.brightness, 0.0),
            contrast=draw(self.contrast, 1.0),
            saturation=draw(self.saturation, 1.0),
            hue=draw(self.hue, 0.0),
            contrast_last=rng.random() < 0.5,
            contrast_pivot=self.contrast_pivot,
        )


def _as_table(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _look_up(image: Image, table: NDArray[np.uint8]) -> Image:
    """Map each value of an image by a table (256,); a table that changes nothing costs nothing."""
    if np.array_equal(table, LEVELS):
        return image
    changed: Image = cv2.LUT(image, table)
    return changed
