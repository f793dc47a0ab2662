"""One look at the outside. A look that got no answer is an exception, never a value: no answer is no evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.failures import Failures
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.snapshot import Snapshot

ENDED = frozenset({"FINISHED", "FAILED", "CANCELED"})
"""Flink's globally terminal job states; SUSPENDED is not one: with HA another JobManager takes the job over."""


Found = Literal["there", "missing", "unchecked"]
"""Whether a snapshot lies at a location; ``unchecked``: that cannot be told from here, and so it may."""

Proof = Literal["none", "in-progress", "completed", "failed"]


@dataclass(frozen=True)
class Traits:
    """What a way of running can do; ``plan`` reads these instead of a target's name.

    ``submit``: whether the same id may be sent twice (``once``: every request starts another cluster). ``upgrade``:
    whether we stop and start, or one request replaces the job. ``job_id``: who draws it.
    """

    submit: Literal["idempotent", "once"] = "idempotent"
    upgrade: Literal["stop-then-start", "replace"] = "stop-then-start"
    job_id: Literal["ours", "theirs"] = "ours"


@dataclass(frozen=True)
class Sighting:
    """One line of the cluster's job list. Times are the JobManager's, in milliseconds.

    ``attempt`` is our number for it (``None``: not of this lineage), ``digest`` what its tag says that it runs.
    ``archived``: its archive tells of it, and this life of the JobManager may know nothing of its id.
    """

    job_id: str
    name: str
    state: str
    all_running: bool = False
    started_at: int = 0
    changed_at: int = 0
    stable_ms: int = 0
    attempt: int | None = None
    digest: str | None = None
    archived: bool = False

    @property
    def live(self) -> bool:
        """Whether it runs or may run again by itself."""
        return self.state not in ENDED

    @property
    def ended_at(self) -> int | None:
        """When it ended; None while it has not."""
        return None if self.live or not self.started_at else self.changed_at + self.stable_ms


@dataclass(frozen=True)
class Detail:
    """What only a closer look at one job tells.

    ``restored``: the location it last restored from. ``failures``: how it failed since its last checkpoint.
    ``stopped_with``: the savepoint of the stop that ended it. ``proof``: what became of the checkpoint we asked for.
    ``checkpoint_…``: its newest completed checkpoint or savepoint, ``completed``: how many of them there were.
    """

    checkpointing: bool = True
    completed: int = 0
    restored: str | None = None
    checkpoint_at: int | None = None
    checkpoint_id: int | None = None
    checkpoint_location: str | None = None
    cause: str | None = None
    failures: Failures | None = None
    stopped_with: str | None = None
    proof: Proof = "none"
    delete_on_cancellation: bool = False


@dataclass(frozen=True)
class Seen:
    """One look: the cluster, its jobs that concern us, and what we found out about the attempts on record.

    ``snapshots`` are those of the attempts on record; ``searched`` says whether every place that could hold one was
    looked into, ``named`` what became of looking for the state that a person named, ``unseen`` the folder for
    savepoints where it cannot be seen from here. ``options`` are the cluster's own
    Flink options. ``waited`` and ``absent_for`` are seconds that this deploy has spent waiting for a job to come up, or
    to come back. ``now`` is the store's clock. ``explained`` is what the planner says, by the digest of the Spec, where
    a change is to be judged.
    """

    cluster: str
    incarnation: str
    now: float = 0.0
    high_availability: bool = False
    jobs: tuple[Sighting, ...] = ()
    details: tuple[tuple[str, Detail], ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    searched: bool = True
    named: Found = "there"
    unseen: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    prepared: str | None = None
    explained: tuple[tuple[str, Explained], ...] = ()
    waited: float = 0.0
    absent_for: float = 0.0
    old_cluster_answers: bool = False
    traits: Traits = Traits()

    def planner_on(self, digest: str) -> Explained | None:
        """What the planner of this cluster says of the Spec of this digest, if it was asked."""
        return dict(self.explained).get(digest)

    def option(self, key: str) -> str | None:
        """One Flink option of the cluster, under its present name."""
        return dict(self.options).get(key)

    def job(self, job_id: str) -> Sighting | None:
        """The job of this id, if it is listed."""
        return next((job for job in self.jobs if job.job_id == job_id), None)

    def job_of(self, attempt: Attempt) -> Sighting | None:
        """The job of this attempt: by its id, or by its tag where the cluster draws the id."""
        if self.traits.job_id == "ours":
            return self.job(attempt.job_id)
        return next((job for job in self.jobs if job.attempt == attempt.number), None)

    def detail(self, job_id: str) -> Detail:
        """The closer look at this job; the defaults where none was taken."""
        return dict(self.details).get(job_id, Detail())

    def strangers(self, manifest: Manifest | None, name: str, job_id: str | None = None) -> tuple[Sighting, ...]:
        """Live jobs of our name, or of this id, that are not of this lineage."""
        ours = manifest.attempt_of if manifest else lambda _: None
        meant = (job for job in self.jobs if job.live and (job.name == name or job.job_id == job_id))
        return tuple(job for job in meant if job.attempt is None and ours(job.job_id) is None)
