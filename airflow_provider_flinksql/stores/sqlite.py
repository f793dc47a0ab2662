"""Manifests in one SQLite file, on the standard library alone so that the command line starts fast."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_flinksql.errors import Conflict, StoreFailed, StoreUnreachable, StoreUnusable
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.stores import Documents, Stored, ended, stored, text_of

BUSY_SECONDS = 15.0

PASSING = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PROTOCOL", "SQLITE_NOMEM")
"""What may be over in a while: a disk that is full or gone."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS flinksql_manifest (name TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS flinksql_history (
  name TEXT NOT NULL, number INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (name, number)
);
"""


class SqliteStore:
    """A store in the file ``path``; folder and file are made at the first write, readers find nothing until then."""

    def __init__(self, path: str) -> None:
        self.name = f"sqlite:///{path}"
        self._path = Path(path)
        self._db: sqlite3.Connection | None = None

    def get(self, name: str) -> Stored:
        """Read one head."""
        return self.heads([name]).get(name) or Stored(None, 0, time.time())

    def heads(self, names: Iterable[str] | None = None) -> dict[str, Stored]:
        """Read the heads of these jobs, or of all."""
        if self._is_absent():
            return {}
        where, values = "", ""
        if names is not None:
            where, values = " WHERE name IN (SELECT value FROM json_each(?))", json.dumps(list(names))
        with self._reading() as db:
            query = f"SELECT name, version, document FROM flinksql_manifest{where}"  # noqa: S608 - no user text in it
            rows = db.execute(query, (values,) if where else ()).fetchall()
        now = time.time()
        return {name: stored(name, text, version, now) for name, version, text in rows}

    def put(self, manifest: Manifest, expect: int) -> int:
        """Write a head under compare-and-swap and append what it closes."""
        text = text_of(manifest.to_json())
        with self._writing() as db:
            query = "SELECT version, document FROM flinksql_manifest WHERE name = ?"
            found = db.execute(query, (manifest.name,)).fetchone()
            version = found[0] if found else 0
            if version != expect:
                if found and found[1] == text:
                    return int(version)
                raise Conflict(f"The manifest of {manifest.name} was written by someone else; look again.")
            db.execute("INSERT OR REPLACE INTO flinksql_manifest VALUES (?, ?, ?)", (manifest.name, version + 1, text))
            closed = [(manifest.name, a.number, text_of(a.to_json())) for a in manifest.closed]
            db.executemany("INSERT OR REPLACE INTO flinksql_history VALUES (?, ?, ?)", closed)
            return int(version) + 1

    def history(self, name: str, newest: int | None = None, before: int | None = None) -> list[Attempt]:
        """The ended attempts, oldest first."""
        if self._is_absent():
            return []
        where, values = ("", ()) if before is None else (" AND number < ?", (before,))
        query = f"SELECT number, document FROM flinksql_history WHERE name = ?{where}"  # noqa: S608 - as above
        with self._reading() as db:
            limit = -1 if newest is None else newest  # of any number of them
            rows = db.execute(f"{query} ORDER BY number DESC LIMIT ?", (name, *values, limit)).fetchall()
        return [ended(name, number, text) for number, text in reversed(rows)]

    def documents(self, name: str) -> Documents | None:
        """What is stored of a job, as it is."""
        if self._is_absent():
            return None
        with self._reading() as db:
            head = db.execute("SELECT document FROM flinksql_manifest WHERE name = ?", (name,)).fetchone()
            query = "SELECT number, document FROM flinksql_history WHERE name = ? ORDER BY number"
            history = dict(db.execute(query, (name,)).fetchall())
        return Documents(head and head[0], history) if head or history else None

    def delete(self, name: str) -> None:
        """Forget a job."""
        with self._writing() as db:
            db.execute("DELETE FROM flinksql_manifest WHERE name = ?", (name,))
            db.execute("DELETE FROM flinksql_history WHERE name = ?", (name,))

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _is_absent(self) -> bool:
        """Whether nothing was ever written: what cannot be looked at may be there."""
        try:
            if self._db is None:
                self._path.stat()
        except FileNotFoundError:
            return True
        except (OSError, ValueError) as error:
            raise self._failed(error) from error
        return False

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except (sqlite3.Error, OSError, UnicodeEncodeError) as error:
            self.close()  # whatever state its connection is in
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreFailed:
        code = str(getattr(error, "sqlite_errorname", ""))
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreUnreachable(f"The manifest store {self.name} is locked by another process.")
        if code.startswith(PASSING):
            return StoreUnreachable(f"The manifest store {self.name} cannot be read or written now: {error}.")
        why = getattr(error, "strerror", None) or error
        return StoreUnusable(
            f"The manifest store {self.name} cannot be used: {why}. Check the path, its rights and that it is a SQLite "
            "file."
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.executescript(SCHEMA)
        return self._db
