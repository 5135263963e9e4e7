"""What all files of detections have in common: a writer for each format, and files that are always valid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TextIO

from ssd_keras.data.readers.sidecar import SIDECAR, Sidecar, write_sidecar
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError


class ResultWriter(ABC):
    """Writes detections to files, image by image as they are found; to be used in a `with` statement.

    Attributes:
        paths: the files and folders that it writes, the one to be looked at first.
    """

    paths: tuple[Path, ...] = ()

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = tuple(class_names)
        self._is_open = True

    def add(
        self, name: str, detections: Detections, frame: int | None = None, time: float | None = None
    ) -> InputError | None:
        """Write what was found in one image, or in one frame of a video.

        Args:
            name: of the image or video, as the user knows it: a path, or a link.
            detections: what was found; may be nothing.
            frame: the number of the frame in its video.
            time: when it is shown, in seconds from the start of the video.

        Returns:
            What the user has to do before these labels fit their image; None: they do.

        Raises:
            InputError: it cannot be written; what was written before is still valid.
        """
        if not self._is_open:
            raise ValueError("results were closed: nothing more can be added")
        if detections.class_names != self._class_names:
            raise ValueError(f"classes {detections.class_names}, results were opened for {self._class_names}")
        return self._write(name, detections, frame, time)

    def close(self) -> None:
        """Finish the files; after this nothing can be added. Also after an error they are valid."""
        if self._is_open:
            self._is_open = False
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _write(
        self, name: str, detections: Detections, frame: int | None, time: float | None
    ) -> InputError | None:
        """Write one image; see `add`."""

    @abstractmethod
    def _finish(self) -> None:
        """Close what is open."""


class Sink(Protocol):
    """Takes text piece by piece."""

    def append(self, text: str) -> None:
        """Take one more piece."""

    def close(self) -> None:
        """Take what ends the text, and no more pieces."""


class GrowingFile:
    """A text file that is valid after every piece, also if the program is killed then.

    What ends the text is written behind each piece, and the next piece takes its place. A piece that could
    not be written whole is removed again.

    Args:
        path: the file, which is replaced; its folder is made.
        start: how the text begins.
        end: how it ends.

    Raises:
        InputError: it cannot be written; here and in `append`.
    """

    def __init__(self, path: Path, start: str = "", end: str = "") -> None:
        self.path = path
        self._end = _encoded(end)
        self._length = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)  # what is kept in a buffer would be lost with a kill
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self.append(start)
        except BaseException:
            self._file.close()
            raise

    def append(self, text: str) -> None:
        """Write one more piece."""
        piece = _encoded(text)
        try:
            self._write_at_end(piece + self._end)
        except OSError as error:
            self._remove_unfinished()
            raise self._unwritable(error) from error
        self._length += len(piece)

    def close(self) -> None:
        """Close the file, without what an interrupted `append` left behind."""
        if not self._file.closed:
            self._remove_unfinished()
            self._file.close()

    def _write_at_end(self, data: bytes) -> None:
        self._file.seek(self._length)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def _remove_unfinished(self) -> None:
        try:
            self._file.truncate(self._length)  # makes room first, if the disk is full
            self._write_at_end(self._end)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        reason = error.strerror or error
        return InputError(
            f"{self.path} cannot be written ({reason}): make room there, or choose another --out"
        )


class StreamSink:
    """Text that goes to a stream, such as standard output, piece by piece at once.

    Args:
        stream: stays open.
        start: how the text begins.
        end: how it ends, written when it is closed.
    """

    def __init__(self, stream: TextIO, start: str = "", end: str = "") -> None:
        self._stream = stream
        self._end = end
        self._is_open = True
        self.append(start)

    def append(self, text: str) -> None:
        """Write one more piece."""
        self._stream.write(_encoded(text).decode())
        self._stream.flush()

    def close(self) -> None:
        """Write the end of the text."""
        if self._is_open:
            self._is_open = False
            self.append(self._end)


def shown_time(time: float) -> float:
    """Round a time in seconds to milliseconds."""
    return round(time, 3)


def state_classes(out: Path, class_names: Sequence[str]) -> None:
    """Write the names of all classes beside labels, unless something of a data set states them already.

    Formats that name only classes in use would lose the others and their order.

    Raises:
        InputError: the file cannot be written.
    """
    if (out / SIDECAR).exists():
        return
    try:
        write_sidecar(out, Sidecar(class_names=tuple(class_names)))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{out / SIDECAR} cannot be written ({reason}): choose another --out") from error


def _encoded(text: str) -> bytes:
    """Encode text; what UTF-8 cannot hold, as names of files may have it, becomes \\udc80: right for JSON."""
    return text.encode("utf-8", "backslashreplace")
