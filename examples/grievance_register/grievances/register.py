"""The register: what citizens report, what the detector saw, what staff did about it.

Every change is one transaction, raises the version of its report by one, and leaves a line in its history.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ssd_keras.boxes.formats import box_area, clip_to_size

from grievances.contracts import Change, Correction, Detection, NewReport, RefusedError
from grievances.database import Database
from grievances.photos import Photo

Entry = dict[str, Any]
BOX_DIGITS = 2
"""Decimals of a pixel that are kept."""


def now() -> str:
    """Give the time as it is kept: UTC, to the second."""
    return as_kept(datetime.now(UTC))


def as_kept(moment: datetime) -> str:
    """Give a moment of UTC as text that sorts by time."""
    return moment.isoformat(timespec="seconds")


def add_report(database: Database, key: str, report: NewReport, photo: Photo) -> tuple[int, bool]:
    """Keep a report, once: its number, and whether it is new. The same key and content is the same report.

    Raises:
        RefusedError: the key is that of a report with other content (409).
    """
    sent = hashlib.sha256((report.model_dump_json() + photo.digest).encode()).hexdigest()
    with database.writing() as connection:
        known = connection.execute("SELECT number, sent FROM reports WHERE key = ?", (key,)).fetchone()
        if known is not None:
            if known["sent"] != sent:
                raise RefusedError(
                    409, "this key belongs to another report: send a new report with a new key"
                )
            return known["number"], False
        place = report.place
        values = (key, sent, now(), report.category, report.description)
        (number,) = connection.execute(
            "INSERT INTO reports (key, sent, received, category, description, latitude, longitude, address)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            (*values, place.latitude, place.longitude, place.address),
        ).fetchone()
        connection.execute(
            "INSERT INTO photos VALUES (?, ?, ?, ?, ?, ?)",
            (number, photo.width, photo.height, photo.digest, photo.jpeg, photo.thumbnail),
        )
        _note(connection, number, "citizen", "reported")
    return number, True


def receipt(database: Database, key: str) -> Entry:
    """Give what a citizen may know of the report sent with this key; `RefusedError` (404) if none."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT number, received, category, status FROM reports WHERE key = ?", (key,)
        ).fetchone()
    if row is None:
        raise RefusedError(404, "no report was sent with this key: check the link")
    return dict(row)


def whole_report(database: Database, number: int) -> Entry:
    """Give all about one report but its photograph; `RefusedError` (404) if there is none of this number."""
    with database.reading() as connection:
        report = dict(_report(connection, number))
        report["detections"] = _detections(connection, number)
        history = connection.execute(
            "SELECT time, who, change FROM history WHERE report = ? ORDER BY rowid DESC", (number,)
        )
        report["history"] = [dict(row) for row in history]
    return report


def photo_bytes(database: Database, number: int, thumbnail: bool = False) -> bytes:
    """Give the photograph of a report as JPEG; `RefusedError` (404) if there is none of this number."""
    query = f"SELECT {'thumbnail' if thumbnail else 'jpeg'} FROM photos WHERE report = ?"
    with database.reading() as connection:
        row = connection.execute(query, (number,)).fetchone()
    if row is None:
        raise _missing(number)
    return bytes(row[0])


def change_report(database: Database, number: int, change: Change, who: str) -> None:
    """Give a report another status or category, or a note.

    Raises:
        RefusedError: there is no such report (404), or it was changed since (409).
    """
    with database.writing() as connection:
        report = _unchanged_report(connection, number, change.version)
        lines = [
            f"{field} {report[field]} → {value}"
            for field, value in (("status", change.status), ("category", change.category))
            if value is not None and value != report[field]
        ]
        connection.execute(
            "UPDATE reports SET status = ?, category = ?, version = version + 1 WHERE number = ?",
            (change.status or report["status"], change.category or report["category"], number),
        )
        _note(
            connection, number, who, "; ".join(lines + ([change.note] if change.note else [])) or "no change"
        )


def correct_detections(database: Database, number: int, correction: Correction, who: str) -> None:
    """Put what staff saw in the place of what the detector saw.

    A detection that is the same as before keeps its score; one that was moved or renamed has none: nobody
    measured it.

    Raises:
        RefusedError: there is no such report (404), it was changed since (409), or a box has no area or no
            class (422).
    """
    with database.writing() as connection:
        report = _unchanged_report(connection, number, correction.version)
        before = _detections(connection, number)
        after = _corrected(before, correction.detections, (report["height"], report["width"]))
        _replace_detections(connection, number, after)
        connection.execute(
            "UPDATE reports SET confirmed = ?, looked_at = coalesce(looked_at, ?), version = version + 1"
            " WHERE number = ?",
            (correction.confirmed, now(), number),
        )
        _note(connection, number, who, _what_changed(before, after, correction.confirmed), before)


def next_to_look_at(database: Database) -> int | None:
    """Give the number of the report that waits longest for the detector; those that failed come last."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT number FROM reports WHERE looked_at IS NULL ORDER BY look_attempts, number LIMIT 1"
        ).fetchone()
    return None if row is None else int(row["number"])


def keep_look(database: Database, number: int, found: Sequence[Entry], fault: str = "") -> None:
    """Keep what the detector saw, or why it never will; nothing happens if staff were faster."""
    with database.writing() as connection:
        report = _report(connection, number)
        if report["looked_at"] is not None:
            return
        rows = []
        for one in found:
            box = box_on_photo(one["box"], (report["height"], report["width"]))
            if box is not None:
                rows.append({"label": one["label"], "score": one["score"], "box": box, "source": "detector"})
        _replace_detections(connection, number, rows)
        connection.execute(
            "UPDATE reports SET looked_at = ?, look_fault = ?, version = version + 1 WHERE number = ?",
            (now(), fault, number),
        )
        _note(
            connection, number, "detector", fault or f"saw {len(rows)} object{'' if len(rows) == 1 else 's'}"
        )


def keep_failed_look(database: Database, number: int, fault: str) -> None:
    """Keep that the detector could not look yet, and why: the report waits behind the others."""
    with database.writing() as connection:
        connection.execute(
            "UPDATE reports SET look_attempts = look_attempts + 1, look_fault = ?"
            " WHERE number = ? AND looked_at IS NULL",
            (fault, number),
        )


def keep_classes(database: Database, names: Iterable[str]) -> None:
    """Keep the classes of the detector in its order, so that they are known while it is away."""
    with database.writing() as connection:
        connection.execute("DELETE FROM classes")
        connection.executemany("INSERT INTO classes (name) VALUES (?)", [(name,) for name in names])


def class_names(database: Database) -> list[str]:
    """Give the detector's classes in its order, then those that staff added, sorted."""
    with database.reading() as connection:
        return known_classes(connection)


def known_classes(connection: sqlite3.Connection) -> list[str]:
    """Give the same on a connection that is there already."""
    own = [row["name"] for row in connection.execute("SELECT name FROM classes ORDER BY position")]
    used = {row["label"] for row in connection.execute("SELECT DISTINCT label FROM detections")}
    return own + sorted(used - set(own))


def box_on_photo(box: Sequence[float], size: tuple[int, int]) -> list[float] | None:
    """Cut a box off at the edges of a photo of (height, width); None if nothing is left of it."""
    cut: NDArray[np.float64] = clip_to_size(np.asarray(box, np.float64), size).round(BOX_DIGITS)
    return cut.tolist() if box_area(cut) > 0 else None


def _corrected(before: Sequence[Entry], wanted: Sequence[Detection], size: tuple[int, int]) -> list[Entry]:
    known = {one["number"]: one for one in before}
    after = []
    for place, one in enumerate(wanted, start=1):
        if not one.label:
            raise RefusedError(422, f"box {place} has no class: name one, or delete the box")
        box = box_on_photo(one.box, size)
        if box is None:
            raise RefusedError(
                422, f"box {place} has no area on the photo of {size[1]} × {size[0]} pixels: correct it"
            )
        old = known.get(one.number)
        if old is not None and old["label"] == one.label and old["box"] == box:
            after.append(old)
        else:
            source = "staff" if old is None or old["source"] == "staff" else "corrected"
            after.append({"label": one.label, "score": None, "box": box, "source": source})
    return after


def _what_changed(before: Sequence[Entry], after: Sequence[Entry], confirmed: bool) -> str:
    kept = sum(one in before for one in after)
    what = "confirmed" if confirmed else "not confirmed"
    return f"detections {what}: {kept} of {len(before)} unchanged, now {len(after)}"


def _report(connection: sqlite3.Connection, number: int) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT number, received, category, description, latitude, longitude, address, status, looked_at,"
        " look_fault, confirmed, version, width, height"
        " FROM reports JOIN photos ON photos.report = reports.number WHERE number = ?",
        (number,),
    ).fetchone()
    if row is None:
        raise _missing(number)
    return row


def _unchanged_report(connection: sqlite3.Connection, number: int, version: int) -> sqlite3.Row:
    report = _report(connection, number)
    if report["version"] != version:
        raise RefusedError(
            409, f"report {number} was changed in the meantime: look at it as it is now, and try again"
        )
    return report


def _detections(connection: sqlite3.Connection, number: int) -> list[Entry]:
    rows = connection.execute("SELECT * FROM detections WHERE report = ? ORDER BY number", (number,))
    return [
        {name: row[name] for name in ("number", "label", "score", "source")}
        | {"box": [row[corner] for corner in ("x0", "y0", "x1", "y1")]}
        for row in rows
    ]


def _replace_detections(connection: sqlite3.Connection, report: int, after: Sequence[Entry]) -> None:
    connection.execute("DELETE FROM detections WHERE report = ?", (report,))
    connection.executemany(
        "INSERT INTO detections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (report, number, one["label"], one["score"], *one["box"], one["source"])
            for number, one in enumerate(after, start=1)
        ],
    )


def _note(
    connection: sqlite3.Connection, number: int, who: str, change: str, before: Sequence[Entry] | None = None
) -> None:
    was = None if before is None else json.dumps(before)
    connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", (number, now(), who, change, was))


def _missing(number: int) -> RefusedError:
    return RefusedError(404, f"there is no report {number}: choose one of the list")
