"""What somebody else does to a job while a deploy of it sleeps, and what a long sleep does to its times."""

from collections.abc import Callable

import pytest

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.reconcile import Deploy, Deployed
from airflow_provider_flinksql.errors import Blocked, FlinkSqlError
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from laws.jobmanager import Job
from laws.machines import LIMITS, LINEAGE, NAME, spec
from laws.session import FakeSessionCluster
from laws.world import World


@pytest.fixture
def world() -> World:
    return World()


def deploy(world: World, wanted: Spec, owner: str = "me", **consent: object) -> object:
    policy = Policy(owner, LINEAGE, owner, **consent)  # type: ignore[arg-type]
    flow = Deploy(FakeSessionCluster(world), world.store, world, world.clock, lambda _: None, LIMITS)
    try:
        return run_sync(flow.run(wanted, policy))
    except FlinkSqlError as error:
        return error


def happens(world: World, event: Callable[[], object], *places: tuple[str, int]) -> None:
    world.events["it"] = event
    world.mishaps += [(what, n, "it") for what, n in places]


def live(world: World) -> list[Job]:
    return [job for job in world.jobmanager.listed() if job.live]


@pytest.mark.parametrize("where", [("written", 0), ("written", 1), ("list", 7), ("list", 11), ("list", 15)])
def test_a_stop_wins_over_a_deploy_that_slept(world, where):
    def stop() -> None:
        world.pass_time(1)
        deploy(world, spec(), "a person", stop="savepoint")

    happens(world, stop, where)
    answer = deploy(world, spec())
    assert isinstance(answer, Blocked)
    assert "somebody else ended attempt 1" in str(answer)
    assert live(world) == []


def test_another_file_wins_over_a_deploy_that_slept(world):
    def another() -> None:
        world.pass_time(130)
        deploy(world, spec("b"), "other")

    happens(world, another, ("list", 7))
    assert isinstance(deploy(world, spec()), Blocked)
    assert [job.spec.statements for job in live(world)] == [spec("b").statements]


def test_a_write_has_the_time_at_which_it_is_made(world):
    began = world.now
    happens(world, lambda: world.pass_time(70), ("check", 0))
    deploy(world, spec())
    manifest = world.store.get(NAME).manifest
    assert manifest.current.claimed_at >= began + 70


def test_two_outages_with_steps_between_are_not_one(world):
    def outage() -> None:
        world.cut_until = world.now + LIMITS.outage - 20

    deploy(world, spec())
    happens(world, outage, ("outcome", 0), ("submit", 0))
    assert isinstance(deploy(world, spec(interval="9 s")), Deployed)
