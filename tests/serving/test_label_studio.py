"""Label Studio gets rectangles for its tasks in its own words, and one line where something is wrong."""

import base64
import contextlib
import json
import time
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from serving.coloured import CLASSES, ColourDetector, encoded, picture

from ssd_keras.detections import Detections
from ssd_keras.serving.api import create_app
from ssd_keras.serving.label_studio_config import RectangleControl
from ssd_keras.serving.label_studio_regions import regions_of
from ssd_keras.serving.settings import ServerSettings

CONFIG = """<View>
  <Image name="photo" value="$picture"/>
  <RectangleLabels name="what" toName="photo">
    <Label value="Red"/> <Label value="blue" background="#00f"/> <Label value="dog"/>
  </RectangleLabels>
</View>"""

RED_AND_BLUE = picture(red=(32, 24, 64, 48), blue=(160, 120, 320, 240))
"""In an image of 320 × 240 pixels."""


def data_uri(image=RED_AND_BLUE, **changes):
    return "data:image/png;base64," + base64.b64encode(encoded(image, **changes)).decode()


@pytest.fixture(scope="module")
def client():
    with open_client() as opened:
        yield opened


@contextlib.contextmanager
def open_client(**settings):
    app = create_app(ColourDetector(), ServerSettings(**settings), "coloured.onnx")
    with TestClient(app) as client:
        until = time.monotonic() + 30
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.01)
        yield client


def predict(client, *addresses, config=CONFIG):
    tasks = [{"id": 7 + index, "data": {"picture": one}} for index, one in enumerate(addresses)]
    return client.post(
        "/label-studio/predict", json={"tasks": tasks, "label_config": config, "project": "1.2"}
    )


def test_no_tasks_have_no_predictions(client):
    answer = predict(client)
    assert (answer.status_code, answer.json()) == (200, {"results": []})


def test_an_image_without_objects_has_an_empty_prediction(client):
    (prediction,) = predict(client, data_uri(picture())).json()["results"]
    assert prediction == {"result": [], "score": 0.0, "model_version": "coloured.onnx"}


def test_rectangles_are_in_percent_and_in_the_words_of_the_project(client):
    (prediction,) = predict(client, data_uri()).json()["results"]
    blue, red = prediction["result"]
    assert red["value"] == {
        "x": 10.0, "y": 10.0, "width": 10.0, "height": 10.0, "rotation": 0, "rectanglelabels": ["Red"],
    }  # fmt: skip
    assert blue["value"]["rectanglelabels"] == ["blue"]
    assert blue["value"]["x"] == 50
    assert (red["from_name"], red["to_name"], red["type"]) == ("what", "photo", "rectanglelabels")
    assert (red["original_width"], red["original_height"], red["image_rotation"]) == (320, 240, 0)
    assert (blue["score"], red["score"]) == (0.9, 0.6)
    assert prediction["score"] == 0.75
    assert blue["id"] != red["id"]


def test_an_image_that_lies_on_its_side_is_labelled_upright(client):
    lying = np.ascontiguousarray(np.rot90(RED_AND_BLUE))  # orientation 6: it is to be turned clockwise
    (prediction,) = predict(client, data_uri(lying, orientation=6)).json()["results"]
    red = prediction["result"][1]
    assert (red["original_width"], red["original_height"]) == (320, 240)
    assert red["value"]["x"] == pytest.approx(10)
    assert red["value"]["y"] == pytest.approx(10)


def test_boxes_end_at_the_edges_of_the_image():
    found = Detections([[-10, -10, 50, 50], [200, 10, 300, 20]], [0.9, 0.8], [0, 0], ["cell"], (100, 100))
    control = RectangleControl("what", "photo", "picture", {"cell": "Cell"})
    (region,) = regions_of(found, control, first_id=3)
    assert (region["id"], region["value"]["x"], region["value"]["width"]) == ("ssd3", 0, 50)


def test_tasks_keep_their_order(client):
    answer = predict(client, data_uri(picture()), data_uri(), data_uri(picture(green=(0, 0, 9, 9))))
    assert [len(one["result"]) for one in answer.json()["results"]] == [0, 2, 0]


def test_one_bad_task_leaves_the_others_alone(client):
    bad, good = predict(client, "data:image/png;base64,AAAA", data_uri()).json()["results"]
    assert bad["result"] == []
    assert bad["error"].startswith("task 7: ")
    assert len(good["result"]) == 2
    assert "error" not in good


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("data:image/png;base64,AAAA", "not an image"),
        ("data:image/png;base64,AAA", "no base64"),
        ("data:image/png", "no comma"),
        ("data:;base64,", "not an image"),
        ("data:,", "not in base64"),
        ("data:image/png,%89PNG", "not in base64"),
        ("/data/upload/1.png", "--label-studio-url"),
        ("http://127.0.0.1/a.png", "--label-studio-url"),
        ("file:///etc/passwd", "--label-studio-url"),
        ("", "no address"),
        (None, "no address"),
        ({"a": 1}, "no address"),
    ],
)
def test_what_is_no_image_is_said_in_one_line(client, address, reason):
    answer = predict(client, address)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_a_data_uri_has_the_limit_of_other_images():
    with open_client(max_image_bytes=300) as client:
        assert predict(client, data_uri()).status_code == 413


@pytest.mark.parametrize("plus", ["%2B", "%2b"])
def test_base64_may_be_percent_encoded(client, plus):
    kind, _, content = data_uri().partition(",")
    assert "+" in content
    (prediction,) = predict(client, f"{kind},{quote(content, safe='').replace('%2B', plus)}").json()[
        "results"
    ]
    assert len(prediction["result"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"tasks": 3}',
        b'{"tasks": [3]}',
        b'{"tasks": [{"data": []}]}',
        b"\xff",
        b'{"a": 1}',
    ],
)
def test_other_bodies_are_refused_in_one_line(client, body):
    answer = client.post("/label-studio/predict", content=body)
    assert answer.status_code == 422
    assert "\n" not in answer.json()["detail"]


def test_too_many_tasks_are_refused(client):
    body = json.dumps({"tasks": [{}] * 1001, "label_config": CONFIG})
    assert client.post("/label-studio/predict", content=body).status_code == 413


def test_two_controls_do_not_draw_the_same_object_twice(client):
    config = CONFIG.replace(
        "</View>", '<RectangleLabels name="more" toName="photo"><Label value="RED"/></RectangleLabels></View>'
    )
    (prediction,) = predict(client, data_uri(), config=config).json()["results"]
    assert [region["from_name"] for region in prediction["result"]] == ["what", "what"]


def test_each_image_of_a_task_has_its_own_rectangles(client):
    config = CONFIG.replace(
        "</View>",
        '<Image name="second" value="$other"/><RectangleLabels name="there" toName="second">'
        '<Label value="red"/></RectangleLabels></View>',
    )
    task = {"id": 1, "data": {"picture": data_uri(picture()), "other": data_uri()}}
    answer = client.post("/label-studio/predict", json={"tasks": [task], "label_config": config})
    (region,) = answer.json()["results"][0]["result"]
    assert (region["from_name"], region["to_name"]) == ("there", "second")


# --- setup, health, token ------------------------------------------------------------------------------


def setup(client, **changes):
    return client.post("/label-studio/setup", json={"project": "1.2", "schema": CONFIG, **changes})


@pytest.mark.parametrize("config", ["", "<View></View>", "<View/>", CONFIG])
def test_setup_names_the_model(client, config):
    assert setup(client, schema=config).json() == {"model_version": "coloured.onnx"}


def test_setup_says_when_no_label_is_a_class(client):
    answer = setup(client, schema=CONFIG.replace("Red", "cat").replace('"blue"', '"cow"'))
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        f"none of the labels (cat, cow, dog) is a class of the model ({', '.join(CLASSES)}): "
        "name the labels as the classes"
    )


def test_setup_fetches_nothing_that_the_request_names(client):
    answer = setup(client, hostname="http://192.0.2.1:1", access_token="secret")
    assert answer.status_code == 200


def test_health_while_ready(client):
    assert client.get("/label-studio/health").json() == {"status": "UP", "model_class": "SSD"}


def test_health_while_starting():
    client = TestClient(create_app(ColourDetector(), ServerSettings(), "coloured.onnx"))
    assert client.get("/label-studio/health").status_code == 503
    assert predict(client, data_uri()).status_code == 503


def test_the_token_is_wanted_as_bearer_or_as_the_password_that_label_studio_sends():
    with open_client(token="secret") as client:
        for path in ("health", "setup", "predict"):
            method = "GET" if path == "health" else "POST"
            assert client.request(method, f"/label-studio/{path}").status_code == 401
        assert client.get("/label-studio/health", auth=("anybody", "secret")).status_code == 200
        assert client.get("/label-studio/health", auth=("anybody", "wrong")).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert client.get("/label-studio/health", headers=headers).status_code == 200
