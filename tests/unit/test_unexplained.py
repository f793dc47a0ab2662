"""A query that ran and cannot be explained any more: the change is unknown, and the job stays deployable."""

from dataclasses import replace

import pytest

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.reconcile import Deploy, Deployed, Limits
from airflow_provider_flinksql.errors import Blocked, Misconfigured, StatementFailed, Unreachable
from airflow_provider_flinksql.model.policy import Policy
from laws.machines import LINEAGE, NAME, spec
from laws.session import FakeSessionCluster
from laws.world import World


def deploy(world: World, wanted, **policy):
    asked = Policy("me", LINEAGE, "me", **policy)
    run = Deploy(FakeSessionCluster(world), world.store, world, world.clock, lambda _: None, Limits(total=600))
    return run_sync(run.run(wanted, asked))


@pytest.fixture
def forgotten(monkeypatch):
    """A job that runs, of which nobody kept what the planner said; and what becomes of asking again."""

    def after(error: Exception) -> World:
        world = World()
        deploy(world, spec("a"))
        stored = world.store.get(NAME)
        bare = replace(stored.manifest.current, explained=None)
        world.store.put(replace(stored.manifest, current=bare), stored.version)

        async def explain(*_):
            raise error

        monkeypatch.setattr(FakeSessionCluster, "explain", explain)
        return world

    return after


@pytest.mark.parametrize("error", [Misconfigured("the jar x is not found"), StatementFailed("the catalog is gone")])
def test_whatever_the_error_the_change_is_unknown_and_the_job_can_be_deployed(forgotten, error):
    world = forgotten(error)
    with pytest.raises(Blocked, match="unknown"):
        deploy(world, spec("also_a", on_query_change="carry"))
    assert isinstance(deploy(world, spec("also_a", on_query_change="carry"), accept=frozenset({"unknown"})), Deployed)


def test_no_answer_is_no_verdict(forgotten):
    world = forgotten(Unreachable("no answer"))
    with pytest.raises(Unreachable):
        deploy(world, spec("also_a", on_query_change="carry"))
