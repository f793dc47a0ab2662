"""Which states an attempt could be restored from, and which of them it is restored from."""

from __future__ import annotations

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import Snapshot, newest


def consent_key(policy: Policy) -> str | None:
    """What an attempt keeps of a one-run consent, so that a retry of the same run does not use it again."""
    return f"{policy.restore_from} by {policy.owner}" if policy.restore_from else None


def asked_for(current: Attempt | None, policy: Policy) -> str | None:
    """The state that a person named for this run, "none" for an empty start, ``None`` if it was used already."""
    return None if current and current.consent == consent_key(policy) else policy.restore_from


def last_consent(current: Attempt | None, policy: Policy) -> str | None:
    """What the next attempt keeps: the consent it is made with, else the one that was used before."""
    return consent_key(policy) or (current.consent if current else None)


def candidates(current: Attempt, seen: Seen) -> tuple[Snapshot, ...]:
    """Every snapshot of the current attempt that we know of; before its first, the one that it was restored from."""
    stop = current.stop
    saved: tuple[Snapshot, ...] = ()
    if stop and stop.location and stop.state == "completed" and current.outcome in (None, "stopped", "drained"):
        saved = (Snapshot(stop.location, "savepoint", f"stop {stop.number}", current.number),)
    own = tuple(s for s in seen.snapshots if s.attempt == current.number)
    kept = tuple(s for s in (current.snapshot, None if current.had_state else current.pinned) if s)
    return saved + own + kept


def pick(manifest: Manifest, seen: Seen, policy: Policy, *, fresh: bool) -> Snapshot | None:
    """The snapshot that the pending attempt restores from; ``None`` when it starts empty."""
    asked = asked_for(manifest.current, policy)
    if asked not in (None, "none"):
        return Snapshot(str(asked), "savepoint", "--restore-from")
    if fresh or manifest.current is None:
        return None
    found = candidates(manifest.current, seen)
    foreign = next((s for s in found if s.attempt is None), None)
    return newest(found) or foreign
