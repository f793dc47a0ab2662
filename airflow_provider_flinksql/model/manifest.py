"""What we recorded of one job: lineage, the attempt that counts, and the one that is on its way."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeVar

from airflow_provider_flinksql.model.document import APART, Document, Unlike
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.failures import moment
from airflow_provider_flinksql.model.policy import Consent
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec

DOCUMENT_VERSION = 1

AttemptState = Literal["claimed", "pinned", "submitted", "confirmed", "ended"]
StopKind = Literal["savepoint", "drain", "cancel"]
Outcome = Literal["stopped", "drained", "finished", "failed", "cancelled", "gone", "dropped", "withdrawn"]
"""``dropped``: given up before it ran, for something else; ``withdrawn``: because nothing of the job was to run."""


@dataclass(frozen=True)
class Stop(Document):
    """One request to end an attempt, written before it is sent.

    ``purpose`` is the number of the attempt that it makes room for, ``None`` when the job shall stay stopped. A number
    is never used twice, so ``folder`` (its ``targetDirectory``) holds at most the one savepoint of this request.
    """

    number: int
    kind: StopKind
    folder: str | None = None
    purpose: int | None = None
    state: Literal["requested", "completed", "failed"] = "requested"
    location: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Savepoint(Document):
    """One savepoint of a job that goes on, written before it is asked for; ``folder`` holds no other.

    ``checkpoint_id``, ``size`` (bytes), ``seconds`` and ``time`` are what Flink told of it, ``None`` where it did not.
    """

    number: int
    folder: str
    owner: str
    asked_at: float
    state: Literal["requested", "completed", "failed"] = "requested"
    location: str | None = None
    checkpoint_id: int | None = None
    size: int | None = None
    seconds: float | None = None
    time: float | None = None
    cause: str | None = None


Asked = TypeVar("Asked", Stop, Savepoint)

KEPT = 20


def remembered(asked: tuple[Asked, ...]) -> tuple[Asked, ...]:
    """The stops or savepoints of an attempt that stay on record: the newest that left a savepoint, and of the others.

    In the folders of the latter there may be a savepoint that nobody told of. What is older than so many of either is
    not the newest state any more. All savepoints stay where they are.
    """
    left = {True: KEPT, False: KEPT}
    found: list[Asked] = []
    for one in reversed(asked):
        left[one.location is not None] -= 1
        if left[one.location is not None] >= 0:
            found.append(one)
    return tuple(reversed(found))


@dataclass(frozen=True)
class Refused(Document):
    """A Spec that is not deployed again unless somebody asks: it proved broken, or a person went back behind it.

    ``owner`` deployed what proved broken, or went back.
    """

    digest: str
    number: int
    query_version: int
    reason: str
    at: float
    owner: str


@dataclass(frozen=True)
class Deaths(Document):
    """How often a job died in the shape of this cause and got no further in between; the first was at ``since``."""

    times: int
    since: float
    cause: str

    def __str__(self) -> str:
        return f"{self.times} times since {moment(self.since)}, and no further in between"


@dataclass(frozen=True)
class Attempt(Document):
    """One submission under one job id.

    ``incarnation`` is the life of the JobManager that the last submit went to, ``landed`` whether the job was seen
    there. Times are seconds of the store's clock. Of the JobManager's, in milliseconds, are ``settled_at``, the last
    change of any task when the attempt was confirmed, and when the job started and ended. ``checkpoint_folder`` holds
    the ``chk-N`` of this job; ``savepoint_folder`` gets one folder for each stop and each of ``savepoints``, which the
    job outlived.
    ``consent`` is the last one-run consent that was used up to here, ``accepted`` are those that it was begun with;
    ``had_state`` says whether it wrote state of its own. ``explained`` is what the planner said of the Spec,
    ``flink_version`` the version of that cluster, empty where it is not known. ``deaths`` are those of its predecessors
    that it was begun after, at its end with its own. ``rejected`` is what the gateway said when it refused the submit
    itself, so that no job came of it.
    ``replaced`` are the Specs sent earlier under the same id; the tag of the job tells which one landed.
    """

    number: int
    spec: Spec
    query_version: int
    job_id: str
    fresh: bool
    owner: str
    by: str = ""
    state: AttemptState = "claimed"
    claimed_at: float = 0.0
    cluster: str = ""
    incarnation: str = ""
    landed: bool = False
    pinned: Snapshot | None = None
    sent_at: float | None = None
    checkpoint_folder: str | None = None
    savepoint_folder: str | None = None
    stops: tuple[Stop, ...] = ()
    savepoints: tuple[Savepoint, ...] = ()
    proofs: int = 0
    had_state: bool = False
    settled_at: int | None = None
    snapshot: Snapshot | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    replaced: tuple[Spec, ...] = ()
    consent: str | None = None
    accepted: tuple[Consent, ...] = ()
    explained: Explained | None = None
    burnt_in: str = ""
    rejected: str | None = None
    flink_version: str = ""
    deaths: Deaths | None = None
    job_started: int | None = None
    job_ended: int | None = None

    @property
    def times(self) -> tuple[float, float | None]:
        """When it began and, if it has, ended: as Flink told it, else when we sent it and saw it ended. In seconds."""
        began = self.job_started / 1000 if self.job_started else self.sent_at or self.claimed_at
        ended = self.job_ended / 1000 if self.job_ended else self.ended_at
        return began, ended and max(began, ended)  # two clocks may disagree

    @property
    def stop(self) -> Stop | None:
        """The last stop that was asked of this attempt."""
        return self.stops[-1] if self.stops else None

    @property
    def next_stop(self) -> int:
        """The number of its next stop; none is given twice, though not all of them stay on record."""
        return self.stops[-1].number + 1 if self.stops else 1

    @property
    def for_history(self) -> Attempt:
        """What is kept of it once another one counts: no change will be judged by what the planner said of this."""
        version = self.flink_version or (self.explained.flink_version if self.explained else "")
        return replace(self, explained=None, flink_version=version)

    @property
    def sent(self) -> bool:
        """Whether a submit under this id may have left us."""
        return self.sent_at is not None


@dataclass(frozen=True)
class Manifest(Document):
    """The head of one job's record.

    ``current`` is the attempt whose state counts: the one that runs, or the last that ran. ``pending`` is the one on
    its way. ``last_number`` is the highest attempt number ever claimed. ``closed`` are attempts that the next write
    moves from the head to the history. ``refused`` is the Spec that was refused last.
    """

    name: str
    lineage: str
    current: Attempt | None = None
    pending: Attempt | None = None
    last_number: int = 0
    adopted: tuple[str, ...] = ()
    closed: tuple[Attempt, ...] = field(default=(), metadata={APART: True})
    refused: Refused | None = None

    @property
    def heads(self) -> tuple[Attempt, ...]:
        """The attempts of the head, the one on its way first."""
        return tuple(attempt for attempt in (self.pending, self.current) if attempt)

    def attempt(self, number: int) -> Attempt:
        """The attempt of the head with this number; a step names no other. Raises AssertionError."""
        for attempt in self.heads:
            if attempt.number == number:
                return attempt
        raise AssertionError(f"unreachable: no attempt {number} in the head of {self.name}")

    @property
    def subject(self) -> Attempt | None:
        """The attempt whose job is the job now: the one that was submitted last."""
        pending, current = self.pending, self.current
        return pending if pending and (pending.sent or current is None) else current

    def id(self, kind: Literal["job", "stop", "proof", "savepoint"], attempt: int, n: int = 0) -> str:
        """The 32 hex digits of a submit, stop, proof or savepoint: the same for the same numbers, on every machine."""
        return uuid.uuid5(self._root, f"{kind}/{attempt}/{n}").hex

    @cached_property
    def _root(self) -> uuid.UUID:
        return uuid.UUID(self.lineage)

    def attempt_of(self, job_id: str) -> int | None:
        """The number of the attempt with this job id, ``None`` if the id is not of this lineage."""
        return self.job_ids.get(job_id)

    @cached_property
    def job_ids(self) -> Mapping[str, int]:
        """Every job id that is of this lineage, and the number of its attempt; of those adopted before, 0."""
        heads = {attempt.job_id: attempt.number for attempt in reversed(self.heads)}
        drawn = {self.id("job", number): number for number in range(1, self.last_number + 1)}
        return {**drawn, **dict.fromkeys(self.adopted, 0), **heads}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the version of this form."""
        return {**super().to_json(), "version": DOCUMENT_VERSION}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of :meth:`to_json`; a newer form is refused, since trimming it would lose what it says."""
        form = data.get("version", "missing") if isinstance(data, dict) else DOCUMENT_VERSION
        if isinstance(form, int) and form > DOCUMENT_VERSION:
            raise Unlike(
                f"is of version {form}, and this package reads version {DOCUMENT_VERSION}: upgrade "
                "airflow-provider-flinksql here"
            )
        if type(form) is not int or form != DOCUMENT_VERSION:
            raise Unlike(f"is {str(form)[:40]}, which never was one", "version")
        return super().from_json({k: v for k, v in data.items() if k != "version"} if isinstance(data, dict) else data)

    def as_today(self) -> Self:
        """The same; all ids are drawn from its lineage and its numbers, so these must be what they can be."""
        try:
            uuid.UUID(self.lineage)
        except ValueError:
            raise Unlike("is no UUID", "lineage") from None
        for key, attempt in (("current", self.current), ("pending", self.pending)):
            if attempt and not 0 < attempt.number <= self.last_number:
                raise Unlike(f"is {attempt.number}, and the last one was {self.last_number}", f"{key}.number")
        return self
