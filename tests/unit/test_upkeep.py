"""Restart, rollback and adoption as plans; what a person asks of one job on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.deploy.onrecord import restarting
from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.consent import consent_key
from airflow_provider_flinksql.model.lifecycle.plan import plan, require_approved
from airflow_provider_flinksql.model.lifecycle.rollback import in_force, way_back
from airflow_provider_flinksql.model.lifecycle.steps import Claim, Record
from airflow_provider_flinksql.model.seen import Sighting
from airflow_provider_flinksql.model.spec import Spec
from unit.test_plan import (
    CHECKPOINT,
    HARMLESS,
    ME,
    NOTHING,
    PLAIN,
    RUNS,
    STOPPED,
    SWAP,
    UP,
    listed,
    look,
    manifest,
    steps,
)

from unit.test_plan import OTHER_QUERY, attempt, ended, pending, submitted  # isort: skip

CANCEL = SWAP.replace("RequestStop(1,1,savepoint,2)", "RequestStop(1,1,cancel,2)")


@pytest.mark.parametrize(
    "restore_from, seen, expected",
    [
        (None, RUNS, SWAP),
        ("latest-checkpoint", replace(RUNS, snapshots=(CHECKPOINT,)), CANCEL),
        ("file:///somewhere", RUNS, SWAP),
    ],
)
def test_a_restart_is_made_once_and_no_more(restore_from, seen, expected):
    policy = replace(ME, **restarting(restore_from))
    made = plan(PLAIN, manifest(UP), seen, policy)
    assert (made.action, steps(made)) == ("restart", expected)
    done = attempt(2, consent=consent_key(policy))
    runs = look(listed(done), snapshots=(replace(CHECKPOINT, attempt=2),))
    assert plan(PLAIN, manifest(done), runs, policy).action == "none"
    assert plan(PLAIN, manifest(done), runs, replace(policy, owner="another")).action == "restart"


def test_a_restart_starts_what_is_stopped():
    made = plan(PLAIN, manifest(STOPPED), NOTHING, replace(ME, **restarting(None)))
    assert (made.action, made.restored_from) == ("restart", STOPPED.stop.location)


def test_a_restart_from_a_checkpoint_is_refused_where_there_is_none():
    never_saved = attempt(had_state=False)
    with pytest.raises(Blocked, match="newest checkpoint"):
        plan(PLAIN, manifest(never_saved), look(listed(never_saved)), replace(ME, **restarting("latest-checkpoint")))


STRANGER = Sighting("f" * 32, "insert-into_p", "RUNNING", all_running=True)
BARE = Spec("orders", ())
TAKE = replace(ME, adopt_id=STRANGER.job_id)
ADOPTED = replace(
    manifest(attempt(spec=BARE, job_id=STRANGER.job_id, settled_at=STRANGER.changed_at)), adopted=(STRANGER.job_id,)
)
LISTED = look(replace(STRANGER, attempt=1))


@pytest.mark.parametrize("spec", [BARE, PLAIN])
def test_a_job_of_any_name_is_adopted_by_its_id(spec):
    made = plan(spec, None, look(STRANGER), TAKE)
    assert (made.action, steps(made)) == ("adopt", f"Adopt({STRANGER.job_id})")


@pytest.mark.parametrize(
    "seen, said",
    [
        (look(), "does not run"),
        (look(replace(STRANGER, state="FAILED")), "does not run"),
        (look(replace(STRANGER, job_id="e" * 32, name="orders")), "does not run|not ours"),
        (look(STRANGER, replace(STRANGER, job_id="e" * 32, name="orders")), "Cancel all but one"),
    ],
)
def test_no_other_job_is_adopted_than_the_one_that_was_named(seen, said):
    with pytest.raises(Blocked, match=said):
        plan(BARE, None, seen, TAKE)


def test_to_adopt_what_was_adopted_changes_nothing():
    assert plan(BARE, ADOPTED, LISTED, TAKE).action == "none"


def test_a_file_is_recorded_as_what_an_adopted_job_runs_only_if_somebody_says_so():
    with pytest.raises(Blocked, match="--adopt says that this file is what runs"):
        plan(PLAIN, ADOPTED, LISTED, ME)
    made = plan(PLAIN, ADOPTED, LISTED, replace(ME, adopt=True))
    assert (made.action, steps(made)) == ("record", "Record()")
    recorded = after(Record(), PLAIN, ADOPTED, LISTED, ME)
    assert plan(PLAIN, recorded, LISTED, ME).action == "none"


def test_what_was_adopted_without_a_file_can_be_stopped_but_not_restarted():
    with pytest.raises(Blocked, match="nobody knows the SQL"):
        plan(BARE, ADOPTED, LISTED, replace(ME, **restarting(None)))
    assert plan(BARE, ADOPTED, LISTED, replace(ME, stop="savepoint")).action == "stop"


HISTORY = [STOPPED, ended("failed", 2, OTHER_QUERY), ended("stopped", 3, HARMLESS, stops=STOPPED.stops)]


def test_a_rollback_goes_to_the_last_attempt_of_another_file_that_left_state():
    assert way_back(manifest(attempt(4)), reversed(HISTORY)) == (HISTORY[2], STOPPED.stop.location)
    assert way_back(manifest(attempt(4, HARMLESS)), reversed(HISTORY)) == (STOPPED, STOPPED.stop.location)
    assert way_back(manifest(attempt(4, HARMLESS)), reversed(HISTORY), 3) == (HISTORY[2], STOPPED.stop.location)


@pytest.mark.parametrize("number, said", [(2, "left no state"), (4, "no attempt 4"), (9, "no attempt 9")])
def test_a_rollback_to_what_is_not_there_is_refused(number, said):
    with pytest.raises(Blocked, match=said):
        way_back(manifest(attempt(4)), reversed(HISTORY), number)
    with pytest.raises(Blocked, match="nothing to go back to"):
        way_back(manifest(UP), [])


def test_what_a_rollback_went_back_from_is_refused_until_somebody_asks_again():
    runs, location = attempt(2, OTHER_QUERY), STOPPED.stop.location
    policy = replace(ME, restore_from=location, rolls_back=True, again=True)
    made = plan(PLAIN, manifest(runs), look(listed(runs)), policy)
    assert (made.action, made.restored_from) == ("upgrade", location)
    seen = look(listed(runs), prepared=PLAIN.digest)
    claimed = after(Claim(3, 2, False), PLAIN, manifest(runs), seen, policy)
    back = replace(claimed, current=attempt(3, PLAIN), pending=None)
    up = look(listed(back.current))
    with pytest.raises(Blocked, match="went back from it"):
        plan(OTHER_QUERY, back, up, ME)


def test_an_approved_plan_is_that_of_one_file_and_one_way():
    made, other = plan(PLAIN, manifest(STOPPED), NOTHING, ME), plan(HARMLESS, manifest(STOPPED), NOTHING, ME)
    approved = replace(ME, expect=made.digest)
    require_approved(made, manifest(STOPPED), approved)
    with pytest.raises(Blocked) as refused:
        require_approved(other, manifest(STOPPED), approved)
    assert all(digest in str(refused.value) for digest in (made.digest, other.digest))


def test_a_retry_goes_on_with_the_plan_that_it_was_approved_for():
    mine = attempt(2, owner="me")
    done = plan(PLAIN, manifest(mine), look(listed(mine)), ME)
    require_approved(done, manifest(mine), replace(ME, expect="0" * 64))
    with pytest.raises(Blocked, match="has moved"):
        require_approved(done, manifest(mine), replace(ME, owner="another", expect="0" * 64))


def test_a_restart_is_of_what_is_on_record_by_now():
    policy = replace(ME, **restarting(None))
    assert in_force(HARMLESS, manifest(UP), policy) == (PLAIN, policy)
    assert in_force(PLAIN, manifest(UP, submitted(2, HARMLESS)), policy) == (HARMLESS, policy)
    assert in_force(HARMLESS, manifest(UP, pending(2, HARMLESS)), policy) == (PLAIN, policy)


def test_a_rollback_to_a_state_that_is_gone_is_refused_in_its_own_words():
    back = replace(ME, restore_from="file:///gone", rolls_back=True, again=True)
    with pytest.raises(Blocked, match=r"cannot go back.*file:///gone.*--to N"):
        plan(HARMLESS, manifest(UP), replace(RUNS, named="missing"), back)
