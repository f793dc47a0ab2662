"""A cancel that we choose loses no state: each place that cancels, with options that delete checkpoints on a cancel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle.plan import next_step, plan
from airflow_provider_flinksql.model.manifest import Stop
from airflow_provider_flinksql.model.seen import Detail
from airflow_provider_flinksql.model.spec import StatePolicy
from unit.test_plan import (
    CHECKPOINT,
    FAILED_STOP,
    HARMLESS,
    LOOP,
    ME,
    OTHER_QUERY,
    PLAIN,
    UP,
    attempt,
    carrying,
    listed,
    look,
    manifest,
    pending,
    steps,
    submitted,
)

DELETES = Detail(cause="disk", failures=LOOP, delete_on_cancellation=True, checkpoint_at=9)
LOOPS = look(listed(UP, "RESTARTING"), details={UP.job_id: DELETES}, snapshots=(CHECKPOINT,))
WELL = look(listed(UP), details={UP.job_id: replace(DELETES, failures=None)}, snapshots=(CHECKPOINT,))
OWN = f"{UP.checkpoint_folder}/chk-9"
LAST = submitted(landed=True)
SWITCHED_OFF = replace(PLAIN, enabled=False)
BY_CHECKPOINT = replace(HARMLESS, state=StatePolicy(stop_with="checkpoint"))

REFUSED = {
    "a harmless change of a job that is not up": (HARMLESS, manifest(UP), LOOPS, ME),
    "enabled: false of a job that is not up": (SWITCHED_OFF, manifest(UP), LOOPS, ME),
    "a stop with a checkpoint": (BY_CHECKPOINT, manifest(UP), WELL, ME),
    "a restart from the newest checkpoint": (PLAIN, manifest(UP), WELL, replace(ME, restart="checkpoint")),
    "a changed file for an attempt that wrote state and loops": (HARMLESS, manifest(pending=LAST), LOOPS, ME),
    "the job's own checkpoint, named": (PLAIN, manifest(UP), LOOPS, replace(ME, restore_from=OWN)),
    "the same, of an attempt on its way": (PLAIN, manifest(pending=LAST), LOOPS, replace(ME, restore_from=OWN)),
}


@pytest.mark.parametrize("row", REFUSED)
def test_a_cancel_that_would_lose_the_only_state_is_refused(row):
    spec, recorded, seen, policy = REFUSED[row]
    with pytest.raises(Blocked, match=r"(?s)delete.*Nothing was stopped"):
        plan(spec, recorded, seen, policy)


def test_after_a_failed_savepoint_the_job_goes_on_where_a_cancel_would_delete_its_checkpoints():
    spec = replace(HARMLESS, state=StatePolicy(on_savepoint_failure="checkpoint"))
    found = next_step(spec, manifest(FAILED_STOP, pending(2, spec, fresh=False, owner="me")), WELL, ME)
    assert found
    assert str(found.step) == "GiveUp(2)"


def test_a_declared_stop_whose_savepoint_failed_asks_for_another_where_no_checkpoint_would_last():
    spec = replace(SWITCHED_OFF, state=StatePolicy(on_savepoint_failure="checkpoint"))
    failed = attempt(stops=(Stop(1, "savepoint", "file:///sp/orders/1/s", None, "failed", None, "disk full"),))
    assert "RequestStop(1,2,savepoint)" in steps(plan(spec, manifest(failed), WELL, ME))
    lasts = replace(WELL, details=((UP.job_id, Detail(checkpoint_at=9)),))
    assert "RequestStop(1,2,cancel)" in steps(plan(spec, manifest(failed), lasts, ME))


def test_a_stop_that_failed_for_an_upgrade_long_ago_makes_no_later_one_a_cancel():
    spec = replace(SWITCHED_OFF, state=StatePolicy(on_savepoint_failure="checkpoint"))
    lasts = replace(WELL, details=((UP.job_id, Detail(checkpoint_at=9)),))
    assert "RequestStop(1,2,savepoint)" in steps(plan(spec, manifest(FAILED_STOP), lasts, ME))


@pytest.mark.parametrize(
    "spec, policy",
    [
        (carrying(OTHER_QUERY, "fresh"), ME),
        (PLAIN, replace(ME, restore_from="none")),
        (PLAIN, replace(ME, restore_from="file:///sp/mine")),
    ],
    ids=["the file says fresh", "none", "another state"],
)
def test_state_that_is_to_be_left_behind_holds_nobody_up(spec, policy):
    assert "RequestStop(1,1,cancel,2)" in steps(plan(spec, manifest(UP), LOOPS, policy))


def test_a_person_may_cancel_and_is_told_what_goes_with_the_job():
    made = plan(PLAIN, manifest(UP), WELL, replace(ME, stop="cancel"))
    assert steps(made).startswith("RequestStop(1,1,cancel)")
    assert "delete its checkpoints" in made.reason


def test_a_confirmed_job_that_restarts_is_waited_for_before_a_declared_stop():
    made = plan(SWITCHED_OFF, manifest(UP), look(listed(UP, "RESTARTING"), snapshots=(CHECKPOINT,)), ME)
    assert steps(made).startswith("AwaitRunning(1) RequestStop(1,1,savepoint)")


def test_state_that_cannot_be_looked_for_is_not_cancelled_away():
    with pytest.raises(Blocked, match="cannot be looked for"):
        plan(SWITCHED_OFF, manifest(UP), replace(LOOPS, searched=False), ME)
