"""What we recorded of one job: lineage, the attempt that counts, and the one that is on its way."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from airflow_provider_flinksql.errors import Misconfigured
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
class Stop:
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
class Savepoint:
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


@dataclass(frozen=True)
class Refused:
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
class Deaths:
    """How often a job died in the shape of this cause and got no further in between; the first was at ``since``."""

    times: int
    since: float
    cause: str

    def __str__(self) -> str:
        return f"{self.times} times since {moment(self.since)}, and no further in between"


@dataclass(frozen=True)
class Attempt:
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
    def sent(self) -> bool:
        """Whether a submit under this id may have left us."""
        return self.sent_at is not None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; secrets are still placeholders."""
        return vars(self) | {
            "spec": self.spec.to_json(),
            "pinned": self.pinned and vars(self.pinned),
            "snapshot": self.snapshot and vars(self.snapshot),
            "stops": [vars(stop) for stop in self.stops],
            "savepoints": [vars(savepoint) for savepoint in self.savepoints],
            "replaced": [spec.to_json() for spec in self.replaced],
            "accepted": list(self.accepted),
            "explained": self.explained and self.explained.to_json(),
            "deaths": self.deaths and vars(self.deaths),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Attempt:
        """The inverse of :meth:`to_json`."""
        snapshots = {key: Snapshot(**data[key]) if data[key] else None for key in ("pinned", "snapshot")}
        return cls(
            **{
                **data,
                **snapshots,
                "spec": Spec.from_json(data["spec"]),
                "stops": tuple(Stop(**stop) for stop in data["stops"]),
                "savepoints": tuple(Savepoint(**savepoint) for savepoint in data.get("savepoints", ())),
                "replaced": tuple(Spec.from_json(spec) for spec in data["replaced"]),
                "accepted": tuple(data.get("accepted", ())),
                "explained": Explained.from_json(data["explained"]) if data.get("explained") else None,
                "deaths": Deaths(**data["deaths"]) if data.get("deaths") else None,
            }
        )


@dataclass(frozen=True)
class Manifest:
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
    closed: tuple[Attempt, ...] = ()
    refused: Refused | None = None

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
        heads = {attempt.job_id: attempt.number for attempt in (self.current, self.pending) if attempt}
        drawn = {self.id("job", number): number for number in range(1, self.last_number + 1)}
        return {**drawn, **dict.fromkeys(self.adopted, 0), **heads}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the version of this form."""
        return {
            "version": DOCUMENT_VERSION,
            "name": self.name,
            "lineage": self.lineage,
            "current": self.current.to_json() if self.current else None,
            "pending": self.pending.to_json() if self.pending else None,
            "last_number": self.last_number,
            "adopted": list(self.adopted),
            "refused": self.refused and vars(self.refused),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        """The inverse of :meth:`to_json`; a newer form is refused, since trimming it would lose what it says."""
        if data["version"] != DOCUMENT_VERSION:
            raise Misconfigured(
                f"The manifest of {data.get('name')} is of version {data['version']}, this package reads version "
                f"{DOCUMENT_VERSION}. Upgrade airflow-provider-flinksql here."
            )
        current, pending = (Attempt.from_json(data[key]) if data[key] else None for key in ("current", "pending"))
        refused = Refused(**data["refused"]) if data.get("refused") else None
        adopted = tuple(data["adopted"])
        return cls(data["name"], data["lineage"], current, pending, data["last_number"], adopted, refused=refused)
