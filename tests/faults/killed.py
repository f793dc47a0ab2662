"""Fills the table of killed workers: every flow at once, each with a job of its own, killed at each of its steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from faults.flows import FLOWS, Flow
from faults.lab import Lab, Lane, laboratory, lane
from faults.table import Cell, Table
from faults.wire import MOMENTS, Moment


@contextmanager
def killing(folder: Path) -> Iterator[Callable[[], Table]]:
    """Kills workers from now on, beside whatever else is tested; what is called waits until all is done."""
    kept, over = Table(), threading.Event()
    with laboratory() as lab, ThreadPoolExecutor(len(FLOWS)) as threads:
        flows = [threads.submit(_fill, kept, lab, folder, flow(), over) for flow in FLOWS]

        def table() -> Table:
            for flow in flows:
                flow.result()
            return kept

        try:
            yield table
        finally:
            over.set()


def _fill(table: Table, lab: Lab, folder: Path, flow: Flow, over: threading.Event) -> None:
    with lane(lab, flow.name.replace(" ", "-"), folder, flow.mode) as ours:
        flow.prepare(ours)
        ours.must(*flow.words(ours))
        steps = list(ours.wire.passed)
        flow.judge(ours)
        for step in steps:
            # The answer that tells the job's id is told or not: there is no third.
            moments = MOMENTS[1:] if step == "job id" else MOMENTS
            table.want(flow.name, step, moments)
            for moment in moments:
                if over.is_set():
                    return
                table.put(flow.name, step, moment, _kill(ours, flow, step, moment))


def _kill(ours: Lane, flow: Flow, step: str, moment: Moment) -> Cell:
    begun = time.monotonic()
    try:
        flow.prepare(ours)
        ours.killed(step, moment, *flow.words(ours))
        begun = time.monotonic()
        ours.must(*flow.words(ours))
        took = time.monotonic() - begun
        flow.judge(ours)
    except AssertionError as error:
        return Cell(time.monotonic() - begun, str(error) or "it did not hold")
    return Cell(took)
