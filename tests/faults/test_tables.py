"""The table of all that a worker stands on, as the tests before have filled it."""

from __future__ import annotations

from faults.table import SURROUNDINGS


def test_no_cell_of_the_surroundings_is_empty(capsys):
    with capsys.disabled():
        print(SURROUNDINGS)
    assert SURROUNDINGS.empty == []
    who = {who for who, _, _ in SURROUNDINGS.cells}
    servers = {"gateway", "JobManager", "JobManager, high availability", "TaskManager", "store", "network"}
    assert who == servers | {"people", "Airflow"}
