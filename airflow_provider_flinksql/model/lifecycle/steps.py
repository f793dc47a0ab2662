"""The vocabulary of a plan. Steps carry numbers only: ids are derived from them, what is learnt is in the manifest."""

from __future__ import annotations

from dataclasses import dataclass, fields

from airflow_provider_flinksql.model.manifest import StopKind


@dataclass(frozen=True)
class Step:
    """Base of all steps; the text form is ``Claim(4, version 2)``-like and stable, since people approve it."""

    def __str__(self) -> str:
        values = [getattr(self, field.name) for field in fields(self)]
        return f"{type(self).__name__}({', '.join(str(value) for value in values if value is not None)})"


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

    attempt: int
    n: int
    kind: StopKind
    purpose: int | None


@dataclass(frozen=True)
class AwaitEnd(Step):
    """See what became of a requested stop. The worker stays: nothing waits half-stopped."""

    attempt: int
    n: int


@dataclass(frozen=True)
class End(Step):
    """Write down that the current attempt ended, as the evidence says."""

    number: int


@dataclass(frozen=True)
class Pin(Step):
    """Choose what the attempt restores from and write it down."""

    number: int


@dataclass(frozen=True)
class Submit(Step):
    """Send the job under the attempt's id, restoring what is pinned. The same id is sent until its fate is known."""

    number: int


@dataclass(frozen=True)
class Landed(Step):
    """Write down that the attempt's job was seen on the cluster."""

    number: int


@dataclass(frozen=True)
class AwaitRunning(Step):
    """Wait until all tasks of the job run. May defer."""

    number: int


@dataclass(frozen=True)
class RequestProof(Step):
    """Ask for the checkpoint that proves the job healthy."""

    number: int
    n: int


@dataclass(frozen=True)
class AwaitProof(Step):
    """Wait for that checkpoint; before it, or without checkpoints, until the job was stable for a while. May defer."""

    number: int


@dataclass(frozen=True)
class AwaitFinished(Step):
    """Wait until a bounded job has finished. May defer."""

    number: int


@dataclass(frozen=True)
class Confirm(Step):
    """Write down that the attempt is up; it is the current one from now on."""

    number: int


@dataclass(frozen=True)
class GiveUp(Step):
    """Close an attempt whose id can no longer start a job."""

    number: int


@dataclass(frozen=True)
class Refuse(Step):
    """Write down that what an attempt runs proved broken: what ran before is to run again."""

    number: int


@dataclass(frozen=True)
class Burn(Step):
    """Use up an attempt's id, so that a submit still on its way cannot start a job."""

    number: int


@dataclass(frozen=True)
class Cancel(Step):
    """Cancel a job of this lineage that should not run: a submit that landed late."""

    number: int


@dataclass(frozen=True)
class AwaitGone(Step):
    """Wait for the evidence to be complete: a job in transition, or a failover that may bring it back."""

    number: int


@dataclass(frozen=True)
class Record(Step):
    """Write down a Spec that runs the same thing."""


@dataclass(frozen=True)
class Adopt(Step):
    """Write down the file as what runs under a job that others started."""

    job_id: str


Wait = AwaitRunning | AwaitProof | AwaitFinished
WAITS = (AwaitRunning, AwaitProof, AwaitFinished)
"""The steps during which nothing is down: only these may defer."""

BOOKKEEPING = (End, Landed, Confirm, GiveUp)
"""Steps that only write down what has happened: a plan of nothing else changes nothing."""
