"""Airflow's own retries, clears and restarts: see ``stories``, which are told beside the other tests."""

from __future__ import annotations

import pytest

from faults.stories import STORIES


@pytest.mark.parametrize("story", STORIES)
def test_one_job_runs_and_nothing_is_lost_whatever_becomes_of_its_task(told, story):
    told[story].result()
