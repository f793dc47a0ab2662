"""What became of a job, for people and sensors: from its manifest and one close look, without touching anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting
from airflow_provider_flinksql.model.situation import Situation, situation

STOPPED, LOST, UNREACHABLE = "STOPPED", "LOST", "UNREACHABLE"
"""The states that are ours, beside Flink's. LOST: no job of it is to be found, and nobody stopped it."""

NOBODY = Policy(owner="", lineage="")


@dataclass(frozen=True)
class LastCheckpoint:
    """The newest completed checkpoint or savepoint; ``time`` in seconds, ``None`` where only its folder was found."""

    id: int | None
    time: float | None
    location: str | None


@dataclass(frozen=True)
class JobStatus:
    """``healthy``: it runs and proved it, or it ended as it should. ``since`` is in seconds since 1970."""

    name: str
    state: str
    healthy: bool
    reason: str
    since: float | None = None
    last_checkpoint: LastCheckpoint | None = None
    job_id: str | None = None
    query_version: int | None = None
    cluster: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the state is known: the cluster answered, or nobody needed to ask it."""
        return self.state != UNREACHABLE

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the order people read them."""
        last = self.last_checkpoint
        shown = {**vars(last), "time": iso(last.time)} if last else None
        return {**vars(self), "since": iso(self.since), "last_checkpoint": shown}


def iso(seconds: float | None) -> str | None:
    """A moment as ISO-8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds else None


def needs_a_look(manifest: Manifest) -> bool:
    """Whether the record alone does not tell how the job is."""
    attempt = manifest.subject
    return attempt is not None and attempt.sent and attempt.state != "ended"


def status(manifest: Manifest, seen: Seen | None, no_answer: str = "") -> JobStatus:
    """How a job is. ``seen`` is a close look at it; without one, ``no_answer`` says why there is none."""
    attempt = manifest.subject
    if attempt is None:
        return JobStatus(manifest.name, LOST, False, "no attempt to start it came up; see its history")
    if attempt.state == "ended":
        return _of(attempt, *_recorded(attempt), attempt.ended_at, _remembered(attempt))
    if not attempt.sent:
        return _of(attempt, LOST, False, f"a deploy by {attempt.by or attempt.owner} began and submitted nothing yet")
    if seen is None:
        return _of(attempt, UNREACHABLE, False, no_answer)
    return _seen(attempt, seen)


def _of(
    attempt: Attempt,
    state: str,
    healthy: bool,
    reason: str,
    since: float | None = None,
    last: LastCheckpoint | None = None,
) -> JobStatus:
    version, cluster = attempt.query_version, attempt.cluster
    return JobStatus(attempt.spec.name, state, healthy, reason, since, last, attempt.job_id, version, cluster)


def _recorded(attempt: Attempt) -> tuple[str, bool, str]:
    """State, health and reason of an attempt that is on record as ended."""
    reason = attempt.reason or "it ended"
    asked = attempt.stop is not None and attempt.stop.state == "completed" and attempt.stop.purpose is None
    match attempt.outcome:
        case "stopped" | "drained":
            return STOPPED, True, reason
        case "cancelled":
            return (STOPPED, True, reason) if asked else ("CANCELED", False, reason)
        case "finished":
            return "FINISHED", True, reason
        case "failed":
            return "FAILED", False, reason
    return LOST, False, reason


def _seen(attempt: Attempt, seen: Seen) -> JobStatus:
    now = situation(attempt, seen, NOBODY)
    job = seen.job_of(attempt)
    if now.status == "elsewhere":
        return _of(attempt, UNREACHABLE, False, now.reason)
    if job is None:
        return _of(attempt, LOST, False, now.reason, None, _found(attempt, seen))
    detail = seen.detail(job.job_id)
    state = STOPPED if now.outcome == "stopped" else job.state
    healthy, reason = _health(attempt, now, job)
    last = None
    if detail.checkpoint_at is not None:
        last = LastCheckpoint(detail.checkpoint_id, detail.checkpoint_at / 1000, detail.checkpoint_location)
    return _of(attempt, state, healthy, reason, job.changed_at / 1000, last)


def _health(attempt: Attempt, now: Situation, job: Sighting) -> tuple[bool, str]:
    if now.status in ("finished", "stopped"):
        return True, now.reason
    if now.status == "up" and attempt.state != "confirmed" and attempt.spec.mode == "streaming":
        return False, "it runs, and has yet to prove that it is healthy: deploy it again"
    return now.status == "up", now.reason if now.status != "up" or job.state != "RUNNING" else "running"


def _found(attempt: Attempt, seen: Seen) -> LastCheckpoint | None:
    found = [s for s in seen.snapshots if s.attempt == attempt.number and s.checkpoint_id is not None]
    newest = max(found, key=lambda snapshot: snapshot.checkpoint_id or 0, default=None)
    return LastCheckpoint(newest.checkpoint_id, newest.time, newest.location) if newest else None


def _remembered(attempt: Attempt) -> LastCheckpoint | None:
    if attempt.stop and attempt.stop.location:
        return LastCheckpoint(None, attempt.ended_at, attempt.stop.location)
    kept = attempt.snapshot
    return LastCheckpoint(kept.checkpoint_id, kept.time, kept.location) if kept else None
