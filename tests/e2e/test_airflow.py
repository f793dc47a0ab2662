"""The example DAGs on a real Airflow (four components) and a real Flink."""

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import httpx
import psutil
import pytest

import services
from airflow_provider_flinksql.local import LocalStatus

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))  # demo/ is no part of the package

from demo.airflow_stack import Airflow, airflow, until  # noqa: E402

QUICKSTART, BATCH = "flinksql_quickstart", "flinksql_batch"


@pytest.fixture(scope="module")
def flink() -> Iterator[LocalStatus]:
    with services.flink("2.3.0") as running:
        yield running


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """As in production: on SQLite, Airflow's own components lock each other out now and then, and it answers 500."""
    with services.postgresql() as url:
        yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url}


@pytest.fixture(scope="module")
def stack(
    flink: LocalStatus, database: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    connection = {
        "conn_type": "flink_sql",
        "host": flink.gateway,
        "extra": {"jobmanager_url": flink.jobmanager, "manifest_store": f"sqlite:///{home}/manifests.db"},
    }
    env = {
        "AIRFLOW_CONN_FLINK_SQL_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__FLINKSQL__DEFER_AFTER": "0",
        **database,
    }
    dags = shutil.copytree(ROOT / "example_dags", home / "dags")
    shutil.copytree(Path(__file__).parent / "dags", dags, dirs_exist_ok=True)
    with airflow(home, dags, env, print) as running:
        yield running


@pytest.fixture
def run(stack: Airflow) -> Callable[..., dict[str, Any]]:
    """Runs a DAG of one task to its good end; what the task returned, the run's id and whether it took one try.

    On a busy machine Airflow at times takes a task that deferred quickly for one that died, and tries it again.
    """

    def run(dag_id: str, task_id: str, conf: dict[str, str], **when: str) -> dict[str, Any]:
        run_id = stack.trigger(dag_id, conf, **when)
        state = stack.wait(dag_id, run_id, changed=print)
        assert state == "success", "\n".join(stack.task_log(dag_id, run_id, task_id))
        one_try = stack.task(dag_id, run_id, task_id)["try_number"] == 1
        return {**stack.xcom(dag_id, run_id, task_id), "run_id": run_id, "one_try": one_try}

    return run


def jobs(flink: LocalStatus) -> list[dict[str, Any]]:
    return list(httpx.get(f"{flink.jobmanager}/jobs/overview").json()["jobs"])


def kill_task(stack: Airflow, signal: int = SIGKILL) -> None:
    """To the process that runs the task; the one that supervises it, a child of the scheduler, lives on."""
    scheduler = psutil.Process(stack.processes["scheduler"].pid)
    running = [task for supervisor in scheduler.children() for task in supervisor.children()]
    assert running
    for task in running:
        task.send_signal(signal)


def state_of(flink: LocalStatus, job_id: str) -> str:
    return str(httpx.get(f"{flink.jobmanager}/jobs/{job_id}").json()["state"])


def numbers(folder: Path) -> Counter[int]:
    parts = [path for path in folder.rglob("part-*") if path.name.startswith("part-")]
    return Counter(int(line) for path in parts for line in path.read_text().split())


def test_the_quickstart_starts_leaves_and_restarts_its_job_and_loses_no_row(stack, flink, run, tmp_path):
    conf = {"output": f"file://{tmp_path}/out", "interval": "1s"}
    first = run(QUICKSTART, "deploy", conf)
    second = run(QUICKSTART, "deploy", conf)
    until(lambda: len(numbers(tmp_path / "out")) > 20, 30, "no rows are committed")
    third = run(QUICKSTART, "deploy", conf | {"interval": "2s"})
    expected = zip((first, second, third), ("start", "none", "restart"), strict=True)
    # a second try finds done what the first one did: that it does it no second time the numbers below tell
    assert [made["action"] for made, action in expected if made["one_try"] and made["action"] != action] == []
    assert first["job_id"] == second["job_id"] != third["job_id"]
    assert third["restored_from"] == third["savepoint"] or not third["one_try"]
    assert (state_of(flink, first["job_id"]), state_of(flink, third["job_id"])) == ("FINISHED", "RUNNING")

    before = len(numbers(tmp_path / "out"))
    until(lambda: len(numbers(tmp_path / "out")) > before + 20, 30, "no rows are committed after the restart")
    seen = numbers(tmp_path / "out")
    assert seen == Counter(range(1, len(seen) + 1))


def test_it_waited_in_the_triggerer_and_shows_sql_plan_and_links(stack, flink, run, tmp_path):
    made = run(QUICKSTART, "deploy", {"output": f"file://{tmp_path}/out", "restore_from": "none"})
    task = stack.task(QUICKSTART, made["run_id"], "deploy")
    assert task["rendered_fields"]["sql"].endswith("INSERT INTO written SELECT n FROM numbers;")
    assert "start job " in task["rendered_fields"]["plan"]
    page = f"{flink.jobmanager}/#/job/running/{made['job_id']}"
    assert stack.links(QUICKSTART, made["run_id"], "deploy") == {
        "Flink job": f"{page}/overview",
        "Flink checkpoints": f"{page}/checkpoints",
    }
    log = "\n".join(stack.task_log(QUICKSTART, made["run_id"], "deploy"))
    assert "Plan: " in log
    assert "The triggerer saw: " in log


def test_the_button_that_tests_a_connection_tells_of_each_server(stack, flink, tmp_path):
    extra = {"jobmanager_url": flink.jobmanager, "manifest_store": f"sqlite:///{tmp_path}/manifests.db"}
    typed = {"connection_id": "typed", "conn_type": "flink_sql", "host": flink.gateway, "extra": json.dumps(extra)}
    answer = stack.ask("POST", "/connections/test", json=typed)
    assert answer["status"], answer
    assert [line.split(": ")[0] for line in answer["message"].splitlines()] == [
        "SQL gateway",
        "JobManager",
        "Together",
        "Manifest store",
    ]


def test_a_worker_killed_between_stop_and_start_is_made_good_by_the_retry(stack, flink, run, tmp_path):
    conf = {"output": f"file://{tmp_path}/out", "interval": "1s"}
    old = run(QUICKSTART, "deploy", conf | {"restore_from": "none"})
    until(lambda: len(numbers(tmp_path / "out")) > 20, 30, "no rows are committed")

    run_id = stack.trigger(QUICKSTART, conf | {"interval": "2s"})
    until(lambda: state_of(flink, old["job_id"]) == "FINISHED", 60, "the old job is not stopped", pause=0.002)
    kill_task(stack)
    assert stack.wait(QUICKSTART, run_id, changed=print) == "success"

    again = "\n".join(stack.task_log(QUICKSTART, run_id, "deploy", 2))
    assert f"run {run_id}, try 1 was " in again
    assert "Plan: resume" in again
    new = stack.xcom(QUICKSTART, run_id, "deploy")
    assert state_of(flink, new["job_id"]) == "RUNNING"
    live = [job for job in jobs(flink) if job["name"] == "flinksql-quickstart" and job["state"] == "RUNNING"]
    assert [job["jid"] for job in live] == [new["job_id"]]
    before = len(numbers(tmp_path / "out"))
    until(lambda: len(numbers(tmp_path / "out")) > before + 20, 30, "no rows are committed after the restart")
    seen = numbers(tmp_path / "out")
    assert seen == Counter(range(1, len(seen) + 1))


def test_a_batch_run_is_linked_while_it_is_deferred_and_finishes(stack, flink, run, tmp_path):
    run_id = stack.trigger(BATCH, {"output": f"file://{tmp_path}"}, logical_date="2026-02-03T00:00:00Z")
    links: dict[str, str | None] = {}

    def deferred() -> bool:
        links.update(stack.links(BATCH, run_id, "summarize"))
        return bool(links.get("Flink job")) or stack.task(BATCH, run_id, "summarize")["state"] == "success"

    until(deferred, 60, "no link while deferred")
    assert stack.wait(BATCH, run_id) == "success"
    result = stack.xcom(BATCH, run_id, "summarize")
    assert links["Flink job"] == result["url"]
    assert state_of(flink, result["job_id"]) == "FINISHED"
    lines = "".join(path.read_text() for path in (tmp_path / "2026-02-03").rglob("part-*")).splitlines()
    assert sum(int(line.split(",")[2]) for line in lines) == 1000


def test_a_cleared_batch_task_is_a_new_run(stack, run, tmp_path):
    first = run(BATCH, "summarize", {"output": f"file://{tmp_path}"}, logical_date="2026-02-04T00:00:00Z")
    body = {"dry_run": False, "dag_run_id": first["run_id"], "only_failed": False, "reset_dag_runs": True}
    stack.ask("POST", f"/dags/{BATCH}/clearTaskInstances", json=body)
    assert stack.wait(BATCH, first["run_id"]) == "success"
    second = stack.xcom(BATCH, first["run_id"], "summarize")
    assert first["name"] != second["name"]
    assert first["job_id"] != second["job_id"]


def states_of(flink: LocalStatus, name: str) -> list[str]:
    """Of all Flink jobs of a batch job, oldest first."""
    found = [job for job in jobs(flink) if job["name"].startswith(f"{name}@")]
    return [job["state"] for job in sorted(found, key=lambda job: job["start-time"])]


def is_watched(stack: Airflow, dag_id: str, run_id: str, task_id: str) -> bool:
    task = stack.task(dag_id, run_id, task_id)
    return task["state"] == "deferred" and task["triggerer_job"] is not None


def clear(stack: Airflow, dag_id: str, run_id: str, task_id: str) -> None:
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False}
    stack.ask("POST", f"/dags/{dag_id}/clearTaskInstances", json=body | {"reset_dag_runs": True})


def test_a_cleared_deploy_looks_again_and_changes_nothing(stack, run, tmp_path):
    first = run(QUICKSTART, "deploy", {"output": f"file://{tmp_path}/out", "restore_from": "none"})
    clear(stack, QUICKSTART, first["run_id"], "deploy")
    assert stack.wait(QUICKSTART, first["run_id"]) == "success"
    second = stack.xcom(QUICKSTART, first["run_id"], "deploy")
    assert (second["action"], second["job_id"]) == ("none", first["job_id"])


def test_jobs_end_with_their_tasks_where_somebody_ended_these_and_only_there(stack, flink):
    run_id = stack.trigger("killed")
    both = lambda: states_of(flink, "deferred") + states_of(flink, "staying")  # noqa: E731
    until(lambda: both() == ["RUNNING", "RUNNING"], 60, "the jobs do not run")
    streaming = stack.trigger("left_alone")
    until(lambda: is_watched(stack, "left_alone", streaming, "deploy"), 60, "it does not defer")
    stack.ask("PATCH", f"/dags/left_alone/dagRuns/{streaming}", json={"state": "failed"})

    kill_task(stack, SIGTERM)  # as a worker that is shut down does
    time.sleep(2)
    assert both() == ["RUNNING", "RUNNING"]

    clear(stack, "killed", run_id, "deferred")
    until(lambda: states_of(flink, "deferred") == ["CANCELED", "RUNNING"], 60, "the cleared task is no new run")
    until(lambda: is_watched(stack, "killed", run_id, "deferred"), 60, "it does not defer")
    time.sleep(2)  # nobody hears of the end of a trigger that was not begun yet
    assert states_of(flink, "staying") == ["RUNNING"]

    stack.ask("PATCH", f"/dags/killed/dagRuns/{run_id}", json={"state": "failed"})
    over = ["CANCELED", "CANCELED", "CANCELED"]
    until(lambda: both() == over, 60, "the jobs outlive their tasks")
    left = [job["state"] for job in jobs(flink) if job["name"] == "left-alone"]
    assert left == ["RESTARTING"]
    assert stack.task("left_alone", streaming, "deploy")["state"] not in ("success", "deferred")
