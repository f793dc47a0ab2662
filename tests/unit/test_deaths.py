"""A job that comes up, proves itself and dies again and again: each of its starts succeeds."""

from dataclasses import replace

import pytest

from airflow_provider_flinksql.errors import JobFailed
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.deaths import dies_again
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.lifecycle.steps import Claim, Confirm, End, Landed, Pin, Submit
from airflow_provider_flinksql.model.manifest import Attempt, Deaths, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec

ME = Policy("me", "5a1c2a52-0000-4000-8000-000000000001", "me")
SPEC = Spec("orders", ("INSERT INTO t SELECT a FROM s",), properties={"execution.checkpointing.interval": "10 s"})
OPTIONS = (("execution.checkpointing.dir", "file:///chk"), ("execution.checkpointing.savepoint-dir", "file:///sp"))
HOUR = 3_600_000


def look(manifest: Manifest, state: str, **detail: object) -> Seen:
    attempt = manifest.subject
    assert attempt
    lived = detail.pop("lived", 5_000)
    job = Sighting(attempt.job_id, "orders", state, state == "RUNNING", 0, lived, 60_000, attempt.number)  # type: ignore[arg-type]
    kept = Snapshot(f"file:///chk/{attempt.number}/chk-1", "checkpoint", "JobManager", attempt.number, 1)
    told = Detail(**{"cause": "NumberFormatException: x1", "completed": 1, "proof": "completed", **detail})  # type: ignore[arg-type]
    return Seen(
        "here", "life", 100.0, jobs=(job,), details=((job.job_id, told),), snapshots=(kept,), options=OPTIONS
    )


def lives(manifest: Manifest, spec: Spec = SPEC, policy: Policy = ME, **death: object) -> Manifest:
    """A start that succeeds, and its end."""
    number = manifest.last_number + 1
    nothing = Seen("here", "life", 100.0, options=OPTIONS)
    for step in (Claim(number, 1, number == 1), Pin(number), Submit(number)):
        manifest = after(step, spec, manifest, nothing, policy)
    for last in (Landed(number), Confirm(number)):
        manifest = after(last, spec, manifest, look(manifest, "RUNNING"), policy)
    return replace(after(End(number), spec, manifest, look(manifest, "FAILED", **death), policy), closed=())


def deaths(manifest: Manifest) -> Deaths | None:
    assert manifest.current
    return manifest.current.deaths


NEW = Manifest("orders", ME.lineage)
ONCE = lives(NEW)
TWICE = lives(ONCE, cause="NumberFormatException: x2")
THRICE = lives(TWICE, cause="NumberFormatException: x3")


def test_deaths_of_one_cause_are_counted_from_attempt_to_attempt():
    assert [deaths(one).times for one in (ONCE, TWICE, THRICE)] == [1, 2, 3]
    assert deaths(THRICE).cause == "NumberFormatException: x3"
    assert "(3 times since 1970-01-01 00:00:05 UTC" in THRICE.current.reason
    assert Attempt.from_json(THRICE.current.to_json()) == THRICE.current


@pytest.mark.parametrize(
    "death",
    [
        pytest.param({"completed": 2}, id="it completed a checkpoint besides its proof"),
        pytest.param({"cause": "TimeoutException"}, id="it died of something else"),
        pytest.param({"lived": HOUR}, id="it lived for an hour"),
    ],
)
def test_a_death_that_is_no_repetition_begins_to_count_anew(death):
    assert deaths(lives(TWICE, **death)).times == 1


@pytest.mark.parametrize(
    "spec, policy",
    [
        pytest.param(replace(SPEC, statements=("INSERT INTO t SELECT b FROM s",)), ME, id="the file changed"),
        pytest.param(SPEC, replace(ME, again=True), id="again"),
        pytest.param(SPEC, replace(ME, restart="savepoint"), id="restart"),
        pytest.param(SPEC, replace(ME, restore_from="file:///sp/x"), id="restore from"),
    ],
)
def test_a_changed_file_or_a_persons_word_begins_to_count_anew(spec, policy):
    assert dies_again(spec, THRICE, look(THRICE, "FAILED"), policy) is None
    assert deaths(lives(THRICE, spec, policy)).times == 1


def test_a_job_that_died_twice_is_started_again():
    assert plan(SPEC, TWICE, look(TWICE, "FAILED"), ME).action == "restart"


def test_a_job_that_died_three_times_is_not_and_the_error_says_what_to_do():
    with pytest.raises(JobFailed) as told:
        plan(SPEC, THRICE, look(THRICE, "FAILED"), ME)
    for part in ("died 3 times since 1970-01-01 00:00:05 UTC", "NumberFormatException: x3", "--again", "state is kept"):
        assert part in str(told.value)
