"""What a session cluster is for the engine: the same on the fake of the law tests and on real Flink."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

import services
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.clients.statefiles import same_location
from airflow_provider_flinksql.errors import Blocked, Duplicate, FlinkSqlError, InvalidQuery, Misconfigured
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.targets import submitter
from contract.clusters import FORGETFUL, Cluster, FakeCluster, RealCluster, spec, until
from contract.story import Story

ONE_LINE = re.compile(r"[^\n]{5,300}")


@pytest.fixture(params=["fake", "flink23", "flink120"])
def cluster(request) -> Iterator[Cluster]:
    if request.param == "fake":
        yield FakeCluster()
    else:
        with RealCluster(request.getfixturevalue(request.param)) as real:
            yield real


@pytest.fixture(scope="module", params=["fake", "2.3.0", "1.20.3"])
def place(request) -> Iterator[Callable[[], Cluster]]:
    """Somewhere JobManagers are paused and killed, and forget at once: a cluster of our own."""
    if request.param == "fake":
        yield FakeCluster
        return
    with services.flink(request.param, **FORGETFUL) as flink, RealCluster(flink) as real:
        yield lambda: real


@pytest.fixture
def frail(place) -> Cluster:
    return place()


@pytest.fixture
def story(cluster) -> Story:
    return Story(cluster)


@dataclass
class Before:
    """What there was in the JobManager's last life."""

    running: Story
    stopped: Story
    savepoint: str
    incarnation: str


@pytest.fixture(scope="module")
def reborn(place) -> Before:
    """A JobManager killed and started again, with the records of two jobs of its last life."""
    cluster = place()
    running, stopped = Story(cluster), Story(cluster)
    running.start()
    stopped.start()
    savepoint = stopped.stop()
    incarnation = running.look().incarnation
    cluster.restart()
    return Before(running, stopped, savepoint, incarnation)


def locations(story: Story) -> list[str]:
    return [snapshot.location for snapshot in story.look(closely=True).snapshots]


def same(found: str | None, expected: str) -> bool:
    return found is not None and same_location(found, expected)


# --- submit -------------------------------------------------------------------------------------------------------


def test_an_id_submitted_twice_runs_once(story):
    story.start()
    first = story.job()
    story.submit()
    assert [job.job_id for job in story.look().jobs] == [story.attempt.job_id]
    assert story.job().state == "RUNNING"
    assert story.job().changed_at == first.changed_at


@pytest.mark.parametrize("end", ["CANCELED", "FINISHED", "FAILED"])
def test_an_id_starts_nothing_after_its_job(end, story):
    if end == "FAILED":
        story.claim(restore="file:///nonexistent/savepoint")
        story.submit()
    elif end == "FINISHED":
        story.claim(spec(story.name, "bounded"))
        story.submit()
    else:
        story.cluster.cancel(story.start().job_id)
    story.await_state(end)
    ended = story.job()
    story.worker = story.cluster.worker()
    story.submit()
    story.cluster.sleep(0.3)
    assert [(job.state, job.changed_at) for job in story.look().jobs] == [(end, ended.changed_at)]


def test_a_burnt_id_starts_nothing(story):
    story.claim()
    run_sync(story.worker.burn(story.attempt))
    story.submit()
    story.cluster.sleep(0.3)
    assert story.state() == "FAILED"
    assert story.look().strangers(story.manifest, story.name) == ()


def test_burning_the_id_of_a_running_job_leaves_it_running(story):
    story.start()
    run_sync(story.worker.burn(story.attempt))
    assert story.state() == "RUNNING"


def test_a_missing_restore_path_is_refused_at_once(story):
    story.claim(restore="file:///nonexistent/savepoint")
    story.submit()
    assert story.state() == "FAILED"
    assert ONE_LINE.fullmatch(story.detail().cause)
    assert "/nonexistent/savepoint" in story.detail().cause


def test_a_forgotten_id_is_refused_as_a_duplicate(frail):
    story = Story(frail)
    frail.cancel(story.start().job_id)
    story.await_state("CANCELED")
    frail.forget(story.attempt.job_id)
    with pytest.raises(Duplicate):
        story.submit()
    assert story.job() is None


def test_a_submit_lands_late_although_its_worker_has_let_go(frail, monkeypatch):
    monkeypatch.setattr(submitter, "SUBMIT_SECONDS", 1.0)
    story = Story(frail)
    story.claim()
    run_sync(story.worker.check(story.attempt.spec))
    frail.lose_submits()
    try:
        with pytest.raises(FlinkSqlError) as unknown:
            story.submit()
        run_sync(story.worker.release())
    finally:
        frail.recover()
    assert unknown.value.retryable
    story.await_state("RUNNING")
    story.submit()
    assert [job.job_id for job in story.look().jobs if job.live] == [story.attempt.job_id]


# --- what a look tells --------------------------------------------------------------------------------------------


def test_a_job_with_incompatible_state_says_that_it_runs_and_never_proves_it(story):
    story.start()
    story.confirm()
    savepoint = story.stop()
    story.write(do.End(story.attempt.number))
    again = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.delay": "500 ms"}
    crashing = spec(story.name, "crash", **again, **{"restart-strategy.fixed-delay.attempts": "1000"})
    story.claim(replace(crashing, give_up_after=2.0), restore=savepoint)
    story.submit()
    said = set()

    def looping() -> bool:
        seen = story.look(closely=True)
        said.add(seen.job(story.attempt.job_id).state)
        return situation(story.attempt, seen, Policy("", "")).loops

    until(story.cluster, looping)
    story.ask_proof()
    until(story.cluster, lambda: story.detail().proof == "failed")
    until(story.cluster, lambda: said.add(story.state()) or said >= {"RUNNING", "RESTARTING"})
    assert not said & ENDED
    detail = story.detail()
    assert detail.checkpoint_at is None
    assert same(detail.restored, savepoint)
    assert ONE_LINE.fullmatch(detail.cause)
    assert "must be compatible" in detail.cause


def test_a_restored_job_says_what_it_was_restored_from(story):
    story.start()
    story.confirm()
    savepoint = story.stop()
    story.write(do.End(story.attempt.number))
    story.start(restore=savepoint)
    assert same(story.detail().restored, savepoint)


def test_a_confirmed_job_costs_a_look_of_two_requests(story):
    story.start()
    story.confirm()
    before = story.cluster.requests
    seen = story.look()
    assert story.cluster.requests - before == 2
    assert seen.job(story.attempt.job_id).all_running
    assert seen.details == ()


def test_a_close_look_goes_deeper_where_all_is_well(story):
    story.start()
    story.prove()
    story.confirm()
    assert story.look().snapshots == ()
    until(story.cluster, lambda: locations(story))  # what is said of a live job may be some seconds old
    assert [s.attempt for s in story.look(closely=True).snapshots] == [story.attempt.number]


def test_a_checkpoint_on_demand_needs_no_periodic_ones(story):
    story.start()
    before = story.detail()
    assert before.checkpointing
    assert (before.checkpoint_at, before.proof) == (None, "none")
    story.prove()
    until(story.cluster, lambda: story.detail().checkpoint_at)
    assert [(s.kind, s.checkpoint_id) for s in story.look().snapshots] == [("checkpoint", 1)]


def test_a_proof_is_asked_for_once(story):
    story.start()
    story.prove()
    number = story.attempt.number
    run_sync(story.worker.request_proof(story.attempt, story.manifest.id("proof", number, story.attempt.proofs)))
    story.cluster.sleep(0.5)
    assert story.detail().checkpoint_id == 1
    assert story.detail().proof == "completed"


def test_a_batch_job_has_no_checkpointing(story):
    story.claim(spec(story.name, "batch"))
    story.submit()
    story.await_state("FINISHED")
    seen = story.look(closely=True)
    assert not seen.detail(story.attempt.job_id).checkpointing
    assert seen.snapshots == ()


def test_a_job_whose_sources_ended_finished_without_a_stop(story):
    story.claim(spec(story.name, "bounded"))
    story.submit()
    story.await_state("FINISHED")
    assert story.detail().stopped_with is None
    assert locations(story) == []


@pytest.mark.parametrize("kind", ["savepoint", "drain"])
def test_a_stopped_job_tells_its_savepoint_and_keeps_no_checkpoint(kind, story):
    story.start()
    story.prove()
    location = story.stop(kind)
    assert same(story.detail().stopped_with, location)
    [kept] = story.look().snapshots
    assert same(kept.location, location)
    assert (kept.kind, kept.attempt) == ("savepoint", story.attempt.number)


def test_a_job_stopped_in_the_ui_tells_its_savepoint(story):
    story.start()
    story.cluster.stop_in_ui(story.attempt.job_id)
    story.await_state("FINISHED")
    [location] = locations(story)
    assert same(story.detail().stopped_with, location)


def test_a_look_right_after_the_end_misses_nothing_of_it(frail):
    """Real Flink goes on telling what it knew some seconds ago: here 3 s, as by default."""
    story = Story(frail)
    story.start()
    story.prove()
    assert story.detail().stopped_with is None
    frail.stop_in_ui(story.attempt.job_id)
    story.await_state("FINISHED")
    [location] = locations(story)
    assert same(story.detail().stopped_with, location)


def test_a_cancelled_job_lists_what_it_saved_newest_first(story):
    story.start()
    savepoint = story.cluster.savepoint(story.attempt.job_id)
    story.prove()
    story.cluster.cancel(story.attempt.job_id)
    story.await_state("CANCELED")
    seen = story.look()
    assert [(s.kind, s.checkpoint_id) for s in seen.snapshots] == [("checkpoint", 2), ("savepoint", 1)]
    assert same(seen.snapshots[1].location, savepoint)
    assert seen.detail(story.attempt.job_id).stopped_with is None
    assert seen.detail(story.attempt.job_id).checkpoint_id == 2
    assert seen.detail(story.attempt.job_id).checkpoint_location == seen.snapshots[0].location


def test_what_somebody_deleted_is_not_listed(story):
    story.start()
    savepoint = story.cluster.savepoint(story.attempt.job_id)
    story.prove()
    story.cluster.cancel(story.attempt.job_id)
    story.await_state("CANCELED")
    story.cluster.delete(savepoint)
    assert [s.kind for s in story.look().snapshots] == ["checkpoint"]


def test_a_state_is_there_where_it_is_complete_and_nowhere_else(story):
    story.start()
    savepoint = story.cluster.savepoint(story.attempt.job_id)
    assert run_sync(story.worker.look_for(savepoint)) == "there"
    assert run_sync(story.worker.look_for(savepoint.rpartition("/")[0])) == "missing"
    assert run_sync(story.worker.look_for(f"{savepoint}0")) == "missing"
    story.cluster.delete(savepoint)
    assert run_sync(story.worker.look_for(savepoint)) == "missing"


def test_where_a_running_job_keeps_its_state_is_seen(story):
    story.start()
    story.prove()
    story.confirm()
    assert story.look(closely=True).unseen is None


def test_a_failed_job_says_why_and_what_it_saved(story, tmp_path):
    story.start(spec(story.name, "told", told=tmp_path))
    story.prove()
    story.cluster.fail(story.attempt.job_id, tmp_path)
    story.await_state("FAILED")
    assert story.detail().cause == "ArithmeticException: / by zero"
    assert [s.kind for s in story.look().snapshots] == ["checkpoint"]


def test_the_folder_tells_what_a_forgotten_job_saved(frail):
    story = Story(frail)
    story.start()
    story.prove()
    frail.cancel(story.attempt.job_id)
    story.await_state("CANCELED")
    [listed] = story.look().snapshots
    frail.forget(story.attempt.job_id)
    seen = story.look()
    assert (seen.jobs, seen.details, seen.searched) == ((), (), True)
    [found] = seen.snapshots
    assert same(found.location, listed.location)
    assert (found.kind, found.checkpoint_id, found.source) == ("checkpoint", 1, "folder")


def test_a_tag_tells_which_of_several_specs_landed(story):
    first, second = spec(story.name), spec(story.name, **{"execution.checkpointing.interval": "1 h"})
    story.claim(first)
    story.submit()
    story.write(do.Supersede(story.attempt.number, 1, True), second)
    story.await_state("RUNNING")
    assert story.attempt.spec == second
    assert story.job().digest == first.digest


def test_a_live_job_of_our_name_that_is_not_ours_is_a_stranger(story):
    job_id = story.cluster.intrude(story.name)
    until(story.cluster, lambda: story.look().job(job_id).state == "RUNNING")
    seen = story.look()
    [stranger] = seen.strangers(story.manifest, story.name)
    assert (stranger.job_id, stranger.attempt) == (job_id, None)
    assert [found for found, _ in seen.details] == [job_id]
    assert run_sync(story.worker.look("another name", None)).jobs == ()
    run_sync(story.worker.cancel(stranger))
    until(story.cluster, lambda: story.look().strangers(story.manifest, story.name) == ())


# --- check --------------------------------------------------------------------------------------------------------


def test_a_good_query_passes_the_check_and_starts_nothing(story):
    run_sync(story.worker.check(spec(story.name)))
    run_sync(story.worker.release())
    assert story.look().jobs == ()


def test_a_query_that_the_planner_refuses_fails_the_check(story):
    with pytest.raises(InvalidQuery, match="'refused' not found") as refused:
        run_sync(story.worker.check(spec(story.name, "refused")))
    assert refused.value.line is not None
    run_sync(story.worker.release())


def test_more_parallelism_than_slots_is_blocked(story):
    with pytest.raises(Blocked, match=r"parallelism\.default"):
        run_sync(story.worker.check(spec(story.name, **{"parallelism.default": "99"})))


# --- stop ---------------------------------------------------------------------------------------------------------


def test_a_stop_asked_twice_is_one_savepoint(story):
    story.start()
    folder = story.write_stop()
    story.send_stop()
    story.send_stop()
    outcome = story.await_outcome()
    story.send_stop()
    story.cluster.sleep(0.5)
    [location] = story.cluster.savepoints(folder)
    assert same(outcome.location, location)


def test_the_answer_tells_the_outcome_of_a_stop(story):
    story.start()
    folder = story.write_stop()
    story.send_stop()
    outcome = story.await_outcome()
    assert story.state() == "FINISHED"
    assert outcome.ended
    assert outcome.cause is None
    assert same(outcome.location, story.cluster.savepoints(folder)[0])


def test_the_history_tells_the_outcome_when_the_answer_has_expired(frail):
    story = Story(frail)
    story.start()
    location = story.stop()
    frail.let_answers_expire()
    assert story.state() == "FINISHED"
    outcome = story.outcome()
    assert outcome.ended
    assert same(outcome.location, location)


def test_the_folder_tells_the_outcome_when_the_job_is_forgotten(frail):
    story = Story(frail)
    story.start()
    location = story.stop()
    frail.forget(story.attempt.job_id)
    outcome = story.outcome()
    assert outcome.ended
    assert same(outcome.location, location)


def test_a_stop_that_never_arrived_is_asked_again(story):
    story.start()
    folder = story.write_stop()
    assert story.outcome() is None
    outcome = story.await_outcome()
    assert same(outcome.location, story.cluster.savepoints(folder)[0])


def test_a_stop_of_a_job_that_ended_otherwise_left_no_savepoint(story):
    story.start()
    story.write_stop()
    story.cluster.cancel(story.attempt.job_id)
    story.await_state("CANCELED")
    story.send_stop()
    outcome = story.await_outcome()
    assert (outcome.ended, outcome.location) == (True, None)
    assert ONE_LINE.fullmatch(outcome.cause)


def test_a_cancel_leaves_the_checkpoint(story):
    story.start()
    story.prove()
    story.write_stop("cancel")
    story.send_stop()
    assert story.await_outcome() == StopOutcome(True)
    assert story.state() == "CANCELED"
    assert [s.kind for s in story.look().snapshots] == ["checkpoint"]


def test_a_cancel_that_was_written_down_and_never_sent_is_sent(story):
    story.start()
    story.write_stop("cancel")
    assert story.await_outcome() == StopOutcome(True)
    assert story.state() == "CANCELED"


def test_a_failed_savepoint_leaves_the_job_running_and_says_why(story):
    story.start()
    story.cluster.spoil(story.write_stop())
    story.send_stop()
    outcome = story.await_outcome()
    assert (outcome.ended, outcome.location) == (False, None)
    assert ONE_LINE.fullmatch(outcome.cause)
    assert story.outcome() == outcome
    assert story.state() == "RUNNING"


# --- another life -------------------------------------------------------------------------------------------------


def test_a_restart_shows_as_another_incarnation(reborn):
    assert reborn.running.look().incarnation != reborn.incarnation
    assert reborn.running.look().jobs == ()


def test_a_new_incarnation_takes_a_known_id_again(reborn):
    reborn.running.submit()
    reborn.running.await_state("RUNNING")


def test_the_folder_tells_the_outcome_of_a_stop_in_an_earlier_life(reborn):
    outcome = reborn.stopped.outcome()
    assert outcome.ended
    assert same(outcome.location, reborn.savepoint)


# --- on the wire, which the fake has not --------------------------------------------------------------------------


@pytest.fixture(params=["flink23", "flink120"])
def real(request) -> Iterator[RealCluster]:
    with RealCluster(request.getfixturevalue(request.param)) as cluster:
        yield cluster


@pytest.mark.parametrize("here, there", [("flink23", "flink120"), ("flink120", "flink23")])
def test_a_gateway_of_another_cluster_is_misconfigured_whoever_tries_again(here, there, request):
    with ExitStack() as stack:
        other = stack.enter_context(RealCluster(request.getfixturevalue(there)))
        mixed = stack.enter_context(RealCluster(request.getfixturevalue(here), gateway=str(other.flink.gateway)))
        story = Story(mixed)
        story.claim()
        for _ in range(2):
            with pytest.raises(Misconfigured, match="another cluster"):
                story.submit()
            stray = run_sync(other.jobmanager.job(story.attempt.job_id))
            assert stray.state in ("CANCELLING", "CANCELED")
        assert story.job() is None


def with_secret(name: str, value: str) -> tuple[object, Callable[[str], str]]:
    plain = spec(name)
    tables = (plain.tables[0].replace("= '20'", "= '${env.RATE}'"), *plain.tables[1:])
    return replace(plain, tables=tables), {"env.RATE": value}.__getitem__


def test_a_secret_is_resolved_on_the_wire_alone(real):
    story = Story(real)
    wanted, resolve = with_secret(story.name, "31")
    story.worker = real.worker(resolve)
    story.start(wanted)
    assert "${env.RATE}" in str(story.manifest.to_json())


def test_a_secret_never_appears_in_an_error(real):
    story = Story(real)
    wanted, resolve = with_secret(story.name, "hunter2")
    story.worker = real.worker(resolve)
    for ask in (lambda: story.worker.check(wanted), lambda: story.worker.submit(story.manifest, story.claim(wanted))):
        with pytest.raises(FlinkSqlError) as refused:
            run_sync(ask())
        told = [refused.value, refused.value.__cause__, refused.value.__context__]
        assert "hunter2" not in "".join(f"{error!r} {vars(error)}" for error in told if error)
        assert "***" in str(refused.value)
    run_sync(story.worker.release())
