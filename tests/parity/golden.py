"""Anchors of the published detectors, those of the presets, with known checksums.

The checksums were computed in float64 and independently of this package.
"""

from dataclasses import dataclass

import numpy as np

from ssd_keras.boxes.anchors import PaperAnchors
from ssd_keras.models.presets import PRESETS

VARIANCES = (0.1, 0.1, 0.2, 0.2)


@dataclass(frozen=True)
class GoldenAnchors:
    """A published set of anchors and what its boxes must add up to.

    `sum_x0`, `sum_x1`, `sum_width` and `sum_area` are sums over all anchors, relative and not clipped;
    `inside` counts the anchors that lie inside the image; `first` is the first anchor of each layer.
    """

    anchors: PaperAnchors
    side: int
    feature_sides: tuple[int, ...]
    first: tuple[int, ...]
    count: int
    sum_x0: float
    sum_x1: float
    sum_width: float
    sum_area: float
    inside: int

    def boxes(self) -> np.ndarray:
        """(A, 4) float32 `xyxy`, relative."""
        sizes = [(side, side) for side in self.feature_sides]
        return self.anchors.boxes((self.side, self.side), sizes)


RATIOS_300 = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
STEPS_300 = (8, 16, 32, 64, 100, 300)
FEATURES_300 = (38, 19, 10, 5, 3, 1)
FEATURES_512 = (64, 32, 16, 8, 4, 2, 1)
FIRST_300 = (0, 5776, 7942, 8542, 8692, 8728)
FIRST_512 = (0, 16384, 22528, 24064, 24448, 24544, 24560)


SSD300_VOC = GoldenAnchors(
    PRESETS["ssd300_vgg16"].anchors["voc"],
    *(300, FEATURES_300, FIRST_300, 8732),
    *(3688.7320, 5199.1613, 1510.4293, 328.0601, 5863),
)
SSD300_COCO = GoldenAnchors(
    PRESETS["ssd300_vgg16"].anchors["coco"],
    *(300, FEATURES_300, FIRST_300, 8732),
    *(3857.8476, 5030.0457, 1172.1980, 228.9024, 6509),
)
SSD512_VOC = GoldenAnchors(
    PRESETS["ssd512_vgg16"].anchors["voc"],
    *(512, FEATURES_512, FIRST_512, 24564),
    *(10729.2228, 13834.7772, 3105.5545, 536.4667, 19078),
)
SSD512_VOC_NOT_TRUNCATED = GoldenAnchors(
    PRESETS["ssd512_vgg16"].anchors["voc_untruncated"],
    *(512, FEATURES_512, FIRST_512, 24564),
    *(10708.9292, 13855.0708, 3146.1417, 545.1642, 19078),
)
SSD512_COCO = GoldenAnchors(
    PRESETS["ssd512_vgg16"].anchors["coco"],
    *(512, FEATURES_512, FIRST_512, 24564),
    *(11195.1590, 13368.8410, 2173.6820, 344.3793, 20446),
)
MOBILENET = GoldenAnchors(
    PRESETS["ssd300_mobilenet"].anchors["voc"],
    *(300, (19, 10, 5, 3, 2, 1), (0, 1083, 1683, 1833, 1887, 1911), 1917),
    *(656.1686, 1260.8314, 604.6628, 206.4400, 935),
)

PUBLISHED = {
    "ssd300_voc": SSD300_VOC,
    "ssd300_coco": SSD300_COCO,
    "ssd512_voc": SSD512_VOC,
    "ssd512_voc_not_truncated": SSD512_VOC_NOT_TRUNCATED,
    "ssd512_coco": SSD512_COCO,
    "mobilenet": MOBILENET,
}
