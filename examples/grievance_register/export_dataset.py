"""Write the confirmed reports as a data set: python export_dataset.py DATA [--to yolo].

The register may be running meanwhile.
"""

import argparse
import sqlite3
import sys
from pathlib import Path

from ssd_keras import InputError

from grievances.app import DATABASE_NAME
from grievances.database import Database
from grievances.dataset import FORMATS, write_dataset


def main() -> int:
    """Write it: the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder to make (hdf5, lmdb: the file)")
    parser.add_argument("--to", choices=FORMATS, default="yolo")
    parser.add_argument("--folder", type=Path, default=Path("register"), help="where register.sqlite lies")
    options = parser.parse_args()
    file = options.folder / DATABASE_NAME
    try:
        if not file.exists():
            raise InputError(f"{file} does not exist: name the --folder of a register")
        written = write_dataset(Database(file), options.to, options.data)
    except (InputError, ValueError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    images = {name: len(split) for name, split in written.items()}
    print(f"{options.data}: {images} images, classes {', '.join(written.class_names)}")
    print(f"train with it: ssd train --data {options.data} --model ssd7 --out runs/from_reports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
