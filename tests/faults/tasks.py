"""Tasks of a real Airflow that deploy the jobs of lanes, and what happens to such a task."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from faults.lab import NUMBERS, SINK, Lab, Lane, lane
from faults.wire import Fault, Moment

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))  # demo/ is no part of the package

from demo.airflow_stack import ENDED, Airflow, airflow  # noqa: E402
from demo.airflow_stack import until as until_within  # noqa: E402

PATIENCE = 300.0
"""Seconds for whatever Airflow takes long for; on a busy machine that is much."""

QUICK = {
    "CORE__PARALLELISM": "16",
    "FLINKSQL__DEFER_AFTER": "1",
    "FLINKSQL__POLL_INTERVAL": "1",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
"""So that Airflow soon misses what died."""


OVER = threading.Event()
"""Nobody waits for tasks any more."""

Job = tuple[str, Mapping[str, Any]]
"""Mode of a job, and options of the operator that deploys it."""


def until(done: Callable[[], bool], otherwise: str) -> None:
    """Asks again, and no more than need be."""

    def done_or_over() -> bool:
        assert not OVER.is_set(), f"the tests end before: {otherwise}"
        return done()

    until_within(done_or_over, PATIENCE, otherwise, pause=0.5)


@dataclass
class Task:
    """The one task of a DAG run, and the lane of the job that it deploys.

    People's acts go through Airflow's API. What there is to see is read where Airflow keeps it, as the judge reads
    Flink's: an API server that is asked for logs by many is what makes everything else slow.
    """

    stack: Airflow
    job: Lane
    database: str
    run_id: str = ""

    @property
    def dag_id(self) -> str:
        return self.job.name

    def begin(self, fault: Fault | None = None) -> None:
        """A run of the DAG."""
        self.job.wire.begin(fault)
        self.run_id = self.stack.trigger(self.dag_id)

    def begin_and_act(self, step: str, moment: Moment, act: Callable[[], object]) -> None:
        """A run to which this happens at a step."""
        self.begin(Fault(step, moment, act, cut=False))
        until(self.job.wire.struck.is_set, f"{self.dag_id}: {step} is not met")

    def begin_and_meet(self, step: str, moment: Moment, number: int, only: str = "both") -> None:
        """A run whose worker process, task process or ``both`` are sent a signal at this step."""
        self.begin_and_act(step, moment, lambda: self.signal(number, only))

    # --- what there is to see ---

    def look(self) -> dict[str, Any]:
        """State, number of the try, and pid."""
        found = self._row("SELECT state, try_number, pid FROM task_instance WHERE dag_id = %s AND run_id = %s")
        return dict(zip(("state", "try_number", "pid"), found, strict=True))

    def _row(self, question: str) -> tuple[Any, ...]:
        with psycopg.connect(self.database, autocommit=True) as database:
            row = database.execute(question, (self.dag_id, self.run_id)).fetchone()
        assert row, f"{self.dag_id} is not known"
        return tuple(row)

    def comes_to(self, *states: str, tries: int = 1) -> str:
        """Waits until it is in one of these states, in this try or a later one."""

        def there() -> bool:
            seen.update(self.look())
            return seen["state"] in states and seen["try_number"] >= tries

        seen: dict[str, Any] = {}
        until(there, f"{self.dag_id} does not come to {states} in try {tries}")
        return str(seen["state"])

    def waits(self, *, deferred: bool) -> int:
        """Waits until it waits for a job that runs: here, or deferred and looked at by a triggerer. The try."""

        def there() -> bool:
            now = self.look()
            if now["state"] != ("deferred" if deferred else "running"):
                return False
            if deferred:
                return self.is_watched(now["try_number"])
            said = " ".join(self.log(now["try_number"]))
            return "to finish." in said or "Waiting for the proof" in said

        until(there, f"{self.dag_id} does not wait")
        return int(self.look()["try_number"])

    def is_watched(self, number: int) -> bool:
        """A trigger asks for the job while the task is deferred in this try."""
        before = self.job.wire.requests
        until(lambda: self.job.wire.requests > before or self.look()["state"] != "deferred", "no trigger asks")
        now = self.look()
        return (now["state"], now["try_number"]) == ("deferred", number) and self.job.wire.requests > before

    def log(self, number: int | None = None) -> list[str]:
        """Of one try or of the last, on workers and in triggerers."""
        return self._logged(f"attempt={number or self.look()['try_number']}.log*")

    def retries(self) -> list[str]:
        """Of all tries but the first: Airflow may miscount them."""
        return self._logged("attempt=*.log", but="attempt=1.log")

    def _logged(self, files: str, but: str = "") -> list[str]:
        folder = self.stack.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}" / "task_id=deploy"
        lines = [line for path in sorted(folder.glob(files)) if path.name != but for line in _lines(path)]
        return [json.loads(line)["event"] for line in lines]

    def says(self, line: str, number: int | None = None) -> None:
        """Waits until the log of a try holds this."""
        until(lambda: any(line in said for said in self.log(number)), f"{self.dag_id} does not say {line}")

    def result(self) -> dict[str, Any]:
        return dict(self.stack.xcom(self.dag_id, self.run_id, "deploy"))

    def states(self) -> list[str]:
        """Of all Flink jobs of this name, oldest first."""
        return [life.state for life in self.job.lab.watch.of(self.job.name)]

    # --- what is done to it ---

    @property
    def processes(self) -> dict[str, psutil.Process]:
        """The process of the task, and that of its worker, which supervises it."""
        task = psutil.Process(self.look()["pid"])
        worker = task.parent()
        assert worker
        return {"task": task, "worker": worker}

    def signal(self, number: int, only: str = "both") -> None:
        """To task and worker, or to one of them."""
        for which, process in self.processes.items():
            if only in ("both", which):
                process.send_signal(number)

    def clear(self) -> None:
        """As a person does, who sees the run ended: a clear in the moment in which it ends is lost to Airflow."""
        if self.look()["state"] in ENDED:
            run = "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s"
            until(lambda: self._row(run)[0] in ENDED, f"the run of {self.dag_id} does not end")
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": ["deploy"], "only_failed": False}
        self.stack.ask("POST", f"/dags/{self.dag_id}/clearTaskInstances", json=body | {"reset_dag_runs": True})

    def mark(self, state: str) -> None:
        """As a person does."""
        path = f"/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/deploy"
        self.stack.ask("PATCH", path, json={"new_state": state})

    def ends(self, state: str = "success", tries: int = 1) -> None:
        """Waits for its end."""
        found = self.comes_to("success", "failed", tries=tries)
        assert found == state, "\n".join([f"{self.dag_id} {found}", *self.log()])


def _lines(log: Path) -> list[str]:
    """The whole ones."""
    return log.read_text().rpartition("\n")[0].splitlines()


@contextmanager
def tasks(lab: Lab, home: Path, jobs: Mapping[str, Job]) -> Iterator[dict[str, Task]]:
    """A stack with a DAG for each job, by its name."""
    dags = home / "dags"
    shutil.copytree(Path(__file__).parent / "dags", dags)
    (dags / "dags.json").write_text(json.dumps({name: options for name, (_, options) in jobs.items()}))
    with ExitStack() as stack:
        with psycopg.connect(_postgresql(lab, "postgres"), autocommit=True) as database:
            database.execute("CREATE DATABASE airflow")
        lanes = [stack.enter_context(lane(lab, name, dags, mode, interval=2000)) for name, (mode, _) in jobs.items()]
        env = {f"AIRFLOW__{option}": value for option, value in QUICK.items()}
        env |= {f"AIRFLOW__DATABASE__{name}": _database(lab) for name in ("SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC")}
        env |= {f"AIRFLOW_CONN_{ours.name.upper()}": json.dumps(_connection(ours)) for ours in lanes}
        running = stack.enter_context(airflow(home, dags, env, print))
        stack.callback(_end_tasks, running)
        yield {ours.name: Task(running, ours, _postgresql(lab, "airflow")) for ours in lanes}


def _postgresql(lab: Lab, database: str) -> str:
    return f"host={lab.database} user=postgres dbname={database}"


def _database(lab: Lab) -> str:
    """For Airflow itself: many tasks at once are too much for a SQLite."""
    return f"postgresql+psycopg://postgres@/airflow?host={lab.database}"


def _connection(job: Lane) -> dict[str, Any]:
    places = job.environment
    extra = {"jobmanager_url": places["FLINKSQL_JOBMANAGER"], "manifest_store": places["FLINKSQL_STORE"]}
    return {"conn_type": "flink_sql", "host": places["FLINKSQL_GATEWAY"], "extra": extra}


def kill_session(leader: int) -> None:
    """A process and all that it ever started, as when its container ends: tasks are in groups of their own."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                process.kill()
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass


def _end_tasks(stack: Airflow) -> None:
    """Those whose worker or scheduler was killed are nobody's children; the session is left."""
    for process in stack.processes.values():
        kill_session(process.pid)


def patient(job: Lane) -> None:
    """Its proof may take as long as a test wishes."""
    job.write(health={"timeout": "60m"})
    job.wire.unproved = True


def counting(job: Lane, speed: int, end: int) -> None:
    """A batch job that takes this long."""
    source = NUMBERS.format(speed=speed, end=end, more=f"'number-of-rows'='{end}',")
    job.write(setup=[source, SINK.format(out=job.out)])
