"""Everything outside of one job's deploys, in memory and honest: effects happen here, and a look reports what is there.

The laws are checked where they could be broken: when a job starts, when a manifest is written. What goes wrong, and
when, is a schedule: at each request and each write the worker may die, an answer may be lost, a submit may be held up
in the gateway's retries, the cluster may change, another worker may deploy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from airflow_provider_flinksql.errors import Duplicate, StatementFailed, Unreachable
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from laws.jobmanager import Job, JobManager, Kept, alike
from laws.store import MemoryStore

T = TypeVar("T")

RETRIES = 60.0
"""Seconds in which the gateway tries to hand a submit to the JobManager (measured)."""

RETRY = 3.0
"""Seconds between two tries: once an id got through by another submit, the older one is refused soon after."""

MOST_REQUESTS = 3000


class Died(BaseException):
    """The worker is gone: nothing in the product may catch this."""


class Broken(AssertionError):
    """A law was broken."""


@dataclass(frozen=True)
class Flight:
    """A submit that is still on its way, and what it does when it lands."""

    attempt: Attempt
    sent: float
    effect: Callable[[], None]


@dataclass
class Truth:
    """What counts as the state of the job, known from having watched all along.

    ``counted`` are the snapshots in the order of their making; a restore makes its snapshot the newest again. Before
    ``emptied`` lie those from before the last start that was empty on purpose. ``instead`` is what a person set aside:
    it counts again if the job that was started on their word ends before it wrote state.
    """

    counted: list[Kept] = field(default_factory=list)
    emptied: int = 0
    used: dict[str, int] = field(default_factory=dict)
    instead: Kept | None = None

    @property
    def newest(self) -> Kept | None:
        """Where nothing was written since the empty start, the state before it is still what one may go back to."""
        return self.counted[-1] if self.counted else None

    def wrote(self, *kept: Kept) -> None:
        self.counted += kept
        self.instead = None

    def started(self, job: Job, attempt: Attempt, disk: dict[str, Kept]) -> None:
        newest, since = self.newest, self.counted[self.emptied :]
        asked = attempt.consent or ""
        if asked.startswith("restart ") or self.used.setdefault(asked, attempt.number) != attempt.number:
            asked = ""  # it names no state, or it did once already: a word counts once, however often it is tried
        if attempt.pinned is None:
            changed = newest is not None and newest.query != attempt.spec.statements[0]
            fits = newest is not None and alike(newest.query) and alike(attempt.spec.statements[0])
            wish = attempt.spec.state.on_query_change
            allowed = changed and (wish == "fresh" or (wish == "carry-or-fresh" and not fits))
            if asked and not asked.startswith("none "):
                raise Broken(f"attempt {attempt.number} started empty, and a person had said {asked}")
            if newest and not allowed and not asked:
                raise Broken(f"attempt {attempt.number} started empty, and there was {newest}")
            self.emptied = len(self.counted)
            return
        kept = disk.get(attempt.pinned.location)
        if kept is None:
            return
        if asked:
            if not asked.startswith(f"{kept.location} "):
                raise Broken(f"attempt {attempt.number} restores {kept}, and a person had said {asked}")
            self.instead = self.instead or newest
        else:
            if kept.location not in {each.location for each in (newest, self.instead) if each}:
                raise Broken(f"attempt {attempt.number} restores {kept}, the newest is {newest}")
            changed = kept.query != (query := attempt.spec.statements[0])
            if changed and not (alike(kept.query) and alike(query)):
                raise Broken(f"attempt {attempt.number} restores the state of another query")
            if changed and attempt.spec.state.on_query_change == "fresh":
                raise Broken(f"attempt {attempt.number} restores state that was to be left behind")
            if not since and changed:
                raise Broken(f"attempt {attempt.number} goes back before an empty start")
        self.counted.append(kept)


class World:
    """JobManager, gateway, disk, store, time; ``mishaps`` holds (where, how often it goes well, what happens then)."""

    def __init__(self, high_availability: bool = False) -> None:
        self.jobmanager = JobManager(high_availability, wrote=self._wrote)
        self.store = MemoryStore(lambda: self.now, self.point, self._written)
        self.truth = Truth()
        self.flights: list[Flight] = []
        self.pins: dict[int, str | None] = {}
        self.mishaps: list[tuple[str, int, str]] = []
        self.events: dict[str, Callable[[], None]] = {}
        self.cut_until = 0.0
        self.requests: list[str] = []
        self.budget = MOST_REQUESTS
        self.recorded: list[Manifest] = []
        self.looked_in = 0
        self.all_is_wanted = False

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.jobmanager.now

    def clock(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        for part in (0.5, 0.25, 0.25) if seconds > 1 else (1.0,):
            self.jobmanager.pass_time(seconds * part)
        ids = self.jobmanager.ids
        self.flights = [
            f
            for f in self.flights
            if self.now - f.sent <= RETRIES and self.now - ids.get(f.attempt.job_id, self.now) < RETRY
        ]

    async def sleep(self, seconds: float) -> None:
        """The second half of clients.http.IO; nothing here uses the first."""
        self.pass_time(seconds)

    # --- what goes wrong ----------------------------------------------------------------------------------------

    def point(self, what: str, flight: Flight | None = None) -> None:
        """One moment between two things that a worker does to the outside."""
        due = next((i for i, mishap in enumerate(self.mishaps) if mishap[0] == what), None)
        if due is None:
            return
        _, left, action = self.mishaps[due]
        if left > 0:
            self.mishaps[due] = (what, left - 1, action)
            return
        self.mishaps.pop(due)
        if flight and action in ("late", "die-late"):
            self.flights.append(flight)
        if action in ("die", "die-late"):
            raise Died(what)
        if action in ("lost", "late"):
            raise Unreachable(f"{what}: no answer.")
        self.events[action]()

    def request(self, what: str, effect: Callable[[], T], flight: Flight | None = None) -> T:
        """One request: it may not arrive, and its answer may not come back."""
        self.requests.append(what)
        self.budget -= 1
        if self.budget < 0:
            raise Broken(f"a deploy without end; last: {self.requests[-6:]}")
        self.point(what, flight)
        if self.now < self.cut_until:
            if flight:
                self.flights.append(flight)
            raise Unreachable(f"{what}: connection refused.")
        answer = effect()
        self.point(f"{what}: answer")
        return answer

    def submit(self, attempt: Attempt, effect: Callable[[], None]) -> None:
        """A request through the gateway, which tries for a while, or refuses what it cannot make a job of."""
        if "at_submit" in attempt.spec.statements[0]:
            effect = self._refuse
        self.request("submit", effect, Flight(attempt, self.now, effect))

    @staticmethod
    def _refuse() -> None:
        raise StatementFailed("SQL gateway: ClassNotFoundException: com.example.Missing")

    def cancel(self, job_id: str) -> None:
        """A cancel that nobody but the engine asked for: the newest state outlasts it, where it is to be restored."""
        job = self.jobmanager.jobs.get(job_id)
        newest = self.truth.newest
        goes = job is not None and job.live and job.deletes and newest in job.kept and newest.kind == "checkpoint"
        if goes and self.all_is_wanted:
            raise Broken(f"{job_id} is cancelled, and {newest} goes with it")
        self.jobmanager.cancel(job_id)

    def land(self) -> None:
        """The gateway's retries get through."""
        flights, self.flights = self.flights, []
        for flight in flights:
            try:
                flight.effect()
            except (Duplicate, StatementFailed):
                pass

    def restart(self) -> None:
        """Not modelled: a second start by a submit whose job had written state or whose number had been given up.

        Both need a JobManager that restarts in the moment between two tries of the gateway.
        """
        head = self.recorded[-1] if self.recorded else None
        heads = {a.job_id for a in (head.current, head.pending) if a} if head else set()
        wrote = {kept.job_id for kept in self.jobmanager.disk.values()}
        self.flights = [f for f in self.flights if f.attempt.job_id in heads - wrote]
        self.jobmanager.restart()

    def haunt(self) -> None:
        """Longer than anybody measured a submit was held up, and a new JobManager knows nothing of its id."""
        manifest = self.recorded[-1] if self.recorded else None
        if manifest is None or self.jobmanager.high_availability:
            return
        self.restart()
        heads = [a.job_id for a in (manifest.current, manifest.pending) if a]
        for attempt in self.store.history(manifest.name)[-1:]:
            if attempt.sent and attempt.job_id not in heads:
                ghost = Job(
                    attempt.job_id, manifest.name, attempt.spec, f"{attempt.checkpoint_folder}/ghost", excused=True
                )
                self.jobmanager.submit(ghost)

    def cut(self) -> None:
        self.cut_until = self.now + 5.0

    # --- the laws -----------------------------------------------------------------------------------------------

    def start(self, attempt: Attempt) -> None:
        """A submit reaches the JobManager."""
        location = attempt.pinned.location if attempt.pinned else None
        if self.pins.setdefault(attempt.number, location) != location:
            raise Broken(f"attempt {attempt.number} was submitted with {location} and {self.pins[attempt.number]}")
        if not any(m.pending and m.pending.number == attempt.number and m.pending.sent for m in self.recorded):
            raise Broken(f"attempt {attempt.number} was submitted before it was written down")
        job = Job(attempt.job_id, attempt.spec.name, attempt.spec, attempt.checkpoint_folder or "", attempt.number)
        job.restored = location
        self.jobmanager.submit(job)
        if not job.live:
            raise StatementFailed(f"the JobManager refused {job.id}: {job.cause}")
        for other in self.jobmanager.jobs.values():
            unseen = other.attempt is None and other.absent_until > self.now  # a stranger's failover nobody can see
            if other is not job and other.live and other.name == job.name and not unseen:
                raise Broken(f"attempt {attempt.number} starts while {other.id} ({other.state}) lives")
        if early := [f.attempt.number for f in self.flights if self.may_start(f) and f.attempt.job_id != job.id]:
            raise Broken(f"attempt {attempt.number} starts while attempt {early[0]} may still land")
        self.truth.started(job, attempt, self.jobmanager.disk)

    def may_start(self, flight: Flight) -> bool:
        return flight.attempt.job_id not in self.jobmanager.ids

    def _written(self, old: Manifest | None, new: Manifest) -> None:
        self.recorded.append(new)
        if old and _forgets(old, new):
            raise Broken(f"a write undid another: {old} -> {new}")
        pending, up = (old.pending if old else None), new.current
        proved = pending and up and up.number == pending.number and up.state == "confirmed"
        if proved and not any(kept.job_id == pending.job_id for kept in self.truth.counted):
            raise Broken(f"attempt {pending.number} was confirmed, and no checkpoint of it ever completed")
        if pending and pending.sent and (new.pending is None or new.pending.number != pending.number):
            self._given_up(pending.number)
        for job_id in set(new.adopted) - set(old.adopted if old else ()):
            self.truth.wrote(*self.jobmanager.jobs[job_id].kept)

    def _given_up(self, number: int) -> None:
        """The evidence is of the life of the JobManager that was looked at; one that began since is not modelled."""
        loose = [f for f in self.flights if f.attempt.number == number]
        if self.looked_in == self.jobmanager.incarnation and any(map(self.may_start, loose)):
            raise Broken(f"attempt {number} was given up, and its submit may still land")
        self.flights = [f for f in self.flights if f not in loose]

    def _wrote(self, job: Job, kept: Kept) -> None:
        manifest = self.recorded[-1] if self.recorded else None
        if job.attempt is not None or (manifest and job.id in manifest.adopted and not job.excused):
            self.truth.wrote(kept)


def _forgets(old: Manifest, new: Manifest) -> bool:
    """Numbers, stops and submits that were written down stay so."""
    was = {a.number: (len(a.stops), a.proofs, a.sent) for a in (old.current, old.pending) if a}
    now = {a.number: (len(a.stops), a.proofs, a.sent) for a in (new.current, new.pending, *new.closed) if a}
    lost = any(number not in now or any(x < y for x, y in zip(now[number], was[number], strict=True)) for number in was)
    return new.last_number < old.last_number or lost
