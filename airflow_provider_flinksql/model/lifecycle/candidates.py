"""Which states an attempt could be restored from, which of them it is restored from, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from airflow_provider_flinksql.model.lifecycle.consent import asked_for
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import Snapshot, newest, plain


def candidates(current: Attempt, seen: Seen) -> tuple[Snapshot, ...]:
    """Every snapshot of the current attempt that we know of; before its first, the one that it was restored from."""
    stop = current.stop
    saved: tuple[Snapshot, ...] = ()
    if stop and stop.location and stop.state == "completed" and current.outcome in (None, "stopped", "drained"):
        saved = (Snapshot(stop.location, "savepoint", f"stop {stop.number}", current.number),)
    own = tuple(s for s in seen.snapshots if s.attempt == current.number)
    kept = tuple(s for s in (current.snapshot, None if current.had_state else current.pinned) if s)
    return saved + own + kept


def has_written(attempt: Attempt, seen: Seen) -> bool:
    """Whether the attempt completed a checkpoint or savepoint of its own."""
    written = attempt.had_state or any(snapshot.attempt == attempt.number for snapshot in seen.snapshots)
    return written or seen.detail(attempt.job_id).checkpoint_at is not None


def pick(manifest: Manifest, seen: Seen, policy: Policy, *, fresh: bool) -> Snapshot | None:
    """The snapshot that the pending attempt restores from; ``None`` when it starts empty."""
    asked = asked_for(manifest.current, policy)
    if asked not in (None, "none"):
        retained = plain(str(asked)).rpartition("/")[2].startswith("chk-")
        return Snapshot(str(asked), "checkpoint" if retained else "savepoint", "--restore-from")
    return None if fresh or manifest.current is None else choice(manifest.current, seen)


def choice(current: Attempt, seen: Seen) -> Snapshot | None:
    """The newest state of the current attempt; one that is not of this lineage only before its first."""
    found = candidates(current, seen)
    return newest(found) or next((s for s in found if s.attempt is None), None)


def checkpoint_folder(attempt: Attempt, seen: Seen) -> str | None:
    """Where the checkpoints of an attempt lie; of an adopted job only its checkpoints tell."""
    kept = newest(s for s in seen.snapshots if s.attempt == attempt.number and s.kind == "checkpoint")
    return attempt.checkpoint_folder or (kept.location.rpartition("/")[0] if kept else None)


@dataclass(frozen=True)
class Candidate:
    """One state that is known of, and why it is what a restart now would restore, or why not."""

    snapshot: Snapshot
    chosen: bool
    why: str


def explain(manifest: Manifest, ended: Iterable[Attempt], seen: Seen, gone: Collection[str]) -> list[Candidate]:
    """Every state of the lineage, newest first. ``gone`` are locations where nothing is any more."""
    heads = manifest.heads[::-1]
    attempts = [*ended, *heads]
    head = next((a for a in reversed(heads) if any(s.attempt == a.number for s in seen.snapshots)), manifest.current)
    known = _merged([*seen.snapshots, *(s for a in attempts for s in recorded(a))])
    chosen = choice(head, seen) if head else None
    if chosen and chosen.location in gone:  # what is next is not the newest: that takes a person's word
        chosen = None
    return [_candidate(s, chosen, head, attempts, seen.now, gone) for s in sorted(known, key=_order, reverse=True)]


def recorded(attempt: Attempt) -> list[Snapshot]:
    """The states that the record of an attempt names: of its stops, on the way, its end, a foreign one at its start."""
    stops = [
        Snapshot(stop.location, "savepoint", f"stop {stop.number}", attempt.number, job_id=attempt.job_id)
        for stop in attempt.stops
        if stop.location
    ]
    taken = [
        Snapshot(s.location, "savepoint", f"savepoint {s.number}", attempt.number, s.checkpoint_id, s.time, size=s.size)
        for s in attempt.savepoints
        if s.location
    ]
    foreign = attempt.pinned if attempt.pinned and attempt.pinned.attempt is None else None
    return stops + taken + [s for s in (attempt.snapshot, foreign) if s]


def _merged(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """One of each location: the first, with what only the others know."""
    found: dict[str, Snapshot] = {}
    for one in snapshots:
        first = found.setdefault(plain(one.location), one)
        missing = {key: value for key, value in vars(one).items() if getattr(first, key) is None}
        found[plain(one.location)] = replace(first, **missing)
    return list(found.values())


def _order(snapshot: Snapshot) -> tuple[int, float, float]:
    unknown = float("inf")
    number = unknown if snapshot.checkpoint_id is None else float(snapshot.checkpoint_id)
    return (-1, snapshot.time or 0.0, number) if snapshot.attempt is None else (snapshot.attempt, number, 0.0)


def _candidate(
    one: Snapshot,
    chosen: Snapshot | None,
    head: Attempt | None,
    attempts: list[Attempt],
    now: float,
    gone: Collection[str],
) -> Candidate:
    fresh = max((a.number for a in attempts if a.fresh and a.sent), default=0)
    if one.location in gone:
        return Candidate(one, False, "it is not there any more")
    if chosen and plain(one.location) == plain(chosen.location):
        limit = head.spec.state.max_age if head else None
        if not chosen.of_our_stop and one.older_than(limit, now):
            return Candidate(one, False, "the newest, but older than state.max-age allows")
        return Candidate(one, True, "the newest" if one.attempt is not None else "there is no newer one")
    if one.attempt is None:
        return Candidate(one, False, "not of this job's attempts: only --restore-from takes it")
    if one.attempt == 0:
        return Candidate(one, False, "of another job of this name: only --restore-from takes it")
    if one.attempt < fresh:
        return Candidate(one, False, f"from before attempt {fresh}, which started empty on purpose")
    if head and one.attempt < head.number:
        return Candidate(one, False, f"of attempt {one.attempt}; attempt {head.number} went on since")
    if chosen is None:
        return Candidate(one, False, "not the newest: only --restore-from takes it")
    return Candidate(one, False, f"older than {chosen.location.rpartition('/')[2]}")
