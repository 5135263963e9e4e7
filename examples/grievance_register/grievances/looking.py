"""How the detector is asked: by the HTTP interface of `ssd serve`, in the background, until it has answered.

A report never waits for the detector. It is kept at once, and a task shows one photograph after the other to
the detector. If that is down, slow or busy, the task pauses, longer with each failure, and the photograph
goes to the end of the queue: one that the detector fails on does not keep it from the others.
"""

import asyncio
import contextlib
import logging
import re
from typing import Any

import httpx
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from grievances.contracts import RefusedError
from grievances.database import Database
from grievances.register import (
    keep_classes,
    keep_failed_look,
    keep_look,
    next_to_look_at,
    photo_bytes,
)
from grievances.settings import Settings

logger = logging.getLogger("grievances")

REFUSES_THE_PHOTO = frozenset({400, 413, 415, 422})
"""Answers that will be the same for this photograph tomorrow."""

LONGEST_ASKED_PAUSE = 600.0
"""Seconds; of a Retry-After beyond that only so much is believed."""


class _Found(BaseModel):
    label: str = Field(min_length=1, max_length=200)
    score: FiniteFloat
    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class _Result(BaseModel):
    detections: list[_Found]


class _Answer(BaseModel):
    results: list[_Result] = Field(min_length=1, max_length=1)


class _Model(BaseModel):
    class_names: list[str]


class DetectorAwayError(Exception):
    """The detector is down, slow, busy or broken: why, and for how many seconds it asks to be left alone."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class DetectorClient:
    """What the register asks of `ssd serve`.

    Args:
        settings: the URL, the token and the time limit.
        transport: in place of the network, for tests.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        token = settings.detector_token.get_secret_value()
        self._threshold = settings.threshold
        self._http = httpx.AsyncClient(
            base_url=settings.detector_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=settings.detector_timeout,
            transport=transport,
            trust_env=False,  # photographs do not go through a proxy that happens to be set
        )

    async def class_names(self) -> list[str]:
        """Give the classes of its model; `DetectorAwayError` if it does not answer."""
        return _Model.model_validate(await self._json("GET", "/v1/model")).class_names

    async def detections(self, jpeg: bytes) -> list[dict[str, Any]]:
        """Give what it sees on a photograph: label, score, and box in pixels.

        Raises:
            DetectorAwayError: it does not answer, or not as it should.
            RefusedError: it will not look at this photograph.
        """
        answer = await self._json(
            "POST",
            "/v1/detect",
            params={"threshold": self._threshold},
            content=jpeg,
            headers={"Content-Type": "image/jpeg"},
        )
        (result,) = _Answer.model_validate(answer).results
        return [found.model_dump() for found in result.detections]

    async def _json(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise DetectorAwayError(f"no answer ({type(error).__name__})") from error
        if response.status_code in REFUSES_THE_PHOTO:
            raise RefusedError(response.status_code, _detail(response))
        if response.status_code != 200:
            raise DetectorAwayError(f"{response.status_code}: {_detail(response)}", _asked_pause(response))
        try:
            return response.json()
        except ValueError as error:
            raise DetectorAwayError("its answer is no JSON") from error

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()


class Looking:
    """The task that shows waiting photographs to the detector.

    Args:
        database: of the register.
        client: for the detector.
        settings: how long to pause.
    """

    def __init__(self, database: Database, client: DetectorClient, settings: Settings) -> None:
        self._database, self._client, self._settings = database, client, settings
        self._news = asyncio.Event()
        self._failures, self._last_reason = 0, ""
        self._knows_classes = False

    def wake(self) -> None:
        """Say that there is a new report."""
        self._news.set()

    async def run(self) -> None:
        """Look until the task is cancelled."""
        while True:
            pause = self._settings.longest_pause
            try:
                pause = await self._step()
            except Exception:  # such as a full disk: the reports wait, and it is tried again
                logger.exception("looking at photographs failed; it is tried again in %g s", pause)
            await asyncio.sleep(pause)

    async def _step(self) -> float:
        """Look at one photograph, or wait for one: the seconds to pause after it."""
        self._news.clear()
        number = await asyncio.to_thread(next_to_look_at, self._database)
        if number is None and self._knows_classes:
            await self._news.wait()
            return 0.0
        try:
            if not self._knows_classes:
                await asyncio.to_thread(keep_classes, self._database, await self._client.class_names())
                self._knows_classes = True
            if number is not None:
                await self._look_at(number)
        except (DetectorAwayError, ValidationError, RefusedError) as error:
            return await self._after_failure(number, error)
        self._failures, self._last_reason = 0, ""
        return 0.0

    async def _look_at(self, number: int) -> None:
        jpeg = await asyncio.to_thread(photo_bytes, self._database, number)
        try:
            found, fault = await self._client.detections(jpeg), ""
        except RefusedError as refused:
            found, fault = [], f"the detector refuses this photo: {refused.detail}"
        await asyncio.to_thread(keep_look, self._database, number, found, fault)

    async def _after_failure(self, number: int | None, error: Exception) -> float:
        """Keep what went wrong; give the pause: twice the one before, or what the detector asks for."""
        reason = str(error) if isinstance(error, DetectorAwayError) else "its answer is not that of ssd serve"
        if number is not None:
            await asyncio.to_thread(keep_failed_look, self._database, number, reason)
        self._knows_classes = False  # it may come back with another model
        asked = error.seconds if isinstance(error, DetectorAwayError) else 0.0
        longer = self._settings.first_pause * 2.0 ** min(self._failures, 16)
        self._failures += 1
        pause = max(min(longer, self._settings.longest_pause), min(asked, LONGEST_ASKED_PAUSE))
        if reason != self._last_reason:
            logger.warning("the detector cannot look (%s); it is asked again until it can", reason)
        self._last_reason = reason
        return pause


def _detail(response: httpx.Response) -> str:
    """Give the reason in an answer, one line of bounded length, whatever it holds."""
    detail: Any = ""
    with contextlib.suppress(ValueError, AttributeError):
        detail = response.json().get("detail", "")
    return " ".join(str(detail or response.reason_phrase).split())[:300]


def _asked_pause(response: httpx.Response) -> float:
    """Give the seconds of Retry-After; 0 where there are none, or a date."""
    text = str(response.headers.get("Retry-After", ""))
    return float(text) if re.fullmatch("[0-9]{1,9}", text) else 0.0
