"""What a step leaves behind: in the manifest (:func:`after`) and, if it goes well, outside (:func:`assume`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.candidates import checkpoint_folder, has_written, pick
from airflow_provider_flinksql.model.lifecycle.consent import last_consent
from airflow_provider_flinksql.model.lifecycle.deaths import inherited, with_death
from airflow_provider_flinksql.model.lifecycle.folders import (
    checkpoint_folder_of,
    next_savepoint_folder,
    savepoint_folder_of,
)
from airflow_provider_flinksql.model.lifecycle.situation import LATE_SUBMIT, STABLE_MS, situation
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Outcome, Refused, Stop, remembered
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.snapshot import Snapshot, newest
from airflow_provider_flinksql.model.spec import Spec

TO_BE_TAKEN = "/…"
"""Ends the location of a savepoint that a plan only assumes."""


@dataclass(frozen=True)
class StopOutcome:
    """What became of a requested stop. ``location`` is set where a savepoint completed; ``ended``: the job is over."""

    ended: bool
    location: str | None = None
    cause: str | None = None


def after(
    step: do.Step,
    spec: Spec,
    manifest: Manifest | None,
    seen: Seen,
    policy: Policy,
    outcome: StopOutcome | None = None,
) -> Manifest:
    """The manifest once this step is done; for RequestStop, RequestProof, Submit and Burn: before it is sent."""
    m = _learnt(manifest or Manifest(spec.name, policy.lineage), seen)
    match step:
        case do.Supersede():
            return _supersede(m, step, spec, seen, policy)
        case do.Claim():
            claimed = _claimed(m, step, spec, seen, policy)
            return replace(m, pending=claimed, last_number=step.number, refused=_still_refused(m, spec, seen, policy))
        case do.Pin(number):
            return _pin(m, number, seen, policy)
        case do.Submit(number):
            sent = {"state": "submitted", "sent_at": seen.now, "landed": False, "rejected": None}
            return _change(m, number, **sent, incarnation=seen.incarnation, cluster=seen.cluster)
        case do.Landed(number):
            return _landed(m, number, seen)
        case do.Burn(number):
            return _change(m, number, burnt_in=seen.incarnation)
        case do.RequestStop(number, n, kind, purpose):
            attempt = m.attempt(number)
            base = next_savepoint_folder(spec, attempt, seen)
            folder = f"{base}/{m.id('stop', number, n)}" if kind != "cancel" else None
            return _change(m, number, stops=remembered((*attempt.stops, Stop(n, kind, folder, purpose))))
        case do.AwaitEnd(number):
            return _stopped(m, number, outcome) if outcome else m
        case do.RequestProof(number, n):
            return _change(m, number, proofs=n)
        case _:
            return _written(step, spec, m, seen, policy)


def rejected(manifest: Manifest, number: int, cause: str) -> Manifest:
    """The manifest once the gateway itself has refused the submit of an attempt."""
    return _change(manifest, number, rejected=cause)


def _written(step: do.Step, spec: Spec, m: Manifest, seen: Seen, policy: Policy) -> Manifest:
    """The steps that only write down what was seen."""
    match step:
        case do.Confirm(number):
            return _confirm(m, number, seen)
        case do.End(number):
            now = situation(m.attempt(number), seen, policy)
            return _end(m, number, seen, outcome=now.outcome, reason=now.reason)
        case do.GiveUp(number):
            return _give_up(m, number, spec, seen, policy)
        case do.Refuse(number):
            return replace(m, refused=_refused(m.attempt(number), seen, policy))
        case do.Record() if m.current:
            folder = checkpoint_folder(m.current, seen)
            return replace(m, current=replace(m.current, spec=spec, checkpoint_folder=folder))
        case do.Adopt(job_id):
            return _adopt(m, job_id, spec, seen, policy)
    return m


def _refused(pending: Attempt, seen: Seen, policy: Policy) -> Refused:
    cause = pending.rejected or situation(pending, seen, policy).reason
    reason = f"attempt {pending.number} proved broken: {cause}"
    return Refused(pending.spec.digest, pending.number, pending.query_version, reason, seen.now, pending.owner)


def _still_refused(m: Manifest, spec: Spec, seen: Seen, policy: Policy) -> Refused | None:
    """What is claimed is wanted again; where somebody goes back, it is what runs now that is not wanted any more."""
    if m.current and (left := _gone_back_from(m.current, spec, seen, policy)):
        return left
    return None if m.refused and m.refused.digest == spec.digest else m.refused


def _gone_back_from(left: Attempt, spec: Spec, seen: Seen, policy: Policy) -> Refused | None:
    if not policy.rolls_back or left.spec.digest == spec.digest:
        return None
    why = f"{policy.by or policy.owner} went back from it"
    return Refused(left.spec.digest, left.number, left.query_version, why, seen.now, policy.owner)


def _learnt(m: Manifest, seen: Seen) -> Manifest:
    """That an attempt on its way wrote state is noted with whatever is written: later nobody may be able to tell."""
    pending = m.pending
    if pending is None or pending.had_state or not has_written(pending, seen):
        return m
    return replace(m, pending=replace(pending, had_state=True))


def _change(m: Manifest, number: int, **values: object) -> Manifest:
    changed = replace(m.attempt(number), **values)  # type: ignore[arg-type]
    return replace(m, pending=changed) if m.pending and m.pending.number == number else replace(m, current=changed)


def _claimed(m: Manifest, step: do.Claim, spec: Spec, seen: Seen, policy: Policy) -> Attempt:
    job_id = m.id("job", step.number)
    explained = seen.planner_on(spec.digest)
    return Attempt(
        number=step.number,
        spec=spec,
        query_version=step.query_version,
        job_id=job_id,
        fresh=step.fresh,
        owner=policy.owner,
        by=policy.by,
        claimed_at=seen.now,
        cluster=seen.cluster,
        incarnation=seen.incarnation,
        checkpoint_folder=checkpoint_folder_of(spec, step.query_version, job_id, seen),
        savepoint_folder=savepoint_folder_of(spec, step.query_version, seen),
        consent=last_consent(m.current, policy),
        accepted=tuple(sorted(policy.accept)),
        explained=explained if explained and explained.short_enough else None,
        flink_version=explained.flink_version if explained else "",
    )


def _supersede(m: Manifest, step: do.Supersede, spec: Spec, seen: Seen, policy: Policy) -> Manifest:
    old = m.attempt(step.number)
    new = replace(_claimed(m, step, spec, seen, policy), replaced=(*old.replaced, old.spec))
    if old.sent:  # only what is pinned is ever submitted under this number
        kept = {"pinned": old.pinned, "consent": old.consent, "state": old.state, "sent_at": old.sent_at}
        new = replace(new, **kept, incarnation=old.incarnation, cluster=old.cluster)  # type: ignore[arg-type]
    return replace(m, pending=new, refused=_still_refused(m, spec, seen, policy))


def _pin(m: Manifest, number: int, seen: Seen, policy: Policy) -> Manifest:
    fresh = m.attempt(number).fresh
    chosen = pick(m, seen, policy, fresh=fresh)
    if chosen is None and not fresh:
        raise Blocked(
            f"Job {m.name} is to be restored, and no state was found. Name it with --restore-from LOCATION, or start "
            "empty with --restore-from none."
        )
    deaths = inherited(m.attempt(number), m.current, policy)
    return _change(m, number, pinned=chosen, state="pinned", deaths=deaths)


def _stopped(m: Manifest, number: int, outcome: StopOutcome) -> Manifest:
    """What became of the stop. That the job is over, the next look tells: one that is not listed may fail over."""
    attempt = m.attempt(number)
    stop = attempt.stops[-1]
    done = outcome.ended and (stop.kind == "cancel" or outcome.location is not None)
    stop = replace(stop, state="completed" if done else "failed", location=outcome.location, cause=outcome.cause)
    had = attempt.had_state or outcome.location is not None
    return _change(m, number, stops=(*attempt.stops[:-1], stop), had_state=had)


def _end(m: Manifest, number: int, seen: Seen, **values: object) -> Manifest:
    known = newest(s for s in seen.snapshots if s.attempt == number)
    kept = {"snapshot": known} if known else {}
    attempt = m.attempt(number)
    had = attempt.had_state or known is not None
    deaths = with_death(attempt, seen, str(values.get("outcome"))).deaths
    if deaths and deaths.times > 1 and deaths != attempt.deaths:
        values["reason"] = f"{values.get('reason')} ({deaths})"
    values |= {} if attempt.burnt_in == seen.incarnation else _times(attempt, seen)  # what is listed there is the burn
    return _change(m, number, state="ended", ended_at=seen.now, had_state=had, deaths=deaths, **kept, **values)


def _times(attempt: Attempt, seen: Seen) -> dict[str, int | None]:
    """When its job started and ended by Flink's clock; after a failover the first start counts."""
    job = seen.job_of(attempt)
    started, ended = (job.started_at or None, job.ended_at) if job else (None, None)
    return {"job_started": attempt.job_started or started, "job_ended": ended}


def _landed(m: Manifest, number: int, seen: Seen) -> Manifest:
    """Which Spec landed, if several were sent under this id, is what the job's tag says."""
    attempt = m.attempt(number)
    job = seen.job_of(attempt)
    specs = (attempt.spec, *attempt.replaced)
    spec = next((s for s in specs if job and s.digest == job.digest), attempt.spec)
    where = {"incarnation": seen.incarnation, "cluster": seen.cluster, "job_id": job.job_id if job else attempt.job_id}
    return _change(m, number, landed=True, spec=spec, **({} if job and job.archived else where))


def _confirm(m: Manifest, number: int, seen: Seen) -> Manifest:
    attempt = m.attempt(number)
    job, detail = seen.job_of(attempt), seen.detail(attempt.job_id)
    saved = detail.checkpoint_at is not None or detail.proof == "completed"
    up = replace(
        attempt,
        state="confirmed",
        landed=True,
        incarnation=seen.incarnation,
        cluster=seen.cluster,
        settled_at=job.changed_at if job else None,
        had_state=attempt.had_state or saved,
        **_times(attempt, seen),  # type: ignore[arg-type]
    )
    closed = _closed(m, m.current)
    m = replace(m, current=up, pending=None, closed=closed)
    return _end(m, number, seen, outcome="finished", reason="finished") if job and job.state == "FINISHED" else m


def _give_up(m: Manifest, number: int, spec: Spec, seen: Seen, policy: Policy) -> Manifest:
    """Close the pending attempt; it becomes the current one if state of its own is what counts now.

    So it does where state of its own was written and is not found, or may have been and cannot be looked for.
    """
    pending = m.attempt(number)
    unknown = pending.landed and not seen.searched
    now = situation(pending, seen, policy)
    unwanted: Outcome = "failed" if pending.rejected else "dropped"
    unwanted = "withdrawn" if policy.stop or not spec.enabled else unwanted
    outcome = now.outcome if pending.sent and now.outcome else unwanted
    reason = pending.rejected or now.reason if pending.sent else "given up before it was submitted"
    if m.refused and m.refused.number == number:
        reason = m.refused.reason
    m = _end(m, number, seen, outcome=outcome, reason=reason)
    if pending.sent and (left := _gone_back_from(pending, spec, seen, policy)):
        m = replace(m, refused=left)
    ended = m.pending and replace(m.pending, had_state=m.pending.had_state or unknown)
    if ended is None:
        raise AssertionError("unreachable: the pending attempt was just ended")
    if not ended.had_state and outcome not in ("stopped", "drained"):
        return replace(m, pending=None, closed=_closed(m, ended))
    return replace(m, current=ended, pending=None, closed=_closed(m, m.current))


def _closed(m: Manifest, attempt: Attempt | None) -> tuple[Attempt, ...]:
    """What moves to the history, with this attempt."""
    return (*m.closed, attempt.for_history) if attempt else m.closed


def _adopt(m: Manifest, job_id: str, spec: Spec, seen: Seen, policy: Policy) -> Manifest:
    claim = do.Claim(m.last_number + 1, m.current.query_version if m.current else 1, False)
    attempt = _claimed(m, claim, spec, seen, policy)
    job = seen.job(job_id)
    known = next((s for s in seen.snapshots if s.attempt == 0), None)
    folder = known.location.rsplit("/", 1)[0] if known and known.kind == "checkpoint" else None
    adopted = replace(
        attempt,
        job_id=job_id,
        state="confirmed",
        landed=True,
        sent_at=0.0,
        had_state=True,
        checkpoint_folder=folder,
        settled_at=job.changed_at if job else None,
        job_started=job.started_at or None if job else None,
    )
    closed = _closed(m, m.current)
    return replace(
        m, current=adopted, pending=None, last_number=claim.number, adopted=(*m.adopted, job_id), closed=closed
    )


def assume(step: do.Step, spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> tuple[Manifest, Seen]:
    """Manifest and next look if this step goes well: how a plan is unfolded."""
    outcome = None
    match step:
        case do.Check():
            seen = replace(seen, prepared=spec.digest)
        case do.AwaitEnd(number) if manifest:
            attempt = manifest.attempt(number)
            seen, outcome = _assume_end(attempt, seen)
        case do.Submit(number) if manifest:
            attempt = manifest.attempt(number)
            restored = attempt.pinned.location if attempt.pinned else None
            job = Sighting(attempt.job_id, spec.name, "RUNNING", attempt=number)
            sent = after(step, spec, manifest, seen, policy)
            seen = _with(seen, job, Detail(restored=restored))
            return after(do.Landed(number), spec, sent, seen, policy), seen
        case do.AwaitRunning(number) | do.AwaitFinished(number) | do.AwaitProof(number) if manifest:
            seen = _assume_wait(step, manifest.attempt(number), seen, spec)
        case do.RequestProof(number) if manifest:
            job_id = manifest.attempt(number).job_id
            seen = _with(seen, seen.job(job_id), replace(seen.detail(job_id), proof="in-progress"))
        case do.Adopt(job_id):
            number = manifest.last_number + 1 if manifest else 1
            jobs = [replace(j, attempt=number) if j.job_id == job_id else j for j in seen.jobs]
            seen = replace(seen, jobs=tuple(jobs))
        case do.Cancel(number) | do.AwaitGone(number):
            over = [replace(j, state="CANCELED") if j.attempt == number and j.live else j for j in seen.jobs]
            later = seen.now + LATE_SUBMIT + 1.0
            seen = replace(seen, jobs=tuple(over), absent_for=policy.failover_grace, now=later)
    return after(step, spec, manifest, seen, policy, outcome), seen


def _with(seen: Seen, job: Sighting | None, detail: Detail) -> Seen:
    if job is None:
        return seen
    others = tuple(other for other in seen.jobs if other.job_id != job.job_id)
    details = {**dict(seen.details), job.job_id: detail}
    return replace(seen, jobs=(*others, job), details=tuple(details.items()))


def _assume_end(attempt: Attempt, seen: Seen) -> tuple[Seen, StopOutcome]:
    stop = attempt.stops[-1]
    job = seen.job(attempt.job_id)
    if stop.kind == "cancel":
        return _with(seen, job and replace(job, state="CANCELED"), seen.detail(attempt.job_id)), StopOutcome(True)
    location = f"{stop.folder}{TO_BE_TAKEN}"
    detail = replace(seen.detail(attempt.job_id), stopped_with=location)
    seen = _with(seen, job and replace(job, state="FINISHED"), detail)
    taken = Snapshot(location, "savepoint", f"stop {stop.number}", attempt.number)
    return replace(seen, snapshots=(*seen.snapshots, taken)), StopOutcome(True, location)


def _assume_wait(step: do.Step, attempt: Attempt, seen: Seen, spec: Spec) -> Seen:
    job = seen.job_of(attempt)
    detail = seen.detail(attempt.job_id)
    if job is None:
        return seen
    if isinstance(step, do.AwaitFinished):
        return _with(seen, replace(job, state="FINISHED"), detail)
    if isinstance(step, do.AwaitProof):
        asked = detail.checkpointing and attempt.proofs
        detail = replace(detail, proof="completed" if asked else detail.proof)
    stable = max(STABLE_MS, int(spec.stable_for * 1000) + 1)
    job = replace(job, state="RUNNING", all_running=True, stable_ms=stable)
    restored = detail.restored or (attempt.pinned.location if attempt.pinned else None)  # not told while it starts
    return _with(replace(seen, waited=0.0), job, replace(detail, failures=None, restored=restored))
