"""COCO's twelve numbers as pycocotools itself takes them from files, and results for it to judge."""

import contextlib
import io
import json
import math

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NUMBERS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)
"""As `ssd evaluate` names them, in the order of pycocotools."""


def official_numbers(annotations, results):
    """The twelve numbers for a file of annotations and one of results; NaN for pycocotools' -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(annotations))
        evaluator = COCOeval(coco, coco.loadRes(str(results)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [value if value > -1 else math.nan for value in evaluator.stats.tolist()]


def shifted_results(annotations, seed=0):
    """What a middling detector might find: boxes near those of a file, some of another class or missing."""
    rng = np.random.default_rng(seed)
    content = json.loads(annotations.read_text())
    categories = [category["id"] for category in content["categories"]]
    results = []
    for entry in content["annotations"]:
        if rng.random() < 0.2:
            continue
        x, y, width, height = entry["bbox"]
        dx, dy = rng.normal(0, 0.06, 2) * (width, height)
        category = rng.choice(categories) if rng.random() < 0.1 else entry["category_id"]
        results.append(
            {
                "image_id": entry["image_id"],
                "category_id": int(category),
                "bbox": [x + dx, y + dy, width, height],
                "score": round(float(rng.uniform(0.05, 1)), 6),
            }
        )
    return results
