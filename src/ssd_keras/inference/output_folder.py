"""All that `ssd detect --out` leaves: files of detections, pictures and videos with boxes, crops."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ssd_keras.data.images import read_image
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.copied_images import CopiedImages, ImageFile, as_file
from ssd_keras.inference.crops import CropFolder
from ssd_keras.inference.drawing import draw_detections
from ssd_keras.inference.own_files import save_own_picture
from ssd_keras.inference.results import IMAGE_FOLDERS, STREAMED, open_results
from ssd_keras.inference.results.names import FRAME_DIGITS, ResultNames
from ssd_keras.inference.sources.images import Clip, SourceImage
from ssd_keras.inference.video_writing import VIDEO_SUFFIX, VideoFile

PICTURE_SUFFIX = ".jpg"
CROPS = "crops"

BESIDE_LABELS = "_boxes"
"""Ends the names of pictures beside labels: no reader may take them for the images that the labels name."""


@dataclass(frozen=True)
class Wanted:
    """What is to be written.

    Attributes:
        format: of the files of detections, one of `RESULT_FORMATS`.
        pictures: pictures and videos with boxes drawn.
        crops: a picture of each object.
        copies: the images themselves, beside the labels; for formats of `IMAGE_FOLDERS`.
    """

    format: str = "json"
    pictures: bool = True
    crops: bool = False
    copies: bool = False


class OutputFolder:
    """Writes what was found, image by image; to be used in a `with` statement.

    Whatever ends that, all files are valid: documents are closed, videos play. Pictures and videos of an
    earlier run are replaced; anything else that has one of their names is kept, and ends the run.

    Args:
        path: the folder, which is made.
        class_names: all classes of the detector.
        wanted: what is to be written.
        image_root: the folder that all images are in, if there is one.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(
        self, path: Path, class_names: tuple[str, ...], wanted: Wanted, image_root: Path | None = None
    ) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError(f"{path} is a file, and a folder is needed: choose another --out") from error
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}): choose another --out") from error
        self._wanted = wanted
        # Folders first: where one cannot be made no file of results was touched yet.
        self._crops = CropFolder.create(path / CROPS) if wanted.crops else None
        self._copies: CopiedImages | None = None
        if wanted.copies:
            self._copies = CopiedImages(path / IMAGE_FOLDERS[wanted.format], image_root)
            image_root = self._copies.path
        self._open_files = ExitStack()
        self._results = self._open_files.enter_context(
            open_results(wanted.format, path, class_names, image_root)
        )
        self._open_files.callback(self._close_video)
        self._names = ResultNames()
        self._clip: Clip | None = None
        self._video: VideoFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_files.close()

    @property
    def result_paths(self) -> tuple[Path, ...]:
        """The files and folders of the detections."""
        return self._results.paths

    def pixels_of(self, image: SourceImage) -> NDArray[np.uint8] | None:
        """Give the pixels (H, W, 3) uint8 RGB of a whole image, if they are needed for what is written.

        Raises:
            InputError: it cannot be read.
        """
        if not (self._wanted.pictures or self._wanted.crops):
            return None
        return read_image(image.content, name=image.name) if image.pixels is None else image.pixels

    def copy_of(self, image: SourceImage) -> ImageFile | None:
        """Give what is to stand in the copy of an image, if there is to be one.

        Raises:
            InputError: it cannot be read.
        """
        return as_file(image) if self._copies else None

    def add(
        self,
        image: SourceImage,
        detections: Detections,
        pixels: NDArray[np.uint8] | None = None,
        copy: ImageFile | None = None,
    ) -> InputError | None:
        """Write what was found in an image.

        Args:
            image: the image, or frame.
            detections: what was found in it; may be nothing.
            pixels: of `pixels_of`.
            copy: of `copy_of`.

        Returns:
            What the user has to do before the labels fit the image; None: they do.

        Raises:
            InputError: something cannot be written; what was written before stays.
        """
        if self._copies and copy:
            # Labels are those of the copy, which has a name that they can have, too.
            misfit = self._results.add(str(self._copies.add(image, copy)), detections)
        else:
            misfit = self._results.add(image.name, detections, image.frame, image.time)
        if pixels is not None and self._crops:
            self._crops.save(pixels, _crop_name(image), detections)
        if pixels is not None and self._wanted.pictures:
            self._draw(image, draw_detections(pixels, detections))
        return misfit

    def _draw(self, image: SourceImage, picture: NDArray[np.uint8]) -> None:
        if image.clip is not self._clip:
            self._close_video()
        if image.clip is None:
            save_own_picture(self._path_for(image.name, PICTURE_SUFFIX), picture)
            return
        if self._video is None:
            size = (picture.shape[0], picture.shape[1])
            self._video = VideoFile(self._path_for(image.name, VIDEO_SUFFIX), image.clip, size)
            self._clip = image.clip
        self._video.add(picture, image.time)

    def _path_for(self, name: str, suffix: str) -> Path:
        mark = "" if self._wanted.format in STREAMED else BESIDE_LABELS
        return self.path / f"{self._names.of(name)}{mark}{suffix}"

    def _close_video(self) -> None:
        video, self._video, self._clip = self._video, None, None
        if video is not None:
            video.close()


def _crop_name(image: SourceImage) -> str:
    name = Path(image.name)
    return image.name if image.frame is None else f"{name.stem}_{image.frame:0{FRAME_DIGITS}d}{name.suffix}"
