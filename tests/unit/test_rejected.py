"""A submit that the gateway itself refuses: its id is burnt, and what ran before runs again, as after a failed job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.reconcile import Deploy, Deployed, Limits
from airflow_provider_flinksql.deploy.status import status
from airflow_provider_flinksql.errors import Blocked, JobFailed, StatementFailed
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.manifest import Attempt
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import StatePolicy
from laws.machines import LINEAGE, NAME, spec
from laws.session import FakeSessionCluster
from laws.world import Died, World
from unit.test_plan import LIFE, ME, OTHER_QUERY, SAVED_AT, STOPPED_FOR_2, carrying, look, manifest, steps, submitted

CAUSE = "ClassNotFoundException: com.example.Missing"
FRESH = carrying(OTHER_QUERY, "fresh")
REJECTED = submitted(2, FRESH, fresh=False, rejected=CAUSE)


def test_a_rejected_upgrade_is_burnt_refused_and_gone_back_from():
    made = plan(FRESH, manifest(STOPPED_FOR_2, REJECTED), look(), ME)
    assert steps(made).startswith("Burn(2) Refuse(2) GiveUp(2) Check() Claim(3,2,False) Pin(3) Submit(3)")
    assert made.restored_from == SAVED_AT


@pytest.mark.parametrize(
    "current, wanted",
    [(None, FRESH), (STOPPED_FOR_2, replace(FRESH, state=StatePolicy("fresh", on_failure="hold")))],
    ids=["nothing ran before", "the file says hold"],
)
def test_a_rejected_start_with_no_way_back_is_burnt_and_given_up(current, wanted):
    made = plan(wanted, manifest(current, replace(REJECTED, spec=wanted)), look(), ME)
    assert steps(made).startswith("Burn(2) GiveUp(2) Check() Claim(3,")


def test_an_id_that_is_burnt_here_is_not_burnt_twice():
    burnt = replace(REJECTED, burnt_in=LIFE)
    assert steps(plan(FRESH, manifest(STOPPED_FOR_2, burnt), look(), ME)).startswith("Refuse(2) GiveUp(2)")


def test_status_says_what_was_refused():
    told = status(manifest(STOPPED_FOR_2, REJECTED), look())
    assert (told.state, told.healthy) == ("INTERRUPTED", False)
    assert CAUSE in told.reason


def deploy(world: World, wanted, owner: str = "me"):
    policy = Policy(owner, LINEAGE, owner)
    run = Deploy(FakeSessionCluster(world), world.store, world, world.clock, lambda _: None, Limits(total=600))
    return run_sync(run.run(wanted, policy))


BAD = spec("crash_at_submit")


def live(world: World) -> list[str]:
    return [job.spec.statements[0] for job in world.jobmanager.listed() if job.live]


def test_the_same_deploy_goes_back_and_fails_with_the_root_cause():
    world = World()
    assert isinstance(deploy(world, spec("a")), Deployed)
    with pytest.raises(JobFailed, match=rf"attempt 2 proved broken: .*{CAUSE}.*runs again as attempt 3"):
        deploy(world, BAD)
    assert live(world) == list(spec("a").statements)
    assert world.requests.count("submit") == 3


def test_a_first_deploy_that_is_rejected_fails_with_the_root_cause_and_leaves_nothing_to_land():
    world = World()
    with pytest.raises(JobFailed, match=CAUSE):
        deploy(world, BAD)
    manifest = world.store.get(NAME).manifest
    assert manifest
    assert manifest.pending is None
    ended: Attempt = world.store.history(NAME)[-1]
    assert (ended.outcome, ended.burnt_in != "") == ("failed", True)


def test_a_session_that_cannot_be_prepared_refuses_no_file(monkeypatch):
    world = World()
    deploy(world, spec("a"))
    late = StatementFailed("the catalog does not answer").at("setup", 0, "")

    async def submit(*_):
        raise late

    monkeypatch.setattr(FakeSessionCluster, "submit", submit)
    with pytest.raises(StatementFailed, match="the catalog does not answer"):
        deploy(world, spec("b"))
    monkeypatch.undo()
    assert isinstance(deploy(world, spec("b")), Deployed)
    assert live(world) == list(spec("b").statements)


@pytest.mark.parametrize("written", range(9))
def test_a_worker_that_dies_on_the_way_back_is_followed_by_one_that_goes_on(written):
    world = World()
    deploy(world, spec("a"))
    world.mishaps = [("written", written, "die")]
    try:
        deploy(world, BAD)
    except (Died, JobFailed):
        world.mishaps = []
    with pytest.raises((JobFailed, Blocked), match=CAUSE):
        deploy(world, BAD)
    assert live(world) == list(spec("a").statements)
