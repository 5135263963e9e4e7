"""What the Keras port of 2018 does otherwise than Caffe, step by step in plain NumPy.

The functions judge the compiled ones of the package and share no code with them.
"""

import numpy as np
from parity.caffe import Found, apply_nms, smooth_l1, softmax_cross_entropy


def decode_detections_fast(
    boxes: np.ndarray,
    scores: np.ndarray,
    min_score: float = 0.01,
    threshold: float = 0.45,
    top_k: int = 400,
    keep_top_k: int = 200,
) -> list[Found]:
    """The detections of one image, best first: each anchor's best class, one suppression for all classes.

    `boxes` (A, 4) are decoded, `scores` (A, C − 1) come without background. `top_k` bounds, as in Caffe, the
    boxes that go into the suppression.
    """
    with_background = np.concatenate([1 - scores.sum(axis=1, keepdims=True), scores], axis=1)
    best_class = np.argmax(with_background, axis=1)
    best = with_background[np.arange(len(boxes)), best_class]
    confident = np.flatnonzero((best_class > 0) & (best > np.float32(min_score)))
    order = confident[np.argsort(-best[confident], kind="stable")][:top_k]
    kept = order[apply_nms(boxes[order], threshold)][:keep_top_k]
    return [Found(float(best[a]), int(best_class[a]) - 1, tuple(map(float, boxes[a]))) for a in kept]


def ssd_loss(
    classes: np.ndarray,
    target_offsets: np.ndarray,
    offsets: np.ndarray,
    logits: np.ndarray,
    ratio: float = 3.0,
    min_negatives: int = 0,
) -> tuple[float, float]:
    """Confidence and location loss of a batch, the negatives mined in the whole batch (`SSDLoss`)."""
    classes, logits = classes.reshape(-1), logits.reshape(-1, logits.shape[-1])
    positive, negative = np.flatnonzero(classes > 0), np.flatnonzero(classes == 0)
    loss = softmax_cross_entropy(logits, np.maximum(classes, 0))
    count = max(int(ratio * len(positive)), min_negatives)
    mined = negative[np.argsort(-loss[negative], kind="stable")][:count]
    difference = (target_offsets - offsets.astype(np.float64)).reshape(-1, 4)
    divisor = max(1, len(positive))
    return (loss[positive].sum() + loss[mined].sum()) / divisor, smooth_l1(difference[positive]) / divisor
