"""YOLO: one text file of boxes per image, and a YAML file that names the splits and the classes.

    data.yaml                 the folder of images of each split, and the class names
    images/train/000012.jpg   pixels
    labels/train/000012.txt   a line per object: class id, x and y of its centre, width, height

The four numbers are fractions of the image's sides. Other programs put the same files elsewhere: images/ and
labels/ inside of train/ and valid/, labels beside the images, lists of images in place of folders, names of
classes in classes.txt or obj.names. All of that is read; data.yaml may be missing.

Source: https://docs.ultralytics.com/datasets/detect/
"""

from ssd_keras.data.readers.yolo.reading import read_yolo
from ssd_keras.data.readers.yolo.recognising import recognises_yolo
from ssd_keras.data.readers.yolo.writing import write_yolo

__all__ = ["read_yolo", "recognises_yolo", "write_yolo"]
