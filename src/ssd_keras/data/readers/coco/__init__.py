"""COCO: all labels of a split in one JSON file, its images in a folder beside it.

    annotations/instances_train2017.json   images, boxes ("annotations") and classes ("categories")
    train2017/000000262145.jpg             pixels, found by the "file_name" of an image

Exports of other programs put the same file elsewhere, such as `train/_annotations.coco.json` among the
images. Files are read entry by entry: those of the real COCO hold half a gigabyte of outlines of no use here.

Source: https://cocodataset.org/#format-data. A box is x, y, width, height in pixels, counted from 0.
"""

from ssd_keras.data.readers.coco.files import recognises_coco
from ssd_keras.data.readers.coco.reading import read_coco
from ssd_keras.data.readers.coco.writing import write_coco

__all__ = ["read_coco", "recognises_coco", "write_coco"]
