"""What happens on deploy, row by row: a pure function of job file, manifest, look and policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_flinksql.errors import Blocked, Busy, JobFailed
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.failures import Failures
from airflow_provider_flinksql.model.lifecycle.after import after
from airflow_provider_flinksql.model.lifecycle.plan import Plan, next_step, plan
from airflow_provider_flinksql.model.lifecycle.steps import Claim
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Stop
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting, Traits
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec, StatePolicy

LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"
HERE, LIFE = "http://jobmanager:8081", "life-1"
LOOP = Failures(5, 0, 20_000, 6_000)
NOW, LONG_AGO = 10_000.0, 1_000.0
SETTLED = 77_000
BASES = (("execution.checkpointing.dir", "file:///chk"), ("execution.checkpointing.savepoint-dir", "file:///sp"))

PLAIN = Spec(
    "orders",
    ("INSERT INTO t SELECT a FROM s",),
    properties={"execution.checkpointing.interval": "10 s"},
    health_timeout=300,
)
HARMLESS = replace(PLAIN, properties={"execution.checkpointing.interval": "20 s"})
REWRITTEN = replace(PLAIN, description="words", statements=("INSERT INTO t -- comment\n SELECT a  FROM s",))
OTHER_QUERY = replace(PLAIN, statements=("INSERT INTO t SELECT b FROM s",))
OTHER_OPTION = replace(PLAIN, properties={**PLAIN.properties, "table.exec.state.ttl": "1 d"})
ME = Policy("me", LINEAGE, "me")


def carrying(spec: Spec, on_query_change: str) -> Spec:
    return replace(spec, state=replace(spec.state, on_query_change=on_query_change))


def job_id(number: int) -> str:
    return Manifest("orders", LINEAGE).id("job", number)


def attempt(number: int = 1, spec: Spec = PLAIN, **values: Any) -> Attempt:
    """An attempt that is up, if nothing else is said."""
    up: dict[str, Any] = {
        "query_version": 1,
        "job_id": job_id(number),
        "fresh": number == 1,
        "owner": "earlier",
        "by": "earlier",
        "state": "confirmed",
        "claimed_at": LONG_AGO,
        "cluster": HERE,
        "incarnation": LIFE,
        "landed": True,
        "sent_at": LONG_AGO,
        "checkpoint_folder": f"file:///chk/orders/1/{job_id(number)}",
        "savepoint_folder": "file:///sp/orders/1",
        "had_state": True,
        "settled_at": SETTLED,
    }
    return Attempt(number=number, spec=spec, **{**up, **values})


def pending(number: int = 1, spec: Spec = PLAIN, **values: Any) -> Attempt:
    """One that was claimed a while ago and not sent, if nothing else is said."""
    claimed = {"state": "claimed", "landed": False, "sent_at": None, "had_state": False, "settled_at": None}
    return attempt(number, spec, **{**claimed, **values})


def submitted(number: int = 1, spec: Spec = PLAIN, **values: Any) -> Attempt:
    return pending(number, spec, **{"state": "submitted", "sent_at": LONG_AGO, **values})


def ended(outcome: str, number: int = 1, spec: Spec = PLAIN, **values: Any) -> Attempt:
    return attempt(number, spec, **{"state": "ended", "outcome": outcome, "reason": outcome, **values})


def manifest(current: Attempt | None = None, pending: Attempt | None = None) -> Manifest:
    last = max(a.number for a in (current, pending) if a)
    return Manifest("orders", LINEAGE, current, pending, last)


def listed(attempt: Attempt, state: str = "RUNNING", **values: Any) -> Sighting:
    running = {"all_running": state == "RUNNING", "changed_at": SETTLED, "stable_ms": 60_000, "attempt": attempt.number}
    return Sighting(attempt.job_id, "orders", state, **{**running, **values})


def look(*jobs: Sighting, details: dict[str, Detail] | None = None, **values: Any) -> Seen:
    common = {"incarnation": LIFE, "now": NOW, "options": BASES}
    return Seen(HERE, jobs=jobs, details=tuple((details or {}).items()), **{**common, **values})


def steps(made: Plan) -> str:
    return " ".join(str(step).replace(", ", ",") for step in made.steps)


UP = attempt()
CHECKPOINT = Snapshot("file:///chk/orders/1/x/chk-9", "checkpoint", "JobManager", 1, 9)
STOPPED = ended(
    "stopped",
    stops=(Stop(1, "savepoint", "file:///sp/orders/1/s", None, "completed", "file:///sp/orders/1/s/savepoint-1"),),
)
SAVED_AT = "file:///sp/orders/1/s/savepoint-1"
STOPPED_FOR_2 = replace(STOPPED, stops=(replace(STOPPED.stops[0], purpose=2),))
RUNS = look(listed(UP))
NOTHING = look()
PROOF = "RequestProof(1,1) AwaitProof(1) Confirm(1)"
PROOF_2 = "AwaitRunning(2) RequestProof(2,1) AwaitProof(2) Confirm(2)"
START_2 = "Claim(2,1,False) Pin(2) Submit(2) " + PROOF_2
SWAP = "Check() Claim(2,1,False) RequestStop(1,1,savepoint,2) AwaitEnd(1,1) End(1) Pin(2) Submit(2) " + PROOF_2
SWAP_FRESH = SWAP.replace("Claim(2,1,False)", "Claim(2,2,True)")
REPLACE_DEAD = "Check() " + START_2
CANCELLED = look(listed(UP, "CANCELED"), snapshots=(CHECKPOINT,))
FAILED = look(listed(UP, "FAILED"), snapshots=(CHECKPOINT,))
CRASHES = {UP.job_id: Detail(cause="division by zero", failures=LOOP)}
NOT_UP = look(listed(UP, "RESTARTING"), details=CRASHES, snapshots=(CHECKPOINT,))


TABLE = {
    "never deployed, nothing there": (
        PLAIN, None, NOTHING, "start", f"Check() Claim(1,1,True) Pin(1) Submit(1) AwaitRunning(1) {PROOF}",
    ),
    "up and the same: nothing": (PLAIN, manifest(UP), RUNS, "none", ""),
    "pending, up and the same: proved and confirmed": (
        PLAIN, manifest(pending=submitted(landed=True)), RUNS, "resume", PROOF,
    ),
    "up, only harmless properties changed: savepoint, restore, same query version": (
        HARMLESS, manifest(UP), RUNS, "restart", SWAP,
    ),
    "up, only comments, white space and description changed: recorded": (
        REWRITTEN, manifest(UP), RUNS, "record", "Record()",
    ),
    "up, query changed, fresh: savepoint kept, start empty, next query version": (
        carrying(OTHER_QUERY, "fresh"), manifest(UP), RUNS, "start-fresh", SWAP_FRESH,
    ),
    "up, query changed, carry-or-fresh: the same": (
        carrying(OTHER_QUERY, "carry-or-fresh"), manifest(UP), RUNS, "start-fresh", SWAP_FRESH,
    ),
    "up, a property that may change the state's form: as a query change": (
        carrying(OTHER_OPTION, "fresh"), manifest(UP), RUNS, "start-fresh", SWAP_FRESH,
    ),
    "not up, harmless change: cancel, see the end, restore": (
        HARMLESS, manifest(UP), NOT_UP, "restart",
        f"Check() Claim(2,1,False) RequestStop(1,1,cancel,2) AwaitEnd(1,1) End(1) Pin(2) Submit(2) {PROOF_2}",
    ),
    "not up, query changed, fresh: cancel, start empty": (
        carrying(OTHER_QUERY, "fresh"), manifest(UP), NOT_UP, "start-fresh",
        f"Check() Claim(2,2,True) RequestStop(1,1,cancel,2) AwaitEnd(1,1) End(1) Pin(2) Submit(2) {PROOF_2}",
    ),
    "not up yet: waited for": (
        PLAIN, manifest(UP), look(listed(UP, "RESTARTING")), "resume", "AwaitRunning(1)",
    ),
    "failed, same: restored from its newest checkpoint": (
        PLAIN, manifest(UP), FAILED, "restart", f"Check() Claim(2,1,False) End(1) Pin(2) Submit(2) {PROOF_2}",
    ),
    "cancelled by hand, harmless change: restored": (
        HARMLESS, manifest(UP), CANCELLED, "restart", f"Check() Claim(2,1,False) End(1) Pin(2) Submit(2) {PROOF_2}",
    ),
    "gone with its JobManager, same: restored from the folder": (
        PLAIN, manifest(UP), look(incarnation="life-2", snapshots=(CHECKPOINT,)), "restart",
        f"Check() Claim(2,1,False) End(1) Pin(2) Submit(2) {PROOF_2}",
    ),
    "ended before its first checkpoint: starts fresh": (
        PLAIN, manifest(ended("failed", had_state=False)), NOTHING, "restart",
        f"Check() Claim(2,1,True) Pin(2) Submit(2) {PROOF_2}",
    ),
    "ended, query changed, fresh: starts empty, next query version": (
        carrying(OTHER_QUERY, "fresh"), manifest(ended("failed")), look(snapshots=(CHECKPOINT,)), "start-fresh",
        f"Check() Claim(2,2,True) Pin(2) Submit(2) {PROOF_2}",
    ),
    "stopped by us, same: restored": (PLAIN, manifest(STOPPED), NOTHING, "restart", REPLACE_DEAD),
    "stopped by us, harmless change: restored": (HARMLESS, manifest(STOPPED), NOTHING, "restart", REPLACE_DEAD),
    "disabled, nothing lives: nothing": (replace(PLAIN, enabled=False), manifest(STOPPED), NOTHING, "none", ""),
    "disabled, up: stopped with savepoint": (
        replace(PLAIN, enabled=False), manifest(UP), RUNS, "stop",
        "RequestStop(1,1,savepoint) AwaitEnd(1,1) End(1)",
    ),
    "disabled, not up: cancelled": (
        replace(PLAIN, enabled=False), manifest(UP), NOT_UP, "stop", "RequestStop(1,1,cancel) AwaitEnd(1,1) End(1)",
    ),
    "disabled and changed: other changes wait": (
        replace(OTHER_QUERY, enabled=False), manifest(STOPPED), NOTHING, "none", "",
    ),
    "its sources ended: nothing but the record": (PLAIN, manifest(UP), look(listed(UP, "FINISHED")), "none", "End(1)"),
    "its sources ended, as recorded: nothing": (PLAIN, manifest(ended("finished")), NOTHING, "none", ""),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_what_happens_on_deploy(row):
    spec, recorded, seen, action, expected = TABLE[row]
    made = plan(spec, recorded, seen, ME)
    assert (made.action, steps(made)) == (action, expected)


@pytest.mark.parametrize(
    "spec, recorded, seen, option",
    [
        pytest.param(OTHER_QUERY, manifest(UP), RUNS, "on-query-change", id="up, query changed, carry"),
        pytest.param(OTHER_OPTION, manifest(UP), RUNS, "on-query-change", id="up, telling option changed, carry"),
        pytest.param(OTHER_QUERY, manifest(UP), NOT_UP, "on-query-change", id="not up, query changed, carry"),
        pytest.param(OTHER_QUERY, manifest(STOPPED), NOTHING, "on-query-change", id="stopped, query changed, carry"),
        pytest.param(PLAIN, manifest(ended("failed")), NOTHING, "--restore-from none", id="had state, none found"),
        pytest.param(PLAIN, manifest(UP), look(searched=False), "--restore-from LOCATION", id="cannot be looked for"),
        pytest.param(PLAIN, manifest(ended("drained")), NOTHING, "--restore-from", id="stopped with --drain"),
        pytest.param(PLAIN, manifest(UP), NOTHING, "--restore-from", id="finished, seen by nobody, forgotten"),
        pytest.param(
            HARMLESS,
            manifest(replace(UP, savepoint_folder=None)),
            replace(RUNS, options=()),
            "savepoint-dir",
            id="no folder for savepoints",
        ),
        pytest.param(PLAIN, None, look(Sighting("f" * 32, "orders", "RUNNING")), "--adopt", id="a stranger runs"),
    ],
)
def test_a_blocked_deploy_names_the_option_that_allows_it(spec, recorded, seen, option):
    with pytest.raises(Blocked, match=option):
        plan(spec, recorded, seen, ME)


# --- state --------------------------------------------------------------------------------------------------------


def test_a_plan_tells_what_it_restores_from_where_that_is_known():
    assert plan(PLAIN, manifest(STOPPED), NOTHING, ME).restored_from == "file:///sp/orders/1/s/savepoint-1"
    assert plan(HARMLESS, manifest(UP), RUNS, ME).restored_from is None


def test_a_job_that_never_wrote_state_is_restored_from_what_it_was_restored_from():
    pinned = Snapshot("file:///sp/old", "savepoint", "stop 1", 1)
    young = ended("failed", 2, had_state=False, fresh=False, pinned=pinned)
    assert plan(PLAIN, manifest(young), NOTHING, ME).restored_from == "file:///sp/old"


def test_a_job_that_wrote_state_is_never_set_back_to_what_it_was_restored_from():
    pinned = Snapshot("file:///sp/old", "savepoint", "stop 1", 1)
    with pytest.raises(Blocked, match="had state, and none of it was found"):
        plan(PLAIN, manifest(ended("gone", 2, fresh=False, pinned=pinned)), NOTHING, ME)


def test_the_savepoint_of_a_failed_stop_is_older_than_a_later_checkpoint():
    stop = Stop(
        1, "savepoint", "file:///sp/orders/1/s", 2, "failed", "file:///sp/orders/1/s/savepoint-1", "failed over"
    )
    found = (CHECKPOINT, Snapshot(stop.location or "", "savepoint", "JobManager", 1, 8))
    dead = ended("failed", stops=(stop,))
    assert plan(PLAIN, manifest(dead), look(snapshots=found), ME).restored_from == CHECKPOINT.location


def test_a_cancel_that_would_delete_the_checkpoints_it_relies_on_is_blocked():
    details = {UP.job_id: Detail(cause="disk", failures=LOOP, delete_on_cancellation=True)}
    with pytest.raises(Blocked, match="delete its checkpoints"):
        plan(HARMLESS, manifest(UP), replace(NOT_UP, details=tuple(details.items())), ME)


def test_a_job_is_cancelled_and_restored_from_its_checkpoint_where_the_file_says_so():
    spec = replace(HARMLESS, state=StatePolicy(stop_with="checkpoint"))
    made = plan(spec, manifest(UP), replace(RUNS, snapshots=(CHECKPOINT,)), ME)
    assert "RequestStop(1,1,cancel,2)" in steps(made)
    assert made.restored_from == CHECKPOINT.location


OF_2_3 = manifest(replace(STOPPED, flink_version="2.3.0"))


def on_flink(version: str) -> Seen:
    return look(explained=((PLAIN.digest, Explained(version, "")),), prepared=PLAIN.digest)


def test_an_older_flink_is_not_asked_to_read_the_state_of_a_newer_one():
    with pytest.raises(Blocked, match=r"Flink 2\.3\.0 wrote\. This cluster is Flink 1\.20\.3"):
        plan(PLAIN, OF_2_3, on_flink("1.20.3"), ME)


@pytest.mark.parametrize("here", ["2.3.0", "2.3.1", "2.4.0", "3.0.0"])
def test_a_flink_as_new_as_the_state_restores_it(here):
    assert steps(plan(PLAIN, OF_2_3, on_flink(here), ME)) == START_2


def test_a_person_may_name_the_state_of_a_newer_flink():
    named = replace(ME, restore_from="file:///sp/mine")
    assert plan(PLAIN, OF_2_3, on_flink("1.20.3"), named).restored_from == "file:///sp/mine"


def test_a_claim_keeps_the_version_of_the_cluster():
    claimed = after(Claim(2, 1, False), PLAIN, OF_2_3, on_flink("2.4.0"), ME)
    assert claimed.pending.flink_version == "2.4.0"
    assert Attempt.from_json(claimed.pending.to_json()) == claimed.pending


# --- what a person says, once -------------------------------------------------------------------------------------


def test_a_person_may_start_a_job_empty():
    made = plan(PLAIN, manifest(UP), RUNS, replace(ME, restore_from="none"))
    assert (made.action, steps(made)) == ("start-fresh", SWAP_FRESH)


def test_a_person_may_name_the_state():
    made = plan(OTHER_QUERY, manifest(ended("failed")), NOTHING, replace(ME, restore_from="file:///sp/mine"))
    assert (made.action, made.restored_from) == ("upgrade", "file:///sp/mine")


def test_a_word_given_for_one_run_is_used_once():
    consent = replace(ME, restore_from="none")
    started = attempt(2, fresh=True, consent="none by me")
    assert plan(PLAIN, manifest(started), look(listed(started)), consent).action == "none"
    assert (
        plan(PLAIN, manifest(started), look(listed(started)), replace(consent, owner="other")).action == "start-fresh"
    )


def test_a_retry_of_the_run_that_named_a_state_goes_on_from_what_was_written_since():
    again = replace(ME, restore_from="file:///sp/old")
    dead = ended("failed", 2, consent="file:///sp/old by me", fresh=False)
    newer = Snapshot("file:///chk/orders/1/x/chk-12", "checkpoint", "JobManager", 2, 12)
    assert plan(PLAIN, manifest(dead), look(snapshots=(newer,)), again).restored_from == newer.location


def test_what_was_claimed_on_a_persons_word_is_claimed_anew_by_a_deploy_without_it():
    told = pending(2, consent="file:///sp/mine by other", owner="other", fresh=False)
    assert "Supersede(2,1,False)" in steps(plan(PLAIN, manifest(STOPPED, told), NOTHING, ME))


# --- strangers and clusters ---------------------------------------------------------------------------------------

STRANGER = Sighting("f" * 32, "orders", "RUNNING", all_running=True, changed_at=SETTLED)
ADOPT = replace(ME, adopt=True)


def test_a_stranger_is_adopted_without_a_restart():
    made = plan(PLAIN, None, look(STRANGER), ADOPT)
    assert (made.action, steps(made)) == ("adopt", f"Adopt({STRANGER.job_id})")


def test_an_adopted_job_is_known_by_its_id():
    adopted = replace(manifest(attempt(job_id=STRANGER.job_id)), adopted=(STRANGER.job_id,))
    assert plan(PLAIN, adopted, look(replace(STRANGER, attempt=1)), ME).action == "none"


def test_two_strangers_are_both_named():
    with pytest.raises(Blocked, match=r"f{32} and e{32}"):
        plan(PLAIN, None, look(STRANGER, replace(STRANGER, job_id="e" * 32)), ADOPT)


def test_a_stranger_beside_our_own_job_is_blocked_even_with_adopt():
    with pytest.raises(Blocked, match="second job named orders"):
        plan(PLAIN, manifest(UP), look(listed(UP), STRANGER), ADOPT)


def test_adopting_first_uses_up_the_id_of_a_submit_that_may_still_land():
    made = plan(PLAIN, manifest(pending=submitted()), look(STRANGER), ADOPT)
    assert steps(made) == f"Burn(1) GiveUp(1) Adopt({STRANGER.job_id})"


def test_an_ended_stranger_is_nobodys_business():
    assert plan(PLAIN, None, look(replace(STRANGER, state="FAILED")), ME).action == "start"


ELSEWHERE = attempt(cluster="http://other:8081", incarnation="other-life")


def test_a_job_recorded_on_another_cluster_is_blocked():
    with pytest.raises(Blocked, match="accept cluster-gone"):
        plan(PLAIN, manifest(ELSEWHERE), NOTHING, ME)


def test_the_same_incarnation_is_the_same_cluster_whatever_its_url():
    there = replace(UP, cluster="http://proxy/flink")
    assert plan(PLAIN, manifest(there), RUNS, ME).action == "none"


def test_a_cluster_that_is_gone_is_let_go_of_by_a_persons_word():
    accepting = replace(ME, accept=frozenset({"cluster-gone"}))
    assert plan(PLAIN, manifest(ELSEWHERE), look(snapshots=(CHECKPOINT,)), accepting).action == "restart"
    with pytest.raises(Blocked, match="other:8081"):
        plan(PLAIN, manifest(ELSEWHERE), look(old_cluster_answers=True), accepting)


def test_a_job_not_listed_under_high_availability_may_come_back():
    absent = look(incarnation="life-2", high_availability=True, snapshots=(CHECKPOINT,))
    assert steps(plan(PLAIN, manifest(UP), absent, ME)).startswith("AwaitGone(1) ")
    waited = replace(absent, absent_for=61.0)
    assert "AwaitGone" not in steps(plan(PLAIN, manifest(UP), waited, ME))


# --- attempts on their way ----------------------------------------------------------------------------------------


def test_what_another_deploy_claimed_a_moment_ago_is_respected():
    claimed = pending(owner="other", by="other task", claimed_at=NOW - 60)
    with pytest.raises(Busy, match="other task"):
        plan(PLAIN, manifest(pending=claimed), NOTHING, ME)


@pytest.mark.parametrize(
    "claimed, policy",
    [
        pytest.param({"owner": "other", "claimed_at": NOW - 121}, ME, id="long ago"),
        pytest.param({"owner": "me", "claimed_at": NOW - 1}, ME, id="by an earlier try of this deploy"),
        pytest.param({"owner": "other", "claimed_at": NOW - 1}, replace(ME, dead_owner="other"), id="by one that died"),
    ],
)
def test_what_was_claimed_is_gone_on_with(claimed, policy):
    made = plan(PLAIN, manifest(pending=pending(**claimed)), NOTHING, policy)
    assert (made.action, steps(made)) == ("resume", f"Check() Pin(1) Submit(1) AwaitRunning(1) {PROOF}")


def test_a_newer_file_takes_over_what_was_claimed():
    made = plan(HARMLESS, manifest(pending=pending()), NOTHING, ME)
    assert steps(made) == f"Check() Supersede(1,1,True) Pin(1) Submit(1) AwaitRunning(1) {PROOF}"


def test_a_submit_that_was_not_seen_to_arrive_is_sent_again_under_the_same_id():
    assert (
        steps(plan(PLAIN, manifest(pending=submitted()), NOTHING, ME)) == f"Check() Submit(1) AwaitRunning(1) {PROOF}"
    )


def test_a_newer_file_goes_under_the_same_id_while_nothing_has_landed():
    made = plan(HARMLESS, manifest(pending=submitted()), NOTHING, ME)
    assert steps(made) == f"Check() Supersede(1,1,True) Submit(1) AwaitRunning(1) {PROOF}"


def test_an_id_is_used_up_before_another_start_is_made():
    lost = submitted(2, fresh=False, pinned=CHECKPOINT)
    made = plan(carrying(OTHER_QUERY, "fresh"), manifest(STOPPED, lost), NOTHING, ME)
    assert steps(made).startswith("Burn(2) GiveUp(2) Check() Claim(3,2,True) Pin(3) Submit(3)")


def test_an_id_used_up_in_another_life_of_the_jobmanager_is_used_up_again():
    lost = submitted(2, fresh=False, pinned=CHECKPOINT, burnt_in="life-0")
    made = plan(replace(PLAIN, enabled=False), manifest(STOPPED, lost), NOTHING, ME)
    assert steps(made) == "Burn(2) GiveUp(2)"


def test_what_landed_may_be_another_spec_than_the_last_one_sent():
    lost = submitted(spec=HARMLESS, replaced=(PLAIN,))
    arrived = look(listed(lost, digest=PLAIN.digest))
    found = next_step(HARMLESS, manifest(pending=lost), arrived, ME)
    assert found is not None
    landed = after(found.step, HARMLESS, manifest(pending=lost), arrived, ME).pending
    assert landed is not None
    assert landed.spec == PLAIN


def test_a_late_job_of_an_ended_attempt_is_cancelled_and_seen_to_end():
    recorded = manifest(attempt(2))
    late = listed(attempt(1))
    assert steps(plan(PLAIN, recorded, look(listed(attempt(2)), late), ME)) == "Cancel(1)"
    ending = look(listed(attempt(2)), replace(late, state="CANCELLING"))
    assert steps(plan(PLAIN, recorded, ending, ME)) == "AwaitGone(1)"


def test_an_ended_id_is_used_up_in_a_new_life_of_the_jobmanager_while_its_submit_may_land():
    recent = ended("gone", sent_at=NOW - 100)
    made = plan(PLAIN, manifest(recent), look(incarnation="life-2", snapshots=(CHECKPOINT,)), ME)
    assert "Burn(1) Pin(2) Submit(2)" in steps(made)


def test_a_job_that_restored_something_else_than_what_was_pinned_is_an_error():
    landed = submitted(2, landed=True, fresh=False, pinned=CHECKPOINT)
    wrong = look(listed(landed), details={landed.job_id: Detail(restored="file:///elsewhere/chk-1")})
    with pytest.raises(JobFailed, match="elsewhere"):
        plan(PLAIN, manifest(STOPPED, landed), wrong, ME)


def test_a_job_that_does_not_come_up_fails_with_its_root_cause_and_is_left_as_it_is():
    slow = replace(NOT_UP, waited=301.0)
    with pytest.raises(JobFailed, match="division by zero"):
        plan(PLAIN, manifest(UP), slow, ME)


def test_a_changed_file_replaces_an_attempt_that_does_not_come_up():
    broken = submitted(landed=True)
    seen = look(listed(broken, "RESTARTING"), details={broken.job_id: Detail(cause="bad", failures=LOOP)})
    made = plan(OTHER_QUERY, manifest(pending=broken), seen, ME)
    assert steps(made).startswith("Check() RequestStop(1,1,cancel,2) AwaitEnd(1,1) GiveUp(1) Claim(2,1,True)")


# --- stops --------------------------------------------------------------------------------------------------------

REQUESTED = attempt(stops=(Stop(1, "savepoint", "file:///sp/orders/1/s", 2),))


def test_a_requested_stop_is_resolved_before_anything_is_compared():
    assert steps(plan(PLAIN, manifest(REQUESTED), RUNS, ME)).startswith("AwaitEnd(1,1) ")


FAILED_STOP = attempt(stops=(Stop(1, "savepoint", "file:///sp/orders/1/s", 2, "failed", None, "disk full"),))


def test_after_a_failed_savepoint_the_old_job_goes_on():
    made = next_step(HARMLESS, manifest(FAILED_STOP, pending(2, HARMLESS, fresh=False, owner="me")), RUNS, ME)
    assert made is not None
    assert str(made.step) == "GiveUp(2)"


def test_the_next_deploy_asks_under_another_number():
    made = plan(HARMLESS, replace(manifest(FAILED_STOP), last_number=2), RUNS, ME)
    assert "Claim(3,1,False) RequestStop(1, 2, savepoint, 3)".replace(", ", ",") in steps(made)


def test_after_a_failed_savepoint_a_checkpoint_will_do_where_the_file_says_so():
    spec = replace(HARMLESS, state=StatePolicy(on_savepoint_failure="checkpoint"))
    waiting = manifest(FAILED_STOP, pending(2, spec, fresh=False, owner="me"))
    made = plan(spec, waiting, replace(RUNS, snapshots=(CHECKPOINT,)), ME)
    assert "RequestStop(1,2,cancel,2) AwaitEnd(1,2) End(1) Pin(2)" in steps(made)


def test_a_job_stopped_in_the_ui_with_savepoint_is_restored_from_it():
    saved = Snapshot("file:///ui/savepoint-1", "savepoint", "JobManager", 1, 10)
    seen = look(
        listed(UP, "FINISHED"), details={UP.job_id: Detail(stopped_with=saved.location)}, snapshots=(CHECKPOINT, saved)
    )
    assert plan(PLAIN, manifest(UP), seen, ME).restored_from == saved.location


# --- ways of running ----------------------------------------------------------------------------------------------


def test_a_target_that_replaces_is_not_asked_to_stop():
    seen = replace(RUNS, traits=Traits(upgrade="replace"), snapshots=(CHECKPOINT,))
    assert "RequestStop" not in steps(plan(HARMLESS, manifest(UP), seen, ME))


def test_where_each_submit_starts_a_cluster_an_unseen_one_is_waited_for_not_sent_again():
    once = Traits(submit="once", job_id="theirs")
    lost = submitted(sent_at=NOW - 10)
    assert steps(plan(PLAIN, manifest(pending=lost), look(traits=once), ME)).startswith("AwaitGone(1) GiveUp(1) ")


# --- batch --------------------------------------------------------------------------------------------------------

BATCH = replace(PLAIN, mode="batch")
RUN = attempt(spec=BATCH, had_state=False)
FINISHES = replace(ME, wait_for="finished")


@pytest.mark.parametrize(
    "recorded, seen, policy, action, expected",
    [
        pytest.param(None, NOTHING, ME, "start", "Check() Claim(1,1,True) Pin(1) Submit(1) Confirm(1)", id="first"),
        pytest.param(manifest(RUN), look(listed(RUN)), ME, "none", "", id="live: attach"),
        pytest.param(manifest(RUN), look(listed(RUN)), FINISHES, "resume", "AwaitFinished(1) End(1)", id="live: wait"),
        pytest.param(manifest(RUN), look(listed(RUN, "FINISHED")), ME, "none", "End(1)", id="finished"),
        pytest.param(manifest(ended("finished", spec=BATCH)), NOTHING, ME, "none", "", id="finished, recorded"),
        pytest.param(
            manifest(RUN), look(listed(RUN, "FAILED")), ME, "restart",
            "End(1) Check() Claim(2,1,True) Pin(2) Submit(2) Confirm(2)", id="failed: another attempt",
        ),
        pytest.param(
            manifest(RUN), look(incarnation="life-2"), ME, "restart",
            "End(1) Check() Claim(2,1,True) Pin(2) Submit(2) Confirm(2)", id="lost: another attempt",
        ),
    ],
)  # fmt: skip
def test_a_batch_run_succeeds_once(recorded, seen, policy, action, expected):
    made = plan(BATCH, recorded, seen, policy)
    assert (made.action, steps(made)) == (action, expected)


def test_a_finished_batch_job_needs_no_proof():
    landed = submitted(spec=BATCH, landed=True)
    assert steps(plan(BATCH, manifest(pending=landed), look(listed(landed, "FINISHED")), ME)) == "Confirm(1)"


def test_a_plan_asks_for_the_proof_after_the_time_that_the_file_asks_for():
    careful = replace(PLAIN, stable_for=90.0)
    landed = submitted(spec=careful, landed=True)
    assert steps(plan(careful, manifest(pending=landed), look(listed(landed)), ME)) == f"AwaitProof(1) {PROOF}"
