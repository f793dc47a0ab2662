"""Manifests in a database that SQLAlchemy speaks to; tested on PostgreSQL. Imported only where it is used."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from airflow_provider_flinksql.errors import Conflict, StoreUnreachable, StoreUnusable
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.stores import INSTALL_SQL, Documents, Stored, ended, stored, text_of

CONNECT_SECONDS = 10
_HOST = re.compile(r"[\w.,-]*|\[[\w:.]+\]")

metadata = sa.MetaData()
heads_table = sa.Table(
    "flinksql_manifest",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
history_table = sa.Table(
    "flinksql_history",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)


class SqlStore:
    """A store behind a SQLAlchemy URL; its two tables are made at the first use."""

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
            self.name = _name(parsed)
            self._engine = sa.create_engine(parsed, pool_pre_ping=True, pool_size=1, max_overflow=4)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError, TypeError) as error:
            raise StoreUnusable(
                f"The manifest store's URL cannot be used ({type(error).__name__}). Known: sqlite:////absolute/path.db "
                f"and postgresql+psycopg://user@host/database, whose driver comes with {INSTALL_SQL}. What is not a "
                "letter or a digit in user and password is written as in any URL: %40 for @."
            ) from None  # some quote the URL, or the part of a password that they took for a port
        options = [value for values in parsed.normalized_query.values() for value in values]
        self._hidden = [value for value in (parsed.password, *options) if value]
        self._ready = False

    def get(self, name: str) -> Stored:
        """Read one head."""
        with self._transaction() as db:
            row = db.execute(sa.select(heads_table).where(heads_table.c.name == name)).first()
            now = _now(db)
        return stored(name, row.document, row.version, now) if row else Stored(None, 0, now)

    def heads(self, names: Iterable[str] | None = None) -> dict[str, Stored]:
        """Read the heads of these jobs, or of all."""
        query = sa.select(heads_table)
        if names is not None:
            query = query.where(heads_table.c.name.in_(list(names)))
        with self._transaction() as db:
            rows, now = db.execute(query).all(), _now(db)
        return {row.name: stored(row.name, row.document, row.version, now) for row in rows}

    def put(self, manifest: Manifest, expect: int) -> int:
        """Write a head under compare-and-swap and append what it closes."""
        text = text_of(manifest.to_json())
        with self._transaction() as db:
            if not self._swap(db, manifest.name, text, expect):
                row = db.execute(sa.select(heads_table).where(heads_table.c.name == manifest.name)).first()
                if row and row.document == text:
                    return int(row.version)
                raise Conflict(f"The manifest of {manifest.name} was written by someone else; look again.")
            for attempt in manifest.closed:
                where = (history_table.c.name == manifest.name) & (history_table.c.number == attempt.number)
                db.execute(sa.delete(history_table).where(where))
                document = text_of(attempt.to_json())
                row_values = {"name": manifest.name, "number": attempt.number, "document": document}
                db.execute(sa.insert(history_table).values(row_values))
        return expect + 1

    def history(self, name: str, newest: int | None = None, before: int | None = None) -> list[Attempt]:
        """The ended attempts, oldest first."""
        query = _history_of(name).order_by(history_table.c.number.desc()).limit(newest)
        if before is not None:
            query = query.where(history_table.c.number < before)
        with self._transaction() as db:
            rows = db.execute(query).all()
        return [ended(name, row.number, row.document) for row in reversed(rows)]

    def documents(self, name: str) -> Documents | None:
        """What is stored of a job, as it is."""
        with self._transaction() as db:
            head = db.execute(sa.select(heads_table).where(heads_table.c.name == name)).first()
            rows = db.execute(_history_of(name).order_by(history_table.c.number))
            history = {row.number: row.document for row in rows}
        return Documents(head.document if head else None, history) if head or history else None

    def delete(self, name: str) -> None:
        """Forget a job."""
        with self._transaction() as db:
            for table in (heads_table, history_table):
                db.execute(sa.delete(table).where(table.c.name == name))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @staticmethod
    def _swap(db: sa.Connection, name: str, text: str, expect: int) -> bool:
        """One statement decides who was first: the update of a known version, or the insert of a new name."""
        if expect:
            where = (heads_table.c.name == name) & (heads_table.c.version == expect)
            change = sa.update(heads_table).where(where).values(version=expect + 1, document=text)
            return db.execute(change).rowcount == 1
        try:
            with db.begin_nested():
                db.execute(sa.insert(heads_table).values(name=name, version=1, document=text))
        except sa.exc.IntegrityError:
            return False
        return True

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            if not self._ready:
                self._create()
            with self._engine.begin() as db:
                yield db
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise StoreUnreachable(
                f"The manifest store {self.name} does not answer: {self._said(error)}. What was being written is "
                "either there or not; the next look tells."
            ) from error
        except (sa.exc.SQLAlchemyError, UnicodeEncodeError) as error:
            raise StoreUnusable(
                f"The manifest store {self.name} cannot be used: {self._said(error)}. Check the URL, the driver and "
                "the rights of its user."
            ) from error

    def _said(self, error: Exception) -> str:
        said = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        for value in sorted(self._hidden, key=len, reverse=True):
            said = said.replace(value, "***") if len(value) > 3 else said
        return said

    def _create(self) -> None:
        try:
            metadata.create_all(self._engine)
        except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
            pass  # another process made them in the same moment; if not, the first statement says what is wrong
        self._ready = True


def _history_of(name: str) -> sa.Select[Any]:
    return sa.select(history_table).where(history_table.c.name == name)


def _now(db: sa.Connection) -> float:
    """The database's clock: the same for all workers."""
    if db.dialect.name == "postgresql":
        return float(db.execute(sa.text("SELECT EXTRACT(EPOCH FROM clock_timestamp())")).scalar_one())
    return time.time()


def _name(url: sa.URL) -> str:
    """What may be shown of a URL: neither login nor options.

    :raises ValueError: where a part of a password may have been taken for something else
    """
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    if not _HOST.fullmatch(host) or {"@", ":"} & set(url.database or ""):
        raise ValueError
    return f"{url.drivername}://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"
