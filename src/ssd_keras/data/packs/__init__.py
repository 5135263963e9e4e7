"""Packs: a whole data set in one file, for fast reading; HDF5 and LMDB, writer and reader side by side.

A pack holds the images as encoded bytes (small) or as pixels (fastest), and everything that the data set says
about them. It gives the same samples as the data set it was made from. Labels are in memory once it is open;
an image is read from the file when it is needed, by any number of threads and processes at once.
"""
