"""IoU, GIoU, DIoU and CIoU of one pair of boxes in double precision, to judge those of tensors."""

import math


def judged(name, a, b, alpha=None):
    """One pair in Python's own floats, straight from the papers; `alpha` fixes CIoU's weight."""
    inner = [min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])]
    outer = [max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])]
    intersection = max(0.0, inner[0]) * max(0.0, inner[1])
    (aw, ah), (bw, bh) = ((box[2] - box[0], box[3] - box[1]) for box in (a, b))
    union = aw * ah + bw * bh - intersection
    value = intersection / union
    if name == "iou":
        return value
    if name == "giou":
        return value - (outer[0] * outer[1] - union) / (outer[0] * outer[1])
    apart = [(a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2]
    value -= (apart[0] ** 2 + apart[1] ** 2) / (outer[0] ** 2 + outer[1] ** 2)
    if name == "diou":
        return value
    v = 4 / math.pi**2 * (math.atan(aw / ah) - math.atan(bw / bh)) ** 2
    return value - (weight_of_proportions(a, b, v) if alpha is None else alpha) * v


def weight_of_proportions(a, b, v=None):
    if v is None:
        slants = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
        v = 4 / math.pi**2 * (slants[0] - slants[1]) ** 2
    return v / (1 - judged("iou", a, b) + v)
