"""Readers and writers of data sets, side by side: a file, or a package, for each format."""
