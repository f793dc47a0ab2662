from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from laws.machines import (
    Applications,
    Burns,
    Cancels,
    Crashes,
    Failover,
    GoingBack,
    Operator,
    Outside,
    Steps,
    Stops,
    Submits,
    Unseen,
    Workers,
)

BUDGET = settings(
    max_examples=60,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


MACHINES = [
    Crashes,
    Submits,
    Unseen,
    Burns,
    Stops,
    GoingBack,
    Cancels,
    Steps,
    Workers,
    Outside,
    Failover,
    Applications,
    Operator,
]


@pytest.mark.parametrize("machine", MACHINES)
def test_no_law_is_broken(machine):
    run_state_machine_as_test(machine, settings=BUDGET)
