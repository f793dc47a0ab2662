"""The operator as Airflow runs it: ``dag.test()`` on a real Flink, staying on the worker and deferring."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.local import LocalStatus
from airflow_provider_flinksql.model.lifecycle.consent import consent_key
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.operators import deploy, upkeep
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.triggers.wait import FlinkSqlWaitTrigger

# dag.test() starts an API server in this process, and takes a warning of its libraries for a failure of the task
pytestmark = pytest.mark.filterwarnings("default")


@dataclass
class Ran:
    """What is left of a run: states, XComs, rendered fields by task, and all that was logged."""

    states: dict[str, str]
    xcoms: dict[str, dict[str, Any]]
    rendered: dict[str, dict[str, Any]]
    log: str

    @property
    def result(self) -> dict[str, Any]:
        return next(iter(self.xcoms.values()))["return_value"]


@pytest.fixture
def run(flink: LocalStatus, connect, load, capfd, monkeypatch) -> Callable[..., Ran]:
    monkeypatch.setenv("AIRFLOW__FLINKSQL__DEFER_AFTER", "0")
    connect(flink)

    def run(dag_id: str, **conf: Any) -> Ran:
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.models.xcom import XComModel

        from airflow import settings

        capfd.readouterr()
        ended = load(dag_id).test(run_conf=conf)
        out, err = capfd.readouterr()
        session = settings.Session()
        xcoms: dict[str, dict[str, Any]] = {}
        query = session.query(XComModel).filter_by(dag_id=dag_id, run_id=ended.run_id)
        for row in query:
            task = row.task_id if row.map_index < 0 else f"{row.task_id}[{row.map_index}]"
            xcoms.setdefault(task, {})[row.key] = XComModel.deserialize_value(row)
        fields = session.query(RenderedTaskInstanceFields).filter_by(dag_id=dag_id, run_id=ended.run_id)
        rendered = {row.task_id: row.rendered_fields for row in fields}
        states = {ti.task_id: str(ti.state) for ti in ended.get_task_instances(session=session)}
        session.close()
        return Ran(states, xcoms, rendered, out + err)

    return run


@pytest.fixture
def attempts(tmp_path: Path) -> Callable[[], dict[str, int]]:
    """How many attempts each job on record has begun."""

    def attempts() -> dict[str, int]:
        store = open_store(f"sqlite:///{tmp_path}/manifests.db")
        heads = store.heads()
        store.close()
        return {name: stored.manifest.last_number for name, stored in heads.items() if stored.manifest}

    return attempts


@pytest.fixture
def cancelled_afterwards(flink: LocalStatus):
    yield
    with SyncIO(flink.jobmanager) as io:
        for job in run_sync(JobManager(io).overview()):
            run_sync(JobManager(io).cancel(job.id))


@pytest.mark.parametrize("kind", ["staying", "deferring"])
def test_a_streaming_job_is_started_left_and_restarted(run, attempts, tmp_path, cancelled_afterwards, kind):
    conf = {"output": f"file://{tmp_path}/out", "interval": "1s"}
    first = run(f"stream_{kind}", **conf)
    assert (first.states, first.result["action"]) == ({"deploy": "success"}, "start")
    assert ("The triggerer saw: " in first.log) == (kind == "deferring")

    second = run(f"stream_{kind}", **conf)
    assert (second.result["action"], second.result["job_id"]) == ("none", first.result["job_id"])
    assert "The triggerer saw: " not in second.log

    third = run(f"stream_{kind}", **conf | {"interval": "2s"})
    assert third.result["action"] == "restart"
    assert third.result["job_id"] != first.result["job_id"]
    assert third.result["restored_from"] == third.result["savepoint"]
    assert attempts() == {"flinksql-quickstart": 2}


def test_a_job_on_record_is_saved_restarted_taken_back_and_stopped(run, attempts, tmp_path, cancelled_afterwards):
    run("stream_staying", output=f"file://{tmp_path}/out", interval="1s")
    upkeep = run("flinksql_upkeep")
    save, restart = (upkeep.xcoms[task]["return_value"] for task in ("save", "restart"))
    ran = run("living", name="flinksql-quickstart", savepoint=save["savepoint"])
    assert {*upkeep.states.values(), *ran.states.values()} == {"success"}
    back, stop = (ran.xcoms[task]["return_value"] for task in ("back", "stop"))
    assert (save["number"], restart["action"], back["action"], stop["action"]) == (1, "restart", "restart", "stop")
    assert restart["restored_from"] == restart["savepoint"] != save["savepoint"]
    assert back["restored_from"] == save["savepoint"]
    assert (stop["job_id"], attempts()) == (back["job_id"], {"flinksql-quickstart": 3})
    assert upkeep.rendered["restart"]["name"] == "flinksql-quickstart"


def test_a_retry_of_a_restart_makes_no_second_one_and_a_cleared_task_does():
    def key(**more: Any) -> str | None:
        known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "max_tries": 2, "try_number": 1}
        context: Any = {"ti": SimpleNamespace(**known | more)}
        operator = upkeep.FlinkSqlRestartOperator(task_id="t", name="job")
        return consent_key(operator._policy(context, Spec("job", ())))

    assert key() == key(try_number=2) != key(try_number=3, max_tries=4)


def test_sql_plan_and_links_are_shown(run, flink, tmp_path, cancelled_afterwards):
    ran = run("stream_deferring", output=f"file://{tmp_path}/out", interval="1s")
    shown, page = ran.rendered["deploy"], f"{flink.jobmanager}/#/job/running/{ran.result['job_id']}"
    assert shown["parameters"] == {"output": f"file://{tmp_path}/out", "interval": "1s"}
    assert shown["sql"].startswith("CREATE TEMPORARY TABLE numbers (")
    assert f"'path' = 'file://{tmp_path}/out'" in shown["sql"]
    assert shown["sql"].endswith("INSERT INTO written SELECT n FROM numbers;")
    assert shown["plan"].splitlines()[0] == "start: it was never deployed"
    assert "start job of attempt 1" in shown["plan"]
    assert "Plan: start: it was never deployed" in ran.log
    assert f"Flink shows job {ran.result['job_id']} at {page}" in ran.log
    assert ran.xcoms["deploy"]["_link_FlinkJobLink"] == f"{page}/overview" == ran.result["url"]
    assert ran.xcoms["deploy"]["_link_FlinkCheckpointsLink"] == f"{page}/checkpoints"


@pytest.mark.parametrize("kind", ["staying", "deferring"])
def test_a_batch_job_that_fails_fails_its_task_and_is_not_begun_again(run, attempts, kind):
    ran = run(f"breaking_{kind}")
    assert ran.states == {"deploy": "failed"}
    assert re.search(r"JobFailed.*Job breaking@\w+, attempt 1 .*/ by zero", ran.log)
    assert list(attempts().values()) == [1]
    assert "_link_FlinkJobLink" in ran.xcoms["deploy"]


def test_the_health_timeout_holds_over_a_deferral(run, attempts, cancelled_afterwards, monkeypatch):
    allowed: list[float] = []

    async def a_minute_goes_by(self):
        parked_at = self.earlier["parked_at"]
        allowed.append(self.deadline - parked_at)
        yield TriggerEvent(
            {"job_id": self.job_id, "news": "deadline", "earlier": self.earlier | {"parked_at": parked_at - 60}}
        )

    monkeypatch.setattr(FlinkSqlWaitTrigger, "run", a_minute_goes_by)
    ran = run("lingering")
    assert ran.states == {"deploy": "failed"}
    assert "The triggerer saw: deadline" in ran.log
    assert "Job lingering is not up after 60 s: it is RESTARTING" in ran.log
    assert 0 < allowed[0] < 60
    assert attempts() == {"lingering": 1}


@pytest.mark.parametrize("kind", ["staying", "deferring"])
def test_a_task_waits_no_longer_than_its_timeout(run, cancelled_afterwards, kind):
    ran = run(f"hasty_{kind}")
    assert ran.states == {"deploy": "failed"}
    assert re.search(r"DeadlineExceeded.*Waited \d s", ran.log)


def test_each_mapped_task_has_a_run_of_its_own(run, attempts):
    ran = run("mapped")
    names = {task: left["return_value"]["name"] for task, left in ran.xcoms.items()}
    assert list(names) == ["deploy[0]", "deploy[1]"]
    assert set(attempts()) == set(names.values())
    assert len(attempts()) == 2


def test_an_event_that_is_none_of_ours_is_no_more_than_a_reason_to_look(run, monkeypatch, attempts):
    async def babbling(self):
        yield TriggerEvent("success")

    monkeypatch.setattr(FlinkSqlWaitTrigger, "run", babbling)
    ran = run("mapped")
    assert "The triggerer sent something unknown" in ran.log
    assert {left["return_value"]["job_id"] is None for left in ran.xcoms.values()} == {False}
    assert list(attempts().values()) == [1, 1]


def test_tries_are_one_deployer_and_one_run_and_a_clear_is_another_run():
    def context(**more: Any) -> Any:
        known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "max_tries": 2, "try_number": 1}
        return {"ti": SimpleNamespace(**known | more)}

    first, retry, cleared = context(), context(try_number=2), context(try_number=3, max_tries=4)
    mapped = context(map_index=0)
    operator = deploy.FlinkSqlDeployOperator(task_id="t", job={})
    policies = [operator._policy(one, Spec("job", ())) for one in (first, retry, cleared, mapped)]
    assert policies[0].owner == policies[1].owner == policies[2].owner == "d/r/t/-1" != policies[3].owner
    assert policies[1].by == "Airflow d.t, run r, try 2"
    assert deploy.run_key(first) == deploy.run_key(retry)
    assert len({deploy.run_key(one) for one in (first, cleared, mapped)}) == 3


def test_what_is_in_a_job_is_never_rendered(run):
    ran = run("given_as_text")
    assert ran.states == {"deploy": "success"}
    assert ran.result["name"].startswith("given-as-text@")
    assert re.search(r"CHAR_LENGTH\('\{\{ not jinja \}\} \d{4}-\d\d-\d\d'\)", ran.rendered["deploy"]["sql"])


def test_each_day_of_the_batch_example_is_a_run_of_its_own(load, run, attempts, tmp_path):
    ran = run("flinksql_batch")
    assert ran.states == {"summarize": "success"}
    assert list(attempts()) == [ran.result["name"]]
    assert ran.result["name"].startswith("orders-per-shop@")


def test_secrets_stay_secret(run, monkeypatch, tmp_path):
    canaries = ["canary-of-the-vault", "canary-of-the-environment"]
    monkeypatch.setenv("AIRFLOW_CONN_VAULT", json.dumps({"conn_type": "generic", "password": canaries[0]}))
    monkeypatch.setenv("CANARY_ENV", canaries[1])
    written = run("with_a_secret", output=f"file://{tmp_path}/out", format="csv")
    refused = run("with_a_secret", output=f"file://{tmp_path}/out", format="no-such-format")
    assert (written.states, refused.states) == ({"deploy": "success"}, {"deploy": "failed"})
    assert "InvalidQuery" in refused.log
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("manifests.db*")).decode(errors="replace")
    assert "${conn.vault.password}" in kept
    assert "${env.CANARY_ENV}" in written.rendered["deploy"]["sql"]
    for place in (written, refused, kept):
        assert not [canary for canary in canaries if canary in str(place)]
    sent = "".join(path.read_text() for path in (tmp_path / "out").rglob("part-*"))
    assert canaries[1] in sent


def test_what_cannot_be_mended_by_a_retry_fails_at_once(run):
    ran = run("misused")
    assert ran.states == dict.fromkeys(("missing_file", "unused", "streaming_to_the_end"), "failed")
    assert "no-such.yaml" in ran.log
    assert "parameters.b: this was given, and there is no such placeholder in the job" in ran.log
    assert "wait_for='finished' is for jobs with mode: batch" in ran.log
