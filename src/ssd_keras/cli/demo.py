"""`ssd demo`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.training.recipe import Recipe, make_recipe

if TYPE_CHECKING:
    from ssd_keras.data.samples import Split
    from ssd_keras.models.ssd import SSD

SCENES = {"train": 600, "val": 60, "test": 200}
"""Number of generated scenes in each split."""

RECIPE = {
    "model": "ssd7",
    "image_size": (192, 320),
    "epochs": 14,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "ema_momentum": 0.99,
    "evaluate_every": 7,
    "anchors": {"scales": (0.13, 0.253, 0.376, 0.498, 0.621)},
}
"""What the demo is trained with: minutes on two cores. The scales are those that `ssd anchors` suggests."""

PICTURES = 12
"""So many scenes of the test split are drawn, ground truth beside detections."""


def demo(*, out: Path | None = None, seed: int = 0, output: Output | None = None) -> None:
    """Generate street scenes, train SSD7 on them, evaluate it, and draw what it finds. Works offline.

    Args:
        out: The folder for everything that is made; by default a new one, demo.
        seed: Another seed, other scenes and other weights.
        output: How to print.
    """
    output = output or Output()
    started = time.perf_counter()
    import_keras_quietly()
    from ssd_keras.cli.evaluate import result_table
    from ssd_keras.cli.running import run_recipe
    from ssd_keras.data.formats import open_dataset
    from ssd_keras.data.street_scenes import write_street_scenes
    from ssd_keras.inference import scoring
    from ssd_keras.inference.detector import load_model
    from ssd_keras.training.run_folder import free_folder

    folder = out or free_folder(Path("demo"))
    note(f"1/4 drawing {sum(SCENES.values())} street scenes into {folder / 'data'}")
    write_street_scenes(folder / "data", SCENES, seed)
    note("2/4 training SSD7 on them; this takes minutes")
    run = run_recipe(demo_recipe(folder, seed), quiet=output.json)
    note(f"3/4 evaluating on {SCENES['test']} scenes not trained on")
    model = load_model(run.model)
    test = open_dataset(folder / "data", model.class_names)["test"]
    result = scoring.evaluate(model, test)
    note(f"4/4 drawing what it finds into {folder}")
    draw_findings(model, test[:PICTURES], folder)
    document = {
        "folder": str(folder),
        "model": str(run.model),
        "mAP": result.mAP,
        "seconds": round(time.perf_counter() - started, 1),
        "evaluation": result.as_json(),
    }
    (folder / "metrics.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if output.json:
        print_json(document)
        return
    from rich.console import Console

    Console().print(result_table(result))
    print(
        f"done in {document['seconds']:.0f} s; look at\n"
        f"  {folder / 'detections.jpg'}  ground truth beside detections\n"
        f"  {run.folder / 'report.html'}  the training: curves, scores by class, best and worst images\n"
        f"  {folder / 'metrics.json'}  the figures\n"
        f"  {run.model}  the model: ssd detect {run.model} IMAGE --out found"
    )


def demo_recipe(folder: Path, seed: int) -> Recipe:
    """Give the recipe of the demo in `folder`."""
    from ssd_keras.data.street_scenes import STREET_CLASSES

    places = {"data": folder / "data", "out": folder / "run"}
    return make_recipe({**RECIPE, **places, "class_names": STREET_CLASSES, "seed": seed})


def draw_findings(model: SSD, split: Split, folder: Path) -> None:
    """Draw ground truth beside detections, a picture a scene in pictures/, and one sheet of them all."""
    from ssd_keras.data.images import read_image
    from ssd_keras.inference.drawing import draw_comparison, save_picture, tile_pictures

    found = model.detect([sample.image for sample in split])
    pictures = [
        draw_comparison(read_image(sample.image), sample.ground_truth, detections)
        for sample, detections in zip(split, found, strict=True)
    ]
    for sample, picture in zip(split, pictures, strict=True):
        save_picture(folder / "pictures" / f"{sample.image_id}.jpg", picture)
    save_picture(folder / "detections.jpg", tile_pictures(pictures, columns=2))
