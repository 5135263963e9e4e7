"""Detections as Label Studio stores them: regions, whose places are in percent of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_keras.boxes.formats import box_area, clip_to_image, px_to_relative
from ssd_keras.detections import Detections
from ssd_keras.evaluation.coco import xyxy_to_xywh
from ssd_keras.serving.label_studio_config import RectangleControl


def regions_of(found: Detections, control: RectangleControl, first_id: int = 0) -> list[dict[str, Any]]:
    """Turn detections into the regions that a control takes.

    Args:
        found: in one image.
        control: whose labels say which classes are wanted, and what they are called.
        first_id: regions are numbered from here; within a task no number may come twice.

    Returns:
        Regions as Label Studio stores them: x, y, width and height in percent of the upright image.
    """
    height, width = found.size
    relative = clip_to_image(px_to_relative(found.boxes_px.astype(np.float64), found.size))
    places = 100 * xyxy_to_xywh(relative)
    regions: list[dict[str, Any]] = []
    for one, place, area in zip(found, places.tolist(), box_area(relative).tolist(), strict=True):
        if one.label not in control.labels or not area:  # outside of the image nothing can be drawn
            continue
        sides = dict(zip(("x", "y", "width", "height"), place, strict=True))
        regions.append(
            {
                "id": f"ssd{first_id + len(regions)}",
                "from_name": control.from_name,
                "to_name": control.to_name,
                "type": "rectanglelabels",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {**sides, "rotation": 0, "rectanglelabels": [control.labels[one.label]]},
                "score": round(one.score, 6),
            }
        )
    return regions
