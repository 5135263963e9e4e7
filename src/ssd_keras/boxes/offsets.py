"""Offsets: a box as its distance from an anchor, which is what the network predicts.

For a box g and an anchor d, both as centre and size, and variances v (Caffe's CENTER_SIZE code; the paper's
equation 2, which leaves the variances out):

    t_x = (g_x − d_x) / d_w / v_0        t_w = ln(g_w / d_w) / v_2
    t_y = (g_y − d_y) / d_h / v_1        t_h = ln(g_h / d_h) / v_3

The variances scale the targets to about unit size, so that location and class weigh alike in the loss.
"""

from collections.abc import Sequence

from ssd_keras.boxes.arrays import Array, array_library
from ssd_keras.boxes.formats import cxcywh_to_xyxy, xyxy_to_cxcywh


def encode_offsets(boxes: Array, anchors: Array, variances: Sequence[float]) -> Array:
    """Give the offsets (..., 4) of boxes (..., 4) from anchors (..., 4), both `xyxy` with an area.

    Examples:
        A box a quarter of the anchor's width to its right, as high and as wide:

        >>> import numpy as np
        >>> anchor, box = np.array([0.0, 0.0, 0.5, 0.5]), np.array([0.125, 0.0, 0.625, 0.5])
        >>> encode_offsets(box, anchor, (0.1, 0.1, 0.2, 0.2)).round(3).tolist()
        [2.5, 0.0, 0.0, 0.0]
    """
    xp = array_library(boxes, anchors)
    box, anchor = xyxy_to_cxcywh(boxes), xyxy_to_cxcywh(anchors)
    moved = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    stretched = xp.log(box[..., 2:] / anchor[..., 2:])
    return xp.concatenate([moved, stretched], axis=-1) / xp.array(variances, dtype=boxes.dtype)


def decode_offsets(offsets: Array, anchors: Array, variances: Sequence[float]) -> Array:
    """Give the boxes (..., 4) `xyxy` at `offsets` (..., 4) from `anchors` (..., 4): undoes `encode_offsets`.

    As in the original, the boxes are not cut off at the edges of the image.

    Examples:
        >>> import numpy as np
        >>> anchor = np.array([0.0, 0.0, 0.5, 0.5])
        >>> decode_offsets(np.array([2.5, 0.0, 0.0, 0.0]), anchor, (0.1, 0.1, 0.2, 0.2)).tolist()
        [0.125, 0.0, 0.625, 0.5]
    """
    xp = array_library(offsets, anchors)
    scaled = offsets * xp.array(variances, dtype=offsets.dtype)
    anchor = xyxy_to_cxcywh(anchors)
    centre = scaled[..., :2] * anchor[..., 2:] + anchor[..., :2]
    sides = xp.exp(scaled[..., 2:]) * anchor[..., 2:]
    return cxcywh_to_xyxy(xp.concatenate([centre, sides], axis=-1))
