"""The steps from (Spec, manifest, seen) to "done".

:func:`next_step` takes the one decision; a :class:`Plan` is what comes of assuming that each step succeeds. So the
first step of a plan, done, leaves the rest as the plan, and what would be refused half-way is refused at the start.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_flinksql.errors import Blocked, Busy
from airflow_provider_flinksql.model.lifecycle import prove as on_its_way
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import TO_BE_TAKEN, assume
from airflow_provider_flinksql.model.lifecycle.batch import choose_run
from airflow_provider_flinksql.model.lifecycle.candidates import asked_for, has_written
from airflow_provider_flinksql.model.lifecycle.carry import change_since
from airflow_provider_flinksql.model.lifecycle.deaths import dies_again
from airflow_provider_flinksql.model.lifecycle.folders import next_savepoint_folder
from airflow_provider_flinksql.model.lifecycle.losing import lost_by_cancel, request_cancel
from airflow_provider_flinksql.model.lifecycle.rollback import in_force, refusal, refused
from airflow_provider_flinksql.model.lifecycle.situation import LATE_SUBMIT, Situation, may_land_late, situation
from airflow_provider_flinksql.model.lifecycle.streaming import Next, Start, choose, no_savepoint_folder
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import Verdict

Action = Literal[
    "none", "start", "record", "resume", "restart", "upgrade", "start-fresh", "adopt", "stop", "blocked", "error"
]

LONGEST = 40
CLOCKS_DIFFER = 5.0
"""Seconds: clocks that are kept in step differ by less."""
LATE = "its submit may still land in the new JobManager"


@dataclass(frozen=True)
class Plan:
    """What will be done and why. ``restored_from`` is ``None`` where the savepoint is yet to be taken."""

    action: Action
    verdict: Verdict
    reason: str
    steps: tuple[do.Step, ...] = ()
    restored_from: str | None = None
    spec: str = ""

    @property
    def digest(self) -> str:
        """The same for the same Spec (``spec`` is its digest), action, steps and state: what a person approves."""
        text = "\n".join([self.spec, self.action, self.verdict, self.restored_from or "", *map(str, self.steps)])
        return hashlib.sha256(text.encode()).hexdigest()


def plan(spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> Plan:
    """The whole way from here. Raises Blocked or Busy where there is none without somebody's word."""
    steps: list[do.Step] = []
    reasons: dict[type[do.Step], str] = {}
    m, s = manifest, seen
    asked, consents = spec, policy
    while True:
        spec, policy = in_force(asked, m, consents)
        try:
            found = next_step(spec, m, s, policy)
        except Blocked:
            if not _hangs_on_a_wait(manifest, steps):
                raise
            break
        if found is None:
            break
        if len(steps) == LONGEST:
            raise AssertionError(f"the plan does not end: {steps}")
        steps.append(found.step)
        reasons.setdefault(type(found.step), found.why)
        m, s = assume(found.step, spec, m, s, policy)
    action = _action(steps, manifest)
    if action == "none" and (why := refusal(asked, m, consents)):
        raise refused(asked, why)
    reference = manifest and (manifest.current or manifest.pending)
    known = _with_what_is_on_record(seen, manifest)
    verdict: Verdict = change_since(asked, reference, known).verdict if reference and action != "none" else "none"
    pinned = m.current.pinned if m and m.current and any(isinstance(step, do.Submit) for step in steps) else None
    location = pinned.location if pinned and not pinned.location.endswith(TO_BE_TAKEN) else None
    return Plan(action, verdict, _reason(reasons, action, seen, m), tuple(steps), location, asked.digest)


def _hangs_on_a_wait(manifest: Manifest | None, steps: list[do.Step]) -> bool:
    """Whether what is refused comes after an attempt that is on its way has come up; where it does not, another way
    is open, and nothing is stopped before that is known."""
    pending = manifest.pending if manifest else None
    touched = any(isinstance(step, do.RequestStop) for step in steps)
    return pending is not None and do.AwaitRunning(pending.number) in steps and not touched


def _with_what_is_on_record(seen: Seen, manifest: Manifest | None) -> Seen:
    """What the planner says, also of what was begun: that was asked before it was sent."""
    pending = manifest.pending if manifest else None
    if pending is None or pending.explained is None or seen.planner_on(pending.spec.digest):
        return seen
    return replace(seen, explained=(*seen.explained, (pending.spec.digest, pending.explained)))


def require_approved(made: Plan, manifest: Manifest | None, policy: Policy) -> None:
    """Refuse a plan that is not the one a person approved; what its owner began with it goes on to its end."""
    if policy.expect in (None, made.digest):
        return
    heads = (manifest.pending, manifest.current) if manifest else ()
    under_way = made.action in ("none", "resume") and any(a and a.owner == policy.owner for a in heads)
    if not under_way:
        raise Blocked(
            f"The plan has moved since {policy.expect} was approved: it is {made.digest} now ({made.action}: "
            f"{made.reason}). Nothing was touched. Look at it with flinksql plan, and approve it anew."
        )


def next_step(spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> Next | None:
    """The one decision: what to do now, ``None`` when everything is as it should be."""
    stranger = _stranger(spec, manifest, seen, policy)
    if stranger:
        return stranger
    manifest = manifest or Manifest(spec.name, policy.lineage)
    first = _late(manifest, seen) or _outstanding_stop(manifest)
    if first:
        return first
    if policy.stop or not spec.enabled:
        return _stop(spec, manifest, seen, policy)
    if manifest.pending and manifest.pending.sent:
        return on_its_way.next_step(spec, manifest, seen, policy)
    _respect_others(manifest.pending, seen, policy)
    failed = _failed_stop(spec, manifest, seen, policy)
    if failed:
        return failed
    if error := dies_again(spec, manifest, seen, policy):
        if manifest.current and manifest.current.state != "ended":
            return Next(do.End(manifest.current.number), "it failed again")
        raise error
    wanted = (choose_run if spec.mode == "batch" else choose)(spec, manifest, seen, policy)
    if isinstance(wanted, Start):
        return start(spec, manifest, seen, policy, wanted)
    if manifest.pending and (wanted is None or isinstance(wanted.step, do.Record | do.End)):
        return Next(do.GiveUp(manifest.pending.number), "what was begun is not wanted any more")
    return wanted


def start(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy, wanted: Start) -> Next:
    """The next step towards a new attempt."""
    current, pending = manifest.current, manifest.pending
    if not spec.statements:
        raise Blocked(
            f"Job {spec.name} was adopted without a job file, so nobody knows the SQL to start it with. Nothing was "
            "stopped. Deploy its file with --adopt, which says that this is what runs."
        )
    if seen.prepared != spec.digest:
        return Next(do.Check(), wanted.why)
    if pending is None:
        return Next(do.Claim(manifest.last_number + 1, wanted.query_version, wanted.fresh), wanted.why)
    if not on_its_way.fits(manifest, pending, spec, wanted, policy):
        return Next(do.Supersede(pending.number, wanted.query_version, wanted.fresh), wanted.why)
    if current and current.state != "ended":
        now = situation(current, seen, policy)
        if now.over:
            return Next(do.End(current.number), now.reason)
        if wanted.stop and seen.traits.upgrade == "stop-then-start":
            return Next(_make_room(spec, current, pending, seen, now, policy, wanted), wanted.why)
    if current and may_land_late(current, seen):
        return Next(do.Burn(current.number), LATE)
    if pending.state == "claimed":
        return Next(do.Pin(pending.number), wanted.why)
    return Next(do.Submit(pending.number), wanted.why)


def _make_room(
    spec: Spec, current: Attempt, pending: Attempt, seen: Seen, now: Situation, policy: Policy, wanted: Start
) -> do.RequestStop:
    if wanted.stop == "savepoint" and not _stop_failed_for(current, pending):
        return do.RequestStop(current.number, len(current.stops) + 1, "savepoint", pending.number)
    unwanted = wanted.fresh or asked_for(current, policy) is not None
    return request_cancel(spec, current, seen, now, purpose=pending.number, left_behind=unwanted)


def _stop(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | None:
    """A declared or requested stop: nothing of this job shall run."""
    for attempt in (manifest.pending, manifest.current):
        if attempt is None or attempt.state == "ended" or _spared(attempt, policy):
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
            return on_its_way.let_go(attempt, seen, "it shall not land any more")
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
    never_up = not saved and on_its_way.had_its_time(attempt, seen, now)
    ended_so = now.status != "up" and not policy.stop
    if spec.mode == "batch" or never_up or ended_so or _checkpoint_will_do(spec, attempt, None, seen, now):
        return Next(request_cancel(spec, attempt, seen, now), why)
    if next_savepoint_folder(spec, attempt, seen) is None:
        raise no_savepoint_folder(spec.name)
    return Next(do.RequestStop(attempt.number, len(attempt.stops) + 1, policy.stop or "savepoint", None), why)


def _checkpoint_will_do(spec: Spec, attempt: Attempt, purpose: int | None, seen: Seen, now: Situation) -> bool:
    """Whether the savepoint of this stop failed, and the file says that the newest checkpoint will do, if it lasts."""
    failed = attempt.stop
    if failed is None or (failed.state, failed.purpose) != ("failed", purpose) or failed.kind == "cancel":
        return False
    return spec.state.on_savepoint_failure == "checkpoint" and lost_by_cancel(attempt, seen, now) is None


def _spared(attempt: Attempt, policy: Policy) -> bool:
    return policy.stop_only is not None and (attempt.job_id, attempt.owner) != (policy.stop_only, policy.owner)


def _stranger(spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> Next | None:
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
    pending, current = (manifest.pending, manifest.current) if manifest else (None, None)
    for attempt in (pending, current):
        if attempt is None or attempt.state == "ended":
            continue
        now = situation(attempt, seen, policy)
        if attempt.sent and now.status == "elsewhere":
            raise Blocked(f"Before another job is adopted: {now.reason}. --accept cluster-gone lets go of it.")
        if now.over and may_land_late(attempt, seen):
            return Next(do.Burn(attempt.number), LATE)
        if attempt.sent and now.status == "missing":
            return on_its_way.let_go(attempt, seen, "it shall not land any more")
        return Next((do.GiveUp if attempt is pending else do.End)(attempt.number), "another job takes its place")
    return None


def _runs(manifest: Manifest | None, seen: Seen, policy: Policy) -> bool:
    attempts: tuple[Attempt | None, ...] = (manifest.current, manifest.pending) if manifest else ()
    return any(a and situation(a, seen, policy).live for a in attempts)


def _late(manifest: Manifest, seen: Seen) -> Next | None:
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


def _outstanding_stop(manifest: Manifest) -> Next | None:
    for attempt in (manifest.pending, manifest.current):
        if attempt and attempt.state != "ended" and attempt.stop and attempt.stop.state == "requested":
            return Next(do.AwaitEnd(attempt.number, attempt.stop.number), "its stop was requested")
    return None


def _respect_others(pending: Attempt | None, seen: Seen, policy: Policy) -> None:
    if pending is None or pending.owner in (policy.owner, policy.dead_owner):
        return
    age = seen.now - pending.claimed_at
    if pending.state in ("claimed", "pinned") and age < LATE_SUBMIT:
        ahead = f" Its clock is {-age:.0f} s ahead of this one's: a SQLite file counts by its writers' clocks."
        raise Busy(
            f"Another deploy of {pending.spec.name} is under way: attempt {pending.number} by {pending.by}."
            f"{ahead if age < -CLOCKS_DIFFER else ''}"
        )


def _failed_stop(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | None:
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


def _action(steps: list[do.Step], manifest: Manifest | None) -> Action:
    kinds = {type(step) for step in steps}
    if kinds <= set(do.BOOKKEEPING):
        return "none"
    claim = next((step for step in steps if isinstance(step, do.Claim)), None)
    if do.Adopt in kinds:
        return "adopt"
    if claim is None:
        stops = any(isinstance(step, do.RequestStop) and step.purpose is None for step in steps)
        return "stop" if stops else "record" if kinds <= {do.Record, *do.BOOKKEEPING} else "resume"
    current = manifest.current if manifest else None
    if current is None:
        return "start"
    if claim.fresh and claim.query_version != current.query_version:
        return "start-fresh"
    return "restart" if claim.query_version == current.query_version else "upgrade"


def _reason(reasons: dict[type[do.Step], str], action: Action, seen: Seen, manifest: Manifest | None) -> str:
    for kind in (do.Claim, do.Supersede, do.RequestStop):
        if kind in reasons:
            return reasons[kind]
    if reasons and action != "none":
        return next(why for kind, why in reasons.items() if kind not in do.BOOKKEEPING)
    if manifest and manifest.current:
        return "finished" if manifest.current.outcome == "finished" else "nothing changed"
    return "it does not run"
