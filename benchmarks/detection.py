"""How fast detectors find objects, from JPEG files to detections, in each runtime and beside torchvision.

    python benchmarks/detection.py [--models ssd300_vgg16 ssd7] [--images 16] [--rounds 7]

Every row goes the whole way, through `detect_images`: files are read, decoded, resized, and detections come
out in pixels of the photographs. The weights are random, with heads set so that about as many boxes are worth
a look as in a trained detector. torchvision's SSD300 is measured eagerly and without its suppression, whose
operator its package index does not build for every torch: that favours it. "limit" is how many images a
second the multiplications of the network alone would take at the rate at which the machine multiplies
matrices in that precision. "decoding" is what each runtime takes in float32 from the raw predictions to
detections in pixels: the whole less an export that stops at the raw predictions, batch by batch in turn.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from augmentation import encoded_images
from measuring import median_ratio, report, seconds_in_turn
from multiplying import gigaflops, multiplications_of
from numpy.typing import NDArray
from peers import TorchvisionSSD300, import_torchvision

from ssd_keras.data.detecting import detection_batches
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.data.street_scenes import street_scenes
from ssd_keras.export.exporting import export_detector
from ssd_keras.export.int8 import Int8
from ssd_keras.inference.detecting import detect_images
from ssd_keras.inference.detector import load_detector, save_detector
from ssd_keras.models.ssd import SSD
from ssd_keras.runtimes.detector import Detector, Precision
from ssd_keras.runtimes.onnx_session import OnnxSession
from ssd_keras.runtimes.openvino_session import OpenVinoSession

BATCH = 8
CLASSES = {"ssd7": 5}
"""As in the tutorial of SSD7; all others have VOC's 20."""

USUAL_CLASSES = 20
LABELLED = 16
FOUND_ABOVE = 0.1
BACKGROUND = 5.0
"""Added to the logit of background: a trained detector is as sure of it nearly everywhere."""

SPREAD = 3.0
"""Factor on the weights of the confidence heads: some boxes are more than that."""

PEER = "torchvision, eager, without suppression"

Detect = Callable[[], object]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ssd300_vgg16", "ssd7"])
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = photographs(Path(folder), arguments.images)
        for model in arguments.models:
            rows = measure(model, Path(folder) / model, files, arguments.rounds)
            title = (
                f"{model}, from JPEG files of 500×375 to detections, batch {BATCH}, {arguments.rounds} rounds"
            )
            rates = {f"gigaflops_{name}": rate for name, rate in gigaflops().items()}
            report(f"detection-{model}", title, rows, **rates)


def photographs(folder: Path, count: int) -> list[Path]:
    """Write generated photographs."""
    files = []
    for number, data in enumerate(encoded_images(None, count)):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(data)
    return files


def measure(name: str, folder: Path, files: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    """Measure one network in all runtimes, in turn."""
    folder.mkdir()
    model = detector(name, CLASSES.get(name, USUAL_CLASSES))
    multiplications = multiplications_of(model)
    whole: dict[str, tuple[str, Detect]] = {
        what: (precision, whole_way(made, files))
        for what, (made, precision) in runtimes(model, folder).items()
    }
    torchvision = import_torchvision() if name == "ssd300_vgg16" else None
    if torchvision:
        peer = TorchvisionSSD300(torchvision, USUAL_CLASSES, bfloat16=False, channels_last=False)
        whole[PEER] = ("float32", lambda: peer.look_at(files, BATCH))
    times = seconds_in_turn({what: detect for what, (_, detect) in whole.items()}, rounds)
    reading = statistics.median(
        seconds_in_turn({"reading": lambda: list(detection_batches(files, model.image_size, BATCH))}, rounds)[
            "reading"
        ]
    )
    decoding = decoding_seconds(model, folder, files, rounds)
    limits = {kind: rate * 1e9 / (2 * multiplications) for kind, rate in gigaflops().items()}
    rows = []
    for what, (precision, _) in whole.items():
        seconds = statistics.median(times[what])
        rows.append(
            {
                "model": name,
                "in": what,
                "images/s": len(files) / seconds,
                "times torchvision": median_ratio(times[PEER], times[what]) if PEER in times else "",
                "limit": limits.get(precision, ""),
                "reading, share": reading / seconds,
                "decoding, share": decoding[what.partition(",")[0]] * len(files) / seconds
                if what != PEER
                else "",
            }
        )
    return rows


def decoding_seconds(model: SSD, folder: Path, files: Sequence[Path], rounds: int) -> dict[str, float]:
    """Give the seconds an image that each runtime takes from raw predictions to detections."""
    import openvino

    raw = export_detector(folder / "model.keras", "onnx", folder / "raw.onnx", raw=True).path
    openvino.save_model(openvino.Core().read_model(raw), raw.with_suffix(".xml"), compress_to_fp16=False)
    found = next(detection_batches(files, model.image_size, BATCH))
    ways: dict[str, tuple[Callable[[NDArray[np.uint8]], object], Detector]] = {
        KERAS: (model.predict_on_batch, model),
        NAMES["onnx"]: (OnnxSession(raw, "float32").run, load_detector(folder / f"{model.name}.onnx")),
        NAMES["openvino"]: (
            OpenVinoSession(raw.with_suffix(".xml"), "float32").run,
            load_detector(folder / f"{model.name}.xml"),
        ),
    }
    seconds = {}
    for name, (predict, whole) in ways.items():
        times = seconds_in_turn(
            {
                "raw": functools.partial(predict, found.images),
                "whole": functools.partial(whole.detect_batch, found.images, found.sizes),
            },
            rounds,
        )
        more = [whole - raw for raw, whole in zip(times["raw"], times["whole"], strict=True)]
        seconds[name] = max(0.0, statistics.median(more)) / BATCH
    return seconds


def whole_way(made: Detector, files: Sequence[Path]) -> Detect:
    """Give what detects in all files."""
    return lambda: list(detect_images(made, files, batch_size=BATCH))


def detector(name: str, classes: int) -> SSD:
    """Build a network that finds about as much as a trained one."""
    keras.utils.set_random_seed(0)
    model = SSD.from_preset(name, [f"class {number}" for number in range(classes)])
    for layer in model.layers:
        if layer.name.endswith("_mbox_conf"):
            kernel, bias = layer.get_weights()
            bias = bias.reshape(-1, classes + 1)
            bias[:, 0] += BACKGROUND
            layer.set_weights([SPREAD * kernel, bias.reshape(-1)])
    return model


def runtimes(model: SSD, folder: Path) -> dict[str, tuple[Any, str]]:
    """Give the detector in each runtime, with the precision that it computes in."""
    save_detector(model, folder / "model.keras")
    labelled = labelled_scenes(folder / "labelled", model)
    kinds: tuple[tuple[str, str, Precision, Int8 | None], ...] = (
        ("onnx", ".onnx", "float32", None),
        ("openvino", ".xml", "float32", None),
        ("onnx", "_int8.onnx", "float32", Int8(labelled, 100)),
        ("openvino", "_int8.xml", "float32", Int8(labelled, 100)),
    )
    found: dict[str, tuple[Any, str]] = {f"{KERAS}, float32": (model, "float32")}
    for kind, suffix, precision, int8 in kinds:
        path = folder / f"{model.name}{suffix}"
        export_detector(folder / "model.keras", kind, path, int8=int8)  # type: ignore[arg-type]
        computed = "int8" if int8 else precision
        found[f"{NAMES[kind]}, {computed}"] = (load_detector(path, precision), computed)
        if kind == "openvino" and not int8:
            found["OpenVINO, bfloat16"] = (load_detector(path, "bfloat16"), "bfloat16")
    return found


KERAS = "Keras on TensorFlow"
NAMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}


def labelled_scenes(folder: Path, model: SSD) -> Path:
    """Write a few street scenes for the ranges of int8, labelled with what the model finds in them."""
    images = [image for image, _ in street_scenes(LABELLED, seed=1)]
    samples = [
        Sample(image, GroundTruth(found.boxes_px, found.labels), str(number))
        for number, (image, found) in enumerate(zip(images, model.detect(images, FOUND_ABOVE), strict=True))
    ]
    write_voc(folder, {"test": samples}, model.class_names)
    return folder


if __name__ == "__main__":
    main()
