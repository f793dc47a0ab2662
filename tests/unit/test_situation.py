"""Whether a job is up, by how it failed and how long it has run since."""

from dataclasses import replace

import pytest

from airflow_provider_flinksql.model.failures import Failures
from airflow_provider_flinksql.model.lifecycle.prove import next_step
from airflow_provider_flinksql.model.lifecycle.situation import Situation, situation
from airflow_provider_flinksql.model.lifecycle.steps import AwaitProof, Confirm, RequestProof
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec

SPEC = Spec("orders", ("INSERT INTO t SELECT a FROM s",))
NOBODY = Policy("me", "5a1c2a52-0000-4000-8000-000000000001")
NEW = Attempt(1, SPEC, 1, "a" * 32, True, "me", state="submitted", landed=True, sent_at=1.0, cluster="here")
OLD = replace(NEW, state="confirmed", settled_at=1)
OUTAGE = Failures(times=4, since=0, last=4_900, pause=2_100)
LOOP = Failures(times=7, since=0, last=20_400, pause=7_300)
SLOW = Failures(times=3, since=0, last=66_000, pause=33_000)


def look(stable_ms: int, failed: Failures | None = None, **detail: object) -> Seen:
    job = Sighting(NEW.job_id, "orders", "RUNNING", all_running=True, changed_at=9, stable_ms=stable_ms, attempt=1)
    told = Detail(cause="NumberFormatException", failures=failed, **detail)  # type: ignore[arg-type]
    return Seen("here", "life", jobs=(job,), details=((NEW.job_id, told),))


def judged(attempt: Attempt, seen: Seen) -> Situation:
    return situation(attempt, seen, NOBODY)


@pytest.mark.parametrize(
    "attempt, stable_ms, failed, status",
    [
        pytest.param(NEW, 300, OUTAGE, "unsettled", id="an outage that may just be over"),
        pytest.param(NEW, 3_000, OUTAGE, "up", id="an outage that is over"),
        pytest.param(NEW, 300, LOOP, "not-up", id="a loop, between two failures"),
        pytest.param(OLD, 9_000, LOOP, "not-up", id="a loop, in a long pause"),
        pytest.param(OLD, 11_000, LOOP, "up", id="a loop that is over"),
        pytest.param(OLD, 31_000, SLOW, "not-up", id="a row that kills every half a minute"),
        pytest.param(OLD, 34_000, SLOW, "up", id="what ran longer than it ever did between"),
        pytest.param(OLD, 5_000, OUTAGE, "unsettled", id="a confirmed job that has just come back"),
    ],
)
def test_what_failures_say_of_a_job_that_runs(attempt, stable_ms, failed, status):
    assert judged(attempt, look(stable_ms, failed)).status == status


def test_a_file_says_how_long_a_loop_may_go_on():
    patient = replace(NEW, spec=replace(SPEC, give_up_after=60.0))
    assert judged(patient, look(300, LOOP)).status == "unsettled"


def test_a_loop_tells_how_often_and_since_when():
    assert judged(NEW, look(300, LOOP)).reason == (
        "restarts again and again, 7 times since 1970-01-01 00:00:00 UTC: NumberFormatException"
    )


@pytest.mark.parametrize(
    "stable_ms, proof, step",
    [(29_000, "none", AwaitProof), (30_000, "none", RequestProof), (30_000, "completed", Confirm)],
)
def test_a_file_may_ask_for_more_than_a_checkpoint(stable_ms, proof, step):
    careful = replace(SPEC, stable_for=30.0)
    manifest = Manifest("orders", NOBODY.lineage, pending=replace(NEW, proofs=1, spec=careful, incarnation="life"))
    assert isinstance(next_step(careful, manifest, look(stable_ms, proof=proof), NOBODY).step, step)
