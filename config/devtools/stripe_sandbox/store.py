"""The sandbox's state: one SQLite file, one lock, one transaction per request.

All changes of a request (objects, events, the answer stored for its idempotency key) are committed together, so
that a `kill -9` leaves all of them or none, as at Stripe. Without a file, the state is in memory.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]
MAX_LOGGED_REQUESTS = 20_000
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, position);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS timers (
    id INTEGER PRIMARY KEY, clock TEXT NOT NULL, at INTEGER NOT NULL, action TEXT NOT NULL, object_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS timers_by_time ON timers (clock, at);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    request_id TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS requests (position INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    position INTEGER PRIMARY KEY, event_id TEXT NOT NULL, type TEXT NOT NULL, endpoint_id TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, due_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, due_at);
CREATE TABLE IF NOT EXISTS attempts (position INTEGER PRIMARY KEY, event_id TEXT NOT NULL, data TEXT NOT NULL);
"""
_TABLES = ("objects", "settings", "timers", "answers", "requests", "deliveries", "attempts")
_FIELD = frozenset("abcdefghijklmnopqrstuvwxyz_.")


class StateInUse(Exception):
    """The file is in use by another sandbox, or is not a state file."""


class Store:
    """The state file, and the lock for every access to it."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        # Within a transaction each object is one dictionary, so that no change is lost to a stale copy.
        self._loaded: dict[str, Object] = {}
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            self._database = sqlite3.connect(
                str(path) if path else ":memory:", isolation_level=None, check_same_thread=False, timeout=1
            )
            # Only one process uses the file. The write-ahead log survives the process without an fsync.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            version: int = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise StateInUse(f"{path} was written by another version of the sandbox. Remove it to start again.")
            self._database.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
            )
        except (OSError, sqlite3.Error) as error:
            raise StateInUse(f"{path} cannot be used: {error}. Is another sandbox using it?") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or roll all of it back. A nested transaction joins the outer one."""
        with self.lock:
            outermost = self._depth == 0
            if outermost:
                self._loaded.clear()
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._database.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._database.execute("COMMIT")
            finally:
                self._depth -= 1

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what fails inside, while the transaction continues."""
        self._database.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK TO step")
            self._loaded.clear()
            raise
        finally:
            self._database.execute("RELEASE step")

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with self.lock:
            return self._database.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._database.close()

    def clear(self) -> None:
        """Delete everything."""
        with self.transaction():
            for table in _TABLES:
                self.rows(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    # --- Objects ------------------------------------------------------------------------------------------
    def load(self, identifier: str, kind: str | None = None) -> Object | None:
        """Load an object by its id."""
        with self.lock:
            rows = self.rows("SELECT id, data FROM objects WHERE id = ?", identifier)
            found = self._one(rows[0]) if rows else None
        return found if found and kind in (None, found["object"]) else None

    def _one(self, row: tuple[Any, ...]) -> Object:
        identifier, data = row
        if self._depth == 0:
            item: Object = json.loads(data)
            return item
        return self._loaded.setdefault(identifier, json.loads(data))

    def save(self, item: Object) -> None:
        """Store an object. Its position in lists is that of its first save."""
        self._loaded[item["id"]] = item
        self.rows(
            "INSERT INTO objects (id, kind, data) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            item["id"],
            item["object"],
            json.dumps(item),
        )

    def remove(self, identifier: str) -> None:
        """Delete an object."""
        self._loaded.pop(identifier, None)
        self.rows("DELETE FROM objects WHERE id = ?", identifier)

    def select(self, kind: str, **wanted: Any) -> list[Object]:
        """Select the objects of a kind whose fields (`a__b` for a.b) have these values, newest first."""
        where, values = ["kind = ?"], [kind]
        for field, value in wanted.items():
            name = field.replace("__", ".")
            if not set(name) <= _FIELD:
                raise ValueError(name)
            where.append(f"json_extract(data, '$.{name}') = ?")
            values.append(value)
        statement = f"SELECT id, data FROM objects WHERE {' AND '.join(where)} ORDER BY position DESC"  # noqa: S608
        with self.lock:
            return [self._one(row) for row in self.rows(statement, *values)]

    # --- Settings, timers, logs ---------------------------------------------------------------------------
    def setting(self, name: str, default: Any) -> Any:
        """Return a setting."""
        rows = self.rows("SELECT value FROM settings WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else default

    def set(self, name: str, value: Any) -> None:
        """Store a setting."""
        self.rows("REPLACE INTO settings (name, value) VALUES (?, ?)", name, json.dumps(value))

    def set_timer(self, clock: str, at: int, action: str, object_id: str) -> None:
        """Schedule an action on an object for a time on a clock. It replaces an earlier timer of the same action."""
        self.rows("DELETE FROM timers WHERE action = ? AND object_id = ?", action, object_id)
        self.rows(
            "INSERT INTO timers (clock, at, action, object_id) VALUES (?, ?, ?, ?)", clock, at, action, object_id
        )

    def log_request(self, facts: Object) -> int:
        """Log a request before it is handled. Return its number."""
        with self.transaction():
            rows = self.rows("INSERT INTO requests (data) VALUES (?) RETURNING position", json.dumps(facts))
            position: int = rows[0][0]
            self.rows("DELETE FROM requests WHERE position <= ?", position - MAX_LOGGED_REQUESTS)
        return position

    def amend_request(self, position: int, facts: Object) -> None:
        """Update the log entry of a request with its result."""
        self.rows("UPDATE requests SET data = ? WHERE position = ?", json.dumps(facts), position)

    def log(self, table: str, after: int = 0) -> list[Object]:
        """Return the log of `requests` or `attempts`, oldest first, each with its number."""
        statement = {
            "requests": "SELECT position, data FROM requests WHERE position > ? ORDER BY position",
            "attempts": "SELECT position, data FROM attempts WHERE position > ? ORDER BY position",
        }[table]
        return [{"number": row[0], **json.loads(row[1])} for row in self.rows(statement, after)]
