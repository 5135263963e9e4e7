"""SSD300 from scratch on VOC 2007, unattended: pack the data, train in pieces that resume, evaluate.

Every call works for at most so many minutes and says whether it is done; call it again to go on. It is meant
for machines that are lent in short pieces: nothing but the steps since the last save is ever lost.

    KERAS_BACKEND=jax python benchmarks/train_voc2007.py --data voc2007-trainval --out runs/voc2007

Exit status 0: done; 3: call again; anything else: an error. The result is OUT/result.json, with the curve in
OUT/curves.png and all of the run in OUT/report.html. --images and --epochs make a trial on a CPU of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).parent.parent / "recipes" / "voc2007_trainval_ssd300.yaml"
SSD = [sys.executable, "-m", "ssd_keras"]
NOT_YET = 3
SECONDS_TO_EVALUATE = 60


def main() -> int:
    """Do what is left to do, as far as the time allows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0, help="that this call may take")
    parser.add_argument("--images", type=int, help="for a trial: train on and evaluate with so many images")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="changed settings of the recipe, such as 'image_size=128 128'",
    )
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    packed = pack(arguments.data, arguments.out.with_name(f"{arguments.out.name}-data.h5"), arguments.images)
    if not train(packed, arguments.out, arguments.set, until):
        print("not done yet: call again to go on", file=sys.stderr)
        return NOT_YET
    print(json.dumps(evaluate(packed, arguments.out), indent=2))
    return 0


def pack(data: Path, target: Path, images: int | None) -> Path:
    """Write the data set to one file, which is read fastest; once."""
    if target.exists():
        return target
    if images is None:
        subprocess.run([*SSD, "convert", str(data), str(target), "--to", "hdf5"], check=True)
        return target
    from ssd_keras.data.formats import open_dataset
    from ssd_keras.data.packs.hdf5 import write_hdf5

    dataset = open_dataset(data)
    write_hdf5(target, {name: dataset[name][:images] for name in ("train", "val")}, dataset.class_names)
    return target


def train(packed: Path, out: Path, changes: list[str], until: float) -> bool:
    """Begin the run or go on with it; tell whether it came to its end."""
    if (out / "metrics.json").exists():
        return True
    if (out / "recipe.yaml").exists():
        command = [*SSD, "resume", str(out)]
    else:
        flags = [word for change in changes for word in f"--{change}".replace("=", " ").split()]
        command = [*SSD, "train", str(RECIPE), "--data", str(packed), "--out", str(out), *flags]
    try:
        left = until - SECONDS_TO_EVALUATE - time.monotonic()
        status = subprocess.run(command, check=False, timeout=max(1.0, left)).returncode
        if status:
            sys.exit(status)  # the command has said why
    except subprocess.TimeoutExpired:  # the run is killed, and goes on from its last save
        return False
    return True


def evaluate(packed: Path, out: Path) -> dict[str, object]:
    """Measure the best model, and write what the run has come to."""
    command = [
        *SSD,
        "evaluate",
        str(out),
        "--data",
        str(packed),
        "--split",
        "val",
        "--protocol",
        "voc07",
        "--json",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    run = json.loads((out / "metrics.json").read_text())
    result = {
        "evaluation": json.loads(done.stdout),
        "training": {key: run[key] for key in ("epochs", "images_per_second", "seconds", "metrics")},
        "versions": json.loads((out / "versions.json").read_text()),
    }
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    sys.exit(main())
