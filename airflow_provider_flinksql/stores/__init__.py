"""Where manifests are kept: one small head per job under compare-and-swap, and the ended attempts behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.model.manifest import Attempt, Manifest

INSTALL_SQL = "pip install 'airflow-provider-flinksql[sql]'"


@dataclass(frozen=True)
class Stored:
    """One read: the manifest (``None`` if never written), its version for the next write, and the store's clock."""

    manifest: Manifest | None
    version: int
    now: float


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

    def history(self, name: str) -> list[Attempt]:
        """The ended attempts, oldest first, without those still in the head."""

    def delete(self, name: str) -> None:
        """Forget a job; nothing outside is touched."""

    def close(self) -> None:
        """Give back connections."""


def open_store(url: str) -> Store:
    """The store of this URL, e.g. ``sqlite:////var/lib/flinksql/manifests.db`` (four slashes: an absolute path)."""
    if url.startswith("sqlite:///"):
        from airflow_provider_flinksql.stores.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"))
    if "://" in url:
        try:
            from airflow_provider_flinksql.stores.sql import SqlStore
        except ImportError as error:
            raise Misconfigured(f"This manifest store needs SQLAlchemy and a driver: {INSTALL_SQL}.") from error
        return SqlStore(url)
    raise Misconfigured(
        "The manifest store must be a URL: sqlite:////absolute/path/manifests.db (four slashes), or "
        "postgresql+psycopg://user@host/database."
    )
