"""The worker is killed before, during and after everything it does; one plain re-run, and then the judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from faults.table import Table
from faults.wire import MOMENTS, server_of

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
def table(killed: Callable[[], Table]) -> Table:
    """Once all flows are through."""
    return killed()


@pytest.mark.parametrize("flow", STEPS)
def test_a_killed_worker_loses_and_doubles_nothing(table, flow):
    assert table.wrong(flow) == []


def test_no_cell_of_the_table_is_empty(table, capsys):
    with capsys.disabled():
        print(table)
    assert table.empty == []
    struck = {(server_of(step), moment) for _, step, moment in table.cells}
    assert struck == {(server, moment) for server in ("store", "gateway", "JobManager") for moment in MOMENTS}
    for flow, steps in STEPS.items():
        known = {step for of, step, _ in table.cells if of == flow}
        assert {step.replace(";", ",") for step in steps.split(", ")} <= known
