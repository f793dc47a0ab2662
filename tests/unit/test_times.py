"""When a job began and ended is what Flink says, and no clock makes it end before it began."""

import pytest

from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec

SPEC = Spec("orders", ("INSERT INTO o SELECT 1",))
JOB, LIFE = "a" * 32, "life"
SENT = Attempt(1, SPEC, 1, JOB, True, "me", state="submitted", sent_at=1000.0, claimed_at=999.0)


def confirmed(**seen):
    job = Sighting(JOB, "orders", "RUNNING", attempt=1, started_at=1_002_000, changed_at=1_003_000)
    m = Manifest("orders", "00000000-0000-0000-0000-000000000001", pending=SENT, last_number=1)
    return after(do.Confirm(1), SPEC, m, Seen("c", LIFE, jobs=(job,), now=1010.0, **seen), Policy("me", ""))


def ended(m, *jobs):
    return after(do.End(1), SPEC, m, Seen("c", LIFE, jobs=jobs, now=2000.0), Policy("me", "")).current


def over(**values):
    times = {"started_at": 1_002_000, "changed_at": 1_900_000, "stable_ms": 500}
    return Sighting(JOB, "orders", "FINISHED", attempt=1, **{**times, **values})


def test_a_job_that_runs_began_when_flink_says():
    assert confirmed().current.times == (1002.0, None)


def test_a_job_that_ended_did_so_when_flink_says():
    assert ended(confirmed(), over()).times == (1002.0, 1900.5)


def test_after_a_failover_the_first_start_counts():
    assert ended(confirmed(), over(started_at=1_800_000)).times == (1002.0, 1900.5)


def test_of_a_job_that_flink_forgot_our_own_times_are_told():
    assert ended(confirmed()).times == (1002.0, 2000.0)
    assert SENT.times == (1000.0, None)


def test_no_end_comes_before_its_start():
    assert ended(confirmed(), over(changed_at=900_000)).times == (1002.0, 1002.0)


def test_the_job_that_used_an_id_up_is_not_the_one_whose_times_are_told():
    m = after(do.Burn(1), SPEC, confirmed(), Seen("c", LIFE), Policy("me", ""))
    assert ended(m, over(started_at=1_950_000)).times == (1002.0, 2000.0)


@pytest.mark.parametrize("key", ["job_started", "job_ended"])
def test_an_attempt_written_before_flinks_times_were_kept_is_read(key):
    data = SENT.to_json()
    del data[key]
    assert Attempt.from_json(data) == SENT
