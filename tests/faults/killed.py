"""Fills the table of killed workers: every flow at once, each with a job of its own, killed at each of its steps."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from faults.flows import FLOWS, Flow
from faults.lab import Lab, Lane, lane
from faults.table import Cell, Table
from faults.wire import MOMENTS, Moment, server_of

COVERING = os.environ.get("FAULTS") != "all"
"""Each step of each flow once, each moment for each server, instead of each step at each moment."""


@contextmanager
def killing(lab: Lab, folder: Path, after: Collection[Future[None]]) -> Iterator[Callable[[], Table]]:
    """Kills workers beside whatever else is tested, as soon as ``after`` is over; what is called waits until all is."""
    kept, over = Table(), threading.Event()
    with ThreadPoolExecutor(len(FLOWS)) as threads:

        def fill(turn: int) -> None:
            wait(after)
            _fill(kept, lab, folder, FLOWS[turn](), turn, over)

        flows = [threads.submit(fill, turn) for turn in range(len(FLOWS))]

        def table() -> Table:
            for flow in flows:
                flow.result()
            return kept

        try:
            yield table
        finally:
            over.set()


def _fill(table: Table, lab: Lab, folder: Path, flow: Flow, turn: int, over: threading.Event) -> None:
    with lane(lab, flow.name.replace(" ", "-"), folder, flow.mode) as ours:
        if over.is_set():
            return
        flow.prepare(ours)
        ours.must(*flow.words(ours))
        steps = list(ours.wire.passed)
        flow.judge(ours)
        cells = list(_covering(steps, turn) if COVERING else _all(steps))
        for step, moment in cells:
            table.want(flow.name, step, [moment])
        for step, moment in cells:
            if over.is_set():
                return
            table.put(flow.name, step, moment, _kill(ours, flow, step, moment))


def _all(steps: list[str]) -> Iterator[tuple[str, Moment]]:
    for step in steps:
        for moment in _moments(step):
            yield step, moment


def _covering(steps: list[str], turn: int) -> Iterator[tuple[str, Moment]]:
    """The moments in turn for each server; flows begin with different ones."""
    asked: Counter[str] = Counter()
    for step in steps:
        moments = _moments(step)
        yield step, moments[(turn + asked[server_of(step)]) % len(moments)]
        asked[server_of(step)] += 1


def _moments(step: str) -> tuple[Moment, ...]:
    """The answer that tells the job's id is told or not: there is no third."""
    return MOMENTS[1:] if step == "job id" else MOMENTS


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
