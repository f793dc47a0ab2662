"""The state word, the health and the sentence of each thing that may have become of a job."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from airflow_provider_flinksql.deploy.flow import result
from airflow_provider_flinksql.deploy.status import needs_a_look, needs_history, status
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.lifecycle.steps import GiveUp
from airflow_provider_flinksql.model.manifest import Manifest, Stop
from unit.test_plan import (
    BATCH,
    ME,
    OTHER_QUERY,
    PLAIN,
    RUNS,
    SAVED_AT,
    STOPPED,
    STOPPED_FOR_2,
    UP,
    attempt,
    ended,
    listed,
    look,
    manifest,
    pending,
    submitted,
)

ASKED = Stop(1, "cancel", None, None, "completed")
BEGUN = pending(2, OTHER_QUERY, by="etl.deploy")
STOPPING = attempt(stops=(Stop(1, "savepoint", "file:///sp/orders/1/s", 2),))
TO_STAY = replace(STOPPING, stops=(replace(STOPPING.stops[0], purpose=None),))


def begun(last: int, current=None) -> Manifest:
    return Manifest("orders", "5a1c2a52-0000-4000-8000-000000000001", current, None, last)


GIVEN_UP = {
    "never up, then stopped": (ended("cancelled", stops=(ASKED,)), "STOPPED", True),
    "failed at its first start": (ended("failed"), "FAILED", False),
    "a batch run that failed": (ended("failed", spec=BATCH), "FAILED", False),
    "cancelled by hand": (ended("cancelled"), "CANCELED", False),
    "cancelled for another file": (ended("cancelled", stops=(replace(ASKED, purpose=2),)), "CANCELED", False),
    "gone with its JobManager": (ended("gone"), "LOST", False),
    "stopped before it was sent": (ended("withdrawn", sent_at=None), "STOPPED", True),
    "given up for something else that was not begun": (ended("dropped"), "INTERRUPTED", False),
}


@pytest.mark.parametrize("what", GIVEN_UP)
def test_a_first_attempt_that_came_to_nothing_has_a_word_of_its_own(what):
    last, word, healthy = GIVEN_UP[what]
    assert needs_history(begun(1))
    told = status(begun(1), None, history=[last])
    assert (told.state, told.healthy, told.job_id) == (word, healthy, last.job_id)


@pytest.mark.parametrize(
    "last, word, healthy",
    [
        (ended("failed", 2, OTHER_QUERY), "FAILED", False),
        (ended("cancelled", 2, OTHER_QUERY, stops=(ASKED,)), "STOPPED", True),
        (ended("dropped", 2, OTHER_QUERY, sent_at=None), "INTERRUPTED", False),
    ],
)
def test_what_made_room_for_an_attempt_that_came_to_nothing_was_not_stopped_on_purpose(last, word, healthy):
    told = status(begun(2, STOPPED_FOR_2), None, history=[STOPPED, last])
    assert (told.state, told.healthy) == (word, healthy)
    assert told.last_checkpoint
    assert told.last_checkpoint.location == SAVED_AT


def test_an_attempt_that_was_given_up_before_it_touched_anything_changes_no_word():
    unsent = ended("dropped", 2, OTHER_QUERY, sent_at=None)
    assert status(begun(2, STOPPED), None, history=[unsent]).state == "STOPPED"
    assert not needs_history(begun(2, UP))


HALF_DONE = {
    "nothing sent yet": (manifest(pending=pending(by="etl.deploy")), None),
    "stopped, claimed": (manifest(STOPPED_FOR_2, BEGUN), None),
    "stopped, pinned": (manifest(STOPPED_FOR_2, replace(BEGUN, state="pinned")), None),
    "stopped, its end not written down": (
        manifest(replace(STOPPED_FOR_2, state="confirmed", outcome=None), BEGUN), look(listed(UP, "FINISHED")),
    ),
    "sent, not arrived": (manifest(STOPPED_FOR_2, submitted(2, OTHER_QUERY, by="etl.deploy")), look()),
}  # fmt: skip


@pytest.mark.parametrize("what", HALF_DONE)
def test_what_a_deploy_left_half_done_is_not_healthy_and_says_whose_it_was(what):
    recorded, seen = HALF_DONE[what]
    assert needs_a_look(recorded) == (seen is not None)
    told = status(recorded, seen)
    assert (told.state, told.healthy) == ("INTERRUPTED", False)
    assert "etl.deploy" in told.reason
    assert "deploy again" in told.reason
    assert told.since


@pytest.mark.parametrize(
    "current, says", [(STOPPING, "make room for attempt 2.*deploy again"), (TO_STAY, "to be stopped.*stop it again")]
)
def test_a_job_that_was_asked_to_end_and_runs_is_not_healthy(current, says):
    told = status(manifest(current, BEGUN if current is STOPPING else None), RUNS)
    assert (told.state, told.healthy) == ("RUNNING", False)
    assert re.search(says, told.reason)


def test_a_job_that_runs_is_well_though_a_deploy_has_claimed_the_next_attempt():
    assert (status(manifest(UP, BEGUN), RUNS).state, status(manifest(UP, BEGUN), RUNS).healthy) == ("RUNNING", True)


def test_a_cancel_that_a_person_asked_for_is_a_stop_before_its_end_is_written_down():
    asked = replace(submitted(landed=True), stops=(replace(ASKED, state="requested"),))
    told = status(manifest(pending=asked), look(listed(asked, "CANCELED")))
    assert (told.state, told.healthy) == ("STOPPED", True)


def test_a_job_that_may_come_back_is_not_lost_yet():
    absent = look(incarnation="life-2", high_availability=True)
    assert status(manifest(UP), absent).state == "SUSPENDED"
    assert status(manifest(UP), look(incarnation="life-2")).state == "LOST"


def test_giving_up_says_whether_anything_was_to_run():
    stop = after(GiveUp(1), PLAIN, manifest(pending=pending()), look(), replace(ME, stop="savepoint"))
    assert stop.closed[-1].outcome == "withdrawn"
    other = after(GiveUp(1), PLAIN, manifest(pending=pending()), look(), ME)
    assert other.closed[-1].outcome == "dropped"


def test_a_stop_of_a_half_done_restart_names_the_savepoint_that_was_taken():
    recorded, asked = manifest(STOPPED_FOR_2, BEGUN), replace(ME, stop="savepoint")
    made = plan(PLAIN, recorded, look(), asked)
    left = after(GiveUp(2), PLAIN, recorded, look(), asked)
    assert result("orders", made, left, "http://jobmanager").savepoint == SAVED_AT
