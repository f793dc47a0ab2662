"""Live but not up is as good as failed: each way on and back that a failed attempt has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.errors import Blocked, JobFailed
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.carry import to_be_judged
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.lifecycle.rollback import way_back
from airflow_provider_flinksql.model.lifecycle.steps import GiveUp, RequestStop
from airflow_provider_flinksql.model.seen import Detail
from airflow_provider_flinksql.model.snapshot import Snapshot
from unit.test_plan import (
    HARMLESS,
    LOOP,
    ME,
    NOW,
    OTHER_QUERY,
    PLAIN,
    RUNS,
    SAVED_AT,
    STOPPED_FOR_2,
    UP,
    ended,
    listed,
    look,
    manifest,
    steps,
    submitted,
)

SCAN = '1\t1\t\t"Source: s"\t"TableSourceScan(table=[[c, d, s]], fields=[a])"'
EXPLAINED = Explained("2.3.0", SCAN, (("c.d.s", "datagen inserts -\n`a` INT"),))
BAD = submitted(2, OTHER_QUERY, landed=True, fresh=False, pinned=Snapshot(SAVED_AT, "savepoint", "stop 1", 1))
RESTARTING = look(listed(BAD, "RESTARTING"))
AFTER_A_BAD_UPGRADE = manifest(STOPPED_FOR_2, BAD)
BACK = "Check() RequestStop(2,1,cancel,3) AwaitEnd(2,1) GiveUp(2) Claim(3,1,False) Pin(3) Submit(3)"


def test_the_file_that_ran_before_leads_back_from_an_upgrade_that_never_came_up():
    made = plan(PLAIN, AFTER_A_BAD_UPGRADE, RESTARTING, ME)
    assert steps(made).startswith(BACK)
    assert (made.restored_from, made.verdict) == (SAVED_AT, "none")


def test_a_rollback_leads_back_from_an_upgrade_that_never_came_up_and_has_its_file_refused():
    attempt, location = way_back(AFTER_A_BAD_UPGRADE, [])
    assert (attempt, location) == (STOPPED_FOR_2, SAVED_AT)
    policy = replace(ME, restore_from=location, rolls_back=True, again=True)
    made = plan(PLAIN, AFTER_A_BAD_UPGRADE, RESTARTING, policy)
    assert steps(made).startswith(BACK.replace("Claim(3,1,False)", "Claim(3,2,False)"))
    assert made.restored_from == SAVED_AT
    given_up = after(GiveUp(2), PLAIN, AFTER_A_BAD_UPGRADE, look(listed(BAD, "CANCELED")), policy)
    assert given_up.refused
    assert (given_up.refused.digest, given_up.refused.reason) == (OTHER_QUERY.digest, "me went back from it")


def test_a_rollback_goes_to_what_was_stopped_for_an_attempt_that_failed():
    failed = ended("failed", 2, OTHER_QUERY, had_state=False)
    assert way_back(replace(manifest(STOPPED_FOR_2), last_number=2), [failed]) == (STOPPED_FOR_2, SAVED_AT)


def test_an_attempt_that_has_time_left_is_waited_for_whatever_file_comes():
    young = replace(BAD, sent_at=NOW - 5)
    made = plan(PLAIN, manifest(STOPPED_FOR_2, young), RESTARTING, ME)
    assert (made.action, steps(made).split()[0]) == ("resume", "AwaitRunning(2)")


def test_an_attempt_that_wrote_state_and_restarts_now_is_waited_for():
    wrote = look(listed(BAD, "RESTARTING"), details={BAD.job_id: Detail(checkpoint_at=9)})
    assert steps(plan(PLAIN, AFTER_A_BAD_UPGRADE, wrote, ME)).startswith("AwaitRunning(2)")


def test_the_same_file_is_judged_as_it_was_before_it_was_sent():
    begun = replace(BAD, explained=EXPLAINED)
    made = plan(OTHER_QUERY, manifest(replace(STOPPED_FOR_2, explained=EXPLAINED), begun), RESTARTING, ME)
    assert (made.action, made.verdict) == ("resume", "carries")


FIRST = submitted(1, landed=True)
LOOPS = look(listed(FIRST, "RESTARTING"), details={FIRST.job_id: Detail(cause="bad", failures=LOOP)})


@pytest.mark.parametrize("spec", [OTHER_QUERY, HARMLESS], ids=["another query", "another option"])
@pytest.mark.parametrize("seen", [LOOPS, look(listed(FIRST, "RESTARTING"))], ids=["loops", "had its time"])
def test_a_first_attempt_that_never_came_up_gives_way_to_the_mended_file(spec, seen):
    made = plan(spec, manifest(pending=FIRST), seen, ME)
    assert steps(made).startswith("Check() RequestStop(1,1,cancel,2) AwaitEnd(1,1) GiveUp(1) Claim(2,1,True)")


def test_a_mended_bounded_run_takes_the_place_of_one_that_never_came_up():
    batch, mended = replace(PLAIN, mode="batch"), replace(HARMLESS, mode="batch")
    made = plan(mended, manifest(pending=replace(FIRST, spec=batch)), LOOPS, ME)
    assert steps(made).startswith("Check() RequestStop(1,1,cancel,2) AwaitEnd(1,1) GiveUp(1) Claim(2,1,True)")


@pytest.mark.parametrize("stop", ["savepoint", "drain"])
def test_what_never_came_up_is_cancelled_where_a_savepoint_is_asked_for(stop):
    made = plan(PLAIN, manifest(pending=FIRST), LOOPS, replace(ME, stop=stop))
    assert steps(made).startswith("RequestStop(1,1,cancel) AwaitEnd(1,1) GiveUp(1)")


def test_a_job_that_ended_before_its_first_checkpoint_starts_anew_with_any_query():
    made = plan(OTHER_QUERY, manifest(ended("failed", had_state=False)), look(), ME)
    assert "Claim(2,2,True)" in steps(made)


def test_a_changed_query_is_compared_with_what_is_on_its_way_too():
    mine = replace(OTHER_QUERY, statements=("INSERT INTO t SELECT c FROM s",))
    assert to_be_judged(mine, AFTER_A_BAD_UPGRADE, ME) == (STOPPED_FOR_2, BAD)
    assert to_be_judged(OTHER_QUERY, AFTER_A_BAD_UPGRADE, ME) == ()


def test_an_attempt_that_wrote_state_while_it_was_on_its_way_counts_though_nothing_of_it_is_found():
    gone = look(listed(BAD, "FAILED"), details={BAD.job_id: Detail(cause="x", checkpoint_at=9)})
    left = after(GiveUp(2), OTHER_QUERY, AFTER_A_BAD_UPGRADE, gone, ME)
    assert left.current
    assert left.current.number == 2
    assert left.current.had_state
    with pytest.raises(Blocked, match="had state, and none of it was found"):
        plan(OTHER_QUERY, left, look(), ME)


def test_an_attempt_whose_folder_cannot_be_seen_may_have_written_state():
    hidden = look(incarnation="life-2", searched=False)
    left = after(GiveUp(2), OTHER_QUERY, AFTER_A_BAD_UPGRADE, hidden, ME)
    assert left.current
    assert left.current.number == 2
    with pytest.raises(Blocked, match="--restore-from LOCATION"):
        plan(OTHER_QUERY, left, hidden, ME)


def test_that_state_was_written_is_noted_with_the_next_write():
    wrote = look(listed(FIRST), details={FIRST.job_id: Detail(checkpoint_at=9)})
    noted = after(RequestStop(1, 1, "cancel", None), PLAIN, manifest(pending=FIRST), wrote, ME)
    assert noted.pending
    assert noted.pending.had_state


def test_state_that_nobody_pinned_is_an_alarm():
    strange = look(listed(FIRST), details={FIRST.job_id: Detail(restored="file:///elsewhere/chk-1")})
    with pytest.raises(JobFailed, match="elsewhere/chk-1 instead of starting empty"):
        plan(PLAIN, manifest(pending=FIRST), strange, ME)
    own = look(listed(FIRST), details={FIRST.job_id: Detail(restored=f"{FIRST.checkpoint_folder}/chk-1")})
    assert plan(PLAIN, manifest(pending=FIRST), own, ME).action == "resume"


@pytest.mark.parametrize("spec, policy", [(OTHER_QUERY, ME), (PLAIN, replace(ME, restart="savepoint"))])
def test_what_has_finished_is_not_run_again_by_accident(spec, policy):
    with pytest.raises(Blocked, match=r"has finished.*--restore-from none runs it from the start"):
        plan(spec, manifest(ended("finished")), look(), policy if spec is PLAIN else replace(ME, accept={"unknown"}))


def test_a_mended_savepoint_folder_is_used_by_the_next_stop():
    mended = replace(PLAIN, properties={**PLAIN.properties, "execution.checkpointing.savepoint-dir": "file:///good"})
    asked = after(RequestStop(1, 1, "savepoint", 2), mended, manifest(UP), RUNS, ME)
    assert asked.current
    assert asked.current.stop
    assert asked.current.stop.folder
    assert asked.current.stop.folder.startswith("file:///good/orders/1/")
