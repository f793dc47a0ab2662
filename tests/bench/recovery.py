"""What it costs that a deploy was killed: both runs together, against one that nobody disturbed and one more look."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.lab import Lane, laboratory, lane

KILLED = {
    "killed between stop and submit": "write: pinned, current ended",
    "killed right after the submit": "submit",
}


def recoveries(folder: Path, rounds: int) -> dict[str, float]:
    """Medians of the ratio, side by side in each round."""
    with laboratory() as lab, lane(lab, "recovered", folder) as job:
        job.must("deploy", str(job.path))
        _undisturbed(job)  # the first ones pay for what JVMs compile
        return {what: statistics.median(_ratio(job, step) for _ in range(rounds)) for what, step in KILLED.items()}


def _ratio(job: Lane, step: str) -> float:
    undisturbed = _undisturbed(job)
    look = job.must("deploy", str(job.path)).seconds
    _change(job)
    both = job.killed(step, "after", "deploy", str(job.path)).seconds + job.must("deploy", str(job.path)).seconds
    return both / (undisturbed + look)


def _undisturbed(job: Lane) -> float:
    _change(job)
    return job.must("deploy", str(job.path)).seconds


def _change(job: Lane) -> None:
    job.grows()
    job.change()
