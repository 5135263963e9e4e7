"""The HTTP interface of a detector.

`create_app` makes the application. Its `state` has what endpoints in other modules need: `service` (see
`service.DetectionService`: `await service.detect([Upload(name, data)], threshold)`), `settings`, `metrics`,
`body_room` and `label_studio_room`, where bodies are counted, and `name`, the model's file name. Bodies are
read by `bodies.read_body`, and refused by a `Refusal`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

import ssd_keras
from ssd_keras.data.checks import silent_decoders
from ssd_keras.detections import Detections
from ssd_keras.runtimes.detector import Detector
from ssd_keras.serving import label_studio
from ssd_keras.serving.access import token_needed
from ssd_keras.serving.answers import PROBLEMS, UPLOAD_BODY, Answer, ModelFacts, Status, problems
from ssd_keras.serving.bodies import read_uploads
from ssd_keras.serving.body_room import BodyRoom
from ssd_keras.serving.handlers import add_handlers
from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.pages import add_page
from ssd_keras.serving.reading import Upload
from ssd_keras.serving.refusals import UNAUTHORIZED, UNAVAILABLE
from ssd_keras.serving.service import DetectionService
from ssd_keras.serving.settings import ServerSettings
from ssd_keras.serving.watching import RequestWatch, unless_gone

router = APIRouter(prefix="/v1", tags=["detection"])
health = APIRouter(tags=["operation"])


def create_app(detector: Detector, settings: ServerSettings, name: str) -> FastAPI:
    """Make the application that answers for a detector.

    Args:
        detector: a Keras model or an artefact; once the application starts, only its own thread calls it.
        settings: limits, and the token.
        name: what the model is called, its file name.
    """
    metrics = Metrics()
    service = DetectionService(detector, settings, metrics)
    app = FastAPI(
        title="ssd-keras",
        version=ssd_keras.__version__,
        summary="Finds objects in images.",
        lifespan=_lifespan,
        redoc_url=None,
    )
    app.state.service, app.state.settings, app.state.metrics = service, settings, metrics
    app.state.name = name
    app.state.body_room = BodyRoom(settings.most_held_bytes)
    app.state.label_studio_room = BodyRoom(label_studio.most_held_bytes(settings))
    add_handlers(app)
    app.add_middleware(RequestWatch, metrics=metrics)
    needed = token_needed(settings)
    app.include_router(router, dependencies=needed)
    app.include_router(label_studio.router, dependencies=needed)
    app.include_router(health)
    add_page(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Warm the network up while the first requests may come, and finish what was taken in at the end."""
    service: DetectionService = app.state.service
    with silent_decoders():
        service.start()
        yield
        await asyncio.to_thread(service.close)


# --- Detection ---------------------------------------------------------------------------------------------


@router.post(
    "/detect",
    response_model=None,
    responses={200: {"model": Answer}, **problems(*PROBLEMS)},
    openapi_extra=UPLOAD_BODY,
)
async def detect(
    request: Request,
    threshold: Annotated[
        float | None,
        Query(ge=0, le=1, description="Lowest score of an object; by default the server's threshold."),
    ] = None,
) -> JSONResponse:
    """Find objects in one image or several."""
    state = request.app.state
    wanted = state.settings.threshold if threshold is None else threshold
    service: DetectionService = state.service
    with service.admitted(), state.body_room.held() as take_bytes:
        service.check_places()  # who would be refused after all need not send the images
        async with service.time_limited():
            with state.metrics.timed("receiving"):
                uploads = await read_uploads(request, state.settings, take_bytes)
            found = await unless_gone(request, service.detect(uploads, wanted))
    return JSONResponse({"results": _results(uploads, found)})


def _results(uploads: Sequence[Upload], found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        {"image": upload.name, "size": list(detections.size), "detections": detections.as_json()}
        for upload, detections in zip(uploads, found, strict=True)
    ]


@router.get("/model", responses=problems(UNAUTHORIZED))
async def model(request: Request) -> ModelFacts:
    """Say which model answers, and what may be asked of it."""
    settings, detector = request.app.state.settings, request.app.state.service.detector
    return ModelFacts(
        name=request.app.state.name,
        class_names=list(detector.class_names),
        image_size=list(detector.image_size),
        threshold=settings.threshold,
        max_images=settings.max_images,
        max_image_bytes=settings.max_image_bytes,
        max_image_pixels=settings.max_image_pixels,
        version=ssd_keras.__version__,
    )


# --- Operation ---------------------------------------------------------------------------------------------


@health.get("/healthz")
async def alive() -> Status:
    """Answer while the process lives."""
    return Status(status="ok")


@health.get("/readyz", responses=problems(UNAVAILABLE))
async def ready(request: Request) -> Status:
    """Answer while images are taken: from when the network is warm until the server is to stop."""
    request.app.state.service.check_ready()
    return Status(status="ready")


@health.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Give the figures that Prometheus collects."""
    figures: Metrics = request.app.state.metrics
    return Response(figures.text(), headers={"Content-Type": figures.content_type})
