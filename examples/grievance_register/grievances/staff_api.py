"""What staff may do: list, look, correct, confirm, change the status, and export what was confirmed."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from grievances.contracts import STATUSES, Change, Correction, Filters, Name, RefusedError
from grievances.dataset import FORMATS, write_archive
from grievances.listing import listed_reports
from grievances.register import change_report, class_names, correct_detections, photo_bytes, whole_report
from grievances.staff_access import COOKIE, StaffName, set_login_cookie, token_is_right

router = APIRouter(prefix="/api/staff")
Number = Annotated[int, PathParameter(ge=1, le=2**62)]
"""Of a report; SQLite takes no integer of more than 64 bits."""


class Login(BaseModel):
    """Who logs in, with the token of the staff."""

    name: Name
    token: str = Field(max_length=500)


@router.post("/login", status_code=204)
def log_in(request: Request, response: Response, login: Login) -> None:
    """Set the cookie by which this browser is known; 401 if the token is another."""
    settings = request.app.state.settings
    if not token_is_right(login.token, settings):
        raise RefusedError(401, "the token is another: it stands where the register was started")
    set_login_cookie(response, login.name, settings, is_https=request.url.scheme == "https")


@router.post("/logout", status_code=204)
def log_out(response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.get("/choices")
def choices(request: Request, who: StaffName) -> dict[str, Any]:
    """Give who is logged in, and among what filters and fields let choose."""
    state = request.app.state
    return {
        "name": who,
        "categories": state.settings.categories,
        "statuses": STATUSES,
        "class_names": class_names(state.database),
        "formats": FORMATS,
    }


@router.get("/reports")
def list_reports(request: Request, who: StaffName, filters: Annotated[Filters, Query()]) -> dict[str, Any]:
    """Give the newest reports that meet the filters."""
    return listed_reports(request.app.state.database, filters)


@router.get("/reports/{number}")
def show_report(request: Request, who: StaffName, number: Number) -> dict[str, Any]:
    """Give all about a report but its photograph."""
    return whole_report(request.app.state.database, number)


@router.get("/reports/{number}/photo")
def show_photo(request: Request, who: StaffName, number: Number, thumbnail: bool = False) -> Response:
    """Give the photograph of a report, or a small one."""
    jpeg = photo_bytes(request.app.state.database, number, thumbnail)
    headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.patch("/reports/{number}")
def change(request: Request, who: StaffName, number: Number, wanted: Change) -> dict[str, Any]:
    """Change status or category, or add a note: the report as it is then; 409 if somebody was faster."""
    if wanted.category is not None and wanted.category not in request.app.state.settings.categories:
        raise RefusedError(422, f"there is no category {wanted.category!r}: choose one of the list")
    change_report(request.app.state.database, number, wanted, who)
    return whole_report(request.app.state.database, number)


@router.put("/reports/{number}/detections")
def correct(request: Request, who: StaffName, number: Number, wanted: Correction) -> dict[str, Any]:
    """Put these detections in the place of the old ones: the report as it is then; 409 if it was changed."""
    correct_detections(request.app.state.database, number, wanted, who)
    return whole_report(request.app.state.database, number)


@router.get("/export")
def export(request: Request, who: StaffName, to: str, after: BackgroundTasks) -> FileResponse:
    """Give the confirmed reports as a data set: a ZIP file that `ssd train` takes when it is unpacked."""
    workshop = tempfile.TemporaryDirectory(prefix="grievances-")
    after.add_task(workshop.cleanup)
    try:
        archive = write_archive(request.app.state.database, to, Path(workshop.name))
    except BaseException:
        workshop.cleanup()
        raise
    return FileResponse(archive, media_type="application/zip", filename=archive.name)
