"""Savepoints and completed checkpoints that a job can be restored from, and which of them is the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_flinksql.model.document import Document


@dataclass(frozen=True)
class Snapshot(Document):
    """A restorable state: where it is, which attempt wrote it, and who told us.

    ``checkpoint_id`` is ``None`` where only the location is known (an operation's answer); ``attempt`` is ``None`` for
    state that is not of this lineage. ``source`` is shown to users: "stop 2", "JobManager", "archive", "folder",
    "--restore-from". ``time`` (seconds, of whoever wrote it) orders nothing within a lineage; ``size`` is in bytes.
    """

    location: str
    kind: Literal["savepoint", "checkpoint"]
    source: str
    attempt: int | None = None
    checkpoint_id: int | None = None
    time: float | None = None
    job_id: str | None = None
    size: int | None = None

    @property
    def of_our_stop(self) -> bool:
        """Whether a stop that we asked for took it: no age makes it unwanted."""
        return self.source.startswith("stop ")

    def older_than(self, seconds: float | None, now: float) -> bool:
        """Whether it is known to have been written longer ago than that."""
        return seconds is not None and self.time is not None and now - self.time > seconds

    def __str__(self) -> str:
        return f"{self.kind} {self.location}"


def newest(snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """The snapshot with the highest (attempt, checkpoint id); ids of one attempt are ordered by Flink itself.

    Clocks play no part: a restarted JobManager or a worker with a wrong clock must not change the choice.
    """
    return max((s for s in snapshots if s.attempt is not None), key=_rank, default=None)


def plain(location: str) -> str:
    """One spelling for ``file:/x``, ``file:///x``, ``/x``, for ``s3a:`` and ``s3:``, with or without ``/_metadata``."""
    path = location.removesuffix("/").removesuffix("/_metadata").removesuffix("/")
    if path.startswith(("file:", "/")):
        return "/" + path.removeprefix("file:").lstrip("/")
    scheme, colon, rest = path.partition("://")
    return f"s3://{rest}" if colon and scheme in ("s3a", "s3p", "s3n") else path


def _rank(snapshot: Snapshot) -> tuple[int, float]:
    # The savepoint of a completed stop is the last thing its attempt wrote, so an unknown id ranks highest.
    order = float("inf") if snapshot.checkpoint_id is None else float(snapshot.checkpoint_id)
    return snapshot.attempt or 0, order
