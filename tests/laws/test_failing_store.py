"""A store that fails at any write or read of a flow, and a listener that fails at any line: what is said is so."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.reconcile import Deploy, Deployed
from airflow_provider_flinksql.deploy.savepoint import TakeSavepoint
from airflow_provider_flinksql.errors import FlinkSqlError, StoreFailed, StoreUnreachable, StoreUnusable
from airflow_provider_flinksql.model.manifest import Manifest, Savepoint
from airflow_provider_flinksql.model.policy import Policy
from laws.machines import LIMITS, LINEAGE, NAME, spec
from laws.session import FakeSessionCluster
from laws.world import World

CHANGES = {"submit": "to start job ", "stop": "to stop job ", "cancel": "to cancel "}
"""What is asked of Flink, and how that is told."""

UNUSABLE, SILENT = StoreUnusable("The store is read-only."), StoreUnreachable("The store is full.")


class Failing:
    """A store whose n-th use fails, for good: before anything is written, or after that, with the answer lost."""

    def __init__(self, world: World, uses: str, n: int, error: StoreFailed, late: bool = False) -> None:
        self._world, self._uses, self._left, self._error, self._late = world, uses, n, error, late
        self.failed = False
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self._world.store, name)
        if name not in ("get", "put", "history"):
            return whole

        def use(*arguments: Any) -> Any:
            if self.failed or name == self._uses:
                self._left -= 1
                if self._left < 0 or self.failed:
                    if not self.failed:
                        self.failed, self.asked = True, list(self._world.requests)
                        if self._late:
                            whole(*arguments)
                    raise self._error
            return whole(*arguments)

        return use


def deployed(
    world: World, store: object, wanted: Any = None, say: Callable[[str], None] = lambda _: None, **consent: Any
) -> Any:
    policy = Policy("me", LINEAGE, "me", **consent)
    flow = Deploy(FakeSessionCluster(world), store, world, world.clock, say, LIMITS)  # type: ignore[arg-type]
    try:
        return run_sync(flow.run(wanted or spec(), policy))
    except FlinkSqlError as error:
        return error


def up(world: World) -> None:
    assert isinstance(deployed(world, world.store), Deployed)
    world.pass_time(130)
    world.requests.clear()


CHANGED = replace(spec(), properties={**spec().properties, "restart-strategy.type": "none"})
FLOWS: dict[str, tuple[bool, dict[str, Any]]] = {
    "first start": (False, {}),
    "upgrade": (True, {"wanted": CHANGED}),
    "restart": (True, {"restart": "savepoint"}),
    "restart from a checkpoint": (True, {"restart": "checkpoint"}),
    "stop": (True, {"stop": "savepoint"}),
    "cancel": (True, {"stop": "cancel"}),
}


@pytest.mark.parametrize("error, late", [(UNUSABLE, False), (UNUSABLE, True), (SILENT, False)])
@pytest.mark.parametrize("use", ["put", "get", "history"])
@pytest.mark.parametrize("flow", FLOWS)
def test_what_was_asked_of_flink_before_the_store_failed_is_said_and_nothing_else(flow, use, error, late):
    runs, asked = FLOWS[flow]
    met = 0
    for n in count():
        world = World()
        if runs:
            up(world)
        store = Failing(world, use, n, error, late)
        answer = deployed(world, store, **asked)
        if not store.failed:
            assert isinstance(answer, Deployed)
            break
        met += 1
        told = str(answer)
        assert isinstance(answer, StoreFailed)
        assert told.startswith(str(error))
        for request, words in CHANGES.items():
            assert (words in told) == (request in world.requests), (told, world.requests)
        assert ("Flink was asked nothing before that." in told) == (not {*CHANGES} & {*world.requests})
        world.pass_time(1)
        assert isinstance(deployed(world, world.store, **asked), Deployed)  # and all is well once it works again
        assert len([job for job in world.jobmanager.listed() if job.live]) == (0 if "stop" in asked else 1)
    assert met > (0 if use == "history" else 2) or use == "history"


@pytest.mark.parametrize("flow", FLOWS)
def test_a_listener_that_fails_changes_nothing(flow):
    runs, asked = FLOWS[flow]
    ends = []
    for fails in (False, True):
        world = World()
        if runs:
            up(world)

        def say(_: str, fails: bool = fails) -> None:
            if fails:
                raise OSError(28, "No space left on device")

        done = deployed(world, world.store, say=say, **asked)
        ends.append((done.begun.action, world.requests, [(job.id, job.state) for job in world.jobmanager.listed()]))
    assert ends[0] == ends[1]


def test_an_attempt_is_said_to_be_written_down_once_it_is():
    world, seen = World(), []

    def say(line: str) -> None:
        if "is written down" in line:
            seen.append(world.store.get(NAME).manifest.pending)

    deployed(world, world.store, say=say)
    assert [attempt.number for attempt in seen] == [1]


class Taking(FakeSessionCluster):
    """One that also takes savepoints of a job that goes on."""

    async def take_savepoint(self, attempt: Any, asked: Savepoint, trigger_id: str) -> Savepoint:
        self.world.requests.append("savepoint")
        return replace(asked, state="completed", location=f"{asked.folder}/savepoint-1", checkpoint_id=9)


@pytest.mark.parametrize("late", [False, True])
def test_so_it_is_with_a_savepoint(late):
    for n in count():
        world = World()
        up(world)
        store = Failing(world, "put", n, UNUSABLE, late)
        taking = TakeSavepoint(Taking(world), store, world, world.clock, lambda _: None)  # type: ignore[arg-type]
        flow = taking.run(NAME, Policy("me", LINEAGE, "me"))
        if n == 2:  # it is written down, and so is what became of it
            run_sync(flow)
            break
        with pytest.raises(StoreFailed) as raised:
            run_sync(flow)
        assert ("to write savepoint 1 of job " in str(raised.value)) == ("savepoint" in world.requests)
    assert not store.failed
    assert isinstance(world.store.get(NAME).manifest, Manifest)
