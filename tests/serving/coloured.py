"""A detector that finds what can be seen: areas of pure colours, where they are in the image."""

import contextlib
import io
import threading
import time

import numpy as np
import uvicorn
from PIL import Image

from ssd_keras.detections import Detections
from ssd_keras.serving.api import create_app
from ssd_keras.serving.server import open_socket
from ssd_keras.serving.settings import ServerSettings

CLASSES = ("blue", "red", "green")
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0), "green": (0, 255, 0)}
SCORES = {"blue": 0.9, "red": 0.6, "green": 0.2}
INPUT_SIZE = (120, 160)


class ColourDetector:
    """Finds the box around all pixels of each colour of `CLASSES`; the class says the score."""

    class_names = CLASSES
    image_size = INPUT_SIZE

    def detect_batch(self, batch, sizes, threshold=0.5, fast=False):
        return [self._found(image, size, threshold) for image, size in zip(batch, sizes, strict=False)]

    def _found(self, image, size, threshold):
        boxes, scores, labels = [], [], []
        for label, name in enumerate(CLASSES):
            difference = np.abs(image.astype(int) - COLOURS[name]).max(axis=-1)
            rows, columns = np.nonzero(difference < 60)
            if len(rows) and SCORES[name] >= threshold:
                factors = size[1] / image.shape[1], size[0] / image.shape[0]
                corners = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                boxes.append([side * factors[place % 2] for place, side in enumerate(corners)])
                scores.append(SCORES[name])
                labels.append(label)
        return Detections(boxes, scores, labels, CLASSES, size)


def picture(size=(240, 320), **places):
    """Draw boxes (x0, y0, x1, y1) of the named colours on grey: (H, W, 3) uint8."""
    image = np.full((*size, 3), 128, np.uint8)
    for name, (x0, y0, x1, y1) in places.items():
        image[y0:y1, x0:x1] = COLOURS[name]
    return image


def encoded(image, orientation=None, suffix="PNG"):
    """Encode an image; `orientation` is the EXIF tag that says how it is to be turned."""
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    content = io.BytesIO()
    quality = {"quality": 98, "subsampling": 0} if suffix == "JPEG" else {}
    Image.fromarray(image).save(content, suffix, exif=exif, **quality)
    return content.getvalue()


@contextlib.contextmanager
def running(detector=None, **settings):
    """Run a real server on a free port in a thread; gives its address."""
    app = create_app(detector or ColourDetector(), ServerSettings(**settings), "coloured.onnx")
    with running_app(app) as address:
        yield address


@contextlib.contextmanager
def running_app(app):
    """Run an application on a free port in a thread; gives its address."""
    listening = open_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not (server.started and _is_ready(app)):
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def _is_ready(app):
    service = getattr(app.state, "service", None)
    return service is None or service.batcher.is_ready
