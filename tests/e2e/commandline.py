"""The command line on a real Flink: what people type, what they see, and what arrived in the files of a job."""

import csv
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_flinksql import local
from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync

NUMBERS = (
    "CREATE TEMPORARY TABLE s (id BIGINT) WITH ('connector'='datagen','rows-per-second'='100',"
    "'fields.id.kind'='sequence','fields.id.start'='1','fields.id.end'='20000')"
)
SHOUT = [sys.executable, "-c", "import sys; from airflow_provider_flinksql.cli import main; sys.exit(main())"]


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def job(self) -> dict[str, Any]:
        """The only job of the document."""
        (job,) = json.loads(self.out)["jobs"]
        return job


class Cluster:
    """The command line and, for what people do behind its back, Flink's own REST."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Answer:
        self._capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        assert "\tat " not in out + err
        return Answer(code, out, err)

    def json(self, *words: str | Path) -> Answer:
        answer = self(*words, "--json")
        json.loads(answer.out)
        return answer

    @property
    def status(self) -> local.LocalStatus:
        return local.status(self.home / "local")

    def up(self) -> local.LocalStatus:
        return local.up("2.3.0", folder=self.home / "local")

    def kill(self, part: str) -> None:
        pid = self.status.pids[part]
        assert pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.status.pids[part] is None)

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.status.jobmanager}{path}", timeout=10).raise_for_status().json()

    def cancel(self, job_id: str) -> None:
        httpx.patch(f"{self.status.jobmanager}/jobs/{job_id}", params={"mode": "cancel"}).raise_for_status()
        until(lambda: self.state(job_id) == "CANCELED")

    def state(self, job_id: str) -> str:
        return str(self.get(f"/jobs/{job_id}")["state"])

    def live(self, name: str = "") -> list[str]:
        ended = ("FINISHED", "FAILED", "CANCELED")
        jobs = self.get("/jobs/overview")["jobs"]
        return [job["jid"] for job in jobs if job["state"] not in ended and name in ("", job["name"])]

    def checkpoints(self, job_id: str) -> int:
        return int(self.get(f"/jobs/{job_id}/checkpoints")["counts"]["completed"])

    def by_hand(self, name: str, out: Path) -> str:
        """A job that somebody started without us."""
        with SyncIO(str(self.status.gateway)) as io:
            session = run_sync(Gateway(io).open_session())
            for statement in (NUMBERS, sink(out)):
                run_sync(session.execute(statement))
            config = {"pipeline.name": name, "execution.checkpointing.interval": "1s", "parallelism.default": "1"}
            job_id = run_sync(session.execute("INSERT INTO o SELECT id, 1 AS w FROM s", config)).job_id
            run_sync(session.close())
        assert job_id
        until(lambda: self.checkpoints(job_id) > 0)
        return job_id


class Job:
    """A job file that counts into CSV files, and what arrived there."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / "jobs" / f"{name}.yaml"
        self.out = folder / f"out-{name}"
        self.path.parent.mkdir(exist_ok=True)
        self.write()

    def write(self, **changes: Any) -> "Job":
        """Write the file anew: the plain job but for these keys (``on_query_change`` for ``on-query-change``)."""
        options = {"execution.checkpointing.interval": "1s", "parallelism.default": "1"}
        content = {
            "name": self.name,
            "sql": "INSERT INTO o\nSELECT id, 1 AS w FROM s",
            "setup": [NUMBERS, sink(self.out)],
            **{key: value for key, value in changes.items() if key != "options"},
            "flinkProperties": options | changes.get("options", {}),
        }
        self.path.write_text(json.dumps(content))
        return self

    def numbers(self) -> list[int]:
        """What was committed, in order."""
        files = [file for file in self.out.rglob("*") if file.is_file() and file.name[0] not in "._"]
        return sorted(int(row[0]) for file in files for row in csv.reader(file.read_text().splitlines()))

    def assert_each_once(self, more_than: int = 0) -> int:
        numbers = self.numbers()
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > more_than
        return len(numbers)


def sink(out: Path) -> str:
    return f"CREATE TEMPORARY TABLE o (id BIGINT, w INT) WITH ('connector'='filesystem','path'='file://{out}','format'='csv')"


def until(fact: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def deployed(cluster: Cluster, job: Job, *words: str) -> dict[str, Any]:
    answer = cluster.json("deploy", job.path, *words)
    assert answer.code == 0, answer.err
    return answer.job


def started(cluster: Cluster, job: Job) -> dict[str, Any]:
    """The job, deployed for the first time and with rows committed."""
    first = deployed(cluster, job)
    until(job.numbers)
    return first


def stopped(cluster: Cluster, job: Job, *how: str) -> dict[str, Any]:
    answer = cluster.json("stop", job.name, *how)
    assert answer.code == 0, answer.err
    return answer.job


def assert_goes_on(cluster: Cluster, job: Job, before: int = 0) -> None:
    """The job writes more than before, and in the end each number once."""
    before = before or len(job.numbers())
    until(lambda: len(job.numbers()) > before)
    stopped(cluster, job)
    job.assert_each_once(more_than=before)
