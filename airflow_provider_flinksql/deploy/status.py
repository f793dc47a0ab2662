"""What became of a job, for people and sensors: from its manifest and one close look, without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_flinksql.model.lifecycle.situation import Situation, situation
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting

STOPPED, INTERRUPTED, LOST, UNREACHABLE, UNREADABLE = "STOPPED", "INTERRUPTED", "LOST", "UNREACHABLE", "UNREADABLE"
"""The states that are ours, beside Flink's. STOPPED: somebody wanted that. INTERRUPTED: a deploy stopped or began it,
did not finish, and nothing of it runs. LOST: its job is gone from the cluster, and nobody stopped it. UNREACHABLE: the
cluster does not answer. UNREADABLE: what is on record of it is not understood."""

NOBODY = Policy(owner="", lineage="")


@dataclass(frozen=True)
class LastCheckpoint:
    """The newest completed checkpoint or savepoint; ``time`` in seconds, ``None`` where only its folder was found."""

    id: int | None
    time: float | None
    location: str | None


@dataclass(frozen=True)
class JobStatus:
    """``healthy``: it runs and proved it, or it ended as it should. ``since`` is in seconds since 1970.

    ``asked``: whether its last checkpoint was asked for; ``None`` means that there is none only then.
    """

    name: str
    state: str
    healthy: bool
    reason: str
    since: float | None = None
    last_checkpoint: LastCheckpoint | None = None
    job_id: str | None = None
    query_version: int | None = None
    cluster: str | None = None
    asked: bool = True

    @property
    def answered(self) -> bool:
        """Whether the state is known: record and cluster tell it, or the record alone."""
        return self.state not in (UNREACHABLE, UNREADABLE)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the order people read them; what was not asked for is left out."""
        last = self.last_checkpoint
        shown = {**vars(last), "time": iso(last.time)} if last else None
        values = {**vars(self), "since": iso(self.since), "last_checkpoint": shown}
        left_out = {"asked"} if self.asked else {"asked", "last_checkpoint"}
        return {key: value for key, value in values.items() if key not in left_out}


def iso(seconds: float | None) -> str | None:
    """A moment as ISO-8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds else None


def needs_a_look(manifest: Manifest) -> bool:
    """Whether the record alone does not tell how the job is."""
    attempt = manifest.subject
    return attempt is not None and attempt.sent and attempt.state != "ended"


def needs_history(manifest: Manifest) -> bool:
    """Whether an attempt that was begun later than what the head of the record holds was given up."""
    current = manifest.current
    over = current is None or current.state == "ended"
    return over and manifest.pending is None and manifest.last_number > (current.number if current else 0)


def status(
    manifest: Manifest, seen: Seen | None, no_answer: str = "", *, history: Sequence[Attempt] = ()
) -> JobStatus:
    """How a job is. ``seen`` is a close look at it; without one, ``no_answer`` says why there is none.

    ``history`` are its ended attempts, where :func:`needs_history` says that they tell.
    """
    attempt, begun = manifest.subject, manifest.pending
    given_up = _given_up(manifest, history)
    if given_up:
        last = _remembered(given_up) or (_remembered(attempt) if attempt else None)
        return _of(given_up, *_recorded(given_up), given_up.times[1], last)
    if attempt is None:
        return JobStatus(manifest.name, STOPPED, True, "no attempt to start it was ever sent")
    if begun and not begun.sent and (attempt is begun or attempt.state == "ended"):
        return _interrupted(attempt, begun)
    if attempt.state == "ended":
        return _of(attempt, *_recorded(attempt), attempt.times[1], _remembered(attempt))
    if seen is None:
        return _of(attempt, UNREACHABLE, False, no_answer)
    return _seen(attempt, begun, seen)


def _given_up(manifest: Manifest, history: Sequence[Attempt]) -> Attempt | None:
    """The attempt that was begun last and came to nothing, if what was before it does not run for its sake."""
    current, last = manifest.current, max(history, key=lambda attempt: attempt.number, default=None)
    if last is None or not needs_history(manifest) or (current and last.number < current.number):
        return None
    made_room = current is not None and current.stop is not None and current.stop.purpose == last.number
    return last if current is None or last.sent or made_room else None


def _interrupted(attempt: Attempt, begun: Attempt) -> JobStatus:
    """A deploy that was killed, or is under way, between the end of a job and its next start."""
    stopped = "" if attempt is begun else f"attempt {attempt.number} has ended ({attempt.reason or 'it ended'}), and "
    reason = (
        f"{stopped}attempt {begun.number}, begun by {begun.by or begun.owner}, was not submitted. If that deploy died, "
        "deploy again: it goes on from there"
    )
    return _of(attempt, INTERRUPTED, False, reason, begun.claimed_at, _remembered(attempt))


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
        case "withdrawn":
            return STOPPED, True, reason
        case "dropped":
            return INTERRUPTED, False, f"attempt {attempt.number} was given up: {reason}. Deploy again"
    return LOST, False, reason


def _seen(attempt: Attempt, begun: Attempt | None, seen: Seen) -> JobStatus:
    now = situation(attempt, seen, NOBODY)
    job = seen.job_of(attempt)
    if now.status == "elsewhere":
        return _of(attempt, UNREACHABLE, False, now.reason)
    if begun and not begun.sent and now.over:
        return _interrupted(replace(attempt, reason=now.reason), begun)
    if job is None:
        state, reason = _absent(attempt, now)
        return _of(attempt, state, state == STOPPED, reason, attempt.sent_at, _found(attempt, seen))
    detail = seen.detail(job.job_id)
    state = STOPPED if now.status == "stopped" or _as_asked(attempt, now) else job.state
    healthy, reason = _health(attempt, now, job)
    last = None
    if detail.checkpoint_at is not None:
        last = LastCheckpoint(detail.checkpoint_id, detail.checkpoint_at / 1000, detail.checkpoint_location)
    asked = attempt.spec.mode == "batch" or job.job_id in dict(seen.details)
    return replace(_of(attempt, state, healthy, reason, job.changed_at / 1000, last), asked=asked)


def _absent(attempt: Attempt, now: Situation) -> tuple[str, str]:
    """State and reason of an attempt whose job is not listed."""
    by = attempt.by or attempt.owner
    match now.status:
        case "missing" if attempt.rejected:
            return INTERRUPTED, f"attempt {attempt.number} was refused, and nothing else begun: {attempt.rejected}"
        case "missing":
            return INTERRUPTED, f"attempt {attempt.number} was sent by {by} and not seen to arrive: deploy again"
        case "transient":
            return "SUSPENDED", now.reason
        case "stopped":
            return STOPPED, now.reason
    return (STOPPED if _as_asked(attempt, now) else LOST), now.reason


def _as_asked(attempt: Attempt, now: Situation) -> bool:
    """Whether somebody cancelled it to have it stopped, and whoever did was killed before the end was written down."""
    stop = attempt.stop
    return now.over and stop is not None and stop.kind == "cancel" and stop.purpose is None and stop.state != "failed"


def _health(attempt: Attempt, now: Situation, job: Sighting) -> tuple[bool, str]:
    stop = attempt.stop
    if now.status in ("finished", "stopped") or _as_asked(attempt, now):
        return True, now.reason
    if stop and stop.state == "requested" and now.live:
        what = "was to be stopped" if stop.purpose is None else f"was to make room for attempt {stop.purpose}"
        again = "stop it again" if stop.purpose is None else "deploy again"
        return False, f"it {what}, and nobody saw it end. If who asked for that died, {again}: it goes on from there"
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
