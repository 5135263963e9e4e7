"""What Label Studio asks of an ML backend: rectangles for its tasks, before anybody has labelled them.

Its protocol: GET health, POST setup with the project's label config, POST predict with tasks. Places are in
percent of the image.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError

from ssd_keras.detections import Detections
from ssd_keras.serving.answers import problems
from ssd_keras.serving.bodies import read_body
from ssd_keras.serving.label_studio_config import RectangleControl, is_blank, read_controls
from ssd_keras.serving.label_studio_images import TaskImages
from ssd_keras.serving.label_studio_regions import regions_of
from ssd_keras.serving.reading import Upload
from ssd_keras.serving.refusals import (
    BAD_REQUEST,
    TOO_LARGE,
    TOO_MANY,
    UNAVAILABLE,
    UNPROCESSABLE,
    Refusal,
)
from ssd_keras.serving.service import DetectionService
from ssd_keras.serving.settings import ServerSettings
from ssd_keras.serving.watching import unless_gone

log = logging.getLogger(__name__)

router = APIRouter(prefix="/label-studio", tags=["Label Studio"])

AT_ONCE = 4
"""Tasks of a request that are worked on at the same time; others want to be answered, too."""

MOST_TASKS = 1000
"""Of a request."""

CONFIG_BYTES = 4 << 20
"""Of a request, for all that is no image."""

LARGEST_AT_ONCE = 2
"""Requests of the largest size that are in memory at a time; only those with images in them are large."""


def most_body_bytes(settings: ServerSettings) -> int:
    """Give the most that the body of a request may have: two of the largest images, or many small ones."""
    return 2 * settings.max_image_bytes * 4 // 3 + CONFIG_BYTES  # data: URIs are in base64


def most_held_bytes(settings: ServerSettings) -> int:
    """Give the most that the bodies of all requests may have that are in memory at a time."""
    return LARGEST_AT_ONCE * most_body_bytes(settings)


class Project(BaseModel):
    """What Label Studio sends to connect a backend, and when labels change; other keys are not used."""

    label_config: str = Field("", alias="schema", description="The label config, in XML.")


class Task(BaseModel):
    """An image to be labelled; other keys are not used."""

    id: int | str | None = None
    data: dict[str, Any] = Field(default_factory=dict, description="The image's address under its key.")


class Tasks(BaseModel):
    """What Label Studio sends to have tasks labelled; other keys are not used."""

    tasks: list[Task] = Field(max_length=MOST_TASKS)
    label_config: str = ""


Sent = TypeVar("Sent", bound=BaseModel)


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


# The endpoints read their bodies themselves, for the limits.
SETUP_BODY = _body(Project.model_json_schema())
PREDICT_BODY = _body(
    {
        "type": "object",
        "required": ["tasks"],
        "properties": {
            "tasks": {"type": "array", "maxItems": MOST_TASKS, "items": Task.model_json_schema()},
            "label_config": {"type": "string"},
        },
    }
)


class Health(BaseModel):
    """That the backend is there."""

    status: str
    model_class: str


class Setup(BaseModel):
    """Which model labels."""

    model_version: str


class Prediction(BaseModel):
    """The rectangles for one task."""

    result: list[dict[str, Any]] = Field(description="Regions as Label Studio stores them.")
    score: float = Field(description="The mean of their scores; 0 where there are none.")
    model_version: str
    error: str | None = Field(None, description="Why the task could not be looked at.")


class Predictions(BaseModel):
    """The predictions in the order of the tasks."""

    results: list[Prediction]


@router.get("/health", responses=problems(401, 503))
async def health(request: Request) -> Health:
    """Answer while images are taken."""
    request.app.state.service.check_ready()
    return Health(status="UP", model_class="SSD")


@router.post("/setup", responses=problems(401, 413, 422, 429, 503, 504), openapi_extra=SETUP_BODY)
async def setup(request: Request) -> Setup:
    """Say which model labels, after a look at whether it can: a config that says nothing yet is taken."""
    state = request.app.state
    async with _received(request, Project, CONFIG_BYTES) as project:
        await asyncio.to_thread(_check_config, project.label_config, state.service.detector.class_names)
    return Setup(model_version=state.name)


def _check_config(label_config: str, class_names: Sequence[str]) -> None:
    if not is_blank(label_config):
        read_controls(label_config, class_names)


@router.post(
    "/predict",
    response_model_exclude_none=True,
    responses=problems(400, 401, 413, 422, 429, 503, 504),
    openapi_extra=PREDICT_BODY,
)
async def predict(request: Request) -> Predictions:
    """Find objects in the images of tasks.

    Where only some of the tasks cannot be looked at, their predictions are empty and have an `error`.
    """
    state = request.app.state
    async with _received(request, Tasks, most_body_bytes(state.settings)) as asked:
        class_names = state.service.detector.class_names
        controls = await asyncio.to_thread(read_controls, asked.label_config, class_names)
        labeller = _Labeller(state, controls)
        predictions = await unless_gone(request, labeller.predictions(asked.tasks))
    if labeller.refusals and len(labeller.refusals) == len(asked.tasks):
        raise labeller.refusals[0]
    return Predictions(results=predictions)


@asynccontextmanager
async def _received(request: Request, model: type[Sent], most_bytes: int) -> AsyncGenerator[Sent]:
    """Take a request in and read its body; both are over when what is inside is done.

    Raises:
        Refusal: 413 or 422 it is too large or none of this kind, 429 there is no room for it, 503 the server
            starts or stops, 504 it does not come in time.
    """
    state = request.app.state
    with state.service.admitted(), state.label_studio_room.held() as take_bytes:
        async with state.service.time_limited():
            sent = await _parsed(await read_body(request, most_bytes, take_bytes), model)
        yield sent


async def _parsed(body: bytes, model: type[Sent]) -> Sent:
    try:
        return await asyncio.to_thread(model.model_validate_json, body)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the body"
        status = TOO_LARGE if fault["type"] == "too_long" else UNPROCESSABLE
        raise Refusal(status, f"{place} is wrong ({fault['msg']}): send what Label Studio sends") from error


class _Labeller:
    """Labels the tasks of one request; what is refused of them gathers in `refusals`."""

    def __init__(self, state: Any, controls: Sequence[RectangleControl]) -> None:
        self.refusals: list[Refusal] = []
        self._state = state
        self._controls = controls
        self._images = TaskImages(state.settings)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def predictions(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Give the predictions for tasks, in their order; `Refusal` (503) where the server ends meanwhile.

        What it did not get to is no prediction: an empty one would be taken for an image without objects.
        """
        try:
            async with asyncio.TaskGroup() as group:
                working = [group.create_task(self._prediction(task)) for task in tasks]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [prediction.result() for prediction in working]

    async def _prediction(self, task: Task) -> Prediction:
        """Give the prediction for a task, or an empty one that says why there is none."""
        version = self._state.name
        async with self._turns:
            try:
                regions = await self._regions(task)
            except Refusal as refusal:
                if refusal.status == UNAVAILABLE:
                    raise
                about = Refusal(refusal.status, f"task {task.id}: {refusal}", refusal.headers)
                log.warning("Label Studio: %s", about)
                self.refusals.append(about)
                return Prediction(result=[], score=0.0, model_version=version, error=str(about))
        mean = sum(region["score"] for region in regions) / max(1, len(regions))
        return Prediction(result=regions, score=round(mean, 6), model_version=version)

    async def _regions(self, task: Task) -> list[dict[str, Any]]:
        found: dict[str, Detections] = {}
        regions: list[dict[str, Any]] = []
        drawn: set[tuple[str, str]] = set()
        for control in self._controls:
            if control.data_key not in found:
                found[control.data_key] = await self._found(task, control.data_key)
            wanted = {
                name: label for name, label in control.labels.items() if (control.to_name, name) not in drawn
            }  # of two controls with the same label the first has it
            drawn.update((control.to_name, name) for name in wanted)
            regions += regions_of(found[control.data_key], control._replace(labels=wanted), len(regions))
        return regions

    async def _found(self, task: Task, key: str) -> Detections:
        address = task.data.get(key)
        if not isinstance(address, str) or not address:
            raise Refusal(BAD_REQUEST, f"its data has no address of an image under {key[:100]!r}: add it")
        service: DetectionService = self._state.service
        async with service.time_limited():
            upload = Upload(None, await asyncio.to_thread(self._images.load, address))
        settings = service.settings
        deadline = time.monotonic() + settings.time_limit
        while True:
            try:
                async with service.time_limited():
                    return (await service.detect([upload], settings.threshold))[0]
            except Refusal as refusal:
                wait = float(refusal.headers.get("Retry-After", 1))
                if refusal.status != TOO_MANY or time.monotonic() + wait > deadline:
                    raise
                await asyncio.sleep(wait)  # Label Studio does not ask again for itself
