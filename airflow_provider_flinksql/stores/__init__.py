"""Where manifests are kept: one small head per job under compare-and-swap, and the ended attempts behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from airflow_provider_flinksql.errors import Misconfigured, Unreadable
from airflow_provider_flinksql.model.document import Unlike
from airflow_provider_flinksql.model.manifest import Attempt, Manifest

T = TypeVar("T")

PAGE = 20
INSTALL_SQL = "pip install 'airflow-provider-flinksql[sql]'"


@dataclass(frozen=True)
class Stored:
    """One read: what is on record (``None`` if never written), its version for the next write, and the store's clock.

    A record that cannot be read is there all the same: what it says of a job that may run is only not understood.
    """

    record: Manifest | Unreadable | None
    version: int
    now: float

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, ``None`` if never written; raises Unreadable, so that nobody takes one for the other."""
        if isinstance(self.record, Unreadable):
            raise self.record
        return self.record


def text_of(document: Mapping[str, Any]) -> str:
    """A document as it is stored, in letters that people can read, as long as all of them are some."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(document, sort_keys=True)
    return text


def stored(name: str, text: str, version: int, now: float) -> Stored:
    """The head of the job ``name`` from its document."""
    return Stored(_read(name, text, Manifest.from_json, "record"), version, now)


def ended(name: str, number: int, text: str) -> Attempt:
    """An ended attempt from its document; raises Unreadable."""
    found = _read(name, text, Attempt.from_json, f"attempt {number}")
    if isinstance(found, Unreadable):
        raise found
    return found


def _read(name: str, text: str, from_json: Callable[[Any], T], what: str) -> T | Unreadable:
    try:
        found = from_json(json.loads(text))
    except Unlike as error:
        cause = str(error)
    except ValueError as error:
        cause = f"it is no JSON: {error}"
    except RecursionError:
        cause = "it is nested too deeply"
    else:
        if not isinstance(found, Manifest) or found.name == name:
            return found
        cause = f"name is {found.name[:100]!r}"
    return Unreadable(
        f"The {what} of job {name} cannot be read: {cause}; flinksql export {name} shows it. What runs of that job is "
        "not known as long as that is so, and nothing is done about it."
    )


@dataclass(frozen=True)
class Documents:
    """All that is stored of a job, unread: the text of its head, and of its ended attempts by their number."""

    head: str | None
    history: Mapping[int, str]


class Store(Protocol):
    """What every store does. ``name`` says to people which store it is, without secrets."""

    name: str

    def get(self, name: str) -> Stored:
        """Read one head."""

    def heads(self, names: Iterable[str] | None = None) -> dict[str, Stored]:
        """Read the heads of these jobs, or of all, in one request; a name without a manifest is left out."""

    def put(self, manifest: Manifest, expect: int) -> int:
        """Write a head and append ``manifest.closed`` to the history; returns the new version.

        Raises Conflict if the version is not ``expect`` (0: not there yet). If what is stored equals ``manifest``, an
        answer was lost on the way, and the write counts as done.
        """

    def history(self, name: str, newest: int | None = None, before: int | None = None) -> list[Attempt]:
        """The ended attempts, oldest first, without those still in the head; raises Unreadable.

        Where it is said, only the ``newest`` so many, and of those numbered below ``before``.
        """

    def documents(self, name: str) -> Documents | None:
        """What is stored of a job, as it is; ``None`` if nothing is."""

    def delete(self, name: str) -> None:
        """Forget a job; nothing outside is touched."""

    def close(self) -> None:
        """Give back connections."""


def ended_attempt(store: Store, name: str, number: int) -> Attempt | None:
    """The ended attempt of this number."""
    return next((one for one in store.history(name, 1, number + 1) if one.number == number), None)


def newest_first(store: Store, name: str) -> Iterator[Attempt]:
    """The ended attempts of a job, read as far as they are asked for."""
    before = None
    while page := store.history(name, PAGE, before):
        yield from reversed(page)
        before = page[0].number


def open_store(url: str) -> Store:
    """The store of this URL, e.g. ``sqlite:////var/lib/flinksql/manifests.db`` (four slashes: an absolute path)."""
    if not url.isprintable():
        raise Misconfigured("The manifest store's URL holds what does not print: a line end, a NUL, half a character.")
    if url.startswith("sqlite:///") and "?" not in url:
        from airflow_provider_flinksql.stores.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"))
    if "://" in url and not url.startswith("sqlite:///"):
        try:
            from airflow_provider_flinksql.stores.sql import SqlStore
        except ImportError as error:
            raise Misconfigured(f"This manifest store needs SQLAlchemy and a driver: {INSTALL_SQL}.") from error
        return SqlStore(url)
    raise Misconfigured(
        "The manifest store must be a URL: sqlite:////absolute/path/manifests.db (four slashes), or "
        "postgresql+psycopg://user@host/database."
    )
