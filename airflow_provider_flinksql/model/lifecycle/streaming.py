"""What the current attempt needs: nothing, a step, or a new attempt, and from which state."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_flinksql.errors import Blocked, JobFailed
from airflow_provider_flinksql.model.lifecycle.candidates import candidates, checkpoint_folder
from airflow_provider_flinksql.model.lifecycle.carry import carries, change_since
from airflow_provider_flinksql.model.lifecycle.consent import asked_for, asked_to_restart
from airflow_provider_flinksql.model.lifecycle.folders import next_savepoint_folder
from airflow_provider_flinksql.model.lifecycle.losing import (
    nothing_to_lose,
    require_kept,
    require_lasting,
    require_readable,
    require_state,
)
from airflow_provider_flinksql.model.lifecycle.situation import Situation, situation
from airflow_provider_flinksql.model.lifecycle.steps import AwaitGone, AwaitRunning, End, Next, Record, Start
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, StopKind
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import Change


def choose(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | Start | None:
    """What to do about a streaming job whose pending attempt, if any, was never sent."""
    wanted = _choose(spec, manifest, seen, policy)
    if isinstance(wanted, Start) and manifest.refused:  # its version stays its own
        return replace(wanted, query_version=max(wanted.query_version, manifest.refused.query_version + 1))
    return wanted


def _choose(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | Start | None:
    current = manifest.current
    if current is None:
        _require_there(spec, policy, seen)
        fresh = policy.restore_from in (None, "none")
        return Start(1, fresh, "it was never deployed" if fresh else f"you asked to restore {policy.restore_from}")
    now = situation(current, seen, policy)
    if now.status == "elsewhere":
        raise Blocked(
            f"Job {spec.name} was started on another cluster and may run there: {now.reason}. Stop it there first; "
            "if that cluster is gone for good, say so with --accept cluster-gone."
        )
    if now.status == "transient":
        return Next(AwaitGone(current.number), now.reason)
    if policy.adopt and not current.spec.statements and spec.statements and now.live:
        return Next(Record(), "you said that this file is what runs")
    change = change_since(spec, current, seen)
    consent = _consented(spec, current, change, policy, seen, now)
    if consent:
        return consent
    if change.kind == "same" and asked_to_restart(current, policy):
        change = Change("harmless", "none", "you asked to restart it")
    bare = nothing_to_lose(current, seen, now)
    fresh = change.kind == "query" and (bare or not carries(spec, change, manifest, policy))
    if now.status == "finished" and not fresh and (change.kind == "query" or asked_to_restart(current, policy)):
        raise _finished(spec, change)
    if now.over:
        return _over(spec, current, change, seen, now, fresh=fresh)
    with_savepoint = now.status == "up" and spec.state.stop_with == "savepoint" and policy.restart != "checkpoint"
    return _live(spec, current, change, seen, now, "savepoint" if with_savepoint else "cancel", fresh=fresh)


def _finished(spec: Spec, change: Change) -> Blocked:
    return Blocked(
        f"Job {spec.name} has finished ({change.reason}): its sources ended, and Flink deletes the checkpoints of a "
        "job that finishes, so there is nothing to go on from. --restore-from none runs it from the start once more, "
        "and writes its rows again; --restore-from LOCATION goes on from a savepoint that was taken on the way."
    )


def _consented(
    spec: Spec, current: Attempt, change: Change, policy: Policy, seen: Seen, now: Situation
) -> Start | Next | None:
    """``--restore-from`` is a person's word: it wins, once."""
    asked = asked_for(current, policy)
    if asked is None:
        return None
    if now.status == "unsettled":
        return Next(AwaitRunning(current.number), now.reason)
    version = current.query_version + (change.kind == "query" or asked == "none")
    stop: StopKind | None = None if now.over else "savepoint" if now.status == "up" else "cancel"
    if stop:
        require_lasting(spec, current, asked, seen, stop)
    _require_there(spec, policy, seen)
    what = "start empty" if asked == "none" else f"restore {asked}"
    return Start(version, asked == "none", f"you asked to {what}", stop)


def _require_there(spec: Spec, policy: Policy, seen: Seen) -> None:
    if seen.named != "missing":
        return
    if policy.rolls_back:
        raise Blocked(
            f"Job {spec.name} cannot go back: the state that is on record for it, {policy.restore_from}, is no longer "
            f"there. Nothing was stopped. flinksql snapshots {spec.name} shows what is left; another attempt of its "
            "history is named with --to N, and a file with its state with flinksql deploy --restore-from LOCATION."
        )
    raise Blocked(
        f"Job {spec.name}: --restore-from {policy.restore_from} names no complete savepoint or checkpoint: Flink's "
        "_metadata is not there. Nothing was stopped."
    )


def _live(
    spec: Spec, current: Attempt, change: Change, seen: Seen, now: Situation, stop: StopKind, *, fresh: bool
) -> Next | Start | None:
    if now.status == "unsettled":
        return Next(AwaitRunning(current.number), now.reason)
    if change.kind == "same":
        return _unchanged(spec, current, seen, now)
    if stop == "cancel" and not fresh:
        require_kept(spec, current, seen, now)
        require_state(spec, current, seen, now)
        fresh = not candidates(current, seen)
    elif stop == "savepoint" and next_savepoint_folder(spec, current, seen) is None:
        raise no_savepoint_folder(spec.name)
    return Start(current.query_version + (change.kind == "query"), fresh, change.reason, stop)


def _unchanged(spec: Spec, current: Attempt, seen: Seen, now: Situation) -> Next | None:
    if now.status == "up":
        if current.checkpoint_folder != checkpoint_folder(current, seen):
            return Next(Record(), "where its checkpoints lie is known now")
        return Next(Record(), "only what does not run changed") if spec != current.spec else None
    if seen.waited < spec.health_timeout:
        return Next(AwaitRunning(current.number), now.reason)
    raise not_up(spec, now)


def not_up(spec: Spec, now: Situation) -> JobFailed:
    """The error for a live job that does not come up; it is left as it is, since nothing asked to touch it."""
    return JobFailed(
        f"Job {spec.name} is not up after {spec.time_to_prove:g} s: {now.reason.rstrip('.')}. It was left as it is: "
        "mend the cause, or change the job file and deploy again."
    )


def no_savepoint_folder(name: str) -> Blocked:
    """The error for a stop that has nowhere to put its savepoint; refused before it is asked."""
    return Blocked(
        f"Job {name} has no folder for savepoints, so it cannot be stopped without losing its state. Set "
        "execution.checkpointing.savepoint-dir (or execution.checkpointing.dir) in the connection, the defaults file "
        "or the cluster; the next stop uses it. To drop the state: flinksql stop --cancel."
    )


def _over(
    spec: Spec, current: Attempt, change: Change, seen: Seen, now: Situation, *, fresh: bool
) -> Next | Start | None:
    if fresh:
        return Start(current.query_version + 1, True, change.reason)
    if now.status == "finished" and change.kind != "query":
        if current.state != "ended":
            return Next(End(current.number), "it has finished")
        return Next(Record(), "only what does not run changed") if spec != current.spec else None
    if now.outcome == "drained":
        raise Blocked(
            f"Job {spec.name} was stopped with --drain, which fired its timers and ended its windows: going on from "
            "that savepoint would give other results. Name it with --restore-from LOCATION, or use --restore-from none."
        )
    require_state(spec, current, seen, now)
    require_readable(spec, current, seen)
    why = now.reason if change.kind == "same" else f"{now.reason}; {change.reason}"
    return Start(current.query_version + (change.kind == "query"), not candidates(current, seen), why)
