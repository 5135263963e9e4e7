"""The names of splits that several formats share."""

ALL = "all"
"""The name of the only split where a data set defines none."""

OTHER_NAMES = {"valid": "val", "validation": "val"}
"""Splits that other programs call otherwise, and their names here."""
