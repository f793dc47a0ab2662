"""How a job is ended: for good, or to make room for the next attempt; and what a stop that was asked for became."""

from __future__ import annotations

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.candidates import has_written
from airflow_provider_flinksql.model.lifecycle.consent import asked_for
from airflow_provider_flinksql.model.lifecycle.folders import next_savepoint_folder
from airflow_provider_flinksql.model.lifecycle.losing import lost_by_cancel, request_cancel
from airflow_provider_flinksql.model.lifecycle.prove import had_its_time, let_go
from airflow_provider_flinksql.model.lifecycle.situation import LATE, Situation, may_land_late, situation
from airflow_provider_flinksql.model.lifecycle.steps import Next, Start
from airflow_provider_flinksql.model.lifecycle.streaming import no_savepoint_folder
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec


def outstanding_stop(manifest: Manifest) -> Next | None:
    """A stop that was asked for is seen to its end before anything else is thought of."""
    for attempt in manifest.heads:
        if attempt.state != "ended" and attempt.stop and attempt.stop.state == "requested":
            return Next(do.AwaitEnd(attempt.number, attempt.stop.number), "its stop was requested")
    return None


def declared_stop(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | None:
    """A declared or requested stop: nothing of this job shall run."""
    for attempt in manifest.heads:
        if attempt.state == "ended" or _spared(attempt, policy):
            continue
        now = situation(attempt, seen, policy)
        if now.over and may_land_late(attempt, seen):
            return Next(do.Burn(attempt.number), LATE)
        if attempt is manifest.pending and (not attempt.sent or now.over):
            return Next(do.GiveUp(attempt.number), now.reason)
        if now.over:
            return Next(do.End(attempt.number), now.reason)
        if now.status == "elsewhere":
            raise Blocked(
                f"Job {spec.name} cannot be stopped from here: {now.reason}. --accept cluster-gone lets go of it."
            )
        if now.status == "missing":
            return let_go(attempt, seen, "it shall not land any more")
        if now.status == "transient":
            return Next(do.AwaitGone(attempt.number), now.reason)
        if not attempt.landed:
            return Next(do.Landed(attempt.number), "it runs")
        return _ask_to_end(spec, attempt, seen, policy, now)
    return None


def _ask_to_end(spec: Spec, attempt: Attempt, seen: Seen, policy: Policy, now: Situation) -> Next:
    """How a live job is ended that shall stay so. A cancel is a person's word, or what is left where none was taken."""
    why = "you asked to stop it" if policy.stop else "the job file says enabled: false"
    if policy.stop == "cancel":
        lost = lost_by_cancel(attempt, seen, now)
        cancel = request_cancel(spec, attempt, seen, now, left_behind=True)
        return Next(cancel, f"{why}; {lost}" if lost else why)
    saved = has_written(attempt, seen)
    if now.status == "unsettled" and saved and not policy.stop:
        return Next(do.AwaitRunning(attempt.number), now.reason)
    never_up = not saved and had_its_time(attempt, seen, now)
    ended_so = now.status != "up" and not policy.stop
    if spec.mode == "batch" or never_up or ended_so or _checkpoint_will_do(spec, attempt, None, seen, now):
        return Next(request_cancel(spec, attempt, seen, now), why)
    if next_savepoint_folder(spec, attempt, seen) is None:
        raise no_savepoint_folder(spec.name)
    return Next(do.RequestStop(attempt.number, attempt.next_stop, policy.stop or "savepoint", None), why)


def _checkpoint_will_do(spec: Spec, attempt: Attempt, purpose: int | None, seen: Seen, now: Situation) -> bool:
    """Whether the savepoint of this stop failed, and the file says that the newest checkpoint will do, if it lasts."""
    failed = attempt.stop
    if failed is None or (failed.state, failed.purpose) != ("failed", purpose) or failed.kind == "cancel":
        return False
    return spec.state.on_savepoint_failure == "checkpoint" and lost_by_cancel(attempt, seen, now) is None


def _spared(attempt: Attempt, policy: Policy) -> bool:
    return policy.stop_only is not None and (attempt.job_id, attempt.owner) != (policy.stop_only, policy.owner)


def failed_stop(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | None:
    """After a failed savepoint the old job goes on, unless the file says that a checkpoint will do."""
    current, pending = manifest.current, manifest.pending
    if not (current and pending and _stop_failed_for(current, pending) and situation(current, seen, policy).live):
        return None
    now = situation(current, seen, policy)
    if _checkpoint_will_do(spec, current, pending.number, seen, now):
        return None
    return Next(do.GiveUp(pending.number), "the running job could not be stopped, so it goes on")


def _stop_failed_for(current: Attempt, pending: Attempt) -> bool:
    stop = current.stop
    return stop is not None and stop.state == "failed" and stop.purpose == pending.number


def make_room(
    spec: Spec, current: Attempt, pending: Attempt, seen: Seen, now: Situation, policy: Policy, wanted: Start
) -> do.RequestStop:
    """The stop of the running attempt for the sake of the pending one; after a failed savepoint, a cancel."""
    if wanted.stop == "savepoint" and not _stop_failed_for(current, pending):
        return do.RequestStop(current.number, current.next_stop, "savepoint", pending.number)
    unwanted = wanted.fresh or asked_for(current, policy) is not None
    return request_cancel(spec, current, seen, now, purpose=pending.number, left_behind=unwanted)
