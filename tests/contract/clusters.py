"""What a test does to a cluster besides speaking to it as a target: the same on the fake and on real Flink."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from airflow_provider_flinksql import local
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.targets import Resolve, Target
from airflow_provider_flinksql.targets.session import SessionTarget
from laws.jobmanager import Job
from laws.session import FakeSessionCluster
from laws.world import World

T = TypeVar("T")


def spec(name: str, kind: str = "good", told: Path | None = None, **options: str) -> Spec:
    """A job of a kind: ``good`` runs for ever, ``crash`` cannot read the state of ``good``, ``bounded`` and ``batch``
    end by themselves, ``told`` fails on what a file in that folder says, ``refused`` is none.
    """
    key, more = ("STRING", "'fields.k.length' = '1'") if kind == "crash" else ("INT", "'fields.k.max' = '5'")
    more += ", 'number-of-rows' = '5'" if kind in ("bounded", "batch") else ""
    tables = (
        f"CREATE TABLE numbers (k {key}) WITH ('connector' = 'datagen', 'rows-per-second' = '20', {more})",
        f"CREATE TABLE counts (k {key}, n BIGINT) WITH ('connector' = 'blackhole')",
    )
    statement = f"INSERT INTO counts SELECT k AS {kind}, COUNT(*) FROM numbers GROUP BY k"
    if kind == "told":
        source = "'connector' = 'filesystem', 'format' = 'csv', 'source.monitor-interval' = '100 ms'"
        tables = (f"CREATE TABLE told (x INT) WITH ({source}, 'path' = '{told}')", tables[1])
        statement, options = "INSERT INTO counts SELECT 1 / x, 1 FROM told", options | {"restart-strategy.type": "none"}
    if kind == "refused":
        statement = "INSERT INTO counts SELECT * FROM refused"
    return Spec(name, (statement,), tables=tables, mode="batch" if kind == "batch" else "streaming", properties=options)


class Cluster(Protocol):
    """A cluster and those who do things to it behind a target's back."""

    requests: int

    def worker(self, resolve: Resolve | None = None) -> Target:
        """A worker that just began."""

    def record(self, manifest: Manifest) -> None:
        """What is written down before it is sent."""

    def sleep(self, seconds: float) -> None: ...

    def lose_submits(self) -> None:
        """No submit gets through until :meth:`recover`; those sent before arrive then."""

    def recover(self) -> None: ...

    def restart(self) -> None:
        """Another JobManager process, without high availability."""

    def forget(self, job_id: str) -> None:
        """So many other jobs end that this one leaves the list."""

    def let_answers_expire(self) -> None: ...

    def intrude(self, name: str) -> str:
        """Somebody else starts a job of this name; its id."""

    def cancel(self, job_id: str) -> None:
        """By hand."""

    def savepoint(self, job_id: str) -> str:
        """By hand; where it is."""

    def stop_in_ui(self, job_id: str) -> None:
        """With savepoint, to wherever."""

    def fail(self, job_id: str, told: Path) -> None:
        """Gives a job of the kind ``told`` what it cannot bear."""

    def savepoints(self, folder: str) -> list[str]:
        """Complete ones in this folder."""

    def spoil(self, folder: str) -> None:
        """Nothing can be saved there."""

    def delete(self, location: str) -> None:
        """Somebody tidies up."""


def until(cluster: Cluster, fact: Callable[[], T], seconds: float = 30) -> T:
    """What ``fact`` finds once it finds something."""
    for _ in range(int(seconds / 0.1)):
        if found := fact():
            return found
        cluster.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {found}")


class FakeCluster:
    """The cluster of the law tests, whose time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.world = World()

    @property
    def requests(self) -> int:
        return len(self.world.requests)

    def worker(self, resolve: Resolve | None = None) -> Target:
        return FakeSessionCluster(self.world)

    def record(self, manifest: Manifest) -> None:
        self.world.recorded.append(manifest)

    def sleep(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        for job in list(self.world.jobmanager.jobs.values()):
            if job.state == "RUNNING" and "number-of-rows" in job.spec.tables[0]:
                self.world.jobmanager.end(job, "FINISHED")

    def lose_submits(self) -> None:
        self.world.cut_until = math.inf

    def recover(self) -> None:
        self.world.cut_until = 0.0
        self.world.land()

    def restart(self) -> None:
        self.world.restart()

    def forget(self, job_id: str) -> None:
        self.world.jobmanager.forget()

    def let_answers_expire(self) -> None:
        self.world.pass_time(301)

    def intrude(self, name: str) -> str:
        job = Job(uuid.uuid4().hex, name, spec(name), f"/elsewhere/{name}")
        self.world.jobmanager.submit(job)
        return job.id

    def cancel(self, job_id: str) -> None:
        self.world.jobmanager.cancel(job_id)

    def savepoint(self, job_id: str) -> str:
        job = self.world.jobmanager.jobs[job_id]
        return self.world.jobmanager.write(job, "savepoint", f"/elsewhere/{job.id}-{{id}}", "by hand").location

    def stop_in_ui(self, job_id: str) -> None:
        self.savepoint(job_id)
        self.world.jobmanager.end(self.world.jobmanager.jobs[job_id], "FINISHED")

    def fail(self, job_id: str, told: Path) -> None:
        self.world.jobmanager.end(self.world.jobmanager.jobs[job_id], "FAILED", "ArithmeticException: / by zero")

    def savepoints(self, folder: str) -> list[str]:
        return [place for place in self.world.jobmanager.disk if place.startswith(f"{folder}/")]

    def spoil(self, folder: str) -> None:
        self.world.jobmanager.fate = "fails"

    def delete(self, location: str) -> None:
        del self.world.jobmanager.disk[location]


FORGETFUL = {
    "jobstore.max-capacity": "1",  # 1.20
    "completed-application-store.max-capacity": "1",  # 2.3
    "rest.async.store-duration": "2 s",
    "web.refresh-interval": "3000",  # the default, which the embedded Flink does not have
}
"""A cluster that forgets ended jobs and the answers of stops while a test looks on."""


class RealCluster:
    """An embedded Flink. What was started through it ends with it."""

    def __init__(self, flink: local.LocalStatus, gateway: str | None = None) -> None:
        self.flink = flink
        self.jobs = SyncIO(str(flink.jobmanager))
        self.sql = SyncIO(gateway or str(flink.gateway))
        self.jobmanager = JobManager(self.jobs)
        self._before = self._live()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        mine = self._live() - self._before
        for job_id in mine:
            self.cancel(job_id)
        until(self, lambda: not self._live() & mine)
        self.jobs.close()
        self.sql.close()

    def _live(self) -> set[str]:
        return {job.id for job in run_sync(self.jobmanager.overview()) if job.state not in ENDED}

    @property
    def requests(self) -> int:
        return self.jobs.requests

    def worker(self, resolve: Resolve | None = None) -> SessionTarget:
        return SessionTarget(str(self.flink.jobmanager), self.jobs, self.sql, resolve)

    def record(self, manifest: Manifest) -> None:
        """Flink does not read our store."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def lose_submits(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def recover(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        pid = self.flink.pids["jobmanager"]
        assert pid
        return pid

    def restart(self) -> None:
        folder = Path(self.flink.folder)
        os.kill(self._pid, signal.SIGKILL)
        until(self, lambda: local.status(folder).pids["jobmanager"] is None)
        again = local.up(str(self.flink.flink), folder=folder)
        assert (again.jobmanager, again.gateway) == (self.flink.jobmanager, self.flink.gateway)
        self.flink = again
        self._before = set()

    def forget(self, job_id: str) -> None:
        """Jobs that fail at once push it out."""

        async def push_out() -> None:
            async with await Gateway(self.sql).open_session() as session:
                await session.execute("CREATE TABLE nowhere (x INT) WITH ('connector' = 'blackhole')")
                for _ in range(10):
                    if all(job.id != job_id for job in await self.jobmanager.overview()):
                        return
                    await session.execute("INSERT INTO nowhere VALUES (1)")
                    await self.jobs.sleep(0.5)
            raise AssertionError(f"{job_id} is still listed")

        run_sync(push_out())

    def let_answers_expire(self) -> None:
        time.sleep(2.5)

    def intrude(self, name: str) -> str:
        stranger = spec(name)

        async def start() -> str | None:
            async with await Gateway(self.sql).open_session() as session:
                for table in stranger.tables:
                    await session.execute(table)
                return (await session.execute(stranger.statements[0], {"pipeline.name": name})).job_id

        job_id = run_sync(start())
        assert job_id
        return job_id

    def cancel(self, job_id: str) -> None:
        run_sync(self.jobmanager.cancel(job_id))

    def savepoint(self, job_id: str) -> str:
        return self._saved(job_id, self.jobmanager.savepoint)

    def stop_in_ui(self, job_id: str) -> None:
        self._saved(job_id, self.jobmanager.stop)

    def _saved(self, job_id: str, ask: Callable[..., Any]) -> str:
        trigger = uuid.uuid4().hex
        run_sync(ask(job_id, trigger))
        status = lambda: run_sync(self.jobmanager.savepoint_status(job_id, trigger))  # noqa: E731
        until(self, lambda: status().state != "in-progress")
        assert status().location, status()
        return str(status().location)

    def fail(self, job_id: str, told: Path) -> None:
        draft = told / ".draft"  # which the source does not read
        draft.write_text("0\n")
        draft.rename(told / "zero.csv")

    def savepoints(self, folder: str) -> list[str]:
        found = list(Path(folder.removeprefix("file://")).glob("*/_metadata"))
        return [f"file:{metadata.parent}" for metadata in found]

    def spoil(self, folder: str) -> None:
        path = Path(folder.removeprefix("file://"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a file where a folder is wanted")

    def delete(self, location: str) -> None:
        assert StateFiles().find(location)
        shutil.rmtree(location.removeprefix("file:"))
