"""``flinksql init``: the project that a newcomer gets runs as it is."""

import runpy
import subprocess
from pathlib import Path

from airflow.sdk import DAG

from e2e.commandline import Cluster


def connection(folder: Path) -> str:
    """What a shell makes of the project's .env."""
    shown = subprocess.run(
        ["sh", "-c", '. ./.env; printf %s "$AIRFLOW_CONN_FLINK_SQL_DEFAULT"'],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return shown.stdout


def test_a_new_project_runs(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    assert cluster("init", folder).code == 0
    assert cluster.status.jobmanager
    assert cluster.status.jobmanager in connection(folder)
    assert cluster("plan", folder / "jobs").code == 2
    done = cluster.json("deploy", folder / "jobs")
    assert (done.code, done.job["action"]) == (0, "start")
    assert cluster("plan", folder / "jobs").code == 0


def test_its_dag_deploys_its_job(cluster: Cluster, tmp_path: Path) -> None:
    cluster("init", tmp_path)
    (dag,) = (one for one in runpy.run_path(str(tmp_path / "dags" / "orders.py")).values() if isinstance(one, DAG))
    assert [Path(task.job) for task in dag.tasks] == [tmp_path / "jobs" / "orders.yaml"]


def test_what_is_there_is_left_as_it_is_but_for_the_address(cluster: Cluster, tmp_path: Path) -> None:
    cluster("init", tmp_path)
    for name in ("README.md", ".env"):
        (tmp_path / name).write_text("mine")
    assert cluster.json("init", tmp_path).out.count('"') > 0
    assert (tmp_path / "README.md").read_text() == "mine"
    assert cluster.status.gateway
    assert str(cluster.status.gateway).rpartition(":")[2] in connection(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(cluster: Cluster) -> None:
    answer = cluster("init", "/proc/flinksql")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: /proc/flinksql: the project cannot be written: ")
