"""What everybody may do: send a report, and see its status with the key that only its sender knows."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from grievances.contracts import NewReport, RefusedError, in_one_line
from grievances.photos import clean_photo
from grievances.register import add_report, receipt

router = APIRouter(prefix="/api")
KEY = r"^[A-Za-z0-9_-]{16,64}$"


@router.get("/form")
def form(request: Request) -> dict[str, Any]:
    """Give what the form has to know."""
    settings = request.app.state.settings
    return {"categories": settings.categories, "most_photo_bytes": settings.most_photo_bytes}


@router.post("/reports", status_code=201)
async def send_report(
    request: Request,
    response: Response,
    photo: UploadFile,
    category: Annotated[str, Form()],
    key: Annotated[str, Header(alias="Idempotency-Key", pattern=KEY)],
    description: Annotated[str, Form()] = "",
    address: Annotated[str, Form()] = "",
    latitude: Annotated[float | None, Form()] = None,
    longitude: Annotated[float | None, Form()] = None,
) -> dict[str, Any]:
    """Keep a report: 201, or 200 where this one was sent before. The detector looks at it later."""
    state = request.app.state
    place = {"address": address, "latitude": latitude, "longitude": longitude}
    try:
        report = NewReport.model_validate({"category": category, "description": description, "place": place})
    except ValidationError as error:
        raise RefusedError(422, in_one_line(error.errors())) from error
    if report.category not in state.settings.categories:
        raise RefusedError(422, f"there is no category {report.category!r}: choose one of the form")
    cleaned = await run_in_threadpool(clean_photo, photo.file, state.settings)
    number, is_new = await run_in_threadpool(add_report, state.database, key, report, cleaned)
    state.looking.wake()
    response.status_code = 201 if is_new else 200
    return {"number": number, "key": key}


@router.get("/receipts/{key}")
def show_receipt(request: Request, key: str) -> dict[str, Any]:
    """Give number, category, status and time of the report that was sent with this key."""
    return receipt(request.app.state.database, key)
