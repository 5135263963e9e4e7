"""The objects that were found, each cut out of its image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_keras.boxes.formats import clip_to_size
from ssd_keras.data.readers.split_names import distinct_stems
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.own_files import save_own_picture
from ssd_keras.inference.results.names import ResultNames


@dataclass
class CropFolder:
    """A folder of cut-out objects, those of each class in a folder of its own.

    Attributes:
        path: the folder.
        suffix: the format of the crops, as the suffix of their files: .jpg, .png or .webp.
    """

    path: Path
    suffix: str = ".jpg"
    _names: ResultNames = field(default_factory=ResultNames)
    _folders: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, suffix: str = ".jpg") -> CropFolder:
        """Make the folder; `InputError` where that is not possible."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another folder") from error
        return cls(path, suffix)

    def save(self, image: NDArray[np.uint8], name: str, detections: Detections) -> list[Path]:
        """Cut the objects out of an image, and write each to `path`/CLASS/NAME_NUMBER.

        Numbers count from 1, best score first. All pixels that a box touches are in its crop. A box that
        touches none, without area or outside of the image, has no crop.

        Args:
            image: (H, W, 3) uint8 RGB.
            name: of the image; of two with the same name the second gets a number behind it.
            detections: what was found in it.

        Returns:
            The files that were written.

        Raises:
            InputError: a file cannot be written, or its name is that of one that is not ours.
        """
        stem = self._names.of(name).name
        folders = self._class_folders(detections.class_names)
        corners = _touched_pixels(detections.boxes_px, (image.shape[0], image.shape[1]))
        files = []
        for number, (found, (x0, y0, x1, y1)) in enumerate(zip(detections, corners, strict=True), start=1):
            if x0 < x1 and y0 < y1:
                file = self.path / folders[found.label] / f"{stem}_{number}{self.suffix}"
                save_own_picture(file, image[y0:y1, x0:x1])
                files.append(file)
        return files

    def _class_folders(self, class_names: tuple[str, ...]) -> dict[str, str]:
        if class_names not in self._folders:
            self._folders[class_names] = distinct_stems(class_names)
        return self._folders[class_names]


def _touched_pixels(boxes_px: NDArray[np.float32], size: tuple[int, int]) -> list[list[int]]:
    """(K, 4) first column and row, and those behind the last, of the pixels that lie under each box."""
    inside = clip_to_size(boxes_px, size)
    corners = np.concatenate([np.floor(inside[:, :2]), np.ceil(inside[:, 2:])], axis=1).astype(int)
    corners[(inside[:, 2:] <= inside[:, :2]).any(axis=1)] = 0
    return corners.tolist()  # type: ignore[no-any-return]
