"""With high availability: the JobManager that leads is killed in the middle of an upgrade, and another takes over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.killed import COVERING
from faults.lab import Lane, lane
from faults.pair import Pair, pair
from faults.table import cell
from faults.wire import Fault

NAMES = iter(range(1000))


@pytest.fixture(scope="module")
def lab() -> Iterator[Pair]:
    with pair() as ours:
        yield ours


@pytest.fixture
def job(lab: Pair, tmp_path: Path) -> Iterator[Lane]:
    lab.up()
    with lane(lab, f"job-{next(NAMES)}", tmp_path) as ours:
        yield ours


STRUCK = [
    ("stop", "before"),
    ("stop", "during"),
    ("write: claimed, stop completed", "before"),
    ("write: pinned, current ended", "after"),
    ("submit", "during"),
    ("proof", "during"),
]
SHORT = [STRUCK[0], STRUCK[3], STRUCK[4]]
"""One of the others takes the minute for which a job must be absent before it counts as gone."""


@pytest.mark.parametrize(("step", "moment"), SHORT if COVERING else STRUCK)
def test_the_leader_is_killed_and_the_deploy_goes_on(lab, job, step, moment):
    job.must("deploy", str(job.path))
    job.grows()
    job.change()
    with cell("JobManager, high availability", step, f"killed {moment}"):
        worker = job.start("deploy", str(job.path), fault=Fault(step, moment, lambda: lab.kill("jobmanager"), False))
        first = worker.done()
        assert job.wire.struck.is_set(), job.wire.passed
        assert first.code == 0, first.err
        assert job.must("deploy", str(job.path)).entry["action"] == "none"
        job.judge(2)
