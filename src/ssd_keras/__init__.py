"""ssd-keras: the Single Shot MultiBox Detector on Keras 3.

    import ssd_keras as ssd

    data = ssd.open_dataset("photos/")
    model = ssd.SSD.from_preset("ssd7", class_names=data.class_names)
    run = ssd.train(model, data, ssd.Recipe(epochs=50))
    best = ssd.load_detector(run.model)
    ssd.evaluate(best, data["test"], protocol="voc07").mAP
    for found in best.detect("street.jpg"):
        print(found)

Each name is imported when it is first used: `import ssd_keras` starts no deep-learning framework.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ssd_keras.backend import choose_backend, import_keras_quietly, quieten_tensorflow
from ssd_keras.detections import Detection, Detections
from ssd_keras.errors import InputError

if TYPE_CHECKING:
    from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors
    from ssd_keras.data.formats import open_dataset
    from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
    from ssd_keras.export.exporting import export_detector
    from ssd_keras.inference.detector import load_detector
    from ssd_keras.inference.scoring import evaluate
    from ssd_keras.models.building import make_backbone
    from ssd_keras.models.decoding import Decoding
    from ssd_keras.models.loss import MultiBoxLoss
    from ssd_keras.models.ssd import SSD
    from ssd_keras.training.fitted_anchors import with_fitted_anchors
    from ssd_keras.training.initial_model import build_model
    from ssd_keras.training.recipe import Recipe
    from ssd_keras.training.trainer import Run, resume, train
    from ssd_keras.weights.importing import import_weights
    from ssd_keras.weights.selection import select_classes

__version__ = "0.1.0"

__all__ = [
    "SSD",
    "Dataset",
    "Decoding",
    "Detection",
    "Detections",
    "GroundTruth",
    "InputError",
    "MultiBoxLoss",
    "PaperAnchors",
    "Recipe",
    "Run",
    "Sample",
    "ScaledAnchors",
    "Split",
    "build_model",
    "evaluate",
    "export_detector",
    "import_weights",
    "load_detector",
    "make_backbone",
    "open_dataset",
    "resume",
    "select_classes",
    "train",
    "with_fitted_anchors",
]

_HOMES = {
    "SSD": "models.ssd",
    "Dataset": "data.samples",
    "Decoding": "models.decoding",
    "GroundTruth": "data.samples",
    "MultiBoxLoss": "models.loss",
    "PaperAnchors": "boxes.anchors",
    "Recipe": "training.recipe",
    "Run": "training.trainer",
    "Sample": "data.samples",
    "ScaledAnchors": "boxes.anchors",
    "Split": "data.samples",
    "build_model": "training.initial_model",
    "evaluate": "inference.scoring",
    "export_detector": "export.exporting",
    "import_weights": "weights.importing",
    "load_detector": "inference.detector",
    "make_backbone": "models.building",
    "open_dataset": "data.formats",
    "resume": "training.trainer",
    "select_classes": "weights.selection",
    "train": "training.trainer",
    "with_fitted_anchors": "training.fitted_anchors",
}

_ON_KERAS = ("models.", "weights.", "training.")

choose_backend()
quieten_tensorflow()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ssd_keras' has no attribute {name!r}")
    if _HOMES[name].startswith(_ON_KERAS):
        import_keras_quietly()
    return getattr(importlib.import_module(f"ssd_keras.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
