"""The commands: what each is for, and examples of how it is called."""

from __future__ import annotations

from typing import Any

COMMANDS = {
    "demo": ("Generate street scenes, train SSD7 on them, evaluate, draw.", "ssd demo --out demo"),
    "inspect": (
        "Say what is in a data set and what is wrong with it.",
        "ssd inspect photos --report photos.html\nssd inspect photos --fix corrected",
    ),
    "convert": (
        "Write a data set in another format, or divided otherwise.",
        "ssd convert photos yolo --to yolo\n"
        "ssd convert photos divided --to voc --fractions.train 0.8 --fractions.val 0.2",
    ),
    "anchors": ("Say how well anchors cover the boxes of a data set.", "ssd anchors photos --model ssd7"),
    "train": (
        "Train a detector from a recipe, or from flags alone.",
        "ssd train --data photos --model ssd7 --epochs 50 --out runs/mine\n"
        "ssd train recipes/bccd_ssd7.yaml --data bccd",
    ),
    "resume": ("Go on with a training run that was stopped.", "ssd resume runs/mine"),
    "report": ("Write the report of a training run again.", "ssd report runs/mine"),
    "evaluate": (
        "Measure the average precision of a detector.",
        "ssd evaluate runs/mine --data photos --split test\n"
        "ssd evaluate --detections found/detections.json --data photos",
    ),
    "detect": (
        "Find objects in images and videos, and draw them.",
        "ssd detect runs/mine street.jpg clip.mp4 --out found\n"
        "ssd detect runs/mine 'photos/*.jpg' --format jsonl",
    ),
    "export": (
        "Make a file of a detector that runs without Keras.",
        "ssd export runs/mine --to onnx\nssd export runs/mine --to openvino --int8 --calibrate photos",
    ),
    "serve": ("Answer requests for detection over HTTP.", "ssd serve runs/mine --port 8000"),
    "doctor": ("Say what is installed and used, and what to install for what.", "ssd doctor"),
    "benchmark": ("Measure speed and memory on this machine.", "ssd benchmark detection"),
}
"""By name, which is also that of its file and function: the purpose, and examples, a line each."""


WEIGHTS = "Bring weights along from other projects, or keep some classes."
"""What the commands below `ssd weights` are for."""


def as_examples(lines: str) -> str:
    """Give the end of a command's help: what can be typed as it stands."""
    return "\n".join(("**Examples**", "", "```", lines, "```"))


def shown_default(value: Any) -> str | None:
    """Give a default as a command's help has it: nothing for an empty list."""
    return None if value is None or value in ((), {}) else str(value)
