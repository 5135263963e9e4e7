"""Detections in files: a format a file, written as they come and read again."""

from ssd_keras.inference.results.opening import (
    IMAGE_FOLDERS,
    RESULT_FORMATS,
    STREAMED,
    open_results,
    stream_results,
)
from ssd_keras.inference.results.reading import read_detections
from ssd_keras.inference.results.writer import ResultWriter

__all__ = [
    "IMAGE_FOLDERS",
    "RESULT_FORMATS",
    "STREAMED",
    "ResultWriter",
    "open_results",
    "read_detections",
    "stream_results",
]
