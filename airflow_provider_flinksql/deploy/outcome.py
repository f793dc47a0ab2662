"""What a deploy raises when what it began ended badly: the outcome is on record first."""

from __future__ import annotations

from collections.abc import Set

from airflow_provider_flinksql.errors import Blocked, JobFailed, SavepointFailed
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.folders import CHECKPOINT_DIR, SAVEPOINT_DIR
from airflow_provider_flinksql.model.lifecycle.rollback import refusal, refused
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Stop
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, ended_attempt


def raise_if_refused(spec: Spec, manifest: Manifest | None, policy: Policy, began: Set[int]) -> None:
    """What ran before runs again: that is no success of a file that proved broken."""
    why = refusal(spec, manifest, policy)
    if why is None or manifest is None or manifest.current is None:
        return
    current = manifest.current
    if current.number not in began:
        raise refused(spec, why)
    raise JobFailed(
        f"Job {spec.name}: {why.reason}. What ran before runs again as attempt {current.number} ({current.job_id}), "
        f"restored from {current.pinned}. This file is refused from now on: edit it, or say --again."
    )


def raise_if_taken(manifest: Manifest | None, began: Set[int], claimed: Set[int], owner: str, store: Store) -> None:
    """Whoever ended an attempt that this deploy began, or took over one that it claimed as ``owner``, wins.

    This deploy starts nothing any more then. A run that has finished did so for everybody who waited for it.
    """
    if manifest is None:
        return
    heads = {attempt.number: attempt for attempt in manifest.heads}
    for number in sorted(began):
        attempt = heads.get(number) or ended_attempt(store, manifest.name, number)
        went_back = manifest.refused is not None and manifest.refused.number == number
        if attempt is None or attempt.outcome == "finished" or went_back:
            continue
        if attempt.state != "ended" and (attempt.owner == owner or number not in claimed):
            continue
        if attempt.outcome in ("failed", "cancelled", "gone") and not attempt.stops:
            raise JobFailed(f"Job {manifest.name}, attempt {number} ({attempt.job_id}): {attempt.reason}.")
        taken = attempt.reason or f"{attempt.by or attempt.owner} put another file in its place"
        raise Blocked(
            f"Job {manifest.name}: somebody else ended attempt {number}, which this deploy began: {taken}. Nothing "
            "more was started. Deploy again if it is to run all the same."
        )


def raise_if_over(step: do.Step, manifest: Manifest, began: Set[int], store: Store) -> None:
    """One deploy begins at most one attempt and one stop: when one ends badly, that is its result."""
    if isinstance(step, do.AwaitEnd):
        _raise_if_not_stopped(step, manifest)
    if not isinstance(step, do.GiveUp | do.End) or step.number not in began:
        return
    current = manifest.current
    in_head = current is not None and current.number == step.number
    ended = current if in_head else ended_attempt(store, manifest.name, step.number)
    if ended is None or ended.outcome in ("finished", "stopped", "drained"):
        return
    if ended.stop and ended.stop.state == "completed":
        return  # it was cancelled because this deploy asked
    if manifest.refused and manifest.refused.number == ended.number:
        return  # what ran before it comes next
    if not ended.sent and current and current.stop and current.stop.state == "failed":
        raise SavepointFailed(
            f"Job {ended.spec.name} was not changed, it goes on: {why_not_stopped(current.stop)} "
            "Deploy again to try another savepoint."
        )
    raise JobFailed(f"Job {ended.spec.name}, attempt {ended.number} ({ended.job_id}): {ended.reason}.{_kept(manifest)}")


def _raise_if_not_stopped(step: do.AwaitEnd, manifest: Manifest) -> None:
    attempt = manifest.attempt(step.attempt)
    stop = attempt.stop
    if stop and stop.state == "failed" and stop.purpose is None and attempt.state != "ended":
        raise SavepointFailed(f"Job {attempt.spec.name} was not stopped, it goes on: {why_not_stopped(stop)}")


def why_not_stopped(stop: Stop) -> str:
    """The cause of a failed stop, and where its savepoint was to go: a wrong folder is the most frequent one."""
    cause = f"{(stop.cause or 'the savepoint failed').rstrip('.')}."
    return f"{cause} {where_to(stop.folder)}" if stop.folder else cause


def where_to(folder: str) -> str:
    """Where a savepoint that failed was to go, and what says so."""
    return f"It was to be written below {folder}, as {SAVEPOINT_DIR} or {CHECKPOINT_DIR} says."


def _kept(manifest: Manifest) -> str:
    """Where the state is that nothing runs from now."""
    current: Attempt | None = manifest.current
    stop = current.stop if current else None
    return f" Nothing runs now; the state before it is kept in {stop.location}." if stop and stop.location else ""
