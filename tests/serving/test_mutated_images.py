"""Thousands of damaged images and forms: each is answered, none with a fault of the server.

`SSD_KERAS_FUZZ=10000` sets the number of damaged bodies.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import cv2
import httpx
import numpy as np
import pytest
from faults.mutations import Mutator, Vocabulary

CASES = int(os.environ.get("SSD_KERAS_FUZZ", "300"))
ALL_CASES = 10_000
ASKING = 8
"""Clients at once."""

KINDS = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
WORDS = Vocabulary(
    tokens=(
        *(
            b"\xff\xd8\xff",
            b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03",
            b"\xff\xda\0\x0c",
            b"\xff\xd9",
            b"Exif\0\0",
        ),
        *(b"\x89PNG\r\n\x1a\n", b"IHDR\x7f\xff\xff\xff\x7f\xff\xff\xff", b"IDAT", b"IEND", b"acTL", b"iCCP"),
        *(
            b"RIFF\xff\xff\xff\xffWEBPVP8X",
            b"VP8 ",
            b"VP8L",
            b"ANIM",
            b"ANMF",
            b"GIF89a",
            b"BM",
            b"II*\0",
            b"P6",
        ),
        *(
            b"\r\n--x\r\n",
            b"\r\n--x--\r\n",
            b"\r\n\r\n",
            b"; filename*=utf-8''a",
            b'name="images"',
            b"\0" * 9,
        ),
    ),
    keys=(
        b"IHDR",
        b"IDAT",
        b"IEND",
        b"VP8",
        b"WEBP",
        b"images",
        b"Content-Disposition",
        b"form-data",
        b"boundary",
    ),
    nests=(b"--x\r\n", b"\xff\xd8", b"IDAT"),
)


def photographs():
    rng = np.random.default_rng(0)
    small = cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (120, 90))
    options = {".jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], ".png": [], ".webp": [cv2.IMWRITE_WEBP_QUALITY, 70]}
    plain = [(suffix, cv2.imencode(suffix, small)[1].tobytes()) for suffix in KINDS]
    return plain + [
        (suffix, cv2.imencode(suffix, small, given)[1].tobytes()) for suffix, given in options.items()
    ]


def form_of(image):
    head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n'
    return (head + b"Content-Type: image/jpeg\r\n\r\n" + image + b"\r\n") * 2 + b"--x--\r\n"


def bodies(count):
    """Draw damaged bodies, each with its content type; the same number is the same body each time."""
    images = photographs()
    for case in range(count):
        mutator = Mutator(f"image {case}", WORDS)
        suffix, image = images[case % len(images)]
        if case % 4 == 3:
            yield mutator.mutated(form_of(image)), "multipart/form-data; boundary=x"
        else:
            yield mutator.mutated(image), KINDS[suffix]


def check(address, count):
    def ask(numbered):
        case, (body, kind) = numbered
        answer = client.post("/v1/detect", content=body, headers={"Content-Type": kind})
        assert answer.status_code in (200, 400, 413, 422), f"case {case}: {answer.text}"
        if answer.status_code != 200:
            assert "\n" not in answer.json()["detail"]
        return answer.status_code

    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=60) as client:
        with ThreadPoolExecutor(ASKING) as pool:
            statuses = Counter(pool.map(ask, enumerate(bodies(count))))
        assert client.get("/readyz").status_code == 200
    # Damage that leaves nothing to read, or that nothing notices, would test nothing.
    assert statuses[200] > count / 20
    assert statuses[400] > count / 20


def test_some_damaged_images(live):
    check(live(), CASES)


@pytest.mark.slow
def test_ten_thousand_damaged_images(live):
    check(live(), ALL_CASES)
