"""For the tests of the grievance register: the register itself, photographs, and a detector that is none."""

import io
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from PIL import Image
from pydantic import SecretStr

EXAMPLE = Path(__file__).parents[1] / "examples" / "grievance_register"
sys.path.append(str(EXAMPLE))  # where `python run.py` finds its package

from grievances.app import create_app  # noqa: E402
from grievances.settings import Settings  # noqa: E402

TOKEN = "a-token-for-the-tests"
STAFF = {"Authorization": f"Bearer {TOKEN}"}
CLASSES = ("pothole", "rubbish bag", "sign")
FOUND = [
    {"label": "pothole", "score": 0.91, "box": [10.0, 20.0, 60.0, 50.0]},
    {"label": "sign", "score": 0.55, "box": [70.25, 5.5, 90.0, 40.0]},
]
SIZE = (96, 128)
GPS = {1: "S", 2: (33.0, 51.0, 24.84), 3: "E", 4: (151.0, 12.0, 54.9)}
GPS_PLACE = (-33.8569, 151.215250)


class FakeDetector(httpx.AsyncBaseTransport):
    """The HTTP interface of `ssd serve` without a model: it sees what is in `found`, after all `faults`."""

    def __init__(self, found=FOUND):
        self.found, self.faults, self.photos, self.requests = found, [], [], []

    async def handle_async_request(self, request):
        self.requests.append(request)
        body = await request.aread()
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if request.url.path == "/v1/model":
            return httpx.Response(200, json={"class_names": CLASSES})
        self.photos.append(body)
        result = {"image": None, "size": list(SIZE), "detections": self.found}
        return httpx.Response(200, json={"results": [result]})


def make_settings(folder, **others):
    values = {"detector_url": "http://detector", "first_pause": 0.01, "longest_pause": 0.05, **others}
    return Settings(folder=folder, staff_token=SecretStr(TOKEN), **values)


def make_app(folder, detector=None, **settings):
    return create_app(make_settings(folder, **settings), detector or FakeDetector())


def photo_file(seed=0, size=SIZE, kind="JPEG", orientation=1, with_gps=False):
    """Encode an image of smooth colours, with EXIF as a camera writes it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", orientation
    if with_gps:
        exif.get_ifd(0x8825).update(GPS)
    encoded = io.BytesIO()
    image.save(encoded, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    return encoded.getvalue()


def send(client, photo=None, key="a-key-of-a-citizen-1", **fields):
    fields = {"category": "pothole", "address": "Long Lane 12", **fields}
    files = {"photo": ("IMG_1.jpg", photo_file() if photo is None else photo, "image/jpeg")}
    return client.post("/api/reports", data=fields, files=files, headers={"Idempotency-Key": key})


@contextmanager
def running(app):
    """Serve the register on a free port of this machine; give its URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield "http://{}:{}".format(*server.servers[0].sockets[0].getsockname())
    finally:
        server.should_exit = True
        thread.join(20)


def wait_until(happens, seconds=20.0):
    """Wait for something; what it is then."""
    deadline = time.monotonic() + seconds
    while not (happened := happens()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return happened


def report(client, number=1):
    return client.get(f"/api/staff/reports/{number}", headers=STAFF).json()


def looked_at(client, number=1, seconds=20.0):
    """Wait for the detector; the report then."""
    wait_until(lambda: report(client, number)["looked_at"], seconds)
    return report(client, number)


def correct(client, was, detections, confirmed=True):
    content = {"version": was["version"], "detections": detections, "confirmed": confirmed}
    return client.put(f"/api/staff/reports/{was['number']}/detections", json=content, headers=STAFF)
