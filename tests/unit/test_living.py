"""Restart, rollback and adoption as plans; what a person asks of one job on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.deploy.onrecord import restarting
from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.candidates import consent_key
from airflow_provider_flinksql.model.plan import plan
from airflow_provider_flinksql.model.refusal import in_force
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

from unit.test_plan import attempt, pending, submitted  # isort: skip

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


def test_a_restart_is_of_what_is_on_record_by_now():
    policy = replace(ME, **restarting(None))
    assert in_force(HARMLESS, manifest(UP), policy) == (PLAIN, policy)
    assert in_force(PLAIN, manifest(UP, submitted(2, HARMLESS)), policy) == (HARMLESS, policy)
    assert in_force(HARMLESS, manifest(UP, pending(2, HARMLESS)), policy) == (PLAIN, policy)
