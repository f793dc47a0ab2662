"""Every state that is known of, and why it is restored or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.candidates import explain
from airflow_provider_flinksql.model.lifecycle.consent import named_unchecked
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.lifecycle.steps import Record
from airflow_provider_flinksql.model.lifecycle.text import warnings
from airflow_provider_flinksql.model.manifest import Stop
from airflow_provider_flinksql.model.seen import Detail
from airflow_provider_flinksql.model.snapshot import Snapshot, plain
from airflow_provider_flinksql.model.spec import StatePolicy
from unit.test_plan import (
    CANCELLED,
    CHECKPOINT,
    HARMLESS,
    ME,
    NOTHING,
    NOW,
    PLAIN,
    RUNS,
    STOPPED,
    UP,
    attempt,
    ended,
    job_id,
    listed,
    look,
    manifest,
    pending,
    steps,
    submitted,
)

HOUR = 3600.0


def checkpoint(attempt: int, number: int, **values) -> Snapshot:
    return Snapshot(f"s3://b/chk/{attempt}/chk-{number}", "checkpoint", "folder", attempt, number, **values)


def told(found) -> dict[str, str]:
    return {one.snapshot.location: one.why for one in found}


def chosen(found) -> list[str]:
    return [one.snapshot.location for one in found if one.chosen]


# --- the list -----------------------------------------------------------------------------------------------------


def test_the_newest_of_the_newest_attempt_is_chosen_whatever_the_clocks_say():
    states = (checkpoint(1, 90, time=9e9), checkpoint(2, 11, time=2.0), checkpoint(2, 9, time=3.0))
    found = explain(manifest(attempt(2)), [UP], replace(NOTHING, snapshots=states), ())
    assert [one.snapshot.checkpoint_id for one in found] == [11, 9, 90]
    assert chosen(found) == ["s3://b/chk/2/chk-11"]
    assert told(found)["s3://b/chk/2/chk-9"] == "older than chk-11"
    assert told(found)["s3://b/chk/1/chk-90"] == "of attempt 1; attempt 2 went on since"


def test_a_savepoint_whose_stop_failed_is_older_than_the_checkpoints_since():
    went_on = attempt(stops=(Stop(1, "savepoint", "s3://b/sp", None, "failed", "s3://b/sp/savepoint-1"),))
    saved = Snapshot("s3://b/sp/savepoint-1", "savepoint", "folder", 1, 7)
    found = explain(manifest(went_on), [], replace(NOTHING, snapshots=(saved, checkpoint(1, 8))), ())
    assert chosen(found) == ["s3://b/chk/1/chk-8"]
    assert told(found)[saved.location] == "older than chk-8"


def test_the_savepoint_of_a_completed_stop_is_the_newest():
    found = explain(manifest(STOPPED), [], replace(NOTHING, snapshots=(CHECKPOINT,)), ())
    assert chosen(found) == [STOPPED.stops[0].location]


def test_states_from_before_an_empty_start_are_listed_and_not_chosen():
    empty = attempt(2, fresh=True, had_state=False)
    found = explain(manifest(empty), [UP], replace(NOTHING, snapshots=(CHECKPOINT,)), ())
    assert chosen(found) == []
    assert told(found) == {CHECKPOINT.location: "from before attempt 2, which started empty on purpose"}


def test_a_state_that_is_gone_is_listed_as_gone():
    found = explain(manifest(STOPPED), [], NOTHING, {str(STOPPED.stops[0].location)})
    assert chosen(found) == []
    assert list(told(found).values()) == ["it is not there any more"]


def test_where_the_newest_is_gone_the_next_one_takes_a_persons_word():
    dead = ended("failed", snapshot=checkpoint(1, 9))
    found = explain(manifest(dead), [], replace(NOTHING, snapshots=(checkpoint(1, 8),)), {"s3://b/chk/1/chk-9"})
    assert chosen(found) == []
    assert told(found)["s3://b/chk/1/chk-8"] == "not the newest: only --restore-from takes it"


def test_the_savepoint_of_a_stop_by_others_is_newer_than_a_checkpoint_that_completed_while_the_tasks_ended():
    by_stop = Snapshot("s3://b/sp/savepoint-1", "savepoint", "JobManager", 1)
    in_folder = Snapshot("s3://b/sp/savepoint-1", "savepoint", "folder", 1, 7)
    found = explain(manifest(UP), [], replace(NOTHING, snapshots=(by_stop, in_folder, checkpoint(1, 8))), ())
    assert chosen(found) == ["s3://b/sp/savepoint-1"]


def test_the_state_of_a_stranger_of_the_same_name_is_told_apart():
    found = explain(manifest(UP), [], replace(NOTHING, snapshots=(checkpoint(0, 8), checkpoint(1, 3))), ())
    assert chosen(found) == ["s3://b/chk/1/chk-3"]
    assert told(found)["s3://b/chk/0/chk-8"] == "of another job of this name: only --restore-from takes it"


def test_a_state_that_several_tell_of_is_one_with_all_that_they_know():
    at_end = Snapshot("file:/sp/orders/1/s/savepoint-1/", "savepoint", "archive", 1, 12, 5.0, "j", 100)
    [one] = explain(manifest(STOPPED), [], replace(NOTHING, snapshots=(at_end,)), ())
    assert (one.snapshot.checkpoint_id, one.snapshot.time, one.snapshot.size) == (12, 5.0, 100)
    assert one.chosen


def test_a_foreign_state_is_chosen_only_as_long_as_there_is_no_own_one():
    named = Snapshot("s3://b/other/savepoint-9", "savepoint", "--restore-from")
    began = attempt(2, pinned=named, fresh=False, had_state=False)
    assert chosen(explain(manifest(began), [], NOTHING, ())) == [named.location]
    found = explain(manifest(replace(began, had_state=True)), [], replace(NOTHING, snapshots=(checkpoint(2, 1),)), ())
    assert chosen(found) == ["s3://b/chk/2/chk-1"]
    assert told(found)[named.location] == "not of this job's attempts: only --restore-from takes it"


def test_a_state_older_than_the_limit_is_not_chosen():
    aged = replace(UP, spec=replace(PLAIN, state=StatePolicy(max_age=HOUR)))
    seen = replace(NOTHING, snapshots=(checkpoint(1, 9, time=NOW - 2 * HOUR),))
    found = explain(manifest(aged), [], seen, ())
    assert (chosen(found), list(told(found).values())) == ([], ["the newest, but older than state.max-age allows"])


@pytest.mark.parametrize("spelled", ["s3://b/x", "s3a://b/x/", "s3p://b/x/_metadata"])
def test_one_bucket_has_many_spellings(spelled):
    assert plain(spelled) == "s3://b/x"


# --- state.max-age ------------------------------------------------------------------------------------------------


def aged(hours: float) -> StatePolicy:
    return StatePolicy(max_age=hours * HOUR)


def test_state_older_than_the_limit_is_refused_with_both_ways_on():
    old = replace(CANCELLED, snapshots=(replace(CHECKPOINT, time=NOW - 3 * HOUR),))
    with pytest.raises(Blocked, match=r"3 h old.*state.max-age is 2 h") as refused:
        plan(replace(PLAIN, state=aged(2)), manifest(UP), old, ME)
    assert f"--restore-from {CHECKPOINT.location}" in str(refused.value)
    assert plan(replace(PLAIN, state=aged(4)), manifest(UP), old, ME).restored_from == CHECKPOINT.location


def test_a_running_job_is_not_cancelled_for_a_checkpoint_that_is_too_old():
    spec = replace(HARMLESS, state=replace(aged(2), stop_with="checkpoint"))
    old = replace(RUNS, snapshots=(replace(CHECKPOINT, time=NOW - 3 * HOUR),))
    with pytest.raises(Blocked, match="max-age"):
        plan(spec, manifest(UP), old, ME)


def test_the_savepoint_of_our_own_stop_is_never_too_old():
    saved = Snapshot(STOPPED.stops[0].location, "savepoint", "folder", 1, 9, NOW - 900 * HOUR)
    spec = replace(PLAIN, state=aged(2))
    assert plan(spec, manifest(STOPPED), look(snapshots=(saved,)), ME).restored_from == saved.location


def test_what_a_person_names_may_be_of_any_age():
    old = replace(CANCELLED, snapshots=(replace(CHECKPOINT, time=NOW - 3 * HOUR),))
    asked = replace(ME, restore_from=CHECKPOINT.location)
    assert plan(replace(PLAIN, state=aged(2)), manifest(UP), old, asked).restored_from == CHECKPOINT.location


# --- what a person names ------------------------------------------------------------------------------------------

NAMED = replace(ME, restore_from="s3://b/sp/savepoint-1")


@pytest.mark.parametrize("record", [None, manifest(UP), manifest(STOPPED)])
def test_a_named_state_that_is_not_there_is_refused_before_anything_stops(record):
    seen = replace(RUNS if record and record.current is UP else NOTHING, named="missing")
    with pytest.raises(Blocked, match=r"s3://b/sp/savepoint-1.*Nothing was stopped"):
        plan(PLAIN, record, seen, NAMED)


def test_a_named_state_that_cannot_be_looked_at_is_taken_with_a_warning():
    seen = replace(RUNS, named="unchecked")
    assert plan(PLAIN, manifest(UP), seen, NAMED).restored_from == NAMED.restore_from
    assert "cannot be looked at" in warnings(PLAIN, seen)[0]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_checkpoint_of_the_running_job_is_refused_since_stopping_deletes_it(deleted):
    own = f"{UP.checkpoint_folder}/chk-7".replace("file:///", "file:/")
    seen = look(listed(UP), details={UP.job_id: Detail(delete_on_cancellation=deleted)})
    with pytest.raises(Blocked, match="Nothing was stopped") as refused:
        plan(PLAIN, manifest(UP), seen, replace(ME, restore_from=own))
    assert ("flinksql stop orders --cancel" in str(refused.value)) is not deleted


def test_a_checkpoint_of_the_job_when_it_has_ended_is_restored():
    own = f"{UP.checkpoint_folder}/chk-7"
    assert plan(PLAIN, manifest(UP), CANCELLED, replace(ME, restore_from=own)).restored_from == own


def test_the_folder_of_another_job_only_begins_alike():
    other = f"{UP.checkpoint_folder}0/chk-7"
    assert plan(PLAIN, manifest(UP), RUNS, replace(ME, restore_from=other)).restored_from == other


def test_what_was_claimed_for_a_named_state_is_not_looked_for_again():
    claimed = pending(2, consent=f"{NAMED.restore_from} by me", fresh=False)
    assert named_unchecked(manifest(UP), NAMED) == NAMED.restore_from
    assert named_unchecked(None, NAMED) == NAMED.restore_from
    assert named_unchecked(manifest(UP, claimed), NAMED) is None
    assert named_unchecked(manifest(UP), replace(ME, restore_from="none")) is None


# --- adopted jobs -------------------------------------------------------------------------------------------------


def test_an_adopted_jobs_folder_is_recorded_once_a_checkpoint_tells_it():
    adopted = replace(manifest(replace(UP, checkpoint_folder=None)), adopted=(job_id(1),))
    assert steps(plan(PLAIN, adopted, RUNS, ME)) == ""
    first = Snapshot("s3://b/theirs/abc/chk-3", "checkpoint", "JobManager", 1, 3)
    made = plan(PLAIN, adopted, replace(RUNS, snapshots=(first,)), ME)
    assert (made.action, steps(made)) == ("record", "Record()")
    written = after(Record(), PLAIN, adopted, replace(RUNS, snapshots=(first,)), ME)
    assert written.current.checkpoint_folder == "s3://b/theirs/abc"


def test_a_failed_start_leaves_the_newest_state_as_it_was():
    dead = ended("failed", 2, had_state=False, fresh=False, pinned=CHECKPOINT)
    assert chosen(explain(manifest(dead), [UP], replace(NOTHING, snapshots=(CHECKPOINT,)), ())) == [CHECKPOINT.location]


# --- archives -----------------------------------------------------------------------------------------------------


def test_the_id_of_an_archived_run_is_used_up_before_it_counts_where_its_submit_may_land_in_a_new_life():
    sent = submitted(1, replace(PLAIN, mode="batch"), sent_at=NOW - 10, incarnation="life-0")
    seen = look(replace(listed(sent, "FINISHED"), archived=True))
    assert steps(plan(sent.spec, manifest(pending=sent), seen, ME)) == "Landed(1) Burn(1) Confirm(1)"
    later = replace(seen, now=NOW + HOUR)
    assert steps(plan(sent.spec, manifest(pending=sent), later, ME)) == "Landed(1) Confirm(1)"
