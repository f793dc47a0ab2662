"""The worker is killed before, during and after everything it does; one plain re-run, and then the judge."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.flows import FLOWS, Flow
from faults.lab import Lab, laboratory, lane
from faults.table import Cell, Table
from faults.wire import MOMENTS

STEPS = {
    "first deploy": "open session, explain, write: claimed, write: pinned, write: submitted, submit, job id, proof",
    "upgrade": "open session, explain, write: claimed; current confirmed, write: claimed; stop requested, stop, "
    "write: claimed; stop completed, write: claimed; current ended, write: pinned; current ended, "
    "write: submitted; current ended, submit, job id, write: landed; current ended, proof",
    "recovery": "explain, write: claimed; current ended, write: pinned; current ended, submit, job id, proof",
    "stop": "write: stop requested, stop, write: stop completed, write: ended",
    "batch run": "explain, write: claimed, write: pinned, write: submitted, submit, job id, write: landed",
}
"""What each flow is known to do at least: a proxy that overlooks it would leave the table shorter, not emptier."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Filled by all flows at once, each with a job of its own."""
    kept = Table()
    with laboratory() as lab, ThreadPoolExecutor(len(FLOWS)) as threads:
        folder = tmp_path_factory.mktemp("killed")
        for done in [threads.submit(_fill, kept, lab, folder, flow()) for flow in FLOWS]:
            done.result()
    return kept


def _fill(table: Table, lab: Lab, folder: Path, flow: Flow) -> None:
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
                wrong = ""
                begun = time.monotonic()
                try:
                    flow.prepare(ours)
                    ours.killed(step, moment, *flow.words(ours))
                    begun = time.monotonic()
                    ours.must(*flow.words(ours))
                    took = time.monotonic() - begun
                    flow.judge(ours)
                except AssertionError as error:
                    took, wrong = time.monotonic() - begun, str(error)
                table.put(flow.name, step, moment, Cell(took, wrong))


@pytest.mark.parametrize("flow", STEPS)
def test_a_killed_worker_loses_and_doubles_nothing(table, flow):
    assert table.wrong(flow) == []


def test_no_cell_of_the_table_is_empty(table, capsys):
    with capsys.disabled():
        print(table)
    assert table.empty == []
    for flow, steps in STEPS.items():
        known = {step for of, step, _ in table.cells if of == flow}
        assert {step.replace(";", ",") for step in steps.split(", ")} <= known
