"""What a worker does to a job, each with all that it needs before: the same for every fault."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from faults.lab import Lane

NUMBERS = count(1)
"""Of jobs that are nobody's yet."""


@dataclass
class Flow:
    """``prepare`` brings the job to where the worker begins, ``judge`` says how all must be after the re-run.

    ``started`` counts the jobs that there should have been of this name.
    """

    name: str = ""
    mode: str = "streaming"
    started: int = 0

    def prepare(self, lane: Lane) -> None:
        """The job runs, and has written."""
        if self.started == 0:
            lane.must("deploy", str(lane.path))
            self.started = 1
        lane.grows()

    def words(self, lane: Lane) -> tuple[str, ...]:
        """What the worker is told."""
        return "deploy", str(lane.path)

    def judge(self, lane: Lane) -> None:
        """One job, with all that it had."""
        lane.judge(self.started)


@dataclass
class FirstDeploy(Flow):
    """Each time another job."""

    name: str = "first deploy"

    def prepare(self, lane: Lane) -> None:
        lane.cancel()
        self.started = 1
        lane.rename(f"first-{next(NUMBERS)}")


@dataclass
class Upgrade(Flow):
    """A harmless change: stop with savepoint, restore."""

    name: str = "upgrade"

    def prepare(self, lane: Lane) -> None:
        super().prepare(lane)
        lane.change()
        self.started += 1


@dataclass
class Recovery(Flow):
    """Somebody cancelled it."""

    name: str = "recovery"

    def prepare(self, lane: Lane) -> None:
        super().prepare(lane)
        lane.cancel()
        self.started += 1


@dataclass
class Stop(Flow):
    """``flinksql stop``."""

    name: str = "stop"

    def prepare(self, lane: Lane) -> None:
        if not lane.live():
            lane.must("deploy", str(lane.path))
            self.started += 1
        lane.grows()

    def words(self, lane: Lane) -> tuple[str, ...]:
        return "stop", lane.name

    def judge(self, lane: Lane) -> None:
        lane.judge(self.started, running=False)


@dataclass
class Batch(Flow):
    """A run that ends by itself."""

    name: str = "batch run"
    mode: str = "batch"

    def prepare(self, lane: Lane) -> None:
        lane.rename(f"batch-{next(NUMBERS)}")

    def judge(self, lane: Lane) -> None:
        lives = lane.lab.watch.of(lane.name)
        assert [life.state for life in lives] == ["FINISHED"], lives
        assert lane.output() == []
        assert lane.rows().last == 20


FLOWS: tuple[type[Flow], ...] = (FirstDeploy, Upgrade, Recovery, Stop, Batch)
