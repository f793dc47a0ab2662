"""The vocabulary of a plan. Steps carry numbers only: ids are derived from them, what is learnt is in the manifest."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from airflow_provider_flinksql.model.manifest import StopKind


@dataclass(frozen=True)
class Step:
    """Base of all steps; the text form is ``Claim(4, version 2)``-like and stable, since people approve it.

    ``acts``: a server is asked for something, so the last look is over. ``written_first``: what is asked for is written
    down before it is sent. ``only_records``: it writes down what has happened, so a plan of nothing else changes
    nothing.
    """

    acts: ClassVar[bool] = False
    written_first: ClassVar[bool] = False
    only_records: ClassVar[bool] = False

    def __str__(self) -> str:
        values = [getattr(self, field.name) for field in fields(self)]
        return f"{type(self).__name__}({', '.join(str(value) for value in values if value is not None)})"


@dataclass(frozen=True)
class Wait(Step):
    """Base of the steps that only wait. ``may_defer``: nothing is down meanwhile, so the worker may be left."""

    number: int
    may_defer: ClassVar[bool] = True


@dataclass(frozen=True)
class Check(Step):
    """Try everything that can fail while nothing has been touched: session, jars, tables, setup, EXPLAIN."""


@dataclass(frozen=True)
class Claim(Step):
    """Write down the next attempt; ``fresh`` says that it starts empty on purpose."""

    number: int
    query_version: int
    fresh: bool


@dataclass(frozen=True)
class Supersede(Claim):
    """Put a newer Spec into an attempt that has not landed."""


@dataclass(frozen=True)
class RequestStop(Step):
    """Ask an attempt's job to end; written down before it is sent."""

    acts: ClassVar[bool] = True
    written_first: ClassVar[bool] = True

    attempt: int
    n: int
    kind: StopKind
    purpose: int | None


@dataclass(frozen=True)
class AwaitEnd(Step):
    """See what became of a requested stop. The worker stays: nothing waits half-stopped."""

    acts: ClassVar[bool] = True

    attempt: int
    n: int


@dataclass(frozen=True)
class End(Step):
    """Write down that the current attempt ended, as the evidence says."""

    only_records: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class Pin(Step):
    """Choose what the attempt restores from and write it down."""

    number: int


@dataclass(frozen=True)
class Submit(Step):
    """Send the job under the attempt's id, restoring what is pinned. The same id is sent until its fate is known."""

    acts: ClassVar[bool] = True
    written_first: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class Landed(Step):
    """Write down that the attempt's job was seen on the cluster."""

    only_records: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class AwaitRunning(Wait):
    """Wait until all tasks of the job run."""


@dataclass(frozen=True)
class RequestProof(Step):
    """Ask for the checkpoint that proves the job healthy."""

    acts: ClassVar[bool] = True
    written_first: ClassVar[bool] = True

    number: int
    n: int


@dataclass(frozen=True)
class AwaitProof(Wait):
    """Wait for that checkpoint; before it, or without checkpoints, until the job was stable for a while."""


@dataclass(frozen=True)
class AwaitFinished(Wait):
    """Wait until a bounded job has finished."""


@dataclass(frozen=True)
class Confirm(Step):
    """Write down that the attempt is up; it is the current one from now on."""

    only_records: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class GiveUp(Step):
    """Close an attempt whose id can no longer start a job."""

    only_records: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class Refuse(Step):
    """Write down that what an attempt runs proved broken: what ran before is to run again."""

    number: int


@dataclass(frozen=True)
class Burn(Step):
    """Use up an attempt's id, so that a submit still on its way cannot start a job. Written down once it is done."""

    acts: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class Cancel(Step):
    """Cancel a job of this lineage that should not run: a submit that landed late."""

    acts: ClassVar[bool] = True

    number: int


@dataclass(frozen=True)
class AwaitGone(Wait):
    """Wait for the evidence to be complete: a job in transition, or a failover that may bring it back."""

    may_defer: ClassVar[bool] = False


@dataclass(frozen=True)
class Record(Step):
    """Write down a Spec that runs the same thing."""


@dataclass(frozen=True)
class Adopt(Step):
    """Write down the file as what runs under a job that others started."""

    job_id: str


@dataclass(frozen=True)
class Next:
    """One step and why it is taken."""

    step: Step
    why: str


@dataclass(frozen=True)
class Start:
    """A new attempt is wanted. ``stop`` says how the running one is ended first (``None``: nothing runs)."""

    query_version: int
    fresh: bool
    why: str
    stop: StopKind | None = None
