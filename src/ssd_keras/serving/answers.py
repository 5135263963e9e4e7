"""What the endpoints answer, as OpenAPI shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ssd_keras.serving.refusals import (
    BAD_REQUEST,
    FAILED,
    TOO_LARGE,
    TOO_LATE,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNPROCESSABLE,
    UNSUPPORTED_TYPE,
)


class Status(BaseModel):
    """How the server is."""

    status: str


class Problem(BaseModel):
    """Why there is no other answer."""

    detail: str = Field(description="One line: what is wrong, where, and what to do.")


class ModelFacts(BaseModel):
    """The model and what may be asked of it."""

    name: str = Field(description="Name of the model's file.")
    class_names: list[str] = Field(description="The classes that it finds.")
    image_size: list[int] = Field(description="Height and width of its input in pixels.")
    threshold: float = Field(description="Lowest score of an object, for requests that name none.")
    max_images: int = Field(description="Most images of a request.")
    max_image_bytes: int = Field(description="Most bytes of an image, as it is sent.")
    max_image_pixels: int = Field(description="Most pixels of an image.")
    version: str = Field(description="Version of ssd-keras.")


class FoundObject(BaseModel):
    """An object that was found."""

    label: str = Field(description="Name of its class.")
    score: float = Field(description="How sure the detector is, 0 to 1.")
    box: list[float] = Field(description="x0, y0, x1, y1 in pixels of the upright image.")


class Result(BaseModel):
    """What was found in one image."""

    image: str | None = Field(description="Name of the image's file, as it was sent.")
    size: list[int] = Field(description="Height and width of the upright image in pixels.")
    detections: list[FoundObject] = Field(description="The objects, best score first.")


class Answer(BaseModel):
    """What was found, in the order of the images."""

    results: list[Result]


PROBLEMS = {
    BAD_REQUEST: "What was sent as an image is none, or is damaged.",
    UNAUTHORIZED: "The bearer token is missing or wrong.",
    TOO_LARGE: "Too many bytes, pixels or images.",
    UNSUPPORTED_TYPE: "The content type is not one that is taken.",
    UNPROCESSABLE: "A parameter is out of its bounds, or the form has no images.",
    TOO_MANY: "The queue, or the memory for bodies, is full: ask again after the seconds of Retry-After.",
    FAILED: "The detector failed: the server's log has the reason.",
    UNAVAILABLE: "The server is starting or stopping.",
    TOO_LATE: "The answer took longer than the time limit.",
}
"""What each status means."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give OpenAPI's description of the statuses that an endpoint may refuse with."""
    return {status: {"model": Problem, "description": PROBLEMS[status]} for status in statuses}


IMAGE_SCHEMA = {"type": "string", "format": "binary"}

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Files in the field `images` of a form, or the bytes of one image.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {"images": {"type": "array", "items": IMAGE_SCHEMA, "minItems": 1}},
                }
            },
            "image/jpeg": {"schema": IMAGE_SCHEMA},
            "image/png": {"schema": IMAGE_SCHEMA},
            "application/octet-stream": {"schema": IMAGE_SCHEMA},
        },
    }
}
"""The body of a request for detection, which the endpoint reads itself."""
