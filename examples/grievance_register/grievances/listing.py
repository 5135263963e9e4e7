"""The list of reports, filtered. Values never become part of the SQL text: they are always parameters."""

import json
from datetime import datetime
from typing import Any

from grievances.contracts import Filters
from grievances.database import Database, searchable
from grievances.register import as_kept

CONDITIONS = {
    "text": "(searchable(description) LIKE :text ESCAPE '\\' OR searchable(address) LIKE :text ESCAPE '\\'"
    " OR '#' || number = :exact)",
    "category": "category = :category",
    "label": "EXISTS (SELECT 1 FROM detections WHERE report = reports.number AND label = :label)",
    "status": "status = :status",
    "since": "received >= :since",
    "until": "received < :until",
}
LOOKS = {
    "waiting": "looked_at IS NULL",
    "to check": "looked_at IS NOT NULL AND NOT confirmed",
    "confirmed": "confirmed",
}
COLUMNS = (
    "number, received, category, description, address, status, looked_at, look_fault, confirmed, version"
)


def listed_reports(database: Database, filters: Filters) -> dict[str, Any]:
    """Give the newest reports that meet the filters, how many there are in all, and their classes.

    Returns:
        `reports`, at most `filters.limit`; and `total`, those on further pages included.
    """
    given = {
        name: as_kept(value) if isinstance(value, datetime) else value
        for name, value in filters.model_dump().items()
        if value
    }
    conditions = ["TRUE", *(condition for name, condition in CONDITIONS.items() if name in given)]
    if filters.look:
        conditions.append(LOOKS[filters.look])
    values = {
        **given,
        "text": f"%{_literal(searchable(filters.text))}%",
        "exact": f"#{filters.text.lstrip('#')}",
    }
    where = " AND ".join(conditions)
    page = f"{where} AND number < :before" if filters.before else where
    with database.reading() as connection:
        (total,) = connection.execute(f"SELECT count(*) FROM reports WHERE {where}", values).fetchone()
        rows = connection.execute(
            f"SELECT {COLUMNS}, (SELECT json_group_array(DISTINCT label) FROM detections"
            " WHERE report = reports.number) AS labels"
            f" FROM reports WHERE {page} ORDER BY number DESC LIMIT :limit",
            values,
        ).fetchall()
    reports = [{**dict(row), "labels": json.loads(row["labels"])} for row in rows]
    return {"total": total, "reports": reports}


def _literal(text: str) -> str:
    """Give a text in which LIKE finds no wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
