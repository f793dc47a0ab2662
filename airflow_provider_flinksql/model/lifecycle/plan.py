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
from airflow_provider_flinksql.model.lifecycle.adopt import late_submit, stranger
from airflow_provider_flinksql.model.lifecycle.after import TO_BE_TAKEN, assume
from airflow_provider_flinksql.model.lifecycle.batch import choose_run
from airflow_provider_flinksql.model.lifecycle.carry import change_since
from airflow_provider_flinksql.model.lifecycle.deaths import dies_again
from airflow_provider_flinksql.model.lifecycle.rollback import in_force, refusal, refused
from airflow_provider_flinksql.model.lifecycle.situation import LATE, LATE_SUBMIT, may_land_late, situation
from airflow_provider_flinksql.model.lifecycle.steps import Next, Start
from airflow_provider_flinksql.model.lifecycle.stop import declared_stop, failed_stop, make_room, outstanding_stop
from airflow_provider_flinksql.model.lifecycle.streaming import choose
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import Verdict

Action = Literal[
    "none", "start", "record", "resume", "restart", "upgrade", "start-fresh", "adopt", "stop", "blocked", "error"
]

LONGEST = 40
CLOCKS_DIFFER = 5.0
"""Seconds: clocks that are kept in step differ by less."""


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
    heads = manifest.heads if manifest else ()
    under_way = made.action in ("none", "resume") and any(attempt.owner == policy.owner for attempt in heads)
    if not under_way:
        raise Blocked(
            f"The plan has moved since {policy.expect} was approved: it is {made.digest} now ({made.action}: "
            f"{made.reason}). Nothing was touched. Look at it with flinksql plan, and approve it anew."
        )


def next_step(spec: Spec, manifest: Manifest | None, seen: Seen, policy: Policy) -> Next | None:
    """The one decision: what to do now, ``None`` when everything is as it should be."""
    if found := stranger(spec, manifest, seen, policy):
        return found
    manifest = manifest or Manifest(spec.name, policy.lineage)
    if first := late_submit(manifest, seen) or outstanding_stop(manifest):
        return first
    if policy.stop or not spec.enabled:
        return declared_stop(spec, manifest, seen, policy)
    if manifest.pending and manifest.pending.sent:
        return on_its_way.next_step(spec, manifest, seen, policy)
    _respect_others(manifest.pending, seen, policy)
    if failed := failed_stop(spec, manifest, seen, policy):
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
            return Next(make_room(spec, current, pending, seen, now, policy, wanted), wanted.why)
    if current and may_land_late(current, seen):
        return Next(do.Burn(current.number), LATE)
    if pending.state == "claimed":
        return Next(do.Pin(pending.number), wanted.why)
    return Next(do.Submit(pending.number), wanted.why)


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


def _action(steps: list[do.Step], manifest: Manifest | None) -> Action:
    kinds = {type(step) for step in steps}
    if all(step.only_records for step in steps):
        return "none"
    claim = next((step for step in steps if isinstance(step, do.Claim)), None)
    if do.Adopt in kinds:
        return "adopt"
    if claim is None:
        if any(isinstance(step, do.RequestStop) and step.purpose is None for step in steps):
            return "stop"
        return "record" if all(step.only_records or step == do.Record() for step in steps) else "resume"
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
        return next(why for kind, why in reasons.items() if not kind.only_records)
    if manifest and manifest.current:
        return "finished" if manifest.current.outcome == "finished" else "nothing changed"
    return "it does not run"
