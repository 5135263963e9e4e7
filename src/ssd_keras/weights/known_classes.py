"""Names of the classes that published weights know, in the order of their logits, without background."""

from __future__ import annotations

from ssd_keras.errors import InputError

VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

COCO = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse"),
    *("sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie"),
    *("suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove"),
    *("skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon"),
    *("bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut"),
    *("cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book"),
    *("clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)

COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Numbers between 1 and 90 that are no category of COCO; torchvision has logits for them all the same."""


def coco_with_gaps() -> tuple[str, ...]:
    """Give the 90 names by category number, those without a category as "unused 12"."""
    names = iter(COCO)
    return tuple(f"unused {number}" if number in COCO_GAPS else next(names) for number in range(1, 91))


def usual_class_names(logits: int) -> tuple[str, ...]:
    """Give the names that weights with so many logits have: VOC's, COCO's, or numbers.

    Raises:
        InputError: there are fewer than two logits.
    """
    if logits < 2:
        raise InputError(f"weights with {logits} logits detect nothing: give weights of a detector")
    known = {len(names) + 1: names for names in (VOC, COCO, coco_with_gaps())}
    return known.get(logits) or tuple(f"class {number}" for number in range(1, logits))
