"""What the sandbox remembers: one SQLite file, one lock, one transaction a request.

All that a request changes (objects, events, the answer kept for its idempotency key) is committed together, so that
a `kill -9` leaves either all of it or nothing, as it is at Stripe. Without a file everything is in memory.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]
MOST_LOGGED = 20_000
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
    """The file is another sandbox's, or none of the sandbox at all."""


class Store:
    """The file, and the lock that everything which touches it holds."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        # Within a transaction an object is one dictionary, whoever asks for it: no change is lost to a stale copy.
        self._loaded: dict[str, Object] = {}
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
            self._database = sqlite3.connect(
                str(path) if path else ":memory:", isolation_level=None, check_same_thread=False, timeout=1
            )
            # One process only; a write-ahead log needs no fsync to outlive the process.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            version: int = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise StateInUse(f"{path} is of another version of the sandbox. Remove it to begin anew.")
            self._database.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
            )
        except (OSError, sqlite3.Error) as error:
            raise StateInUse(f"{path} cannot be used: {error}. Does another sandbox have it?") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept together, or not at all; inside another one it joins that."""
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
        """What fails inside is undone, and the transaction goes on."""
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
        """Give the file back."""
        with self.lock:
            self._database.close()

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in _TABLES:
                self.rows(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    # --- Objects ------------------------------------------------------------------------------------------
    def load(self, identifier: str, kind: str | None = None) -> Object | None:
        """One object, by its id."""
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
        """Keep an object as it is now; its place in lists is that of its first time."""
        self._loaded[item["id"]] = item
        self.rows(
            "INSERT INTO objects (id, kind, data) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            item["id"],
            item["object"],
            json.dumps(item),
        )

    def remove(self, identifier: str) -> None:
        """Forget one object."""
        self._loaded.pop(identifier, None)
        self.rows("DELETE FROM objects WHERE id = ?", identifier)

    def select(self, kind: str, **wanted: Any) -> list[Object]:
        """The objects of a kind, newest first, where these fields (`a__b` for a.b) have these values."""
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
        """What was last stored under the name."""
        rows = self.rows("SELECT value FROM settings WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else default

    def set(self, name: str, value: Any) -> None:
        """Keep a setting."""
        self.rows("REPLACE INTO settings (name, value) VALUES (?, ?)", name, json.dumps(value))

    def set_timer(self, clock: str, at: int, action: str, object_id: str) -> None:
        """Let something happen to an object when a clock reaches that time, instead of when it was to before."""
        self.rows("DELETE FROM timers WHERE action = ? AND object_id = ?", action, object_id)
        self.rows(
            "INSERT INTO timers (clock, at, action, object_id) VALUES (?, ?, ?, ?)", clock, at, action, object_id
        )

    def log_request(self, facts: Object) -> int:
        """Write down a request before anything else happens to it; returns its number."""
        with self.transaction():
            rows = self.rows("INSERT INTO requests (data) VALUES (?) RETURNING position", json.dumps(facts))
            position: int = rows[0][0]
            self.rows("DELETE FROM requests WHERE position <= ?", position - MOST_LOGGED)
        return position

    def amend_request(self, position: int, facts: Object) -> None:
        """Write down how it ended."""
        self.rows("UPDATE requests SET data = ? WHERE position = ?", json.dumps(facts), position)

    def log(self, table: str, after: int = 0) -> list[Object]:
        """The rows of `requests` or `attempts`, oldest first, each with its number."""
        statement = {
            "requests": "SELECT position, data FROM requests WHERE position > ? ORDER BY position",
            "attempts": "SELECT position, data FROM attempts WHERE position > ? ORDER BY position",
        }[table]
        return [{"number": row[0], **json.loads(row[1])} for row in self.rows(statement, after)]
