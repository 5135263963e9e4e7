"""Pascal VOC: one XML file per image, lists of image names as splits.

    Annotations/000012.xml    the objects of one image
    JPEGImages/000012.jpg     its pixels
    ImageSets/Main/train.txt  the names of a split, one a line

Other programs write the same XML files elsewhere: into folders inside of Annotations/, beside a folder
images/, or beside each image, in train/ and valid/ or all together. All of that is read.

Source: the VOC2007 development kit. Corners are taken as they stand: no shift by one pixel, as in Caffe.
"""

from ssd_keras.data.readers.voc.files import annotation_of, recognises_voc
from ssd_keras.data.readers.voc.reading import read_voc
from ssd_keras.data.readers.voc.writing import write_voc

__all__ = ["annotation_of", "read_voc", "recognises_voc", "write_voc"]
