"""The one file: an SQLite database with the photographs inside.

The photographs are in the database and not beside it, because then a report and its photograph are kept
or lost together, one file is to be backed up, and no name of a file ever comes from outside. They have a
table of their own, so that lists do not read them.
"""

import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS_TO_WAIT = 10.0
"""For another process that is writing."""

FIRST_LAYOUT = """
CREATE TABLE reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,        -- chosen at random by the sender: the same key is the same report
    sent TEXT NOT NULL,              -- digest of all that was sent with the key
    received TEXT NOT NULL,          -- UTC
    category TEXT NOT NULL,
    description TEXT NOT NULL,
    latitude REAL,
    longitude REAL,
    address TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'open',
    looked_at TEXT,                  -- UTC; NULL while the detector has not looked yet
    look_fault TEXT NOT NULL DEFAULT '',
    look_attempts INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX waiting ON reports (look_attempts, number) WHERE looked_at IS NULL;
CREATE TABLE photos (
    report INTEGER PRIMARY KEY REFERENCES reports,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    digest TEXT NOT NULL,
    jpeg BLOB NOT NULL,
    thumbnail BLOB NOT NULL
) STRICT;
CREATE TABLE detections (
    report INTEGER NOT NULL REFERENCES reports,
    number INTEGER NOT NULL,
    label TEXT NOT NULL,
    score REAL,                      -- NULL where staff drew or corrected it
    x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
    source TEXT NOT NULL,            -- detector, corrected or staff
    PRIMARY KEY (report, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels ON detections (label, report);
CREATE TABLE history (
    report INTEGER NOT NULL REFERENCES reports,
    time TEXT NOT NULL,
    who TEXT NOT NULL,
    change TEXT NOT NULL,
    detections_before TEXT           -- JSON, where the detections were changed
) STRICT;
CREATE INDEX histories ON history (report);
CREATE TABLE classes (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT
"""
SPLITS_ARE_KEPT = "CREATE TABLE splits (digest TEXT PRIMARY KEY, split TEXT NOT NULL) STRICT, WITHOUT ROWID"
"""For good: of each photograph that was exported, by its digest."""

LAYOUTS = (FIRST_LAYOUT, SPLITS_ARE_KEPT)
"""What makes each layout of the one before it. The file has its number as `user_version`."""


def searchable(text: str) -> str:
    """Give a text in which case, and how letters are put together, make no difference; SQL knows it, too."""
    return unicodedata.normalize("NFC", text.casefold())


class Database:
    """Connections to the file. Each thread and each piece of work has one of its own.

    Raises:
        ValueError: the file has a later layout, or is none that SQLite can use.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.reading() as connection:
                connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
            with self.writing() as connection:
                self._bring_up_to_date(connection)
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{file} cannot be used ({error}): name a folder with a register, or none"
            ) from error

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout > len(LAYOUTS):
            known = len(LAYOUTS)
            raise ValueError(f"{self.file} has layout {layout}, {known} is known: use the program it is from")
        for statements in LAYOUTS[layout:]:
            for statement in statements.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(LAYOUTS)}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose rows are known by name."""
        connection = sqlite3.connect(self.file, timeout=SECONDS_TO_WAIT, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.create_function("searchable", 1, searchable, deterministic=True)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a loss of power
            yield connection
        finally:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction that is kept if all goes well, and else leaves no trace."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
