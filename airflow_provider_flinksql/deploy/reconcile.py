"""The loop that makes a job be what its Spec says, whatever died on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.deploy.observe import Observer
from airflow_provider_flinksql.deploy.outcome import raise_if_over, raise_if_refused, raise_if_taken
from airflow_provider_flinksql.deploy.perform import perform
from airflow_provider_flinksql.deploy.tell import asked_before, line_by_line, tolerant
from airflow_provider_flinksql.errors import (
    Busy,
    Conflict,
    DeadlineExceeded,
    Duplicate,
    FlinkSqlError,
    JobFailed,
    SavepointFailed,
    StatementError,
    StoreFailed,
)
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import after, rejected
from airflow_provider_flinksql.model.lifecycle.plan import Action, Plan, next_step, plan, require_approved
from airflow_provider_flinksql.model.lifecycle.rollback import in_force
from airflow_provider_flinksql.model.lifecycle.text import describe, outline, pinned, warnings
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import Verdict
from airflow_provider_flinksql.stores import Store, Stored
from airflow_provider_flinksql.targets import Target

log = logging.getLogger(__name__)


CHANGING = (do.RequestStop, do.Cancel, do.Burn, do.Submit)
"""What is told of where the store fails: it changes what runs."""


@dataclass(frozen=True)
class Limits:
    """Seconds. ``outage``: how long an unreachable server is tried again once the deploy is under way.

    ``total`` bounds the deploy, ``transition`` the wait for a job on its way to another state. ``inline`` is how long a
    wait that may defer is spent here first, ``None`` for ever.
    """

    outage: float = 120.0
    transition: float = 600.0
    total: float = 3600.0
    inline: float | None = None


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Deployed:
    """The job is as its Spec says. ``begun`` is the plan that the deploy began with."""

    manifest: Manifest | None
    begun: Plan


@dataclass(frozen=True)
class SoFar:
    """What the part of a deploy that waited leaves to the part that goes on; plain values, so that it can be kept.

    ``action``, ``verdict``, ``reason`` and ``restored_from`` are of the plan that it began with, ``began`` the numbers
    of the attempts that it began. ``spent`` are its seconds so far, ``waited`` those for attempt ``number``.
    """

    action: Action
    verdict: Verdict
    reason: str
    restored_from: str | None
    began: tuple[int, ...]
    number: int
    spent: float
    waited: float

    @property
    def plan(self) -> Plan:
        """The plan that the deploy began with, without its steps."""
        return Plan(self.action, self.verdict, self.reason, (), self.restored_from)

    def later(self, seconds: float) -> SoFar:
        """The same when so much more time has passed."""
        return replace(self, began=tuple(self.began), spent=self.spent + seconds, waited=self.waited + seconds)


@dataclass(frozen=True)
class Waiting:
    """Nothing is down and nothing is left to do but wait for ``step``; the caller may defer and come again.

    ``so_far`` is what it must bring then.
    """

    manifest: Manifest
    begun: Plan
    step: do.Wait
    so_far: SoFar


@dataclass
class Deploy:
    """One deploy of one job: at most one attempt and one stop are begun in its life.

    ``say`` gets one line per step for people, ``warn`` what a start will cost later, ``planned`` the plan that it
    begins with and what was on record then. ``clock`` is monotonic and only measures this deploy's own waits.
    ``so_far`` is the part of it that ended in :class:`Waiting`.
    """

    target: Target
    store: Store
    io: IO
    clock: Callable[[], float]
    say: Callable[[str], None] = log.info
    limits: Limits = DEFAULT_LIMITS
    planned: Callable[[Plan, Manifest | None], None] = lambda *_: None
    warn: Callable[[str], None] = log.warning
    so_far: SoFar | None = None
    began: set[int] = field(default_factory=set)
    _claimed: set[int] = field(default_factory=set)
    _waiting: tuple[do.Wait, float] | None = None
    _started: float = 0.0
    _trouble: float | None = None
    _said: str = ""
    _asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.say, self.warn, self.planned = line_by_line(self.say), line_by_line(self.warn), tolerant(self.planned)
        self._started = self.clock()
        self._observer = Observer(self.target)
        if self.so_far:
            self.began.update(self.so_far.began)
            self._waiting = (do.AwaitRunning(self.so_far.number), self._started - self.so_far.waited)

    async def plan(
        self, spec: Spec, policy: Policy, stored: Stored | None = None, *, reuse: bool = False, check: bool = True
    ) -> Plan:
        """What a deploy would do now; ``check`` also tries what would be (re)started. Leaves no trace."""
        stored = stored or self.store.get(spec.name)
        try:
            wanted, consents = in_force(spec, stored.manifest, policy)
            seen = await self._look(wanted, stored, consents, reuse=reuse, judged=check)
            made = plan(spec, stored.manifest, replace(seen, prepared=None), policy)
            if not check or not any(isinstance(step, do.Check) for step in made.steps):
                return made
            if self._observer.prepared != wanted.digest:
                await self._observer.check(wanted)
            told = replace(self._observer.told(seen), prepared=None)  # what the check found may be against it
            return plan(spec, stored.manifest, told, policy)
        finally:
            await self.target.release()

    async def run(self, spec: Spec, policy: Policy) -> Deployed | Waiting:
        """Bring the job to what the Spec says. Raises what the plan, a server or the job itself has against it."""
        try:
            return await self._run(spec, policy)
        except StoreFailed as error:
            raise type(error)(f"{error} {asked_before(self._asked)}") from error
        finally:
            await self.target.release()

    async def _run(self, asked: Spec, consents: Policy) -> Deployed | Waiting:
        begun: Plan | None = None
        stored: Stored | None = self.store.get(asked.name)
        under_way = self.so_far is not None  # until then nothing was touched, and whoever waits is better told at once
        seen: Seen | None = None
        while True:
            try:
                stored = stored or self.store.get(asked.name)
                raise_if_taken(stored.manifest, self.began, self._claimed, consents.owner, self.store)
                spec, policy = in_force(asked, stored.manifest, consents)
                if seen is None:
                    seen = await self._look(spec, stored, policy)
                begun = begun or self._begin(asked, stored, seen, consents)
                found = next_step(spec, stored.manifest, seen, policy)
                if found is None:
                    raise_if_refused(asked, stored.manifest, consents, self.began)
                    return Deployed(stored.manifest, begun)
                step, why = found.step, found.why
                if isinstance(step, do.Check):
                    await self._observer.check(spec)
                    seen = self._observer.told(seen)
                    continue
                under_way = True
                if isinstance(step, do.Wait):
                    if stored.manifest and self._may_defer(step):
                        return Waiting(stored.manifest, begun, step, self._account(begun, step))
                    await self._idle(step, why, stored.manifest)
                    stored = seen = None
                    continue
                stored = await self._take(step, why, spec, stored, seen, policy)
                self._trouble = None
                if step.acts:
                    seen = None
            except Conflict:
                stored = seen = None
            except Busy as busy:
                await self._pause(busy, 1.0)
                stored = seen = None
            except FlinkSqlError as error:
                if not error.retryable or isinstance(error, SavepointFailed | DeadlineExceeded) or not under_way:
                    raise
                await self._pause(error, 2.0)
                stored = seen = None

    async def _take(self, step: do.Step, why: str, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> Stored:
        """Do one step and say so: that an attempt is written down, once it is."""
        if not isinstance(step, do.Claim):
            self._describe(step, why, stored.manifest)
        left = await self._do(step, spec, stored, seen, policy)
        if isinstance(step, do.Claim):
            self._describe(step, why, left.manifest)
        return left

    async def _do(self, step: do.Step, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> Stored:
        """Do one step; what acts is written down before it is sent."""
        outcome = None
        if step.written_first:
            stored = self._put(stored, after(step, spec, stored.manifest, self._dated(seen, spec), policy))
        if isinstance(step, CHANGING):
            self._asked += outline([step], stored.manifest)
        if isinstance(step, do.Submit):
            self.began.add(step.number)
            self._waiting = None  # what was waited for another job does not count for this one
            return await self._submit(step, spec, stored, seen, policy)
        if step.acts and stored.manifest:
            outcome = await perform(step, self.target, stored.manifest, seen, self.io, self.clock)
        if not step.written_first:
            left = after(step, spec, stored.manifest, self._dated(seen, spec), policy, outcome)
            if isinstance(step, do.Pin) and left.pending and left.pending.pinned:
                await self._observer.require_there(spec.name, left.pending.pinned)
            stored = self._put(stored, left)
        if isinstance(step, do.Claim):  # not before: somebody else may have been first
            self.began.add(step.number)
            self._claimed.add(step.number)
        if isinstance(step, do.Pin) and (chosen := pinned(stored.manifest, step.number, seen)):
            self._say(chosen)
        if stored.manifest:
            raise_if_over(step, stored.manifest, self.began, self.store)
        if isinstance(step, do.GiveUp | do.End):
            self.began.discard(step.number)
        return stored

    async def _submit(self, step: do.Submit, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> Stored:
        """A Duplicate proves that some submit arrived: a listed job tells of itself, one that is not listed ended."""
        if stored.manifest is None:
            raise AssertionError("unreachable: a submit is written down first")
        try:
            await perform(step, self.target, stored.manifest, seen, self.io, self.clock)
        except Duplicate:
            seen = await self._look(spec, stored, policy)
            if any(job.attempt == step.number for job in seen.jobs):
                return stored
        except StatementError as error:  # an answer, and no job: it is burnt, and given up
            if error.place and error.place[0] != "statements":
                raise  # what prepares the session failed, a catalog that is late, say: nothing was sent
            return self._put(stored, rejected(stored.manifest, step.number, str(error)))
        if seen.traits.job_id == "theirs":
            return stored  # only a look tells the id
        landed = after(do.Landed(step.number), spec, stored.manifest, self._dated(seen, spec), policy)
        return self._put(stored, landed)

    def _put(self, stored: Stored, manifest: Manifest) -> Stored:
        if manifest == stored.manifest:
            return stored
        version = self.store.put(manifest, stored.version)
        return Stored(replace(manifest, closed=()), version, stored.now)

    def _dated(self, seen: Seen, spec: Spec) -> Seen:
        """The look with the store's time of a write that is about to be made: what led to it may have taken long."""
        return replace(seen, now=self.store.get(spec.name).now)

    async def _look(
        self, spec: Spec, stored: Stored, policy: Policy, *, reuse: bool = False, judged: bool = True
    ) -> Seen:
        """What there is to see, and how long this deploy has waited for it to change."""
        seen = await self._observer.look(spec, stored, policy, reuse=reuse, judged=judged)
        waited = self.clock() - self._waiting[1] if self._waiting else 0.0
        gone = waited if self._waiting and _gone(self._waiting[0]) else 0.0
        return replace(seen, waited=waited, absent_for=gone)

    def _may_defer(self, step: do.Wait) -> bool:
        if self.limits.inline is None or not step.may_defer or self._waiting is None:
            return False
        if self._spent() > self.limits.total:
            return False
        return self.clock() - max(self._waiting[1], self._started) >= self.limits.inline

    def _account(self, begun: Plan, step: do.Wait) -> SoFar:
        waited = self.clock() - self._waiting[1] if self._waiting else 0.0
        began = tuple(sorted({*self.began, step.number} if isinstance(step, do.AwaitFinished) else self.began))
        said = begun.action, begun.verdict, begun.reason, begun.restored_from
        return SoFar(*said, began, step.number, self._spent(), waited)

    def _spent(self) -> float:
        return self.clock() - self._started + (self.so_far.spent if self.so_far else 0.0)

    async def _idle(self, step: do.Wait, why: str, manifest: Manifest | None) -> None:
        """Wait a moment, longer the longer it takes. Waiting for a job to run and for its proof count as one."""
        now = self.clock()
        before = self._waiting[0] if self._waiting else None
        if before is None or (before.number, _gone(before)) != (step.number, _gone(step)):
            self._waiting = (step, now)
        if isinstance(step, do.AwaitFinished):
            self.began.add(step.number)  # whoever waits for a run has its failure as the result, not another attempt
        self._trouble = None
        self._describe(step, why, manifest)
        stuck = _gone(step) and self._waiting is not None and now - self._waiting[1] > self.limits.transition
        if stuck or self._spent() > self.limits.total:
            raise DeadlineExceeded(f"Waited {self._spent():.0f} s; last seen: {why}. The job was left as it is.")
        here = now - max(self._waiting[1], self._started) if self._waiting else 0.0
        await self.io.sleep(min(max(here / 10, 0.05), 2.0))

    async def _pause(self, error: FlinkSqlError, seconds: float) -> None:
        """Trouble is borne for ``limits.outage``, counted from when it began; a step that was done ends it."""
        now = self.clock()
        self._trouble = now if self._trouble is None else self._trouble
        if now - self._trouble > self.limits.outage or self._spent() > self.limits.total:
            raise error
        self._say(f"{error} Trying again.")
        await self.io.sleep(seconds)

    def _begin(self, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> Plan:
        try:
            made = plan(spec, stored.manifest, replace(seen, prepared=None), policy)
        except JobFailed:
            self._record_end(spec, stored, seen, policy)
            raise
        if self.so_far:
            return self.so_far.plan
        require_approved(made, stored.manifest, policy)
        return self._announce(spec, seen, made, stored.manifest)

    def _record_end(self, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> None:
        """The death after which a job is not started any more is written down: its JobManager will forget it."""
        wanted, consents = in_force(spec, stored.manifest, policy)
        found = next_step(wanted, stored.manifest, seen, consents)
        if found and isinstance(found.step, do.End):
            self._put(stored, after(found.step, wanted, stored.manifest, self._dated(seen, wanted), consents))

    def _announce(self, spec: Spec, seen: Seen, made: Plan, manifest: Manifest | None) -> Plan:
        if any(isinstance(step, do.Claim) for step in made.steps):
            for warning in warnings(spec, seen):
                self.warn(warning)
        begun = (manifest.pending or manifest.current) if manifest else None
        only_to_confirm = isinstance(made.steps[0], do.Confirm) if made.steps else False
        if begun and (made.action == "resume" or only_to_confirm):
            current = manifest.current if manifest else None
            stop, whose = current.stop if current else None, "its" if begun is current else "its predecessor's"
            its = stop and (begun is current or stop.purpose == begun.number)
            asked = f", {whose} stop {stop.state}" if stop and its else ""
            self._say(f"Attempt {begun.number} by {begun.by or begun.owner} was {begun.state}{asked}; going on.")
        self.planned(made, manifest)
        return made

    def _describe(self, step: do.Step, why: str, manifest: Manifest | None) -> None:
        self._say(describe(step, why, manifest))

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.say(line)


def _gone(step: do.Step) -> bool:
    return isinstance(step, do.AwaitGone)
