"""Jobs of our name or lineage that run without being wanted: adopted, cancelled, or a person is asked."""

from __future__ import annotations

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.prove import let_go
from airflow_provider_flinksql.model.lifecycle.situation import LATE, may_land_late, situation
from airflow_provider_flinksql.model.lifecycle.steps import Next
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec


def stranger(spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> Next | None:
    """What to do about a live job of our name that is not ours; None where there is none. Raises Blocked where a person
    must say what becomes of it."""
    strangers = seen.strangers(manifest, spec.name, policy.adopt_id)
    if not strangers:
        _require_live(spec, manifest, seen, policy.adopt_id)
        return None
    ids = " and ".join(job.job_id for job in strangers)
    if len(strangers) > 1:
        raise Blocked(f"Live jobs named {spec.name} that are not ours: {ids}. Cancel all but one, then adopt it.")
    if _runs(manifest, seen, policy):
        raise Blocked(f"A second job named {spec.name} runs that is not ours: {ids}. Cancel it, then deploy again.")
    if policy.adopt_id in (None, ids) and (policy.adopt or policy.adopt_id):
        return _unsettled(manifest, seen, policy) or Next(do.Adopt(ids), f"you asked to adopt {ids}")
    raise Blocked(
        f"A job named {spec.name} runs that is not ours: {ids}. --adopt takes it over as it is (say so only if the job "
        "file says what runs there); or cancel it."
    )


def _require_live(spec: Spec, manifest: Manifest | None, seen: Seen, job_id: str | None) -> None:
    """What is to be adopted runs, or was adopted before."""
    current = manifest.current if manifest else None
    if job_id and not (current and current.job_id == job_id):
        raise Blocked(
            f"Job {job_id} does not run on {seen.cluster}, or is an earlier one of {spec.name} itself, so it cannot be "
            f"adopted as {spec.name}. Nothing was recorded. flinksql status and Flink's own page show what runs."
        )


def _unsettled(manifest: Manifest | None, seen: Seen, policy: Policy) -> Next | None:
    """What an adopted job takes the place of must be over first, and its id must not start a job any more."""
    for attempt in manifest.heads if manifest else ():
        if attempt.state == "ended":
            continue
        give_up = manifest is not None and attempt is manifest.pending
        now = situation(attempt, seen, policy)
        if attempt.sent and now.status == "elsewhere":
            raise Blocked(f"Before another job is adopted: {now.reason}. --accept cluster-gone lets go of it.")
        if now.over and may_land_late(attempt, seen):
            return Next(do.Burn(attempt.number), LATE)
        if attempt.sent and now.status == "missing":
            return let_go(attempt, seen, "it shall not land any more")
        return Next((do.GiveUp if give_up else do.End)(attempt.number), "another job takes its place")
    return None


def _runs(manifest: Manifest | None, seen: Seen, policy: Policy) -> bool:
    return any(situation(attempt, seen, policy).live for attempt in (manifest.heads if manifest else ()))


def late_submit(manifest: Manifest, seen: Seen) -> Next | None:
    """A live job of this lineage that is not the one that should run is a submit that landed late."""
    pending, current = manifest.pending, manifest.current
    wanted = [a.job_id for a in (pending, current) if a and a.state != "ended"]
    if pending and pending.sent and current and seen.traits.upgrade == "stop-then-start":
        wanted = [pending.job_id]

    def unwanted(job: Sighting) -> bool:
        return job.live and job.attempt is not None and job.job_id not in wanted

    for job in filter(unwanted, seen.jobs if seen.traits.job_id == "ours" else ()):
        why = f"job {job.job_id} of an ended attempt landed late"
        return Next((do.AwaitGone if job.state == "CANCELLING" else do.Cancel)(job.attempt or 0), why)
    return None
