"""A stop for the sake of one attempt spares all others."""

from dataclasses import replace

import pytest

from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.plan import next_step
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec

OURS, THEIRS = "aa" * 16, "bb" * 16
SPEC = Spec("orders", ("INSERT INTO t SELECT a FROM s",))
RUNNING = Attempt(1, SPEC, 1, OURS, False, "us", state="confirmed", sent_at=1.0, landed=True)
CLAIMED = replace(RUNNING, number=2, job_id=THEIRS, owner="them", state="claimed", sent_at=None, landed=False)
SEEN = Seen("c", "", jobs=(Sighting(OURS, "orders", "RUNNING", all_running=True, attempt=1),))


@pytest.mark.parametrize(
    "owner, only, step",
    [
        ("us", OURS, do.RequestStop(1, 1, "cancel", None)),
        ("us", THEIRS, None),
        ("them", OURS, None),
        ("anybody", None, do.GiveUp(2)),
    ],
)
def test_only_the_attempt_that_is_named_and_still_ours_is_stopped(owner, only, step):
    manifest = Manifest("orders", "00000000-0000-0000-0000-000000000001", RUNNING, CLAIMED, 2)
    found = next_step(SPEC, manifest, SEEN, Policy(owner, "l", stop="cancel", stop_only=only))
    assert (found and found.step) == step
