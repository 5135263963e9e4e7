"""How tests ask a server, and look at its refusals."""

PNG = {"Content-Type": "image/png"}


def refused(answer, status):
    """Check that an answer is one line of what, where, what to do, and give the line."""
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert list(document) == ["detail"]
    assert "\n" not in document["detail"]
    return document["detail"]


def post(client, content, headers=PNG, **parameters):
    return client.post("/v1/detect", content=content, headers=headers, params=parameters)


def form(*images, field="images"):
    return [(field, image) for image in images]
