"""What a changed query does with the state, and the way back from one that proves broken: rows of pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.failures import Failures
from airflow_provider_flinksql.model.lifecycle import carry
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.plan import next_step, plan
from airflow_provider_flinksql.model.lifecycle.rollback import in_force, proven_broken, refusal
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.lifecycle.steps import Claim, Refuse, Step
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Refused, Stop
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec, StatePolicy
from airflow_provider_flinksql.model.verdict.judge import Change

LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"
ME = Policy("me", LINEAGE, "me")
OLD = Spec("orders", ("INSERT INTO t SELECT a FROM s",))
NEW = replace(OLD, statements=("INSERT INTO t SELECT b FROM s",))
SAVEPOINT = "file:///sp/orders/1/s/savepoint-1"
LOOP = Failures(5, 0, 20_000, 6_000)
CAUSE = "ArithmeticException: / by zero"


def attempt(number: int, spec: Spec, **values: Any) -> Attempt:
    common = {"fresh": False, "owner": "me", "cluster": "here", "incarnation": "life", "landed": True, "sent_at": 1.0}
    job_id = Manifest("orders", LINEAGE).id("job", number)
    return Attempt(number, spec, number, job_id, **{**common, **values})  # type: ignore[arg-type]


def stopped_for(number: int | None, **values: Any) -> Attempt:
    stop = Stop(1, "savepoint", "file:///sp/orders/1/s", number, "completed", SAVEPOINT)
    return attempt(1, OLD, state="ended", outcome="stopped", had_state=True, stops=(stop,), **values)


def upgrading(new: Spec = NEW, before: Attempt | None = None) -> Manifest:
    broken = attempt(2, new, state="submitted", pinned=Snapshot(SAVEPOINT, "savepoint", "stop 1", 1))
    return Manifest("orders", LINEAGE, before or stopped_for(2), broken, 2)


def look(state: str = "RESTARTING", detail: Detail | None = None, **values: Any) -> Seen:
    job_id = Manifest("orders", LINEAGE).id("job", 2)
    detail = detail or Detail(cause=CAUSE, failures=LOOP)
    jobs = (Sighting(job_id, "orders", state, attempt=2),)
    return Seen("here", "life", 100.0, jobs=jobs, details=((job_id, detail),), **values)


def first(manifest: Manifest, seen: Seen, policy: Policy = ME, spec: Spec = NEW) -> Step | None:
    wanted, consents = in_force(spec, manifest, policy)
    found = next_step(wanted, manifest, seen, consents)
    return found.step if found else None


@pytest.mark.parametrize("seen", [look(), look("FAILED", Detail(cause=CAUSE))], ids=["crash loop", "failed"])
def test_an_upgrade_that_proves_broken_is_refused(seen):
    assert first(upgrading(), seen) == Refuse(2)


WITNESS = Snapshot("file:///chk/orders/2/x/chk-2", "checkpoint", "JobManager", 2, 2)
HOLD = replace(NEW, state=StatePolicy(on_failure="hold"))
KEPT = {
    "a deadline is no evidence": (upgrading(), look(detail=Detail(cause=CAUSE), waited=10_000.0)),
    "it completed a checkpoint": (upgrading(), look(detail=Detail(cause=CAUSE, failures=LOOP, checkpoint_at=9))),
    "a checkpoint of it lies in the folder": (upgrading(), look("FAILED", snapshots=(WITNESS,))),
    "the file says hold": (upgrading(HOLD), look()),
    "nothing was stopped for it": (upgrading(before=stopped_for(None)), look()),
    "the same ran before": (upgrading(replace(OLD, description="words")), look()),
}


@pytest.mark.parametrize("why", KEPT)
def test_nobody_goes_back(why):
    manifest, seen = KEPT[why]
    assert manifest.pending
    assert proven_broken(manifest, manifest.pending, seen, situation(manifest.pending, seen, ME)) is None


def test_going_back_restores_what_ran_before_as_an_attempt_and_version_of_its_own():
    seen = look()
    made = plan(NEW, upgrading(), seen, ME)
    assert " ".join(map(str, made.steps)) == (
        "Refuse(2) Check() RequestStop(2, 1, cancel, 3) AwaitEnd(2, 1) GiveUp(2) Claim(3, 3, False) Pin(3) Submit(3) "
        "AwaitRunning(3) RequestProof(3, 1) AwaitProof(3) Confirm(3)"
    )
    assert made.restored_from == SAVEPOINT


def refused(owner: str = "me") -> Manifest:
    why = Refused(NEW.digest, 2, 2, f"attempt 2 proved broken: {CAUSE}", 50.0, owner)
    return replace(Manifest("orders", LINEAGE, attempt(3, OLD, state="confirmed"), None, 3), refused=why)


def test_a_refused_file_gives_way_to_what_runs_and_consents_meant_for_it_go_with_it():
    wishes = replace(ME, restore_from="file:///x", accept=frozenset({"unknown"}), restart="savepoint")
    spec, policy = in_force(NEW, refused(), wishes)
    assert (spec, policy) == (OLD, ME)


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        (replace(NEW, statements=("INSERT INTO t SELECT c FROM s",)), ME),
        (replace(NEW, enabled=False), ME),
        (NEW, replace(ME, stop="savepoint")),
        (NEW, replace(ME, again=True, owner="another")),
    ],
    ids=["edited", "disabled", "to be stopped", "wanted again"],
)
def test_what_is_not_refused(spec, policy):
    assert refusal(spec, refused(), policy) is None


def test_who_wants_it_again_is_told_of_their_own_failure():
    assert refusal(NEW, refused("me"), replace(ME, again=True))


def test_who_goes_back_has_the_present_file_refused():
    current = attempt(2, NEW, state="confirmed")
    manifest = Manifest("orders", LINEAGE, current, None, 2)
    claimed = after(Claim(3, 3, False), OLD, manifest, look("RUNNING"), replace(ME, rolls_back=True))
    assert claimed.refused
    assert (claimed.refused.digest, claimed.refused.reason) == (NEW.digest, "me went back from it")


DECIDED = {  # verdict: (carry, carry-or-fresh, fresh, the consent that carries it)
    "carries": (True, True, False, None),
    "changes-meaning": (None, False, False, "changes-meaning"),
    "unknown": (None, False, False, "unknown"),
    "fails": (None, False, False, "allow-non-restored"),
}


@pytest.mark.parametrize("verdict", DECIDED)
def test_what_a_verdict_comes_to(verdict):
    change = Change("query", verdict, "GROUP BY changes")
    manifest = Manifest("orders", LINEAGE, attempt(1, OLD, state="confirmed"), None, 1)
    *decided, consent = DECIDED[verdict]
    for wish, carried in zip(("carry", "carry-or-fresh", "fresh"), decided, strict=True):
        spec = replace(NEW, state=StatePolicy(on_query_change=wish))  # type: ignore[arg-type]
        if carried is None:
            with pytest.raises(Blocked, match=f"(?s)GROUP BY changes.*{verdict}.*--accept {consent}") as blocked:
                carry.carries(spec, change, manifest, ME)
            assert blocked.value.verdict == verdict
        else:
            assert carry.carries(spec, change, manifest, ME) is carried
        if consent:
            accepting = replace(ME, accept=frozenset({consent}))  # type: ignore[arg-type]
            assert carry.carries(spec, change, manifest, accepting)


def test_what_was_stopped_on_somebodys_word_needs_no_second_one():
    running = attempt(1, OLD, state="confirmed", stops=(Stop(1, "savepoint", "file:///sp", 2),))
    begun = attempt(2, NEW, state="claimed", sent_at=None, accepted=("unknown",))
    change = Change("query", "unknown", "the query changed")
    assert carry.carries(NEW, change, Manifest("orders", LINEAGE, running, begun, 2), ME)
    with pytest.raises(Blocked):
        carry.carries(NEW, change, Manifest("orders", LINEAGE, replace(running, stops=()), begun, 2), ME)
