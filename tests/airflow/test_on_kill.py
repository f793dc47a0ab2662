"""What becomes of a job when its task is killed: by the state that Airflow says the task is in, on a real Flink."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.deploy.flow import Flow, new_lineage, run_spec
from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import Interrupted
from airflow_provider_flinksql.jobfile.read import JobFile, read_job
from airflow_provider_flinksql.local import LocalStatus
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.on_kill import WorkerKilled
from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator, run_key
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets.connect import Settings
from airflow_provider_flinksql.targets.connect import connect as connect_to
from airflow_provider_flinksql.triggers import wait
from airflow_provider_flinksql.triggers.wait import FlinkSqlWaitTrigger

OWNER = "d/r/t/-1"
GO_ON = ["success", "deferred", "running", "queued", "scheduled", "restarting", "up_for_retry", None]
END = ["failed", "skipped", "upstream_failed", "removed"]


def no_secrets(name: str) -> str:
    raise AssertionError(f"nothing here needs {name}")


def instance(map_index: int = -1, **more: Any) -> Any:
    known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": map_index, "max_tries": 2, "try_number": 1}
    return SimpleNamespace(**known | more)


def counting(name: str, mode: Literal["streaming", "batch"], end: int = 20000) -> JobFile:
    return read_job(
        {
            "name": name,
            "mode": mode,
            "setup": [
                "CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', "
                f"'number-of-rows' = '{end}', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', "
                f"'fields.n.end' = '{end}')",
                "CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')",
            ],
            "sql": "INSERT INTO nowhere SELECT n FROM numbers",
            "flinkProperties": {"execution.checkpointing.interval": "1s", "parallelism.default": "1"},
        }
    )


@pytest.fixture
def airflow_says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``airflow_says("failed")``: the state of every task instance from now on."""

    def says(state: str | None, key: str = "t") -> None:
        def states(*, dag_id: str, task_ids: list[str], run_ids: list[str], map_index: int) -> dict[str, Any]:
            assert (dag_id, task_ids, run_ids) == ("d", ["t"], ["r"])
            return {"r": {key: state}}

        monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(states))

    return says


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/manifests.db")
    yield store
    store.close()


@pytest.fixture
def settings(flink: LocalStatus) -> Settings:
    return Settings(flink.gateway, flink.jobmanager)


@pytest.fixture
def deployed(flink: LocalStatus, settings: Settings, store: Store) -> Iterator[Callable[..., Attempt]]:
    """``deployed(job, key)``: the attempt that runs after a deploy by ``OWNER``; all are cancelled afterwards."""

    def deployed(job: JobFile, key: str | None = None, owner: str = OWNER) -> Attempt:
        with connect_to(settings) as (target, io):
            flow = Flow(job.spec, target, store, io, settings.jobmanager, run_key=key)
            flow.deploy(Policy(owner, new_lineage(), "a test"))
            manifest = store.get(flow.spec.name).manifest
        assert manifest
        assert manifest.current
        return manifest.current

    yield deployed
    with SyncIO(flink.jobmanager) as io:
        for job in run_sync(JobManager(io).overview()):
            run_sync(JobManager(io).cancel(job.id))
        while any(job.state not in ENDED for job in run_sync(JobManager(io).overview())):
            time.sleep(0.1)  # the next test may deploy a job of the same name


@pytest.fixture
def state_of(flink: LocalStatus) -> Callable[[str], str]:
    def state_of(job_id: str) -> str:
        with SyncIO(flink.jobmanager) as io:
            return next(job.state for job in run_sync(JobManager(io).overview()) if job.id == job_id)

    return state_of


def wish(name: str, stop: Literal["savepoint", "cancel"] = "cancel", owner: str = OWNER) -> Withdrawal:
    return Withdrawal(name, owner, "Airflow d.t", stop)


def waiting(job_id: str, asked: Withdrawal | None, ti: Any = None) -> FlinkSqlWaitTrigger:
    trigger = FlinkSqlWaitTrigger("flink_sql_default", job_id, "finished", withdrawal=asked and asdict(asked))
    trigger.task_instance = ti or instance()
    return trigger


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_deferred_job_is_ended_only_if_somebody_ended_its_task(
    flink, connect, deployed, state_of, store, airflow_says, mode
):
    connect(flink)
    attempt = deployed(counting("numbers", mode), "run")
    trigger = waiting(attempt.job_id, wish(attempt.spec.name))
    for state in GO_ON:
        airflow_says(state)
        asyncio.run(trigger.on_kill())
        assert state_of(attempt.job_id) == "RUNNING", state
    airflow_says("failed")
    asyncio.run(trigger.on_kill())
    assert state_of(attempt.job_id) == "CANCELED"
    ended = store.get(attempt.spec.name).manifest.current
    assert (ended.state, ended.outcome, ended.stop.purpose, ended.stop.state) == (
        "ended",
        "cancelled",
        None,
        "completed",
    )


@pytest.mark.parametrize("state", END)
def test_all_bad_ends_count(flink, connect, airflow_says, monkeypatch, state):
    connect(flink)
    asked: list[Withdrawal] = []
    monkeypatch.setattr(wait, "withdraw", lambda wish, *_, **__: asked.append(wish))
    airflow_says(state, key="t_3")
    asyncio.run(waiting("ab" * 16, wish("numbers"), instance(map_index=3)).on_kill())
    assert asked == [wish("numbers")]


def test_without_a_wish_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(wait, "ended_for_good", lambda _: pytest.fail("asked"))
    asyncio.run(waiting("ab" * 16, None).on_kill())


@pytest.mark.parametrize("asked", [None, wish("numbers")])
def test_a_trigger_that_may_have_to_end_its_job_asks_airflow_as_soon_as_it_begins(flink, connect, monkeypatch, asked):
    connect(flink)
    heard: list[Any] = []
    monkeypatch.setattr(wait, "ask", lambda ti: heard.append(ti) or 1 / 0)
    trigger = waiting("00" * 16, asked)

    async def first_news() -> Any:
        return await anext(trigger.run())

    assert asyncio.run(first_news()).payload["news"] == "gone"
    assert heard == ([trigger.task_instance] if asked else [])


def test_a_stop_with_savepoint_is_what_the_next_deploy_goes_on_from(
    flink, connect, deployed, state_of, store, airflow_says
):
    connect(flink)
    job = counting("numbers", "streaming")
    attempt = deployed(job)
    airflow_says("failed")
    asyncio.run(waiting(attempt.job_id, wish("numbers", "savepoint")).on_kill())
    assert state_of(attempt.job_id) == "FINISHED"
    ended = store.get("numbers").manifest.current
    assert (ended.outcome, ended.stop.kind, ended.stop.purpose) == ("stopped", "savepoint", None)
    again = deployed(job)
    assert again.pinned.location == ended.stop.location


def test_a_triggerer_that_cancels_again_and_again_does_not_interrupt_it(
    flink, connect, deployed, state_of, store, airflow_says, monkeypatch
):
    connect(flink)
    job = counting("numbers", "streaming")
    attempt = deployed(job)
    airflow_says("failed")
    trigger = waiting(attempt.job_id, wish("numbers", "savepoint"))
    slowly = trigger._withdraw
    monkeypatch.setattr(trigger, "_withdraw", lambda halt: time.sleep(1) or slowly(halt))

    async def impatient() -> None:
        on_kill = asyncio.create_task(trigger.on_kill())
        while not on_kill.done():
            await asyncio.sleep(0.1)
            on_kill.cancel("__airflow_user_action__")

    asyncio.run(impatient())
    assert state_of(attempt.job_id) == "FINISHED"
    assert store.get("numbers").manifest.current.stop.state == "completed"


def test_what_has_ended_is_left_and_said(flink, connect, deployed, airflow_says, capfd):
    connect(flink)
    attempt = deployed(counting("numbers", "batch"), "run")
    trigger = waiting(attempt.job_id, wish(attempt.spec.name))
    airflow_says("failed")
    asyncio.run(trigger.on_kill())
    assert f"Asking job {attempt.job_id} to cancel" in capfd.readouterr().out
    asyncio.run(trigger.on_kill())
    assert "nothing that this task began is under way" in capfd.readouterr().out


def test_what_is_somebody_elses_by_now_goes_on(settings, deployed, state_of, store):
    attempt = deployed(counting("numbers", "streaming"))
    assert not withdraw(wish("numbers", owner="d/another/t/-1"), settings, store, no_secrets)
    assert not withdraw(wish("numbers"), settings, store, no_secrets, "00" * 16)
    assert not withdraw(wish("never-deployed"), settings, store, no_secrets)
    stored = store.get("numbers")
    claimed = replace(attempt, number=2, job_id="cd" * 16, owner="other", state="claimed", sent_at=None)
    store.put(replace(stored.manifest, pending=claimed, last_number=2), stored.version)
    assert not withdraw(wish("numbers"), settings, store, no_secrets)
    assert state_of(attempt.job_id) == "RUNNING"


def test_before_airflow_3_3_the_triggers_cleanup_does_it_unless_it_has_told_its_news(
    flink, connect, airflow_says, monkeypatch
):
    connect(flink)
    asked: list[Withdrawal] = []
    monkeypatch.setattr(wait, "withdraw", lambda wish, *_, **__: asked.append(wish))
    monkeypatch.setattr(wait, "TRIGGERER_CALLS_ON_KILL", False)

    async def told(trigger: FlinkSqlWaitTrigger) -> None:
        assert (await anext(trigger.run())).payload["news"] == "gone"
        await trigger.cleanup()

    airflow_says("failed")
    asyncio.run(told(waiting("00" * 16, wish("numbers"))))
    assert asked == []
    airflow_says("deferred")
    asyncio.run(waiting("00" * 16, wish("numbers")).cleanup())
    assert asked == []
    airflow_says("failed")
    asyncio.run(waiting("00" * 16, wish("numbers")).cleanup())
    assert asked == [wish("numbers")]
    monkeypatch.setattr(wait, "TRIGGERER_CALLS_ON_KILL", True)
    asyncio.run(waiting("00" * 16, wish("numbers")).cleanup())
    assert asked == [wish("numbers")]


def test_an_airflow_that_does_not_say_leaves_all_as_it_is(flink, connect, monkeypatch):
    connect(flink)
    monkeypatch.setattr(wait, "KILL_SECONDS", 0.2)
    monkeypatch.setattr(wait, "ended_for_good", lambda _: time.sleep(0.6) or True)
    monkeypatch.setattr(wait, "withdraw", lambda *_, **__: pytest.fail("stopped"))
    asyncio.run(waiting("ab" * 16, wish("numbers")).on_kill())


@pytest.mark.parametrize("state", ["running", "success", "failed"])
def test_a_worker_that_is_killed_ends_its_job_only_if_somebody_ended_its_task(
    settings, deployed, state_of, store, tmp_path, airflow_says, state
):
    attempt = deployed(counting("numbers", "batch"), "run")
    url = f"sqlite:///{tmp_path}/manifests.db"
    killed = WorkerKilled(instance(), settings, url, no_secrets, wish(attempt.spec.name))
    airflow_says(state)
    killed()
    assert killed.halt.is_set() == (state == "failed")
    assert state_of(attempt.job_id) == ("CANCELED" if state == "failed" else "RUNNING")
    with connect_to(settings, stop=killed.halt) as (target, io):
        flow = Flow(counting("numbers", "batch").spec, target, store, io, settings.jobmanager, run_key="run")
        if state == "failed":
            with pytest.raises(Interrupted):
                flow.deploy(Policy(OWNER, new_lineage()))
        else:
            assert flow.deploy(Policy(OWNER, new_lineage())).action == "none"


def test_a_retry_that_finds_all_proven_says_what_was_begun(settings, deployed, store):
    job = counting("numbers", "streaming")
    attempt = replace(deployed(job), state="submitted", by="Airflow d.t, run r, try 1")
    stored = store.get("numbers")
    store.put(replace(stored.manifest, current=None, pending=attempt), stored.version)
    said: list[str] = []
    with connect_to(settings) as (target, io):
        flow = Flow(job.spec, target, store, io, settings.jobmanager, say=said.append)
        assert flow.deploy(Policy(OWNER, new_lineage(), "a test")).action == "none"
    assert said[0] == "Attempt 1 by Airflow d.t, run r, try 1 was submitted; going on."
    assert store.get("numbers").manifest.current.job_id == attempt.job_id


@pytest.mark.parametrize("on_clear", ["rerun", "attach"])
def test_a_task_that_is_cleared_while_it_runs_ends_its_job_if_it_is_to_begin_anew(
    settings, deployed, state_of, tmp_path, airflow_says, on_clear
):
    attempt = deployed(counting("numbers", "batch"), "run")
    operator = FlinkSqlDeployOperator(task_id="t", job={}, on_clear=on_clear, on_kill="none")
    asked = operator._if_cleared(attempt.spec, Policy(OWNER, "l", "Airflow d.t"))
    airflow_says("restarting")
    WorkerKilled(instance(), settings, f"sqlite:///{tmp_path}/manifests.db", no_secrets, None, asked)()
    assert state_of(attempt.job_id) == ("CANCELED" if on_clear == "rerun" else "RUNNING")
    assert operator._if_cleared(Spec("numbers", ()), Policy(OWNER, "l", "Airflow d.t")) is None


def test_a_handler_lets_what_it_interrupted_go_on_and_give_back_the_lock_that_it_needs(
    settings, deployed, state_of, monkeypatch, tmp_path
):
    attempt = deployed(counting("numbers", "batch"), "run")
    lock = threading.Lock()

    def states(**_: Any) -> dict[str, Any]:
        with lock:
            return {"r": {"t": "failed"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(states))
    url = f"sqlite:///{tmp_path}/manifests.db"
    killed = WorkerKilled(instance(), settings, url, no_secrets, wish(attempt.spec.name))
    with lock:
        killed()
        assert state_of(attempt.job_id) == "RUNNING"
    killed.wait()
    assert killed.halt.is_set()
    assert state_of(attempt.job_id) == "CANCELED"


def test_a_second_signal_waits_for_nothing_while_the_first_is_heeded(settings, monkeypatch, tmp_path):
    asked: list[dict[str, Any]] = []
    answer = threading.Event()
    monkeypatch.setattr(
        RuntimeTaskInstance, "get_task_states", staticmethod(lambda **what: asked.append(what) or answer.wait(30) or {})
    )
    killed = WorkerKilled(instance(), settings, f"sqlite:///{tmp_path}/m.db", no_secrets, None)
    killed()
    with monkeypatch.context() as patch:
        patch.setattr(killed, "_told", None)  # whoever waits for the answer fails
        killed()
    answer.set()
    killed.wait()
    assert len(asked) == 1
    killed()
    assert len(asked) == 2


def test_the_operator_hears_of_it_once_there_is_something_to_end(monkeypatch):
    operator = FlinkSqlDeployOperator(task_id="t", job={})
    operator.on_kill()
    called: list[bool] = []
    monkeypatch.setattr(operator, "_killed", lambda: called.append(True))
    operator.on_kill()
    assert called == [True]


@pytest.mark.parametrize(
    "given, streaming, batch",
    [
        (None, None, "cancel"),
        ("none", None, None),
        ("cancel", "cancel", "cancel"),
        ("stop-with-savepoint", "savepoint", "cancel"),
    ],
)
def test_what_on_kill_comes_to(given, streaming, batch):
    operator = FlinkSqlDeployOperator(task_id="t", job={}, on_kill=given)
    policy = Policy(OWNER, "l", "Airflow d.t")
    specs = Spec("numbers", ()), Spec("numbers", (), mode="batch")
    stops = [asked and asked.stop for asked in (operator._withdrawal(spec, policy) for spec in specs)]
    assert stops == [streaming, batch]


@pytest.mark.parametrize("wrong", [{"on_kill": "kill"}, {"on_clear": "again"}])
def test_a_wrong_word_is_refused_when_the_dag_is_read(wrong):
    with pytest.raises(ValueError, match="it may be"):
        FlinkSqlDeployOperator(task_id="t", job={}, **wrong)


def test_where_a_clear_attaches_it_is_the_same_run():
    first, cleared = {"ti": instance()}, {"ti": instance(try_number=2, max_tries=3)}
    assert run_key(first) != run_key(cleared)
    attached = FlinkSqlDeployOperator(task_id="t", job={}, on_clear="attach")
    assert attached._run_key(first) == attached._run_key(cleared)
    assert attached._run_key(first) != attached._run_key({"ti": instance(map_index=1)})


@pytest.mark.parametrize("on_clear", ["rerun", "attach"])
def test_a_cleared_task_ends_the_run_that_it_left_behind_before_another_one_begins(
    settings, deployed, state_of, store, on_clear
):
    job = counting("numbers", "batch")
    operator = FlinkSqlDeployOperator(task_id="t", job={}, on_clear=on_clear)
    left = deployed(job, operator._run_key({"ti": instance()}))
    others = deployed(job, "another/r/t/-1/2", owner="another/r/t/-1")
    cleared: Any = {"ti": instance(try_number=2, max_tries=3)}
    policy = Policy(OWNER, new_lineage(), "Airflow d.t")
    operator._prepare(cleared, job.spec, policy, settings, store, no_secrets)
    assert state_of(left.job_id) == ("CANCELED" if on_clear == "rerun" else "RUNNING")
    assert state_of(others.job_id) == "RUNNING"
    assert store.get(run_spec(job.spec, run_key(cleared)).name).manifest is None


def test_the_subject_is_the_attempt_that_was_sent_last():
    spec = Spec("numbers", ())
    first = Attempt(1, spec, 1, "aa" * 16, False, OWNER, state="confirmed", sent_at=1.0)
    second = replace(first, number=2, job_id="bb" * 16, state="submitted")
    manifest = Manifest("numbers", "l", first, second, 2)
    asked = wish("numbers")
    assert asked.subject(manifest) == second
    assert asked.subject(manifest, "aa" * 16) == first
    assert asked.subject(replace(manifest, pending=replace(second, sent_at=None))) == first
    assert asked.subject(replace(manifest, pending=replace(second, owner="other"))) is None
    assert asked.subject(replace(manifest, current=replace(first, state="ended"), pending=None)) is None
    assert asked.subject(None) is None
