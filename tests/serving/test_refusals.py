"""What a server refuses: what is no image, what is too much, and those without the token."""

import base64

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from serving.asking import PNG, form, post, refused
from serving.stand_in import encoded

from ssd_keras.serving.settings import ServerSettings

# --- 400, 413, 415, 422: what was sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the body is empty"),
        (b"hello", "the image is not an image: send JPEG, PNG"),
        (b"\xff\xd8\xff", "the image is not an image"),
        (encoded(255)[:-20], "the image is cut short: send the whole file"),
        (encoded(255)[:40] + bytes(40) + encoded(255)[80:], "the image is damaged"),
    ],
)
def test_what_is_no_image(serve, content, said):
    assert said in refused(post(serve(), content), 400)


def test_which_of_several_is_no_image(serve):
    images = [("a.png", encoded(255)), ("b.png", b"no"), ("c\n.png", b"no")]
    assert "image 2 of 3 (b.png) is not an image" in refused(
        serve().post("/v1/detect", files=form(*images)), 400
    )


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"hello", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data"),
        (b"--x\r\nno header\r\n\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="images"\r\n\r\nabc',
            "multipart/form-data; boundary=x",
        ),
        (b"--x--\r\n" * 3, "multipart/form-data; boundary=" + "y" * 300),
    ],
)
def test_what_is_no_form(serve, body, header):
    assert "form" in refused(post(serve(), body, {"Content-Type": header}), 400)


@pytest.mark.parametrize("field", ["image", "Images", ""])
def test_a_form_without_images(serve, field):
    answer = serve().post("/v1/detect", files=form(("a.png", encoded(255)), field=field))
    assert "no field 'images'" in refused(answer, 422)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json", "application/x-www-form-urlencoded", "", "imag"]
)
def test_other_content_types(serve, kind):
    assert "send an image as image/jpeg" in refused(post(serve(), encoded(255), {"Content-Type": kind}), 415)


def test_no_content_type(serve):
    assert "without Content-Type" in refused(serve().post("/v1/detect", content=encoded(255)), 415)


@pytest.mark.parametrize("threshold", ["-0.1", "1.01", "nan", "inf", "much", ""])
def test_a_threshold_that_is_none(serve, threshold):
    assert refused(post(serve(), encoded(255), threshold=threshold), 422).startswith("threshold is ")


def test_too_many_bytes(serve):
    client = serve(max_image_bytes=1000)
    assert "more than the 1,000 bytes" in refused(post(client, bytes(1001)), 413)
    line = refused(client.post("/v1/detect", files=form(("a", encoded(255)), ("b", bytes(1001)))), 413)
    assert line.startswith("image 2 of the form has more than the 1,000 bytes")


def test_too_many_images(serve):
    client = serve(max_images=2)
    images = [("a.png", encoded(255))] * 3
    assert "more than the 2 images" in refused(client.post("/v1/detect", files=form(*images)), 413)
    assert client.post("/v1/detect", files=form(*images[:2])).status_code == 200


def test_too_many_pixels_are_not_decoded(serve, monkeypatch):
    client = serve(max_image_pixels=32 * 24)
    assert post(client, encoded(255)).status_code == 200
    large = cv2.imencode(".png", np.zeros((25, 32, 3), np.uint8))[1].tobytes()
    monkeypatch.setattr("ssd_keras.serving.reading.read_resized", pytest.fail)
    assert "32 × 25 pixels, and 768 at most" in refused(post(client, large), 413)


def test_too_many_other_fields(serve):
    files = [(f"field{number}", (None, "x")) for number in range(33)]
    assert "32 fields" in refused(serve().post("/v1/detect", files=files), 413)


def test_paths_and_methods(serve):
    client = serve()
    assert "nothing at /v1/nothing" in refused(client.get("/v1/nothing"), 404)
    assert "use POST" in refused(client.get("/v1/detect"), 405)
    assert "use GET" in refused(client.post("/healthz"), 405)


# --- 401: who may ask --------------------------------------------------------------------------------------


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "shown",
    [
        *(None, "", "secret", "Bearer", "Bearer wrong", "Bearer secre", "Bearer secret2", "Basic secret"),
        *(
            "Basic !",
            basic("secret", ""),
            basic("a", "wrong"),
            "Digest secret",
            "Bearer sécret",
            "Token secret",
        ),
    ],
)
def test_a_wrong_token(serve, shown):
    client = serve(token="secret")
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    for answer in (client.get("/v1/model", headers=headers), post(client, b"", {**PNG, **headers})):
        assert "oken" in refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("shown", ["Bearer secret", "bearer  secret", basic("anybody", "secret")])
def test_the_right_token(serve, shown):
    client = serve(token="secret")
    assert client.get("/v1/model", headers={"Authorization": shown}).status_code == 200
    assert post(client, encoded(255), {**PNG, "Authorization": shown}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/"])
def test_what_needs_no_token(serve, path):
    assert serve(token="secret").get(path).status_code == 200


def test_label_studio_needs_the_token(serve):
    client = serve(token="secret")
    refused(client.get("/label-studio/health"), 401)
    assert (
        client.get("/label-studio/health", headers={"Authorization": basic("x", "secret")}).status_code == 200
    )


@pytest.mark.parametrize("token", ["", "\n", "two words", "two\nlines", "schlüssel"])
@pytest.mark.parametrize("name", ["token", "label_studio_token"])
def test_what_is_no_token(token, name):
    with pytest.raises(ValidationError, match="one word"):
        ServerSettings(**{name: token})


@pytest.mark.parametrize("name", ["token", "label_studio_token"])
def test_a_token_from_a_file_has_a_line_break(name):
    assert getattr(ServerSettings(**{name: "secret\n"}), name).get_secret_value() == "secret"


def test_the_token_is_not_shown():
    assert "secret" not in repr(ServerSettings(token="secret"))
