"""A JobManager in memory, its clock moved by whoever waits: what Flink was measured to do, and nothing better.

It remembers job ids until it dies, forgets ended jobs, answers for five minutes what became of a stop, says RUNNING of
a job that crashes again and again, and lets a lost submit land late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_flinksql.errors import Duplicate, NotFound
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.submission import RETENTION

START = 0.2
SAVEPOINT = 0.6
CHECKPOINT = 5.0
PROOF = 0.3
FAILOVER = 20.0
ANSWERS_KEPT = 300.0


def alike(statement: str) -> bool:
    """Whether it is one of the queries that can take each other's state over."""
    return " a " in statement or " also_a " in statement


@dataclass(frozen=True)
class Kept:
    """A snapshot on disk; ``query`` tells whose state it is, ``cause`` who asked for it."""

    location: str
    kind: Literal["savepoint", "checkpoint"]
    job_id: str
    checkpoint_id: int
    query: str
    cause: Literal["interval", "stop", "by hand"] = "interval"


@dataclass
class StopRun:
    """An asynchronous stop with savepoint; ``fate``: it works, it fails, or the job goes on after its savepoint."""

    folder: str
    asked: float
    fate: Literal["works", "fails", "half"]
    drain: bool = False
    location: str | None = None
    done_at: float | None = None


@dataclass(eq=False)
class Job:
    """One job that this JobManager knows."""

    id: str
    name: str
    spec: Spec
    folder: str
    attempt: int | None = None
    restored: str | None = None
    state: str = "INITIALIZING"
    since: float = 0.0
    started: float = 0.0
    cause: str | None = None
    checkpoint_id: int = 0
    checkpoint_at: float = 0.0
    kept: list[Kept] = field(default_factory=list)
    history: list[Kept] = field(default_factory=list)
    stops: dict[str, StopRun] = field(default_factory=dict)
    proofs: dict[str, float] = field(default_factory=dict)
    failed: list[tuple[int, str]] = field(default_factory=list)
    absent_until: float = 0.0
    excused: bool = False

    @property
    def live(self) -> bool:
        return self.state not in ENDED

    @property
    def broken(self) -> bool:
        """Its query fails at the first record, or at the first one after a checkpoint."""
        query = self.spec.statements[0]
        return "crash" in query and (bool(self.kept) or "later" not in query)

    @property
    def failures_since_checkpoint(self) -> list[tuple[int, str]]:
        """Times in milliseconds and causes, newest first."""
        last = self.checkpoint_at if self.history else 0.0
        return [(time, cause) for time, cause in reversed(self.failed[-16:]) if time > last * 1000]

    @property
    def deletes(self) -> bool:
        """Whether its checkpoints go with it when it is cancelled."""
        return self.spec.properties.get(RETENTION) == "DELETE_ON_CANCELLATION"

    def become(self, state: str, now: float, cause: str | None = None) -> None:
        self.state, self.since, self.cause = state, now, cause or self.cause


@dataclass
class JobManager:
    """``disk`` outlives it; what else it holds is gone with it, but for live jobs under high availability."""

    high_availability: bool = False
    incarnation: int = 1
    now: float = 1000.0
    jobs: dict[str, Job] = field(default_factory=dict)
    ids: dict[str, float] = field(default_factory=dict)
    disk: dict[str, Kept] = field(default_factory=dict)
    fate: Literal["works", "fails", "half"] = "works"
    wrote: Callable[[Job, Kept], None] = lambda _job, _kept: None

    def listed(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.absent_until <= self.now]

    def find(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None or job.absent_until > self.now:
            raise NotFound(f"no job {job_id}", 404)
        return job

    def submit(self, job: Job) -> None:
        if job.id in self.ids:
            raise Duplicate("Job has already been submitted.", 500)
        self.ids[job.id] = self.now
        self.jobs[job.id] = job
        job.started = job.checkpoint_at = self.now
        job.become("INITIALIZING", self.now)
        if job.restored and job.restored not in self.disk:
            job.become("FAILED", self.now, f"FileNotFoundException: {job.restored}")
        elif job.restored:
            job.checkpoint_id = self.disk[job.restored].checkpoint_id

    def stop(self, job_id: str, trigger: str, folder: str, drain: bool) -> None:
        """The same trigger is the same stop, also after it failed."""
        job = self.find(job_id)
        if job.live:
            fate = self.fate if job.state == "RUNNING" and not job.broken else "fails"
            job.stops.setdefault(trigger, StopRun(folder, self.now, fate, drain))

    def cancel(self, job_id: str) -> None:
        job = self.find(job_id)
        if job.live:
            job.become("CANCELLING", self.now)

    def restart(self) -> None:
        """A new process: without high availability all is gone; with it live jobs come back, after a while."""
        self.incarnation += 1
        back = [job for job in self.jobs.values() if job.live] if self.high_availability else []
        self.jobs = {job.id: job for job in back}
        self.ids = dict.fromkeys(self.jobs, self.now)
        for job in back:
            job.restored = job.kept[-1].location if job.kept else job.restored
            job.absent_until = self.now + FAILOVER
            job.become("INITIALIZING", job.absent_until)
            job.stops, job.proofs, job.history = {}, {}, []

    def forget(self) -> None:
        """Ended jobs leave the list; their ids stay used up."""
        self.jobs = {job.id: job for job in self.jobs.values() if job.live}

    def end(self, job: Job, state: str, cause: str | None = None) -> None:
        job.become(state, self.now, cause)
        # Flink discards checkpoints of finished jobs, whatever the retention
        if state == "FINISHED" or (state == "CANCELED" and job.deletes):
            for kept in job.kept:
                if kept.kind == "checkpoint":
                    self.disk.pop(kept.location, None)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for job in [job for job in self.jobs.values() if job.live and job.absent_until <= self.now]:
            self._advance(job)

    def write(self, job: Job, kind: Literal["savepoint", "checkpoint"], location: str, cause: str = "interval") -> Kept:
        job.checkpoint_id += 1
        job.checkpoint_at = self.now
        location = location.replace("{id}", str(job.checkpoint_id))
        kept = Kept(location, kind, job.id, job.checkpoint_id, job.spec.statements[0], cause)  # type: ignore[arg-type]
        for old in [k for k in job.kept if k.kind == "checkpoint" and kind == "checkpoint"]:
            self.disk.pop(old.location, None)
        job.kept.append(kept)
        job.history.append(kept)
        self.disk[location] = kept
        self.wrote(job, kept)
        return kept

    def _advance(self, job: Job) -> None:
        if job.state == "CANCELLING":
            return self.end(job, "CANCELED")
        for run in job.stops.values():
            self._advance_stop(job, run)
        if not job.live:
            return None
        if job.broken:  # RUNNING <-> RESTARTING for ever, and no checkpoint
            job.proofs.clear()
            if job.state != "RUNNING":
                return job.become("RUNNING", self.now)
            cause = f"StateMigrationException: the serializer must be compatible at {self.now}"
            job.failed.append((int(self.now * 1000), cause))
            return job.become("RESTARTING", self.now, cause)
        if job.state == "INITIALIZING" and self.now - job.since >= START:
            job.become("RUNNING", self.now)
        if job.state != "RUNNING":
            return None
        due = [t for t, asked in job.proofs.items() if 0 < asked <= self.now - PROOF]
        if due or self.now - job.checkpoint_at >= CHECKPOINT:
            self.write(job, "checkpoint", f"{job.folder}/chk-{{id}}")
        job.proofs.update(dict.fromkeys(due, 0.0))
        return None

    def _advance_stop(self, job: Job, run: StopRun) -> None:
        if run.done_at is None and self.now - run.asked >= SAVEPOINT:
            run.done_at = self.now
            if run.fate != "fails":
                run.location = self.write(job, "savepoint", f"{run.folder}/savepoint-{{id}}", "stop").location
            if run.fate == "half":
                job.become("RUNNING", self.now)
        elif run.done_at is not None and run.fate == "works":  # COMPLETED is said before the job is FINISHED
            self.end(job, "FINISHED")
