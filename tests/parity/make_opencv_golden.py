"""Write `golden/opencv_{network}.npz`: what OpenCV's reader of Caffe models makes of those of `caffemodels`.

OpenCV 5 has no such reader any more, so this runs in an environment of its own:

    python -m venv opencv4
    opencv4/bin/pip install "opencv-python-headless<5"
    PYTHONPATH=tests opencv4/bin/python tests/parity/make_opencv_golden.py

Image and weights are not in them, for `caffemodels` makes them again. The arrays are float32 unless noted:

- `made_from` (2,) float64: the sum of the image, and the sum of all weights without their signs;
- `rows` (R,) int32: the priors that were kept: every 17th, so that all boxes of a cell occur, the last 100;
- `offsets` (R, 4), `scores` (R, 21) after softmax, background first, `priors` (R, 4) relative `xyxy`;
- `detections` (K, 6): label, where background is 0, score and relative `xyxy`, best first: the output of
  DetectionOutput with confidence threshold 0.01, NMS threshold 0.45, top_k 400 and keep_top_k 200.

Caffe keeps the sizes of priors in an int; OpenCV does not. The priors of SSD512, and its detections, are
those of 35.84, 76.8, ... pixels, and not of 35, 76, ... as Caffe has them. The others have whole sizes.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from parity.caffemodels import NETWORKS, Network, random_image, write_caffemodel, write_prototxt

FOLDER = Path(__file__).parent / "golden"
OUTPUTS = ("mbox_loc", "mbox_conf_softmax", "mbox_priorbox", "detection_out")
EVERY, LAST = 17, 100


def main() -> None:
    """Make each network, let OpenCV run it on one image, write what it gives."""
    FOLDER.mkdir(exist_ok=True)
    for name, make_network in NETWORKS.items():
        network = make_network()
        image = random_image(network.side)
        outputs = predict(network, image)
        for one, other in zip(outputs, predict(network, image, old_messages=True), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{name} from old messages")
        golden = {"made_from": made_from(network, image), **arrays(network, *outputs)}
        file = FOLDER / f"opencv_{name}.npz"
        np.savez_compressed(file, **golden)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, sums of all priors", prior_sums(outputs[2]))
        for array, values in golden.items():
            print(f"  {array} {values.shape} {values.dtype}: {values.min():.4f} to {values.max():.4f}")


def predict(network: Network, image: np.ndarray, old_messages: bool = False) -> list[np.ndarray]:
    """Give the blobs `OUTPUTS` of a network, in their shapes, for an image (side, side, 3) uint8."""
    with tempfile.TemporaryDirectory() as folder:
        prototxt, caffemodel = Path(folder, "deploy.prototxt"), Path(folder, "weights.caffemodel")
        write_prototxt(prototxt, network)
        write_caffemodel(caffemodel, network, old_messages)
        reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    reader.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    reader.enableWinograd(False)  # faster, and less exact
    reader.setInput(network.input_blob(image))
    return list(reader.forward(OUTPUTS))


def arrays(
    network: Network, loc: np.ndarray, conf: np.ndarray, priorbox: np.ndarray, found: np.ndarray
) -> dict[str, np.ndarray]:
    """Give the arrays of the file from the blobs.

    `loc` (1, A·4), `conf` (1, A, C), `priorbox` (1, 2, A·4): boxes, then variances; `found` (1, 1, 200, 7):
    image, label, score and box, with rows of zeros after the last.
    """
    count = loc.size // 4
    rows = np.union1d(np.arange(0, count, EVERY), np.arange(count - LAST, count))
    detections = found[0, 0, found[0, 0, :, 2] > 0, 1:]
    return {
        "rows": rows.astype(np.int32),
        "offsets": loc.reshape(count, 4)[rows],
        "scores": conf.reshape(count, network.logits)[rows],
        "priors": priorbox[0, 0].reshape(count, 4)[rows],
        "detections": detections[np.argsort(-detections[:, 1], kind="stable")],
    }


def made_from(network: Network, image: np.ndarray) -> np.ndarray:
    """Give the sums that tell whether `caffemodels` still makes the same image and weights."""
    blobs = [blob for layer in network.layers for blob in layer.blobs]
    return np.array([image.sum(), sum(np.abs(blob).sum(dtype=np.float64) for blob in blobs)])


def prior_sums(priorbox: np.ndarray) -> dict[str, float]:
    """Give the sums of all x0, x1, widths and areas; `golden.py` has them for the published priors."""
    x0, y0, x1, y1 = priorbox[0, 0].reshape(-1, 4).T.astype(np.float64)
    sums = {"x0": x0, "x1": x1, "width": x1 - x0, "area": (x1 - x0) * (y1 - y0)}
    return {name: round(float(values.sum()), 4) for name, values in sums.items()}


if __name__ == "__main__":
    main()
