"""What goes in and out: reports, detections, changes, filters. Everything from outside is checked here."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

STATUSES = ("open", "in progress", "done", "rejected")
Status = Literal["open", "in progress", "done", "rejected"]
Look = Literal["waiting", "to check", "confirmed"]
"""How far the photograph is: the detector has not looked yet, staff have not, staff confirmed."""

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no text needs, and what may hide or turn around what is read; line breaks and tabs may stay."""

MOST_DETECTIONS = 500


class RefusedError(Exception):
    """A request that cannot be met: the HTTP status, and one line that says what, where, what to do."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def plain_text(text: str) -> str:
    """Give a text without control characters and without blanks at its ends."""
    return CONTROLS.sub("", text.replace("\r\n", "\n")).strip()


def one_line(text: str) -> str:
    """Give a name in one line, with single blanks; `ValueError` where nothing is left of it."""
    line = " ".join(plain_text(text).split())
    if not line:
        raise ValueError("it is empty")
    return line


def plain_if_text(sent: object) -> object:
    """Give what is left of a text before it is counted: browsers send a line break as two characters."""
    return plain_text(sent) if isinstance(sent, str) else sent


PLAIN = BeforeValidator(plain_if_text)
Name = Annotated[str, Field(max_length=60), AfterValidator(one_line)]


def writable_label(text: str) -> str:
    """Give a class name as it is; `ValueError` where files of a data set could not hold it."""
    if CONTROLS.search(text) or "\n" in text or "\t" in text or text != text.strip():
        raise ValueError("it has control characters, or blanks at its ends")
    return text


Label = Annotated[str, Field(max_length=200), AfterValidator(writable_label)]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Checked):
    """Where it is: a point (degrees, WGS 84), an address, or both."""

    latitude: FiniteFloat | None = Field(default=None, ge=-90, le=90)
    longitude: FiniteFloat | None = Field(default=None, ge=-180, le=180)
    address: Annotated[str, Field(max_length=300), PLAIN] = ""

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Place":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a place needs both latitude and longitude")
        if self.latitude is None and not self.address:
            raise ValueError("say where it is: an address, or latitude and longitude")
        return self


class NewReport(_Checked):
    """What a citizen says, beside the photograph."""

    category: Name
    description: Annotated[str, Field(max_length=2000), PLAIN]
    place: Place


class Detection(_Checked):
    """One object on a photograph. `number` names one that the register has; without it, it is a new one.

    An empty label is refused where the number of its box is known.
    The box is x0, y0, x1, y1 in pixels of the photograph as it is kept.
    """

    number: int | None = None
    label: Label
    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class Correction(_Checked):
    """All detections of a report as they should be, and the version of the report that staff saw."""

    version: int
    detections: list[Detection] = Field(max_length=MOST_DETECTIONS)
    confirmed: bool


class Change(_Checked):
    """A new status or category, a note for the history, and the version of the report that staff saw."""

    version: int
    status: Status | None = None
    category: Name | None = None
    note: Annotated[str, Field(max_length=1000), PLAIN] = ""


def in_utc(moment: datetime) -> datetime:
    """Give the same moment in UTC; `ValueError` where that is not in the years 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("there is no such time") from error


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""It comes in with its offset to UTC: only who asks knows when the day begins."""


class Filters(_Checked):
    """Which reports to list, newest first: those that meet every filter that is given."""

    text: str = Field(default="", max_length=200)
    category: str = Field(default="", max_length=60)
    label: str = Field(default="", max_length=200)
    status: Status | None = None
    look: Look | None = None
    since: Moment | None = Field(default=None, description="received then or later")
    until: Moment | None = Field(default=None, description="received before")
    before: int | None = Field(default=None, ge=1, le=2**62, description="only reports with a lower number")
    limit: int = Field(default=30, ge=1, le=100)


def in_one_line(faults: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line what pydantic or FastAPI found wrong: where, and what."""
    said = (
        f"{'.'.join(str(part) for part in fault['loc']) or 'report'}: "
        f"{fault['msg'].removeprefix('Value error, ')}"
        for fault in faults
    )
    return "; ".join(said) + ": correct it"
