"""Boxes in a table: a CSV file with one box a line, beside its images.

The columns may come in any order and under any of the usual names. Without a header line two layouts are
understood: `image, xmin, xmax, ymin, ymax, class_id` of the Keras port of 2018 (its tutorial on SSD7), and
`image, xmin, ymin, xmax, ymax, class`; whichever of them makes boxes of all lines is the right one.

Several files make one data set where their names or folders are those of splits: `labels_train.csv` and
`labels_val.csv`, or `train/_annotations.csv` and `valid/_annotations.csv`.
"""

from ssd_keras.data.readers.csv.files import recognises_csv
from ssd_keras.data.readers.csv.reading import read_csv
from ssd_keras.data.readers.csv.writing import write_csv

__all__ = ["read_csv", "recognises_csv", "write_csv"]
