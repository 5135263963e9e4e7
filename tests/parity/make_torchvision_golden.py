"""Write `golden/torchvision_ssd300.npz`: what torchvision's SSD300 predicts with weights of `torch_networks`.

    PYTHONPATH=tests python tests/parity/make_torchvision_golden.py

Needs torchvision, which the tests do not: they compare with the file. Image and weights are not in it, for
`torch_networks` makes them again, from `TORCHVISION_SEED`. Its arrays are float32 unless noted:

- `made_from` (2,) float64: the sum of the image, and the sum of all weights without their signs;
- `rows` (R,) int32: the anchors that were kept, every 17th, and all of the last two layers;
- `offsets` (R, 4), `scores` (R, 5) after softmax, background first, `anchors` (R, 4) relative `xyxy`;
- `detection_boxes_px` (K, 4), `detection_scores` (K,), `detection_labels` (K,) int32, where background is 0:
  the output of the whole detector, best first.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from parity.torch_networks import (
    TORCHVISION_LOGITS,
    TORCHVISION_SEED,
    blob_image,
    random_weights,
    torchvision_shapes,
)

FILE = Path(__file__).parent / "golden" / "torchvision_ssd300.npz"
SIDE = 300
FIRST_OF_LAST_TWO_LAYERS = 8692


def main() -> None:
    """Build the network, run it on one image, write what it gives."""
    image = blob_image((SIDE, SIDE), TORCHVISION_SEED)
    weights = random_weights(torchvision_shapes(TORCHVISION_LOGITS), TORCHVISION_SEED)
    made_from = np.array(
        [image.sum(), sum(np.abs(values).sum(dtype=np.float64) for values in weights.values())]
    )
    golden = {"made_from": made_from, **predict(make_network(weights), image)}
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **golden)
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB")
    for name, values in golden.items():
        print(f"{name} {values.shape} {values.dtype}: {values.min():.4f} to {values.max():.4f}")


def make_network(weights: dict[str, np.ndarray]) -> Any:
    """Give torchvision's `ssd300_vgg16` with these weights, which must be all it has, in its order."""
    detection = import_torchvision().models.detection
    network = detection.ssd300_vgg16(
        weights=None, weights_backbone=None, num_classes=TORCHVISION_LOGITS, score_thresh=0.01
    )
    assert list(weights) == list(network.state_dict()), "torchvision names its parameters otherwise"
    network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return network.eval()


def predict(network: Any, image: np.ndarray) -> dict[str, np.ndarray]:
    """Give the arrays of the file for an image (H, W, 3) uint8."""
    pixels = torch.from_numpy(image).permute(2, 0, 1) / 255
    with torch.inference_mode():
        images, _ = network.transform([pixels])
        features = list(network.backbone(images.tensors).values())
        raw = network.head(features)
        anchors = network.anchor_generator(images, features)
        (detections,) = network.postprocess_detections(raw, anchors, images.image_sizes)
        (offsets,), (logits,), (anchors_px,) = raw["bbox_regression"], raw["cls_logits"], anchors
        scores = torch.softmax(logits, dim=-1)
    count = len(offsets)
    rows = np.union1d(np.arange(0, count, 17), np.arange(FIRST_OF_LAST_TWO_LAYERS, count))
    return {
        "rows": rows.astype(np.int32),
        "offsets": offsets.numpy()[rows],
        "scores": scores.numpy()[rows],
        "anchors": anchors_px.numpy()[rows] / SIDE,
        "detection_boxes_px": detections["boxes"].numpy(),
        "detection_scores": detections["scores"].numpy(),
        "detection_labels": detections["labels"].numpy().astype(np.int32),
    }


def import_torchvision() -> Any:
    """Import torchvision, also where its compiled operators were made for another build of torch."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        # The import only describes these operators; the one that is called is replaced.
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou) -> Tensor"
            )
        import torchvision

        torchvision.ops.boxes.nms = greedy_nms
    return torchvision


def greedy_nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Give the indices of the boxes (K, 4) that suppression keeps, best first."""
    from torchvision.ops import box_iou

    waiting = scores.argsort(descending=True, stable=True)
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        iou = box_iou(boxes[best][None], boxes[waiting])[0]
        waiting = waiting[~(iou > iou_threshold)]  # keeps, as the operator does, what is NaN for want of area
    return torch.stack(kept) if kept else waiting


if __name__ == "__main__":
    main()
