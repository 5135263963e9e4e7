"""The HTTP interface: what it answers."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from serving.asking import form, post
from serving.conftest import wait_until
from serving.stand_in import CLASSES, INPUT_SIZE, encoded

import ssd_keras


def test_the_bytes_of_one_image(serve):
    answer = post(serve(), encoded(255, 102), threshold=0.25)
    assert answer.status_code == 200
    found = [{"label": "red", "score": score, "box": [0.0, 0.0, 16.0, 12.0]} for score in (1.0, 0.4)]
    assert answer.json() == {"results": [{"image": None, "size": [24, 32], "detections": found}]}


def test_an_image_without_objects(serve):
    assert post(serve(), encoded()).json()["results"][0]["detections"] == []


def test_several_images_in_the_order_sent(serve):
    images = [(f"photo {value}.png", encoded(value), "image/png") for value in (200, 150, 255, 180, 240, 130)]
    answer = serve().post("/v1/detect", files=form(*images))
    assert [result["image"] for result in answer.json()["results"]] == [name for name, *_ in images]
    scores = [result["detections"][0]["score"] for result in answer.json()["results"]]
    assert [round(score * 255) for score in scores] == [200, 150, 255, 180, 240, 130]


def test_names_of_images(serve):
    client = serve()
    for name in ("straße 漢字.png", "../../etc/passwd", "x" * 3000):
        answer = client.post("/v1/detect", files=form((name, encoded(255), "image/png")))
        assert answer.json()["results"][0]["image"] == name
    nameless = (
        b'--x\r\nContent-Disposition: form-data; name="images"\r\n\r\n' + encoded(255) + b"\r\n--x--\r\n"
    )
    answer = post(client, nameless, {"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.json()["results"][0]["image"] is None


def test_the_threshold_is_the_servers_or_the_requests(serve):
    client = serve(threshold=0.8)
    counts = [
        len(post(client, encoded(255, 153, 51), **given).json()["results"][0]["detections"])
        for given in ({}, {"threshold": 0.5}, {"threshold": 0}, {"threshold": 1})
    ]
    assert counts == [1, 2, 3, 1]


def test_boxes_are_in_pixels_of_the_original_and_upright(serve):
    pixels = np.full((480, 640, 3), 255, np.uint8)
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    client = serve()
    results = [post(client, data).json()["results"][0] for data in (jpeg, turned)]
    assert [result["size"] for result in results] == [[480, 640], [640, 480]]
    assert [result["detections"][0]["box"] for result in results] == [[0, 0, 320, 240], [0, 0, 240, 320]]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".gif"])
def test_kinds_of_images(serve, suffix):
    data = cv2.imencode(suffix, np.full((30, 40, 3), 255, np.uint8))[1].tobytes()
    answer = post(serve(), data, {"Content-Type": "application/octet-stream"})
    assert answer.json()["results"][0]["size"] == [30, 40]


def test_other_fields_of_a_form_are_passed_over(serve):
    files = [("note", (None, "hello")), ("other", ("x.bin", b"abc")), ("images", ("a.png", encoded(255)))]
    answer = serve().post("/v1/detect", files=files)
    assert [result["image"] for result in answer.json()["results"]] == ["a.png"]


def test_the_model(serve):
    assert serve(threshold=0.3, max_images=7).get("/v1/model").json() == {
        "name": "stand-in.keras",
        "class_names": list(CLASSES),
        "image_size": list(INPUT_SIZE),
        "threshold": 0.3,
        "max_images": 7,
        "max_image_bytes": 16 << 20,
        "max_image_pixels": 50_000_000,
        "version": ssd_keras.__version__,
    }


def test_health(serve):
    client = serve()
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_requests_at_the_same_time_share_batches(serve, detector):
    client = serve()
    detector.gate.clear()
    with ThreadPoolExecutor(9) as clients:
        answers = [clients.submit(post, client, encoded(255))]
        assert detector.entered.acquire(timeout=20)
        answers += [clients.submit(post, client, encoded(255 - number)) for number in range(1, 9)]
        wait_until(lambda: client.app.state.service.batcher.waiting == 8)
        detector.gate.set()
        scores = [answer.result().json()["results"][0]["detections"][0]["score"] for answer in answers]
    assert [round(255 * score) for score in scores] == [255 - number for number in range(9)]
    assert [batch[:2] for batch in detector.batches] == [(1, 1), (4, 4), (4, 4)]
    text = client.get("/metrics").text
    assert 'ssd_batch_images_bucket{le="1.0"} 1.0' in text
    assert "ssd_batch_images_sum 9.0" in text


def test_metrics(serve):
    client = serve()
    post(client, encoded(255))
    post(client, b"no image")
    client.get("/nowhere/in/particular")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'ssd_requests_total{path="/v1/detect",status="200"} 1.0',
        'ssd_requests_total{path="/v1/detect",status="400"} 1.0',
        'ssd_requests_total{path="other",status="404"} 1.0',
        "ssd_images_total 1.0",
        "ssd_queue_images 0.0",
        "ssd_taken_images 0.0",
        'ssd_seconds_count{part="waiting"} 1.0',
        'ssd_seconds_count{part="detecting"} 1.0',
        'ssd_seconds_count{part="reading"} 2.0',
        'ssd_seconds_count{part="receiving"} 2.0',
    ):
        assert line in answer.text.splitlines()


def test_two_servers_count_for_themselves(serve):
    first, second = serve(), serve()
    post(first, encoded(255))
    assert "ssd_images_total 1.0" in first.get("/metrics").text
    assert "ssd_images_total 0.0" in second.get("/metrics").text


def test_openapi_names_all_that_may_be_answered(serve):
    paths = serve().get("/openapi.json").json()["paths"]
    answers = paths["/v1/detect"]["post"]["responses"]
    assert set(answers) == {"200", "400", "401", "413", "415", "422", "429", "500", "503", "504"}
    assert {"/v1/model", "/healthz", "/readyz", "/metrics"} <= set(paths)
