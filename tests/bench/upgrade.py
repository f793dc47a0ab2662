"""For how long an upgrade takes a job out: from its last row to the first of its successor, with its state."""

from __future__ import annotations

import re
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from airflow_provider_flinksql import local
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.deploy.flow import Flow, new_lineage
from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets.connect import Settings, connect
from tests.bench.sqlclient import sql_client

SOURCE = (
    "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100', "
    "'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '20000')"
)
SINK = "CREATE TABLE printed (n BIGINT, t TIMESTAMP_LTZ(3)) WITH ('connector' = 'print', 'print-identifier' = '{name}')"
QUERIES = tuple(f"INSERT INTO printed SELECT {what}, CURRENT_ROW_TIMESTAMP() FROM numbers" for what in ("n", "n + 1"))
OPTIONS = {"execution.checkpointing.interval": "2 s", "parallelism.default": "1"}
RESTORE = "execution.state-recovery.path"


class Outage:
    """One job, and the rows that it prints with their times."""

    def __init__(self, cluster: local.LocalStatus, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.name = f"upgrade-{uuid.uuid4().hex[:8]}"
        self.sink = SINK.format(name=self.name)

    def times(self) -> list[float]:
        """Of all rows so far, in seconds."""
        printed = (Path(self.cluster.folder) / "logs" / "taskmanager.out").read_text()
        found = re.findall(rf"^{self.name}> \+I\[\d+, ([^\]]+)\]$", printed, re.MULTILINE)
        return sorted(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() for time in found)

    def measured(self, start: Callable[[], str], upgrade: Callable[[str], str]) -> float:
        """Seconds without a row, the longest: ``start`` gives the job's id, ``upgrade`` that of its successor."""
        job_id = start()
        self._await_rows()
        successor = upgrade(job_id)
        self._await_rows()
        with SyncIO(self.cluster.jobmanager or "") as io:
            run_sync(JobManager(io).cancel(successor))
        times = self.times()
        return max(after - before for before, after in pairwise(times))

    def _await_rows(self) -> None:
        enough, end = len(self.times()) + 150, time.monotonic() + 60
        while len(self.times()) < enough:
            assert time.monotonic() < end, f"{self.name} prints nothing"
            time.sleep(0.1)

    # --- three ways of upgrading ---

    def by_hand(self) -> float:
        """Requests, by somebody who has all at hand and the next session open."""
        with SyncIO(self.cluster.gateway or "") as gateway, SyncIO(self.cluster.jobmanager or "") as io:
            jobmanager = JobManager(io)

            async def submit(query: str, stopped: str | None) -> str:
                async with await Gateway(gateway).open_session() as session:
                    await session.execute(SOURCE)
                    await session.execute(self.sink)
                    config = {**OPTIONS, "pipeline.name": self.name}
                    if stopped:
                        config[RESTORE] = await stop(stopped)
                    return (await session.execute(query, config)).job_id or ""

            async def stop(job_id: str) -> str:
                trigger = uuid.uuid4().hex
                await jobmanager.stop(job_id, trigger, None)
                while not (status := await jobmanager.savepoint_status(job_id, trigger)).location:
                    assert status.state == "in-progress"
                    time.sleep(0.1)
                return status.location

            return self.measured(
                lambda: run_sync(submit(QUERIES[0], None)), lambda job_id: run_sync(submit(QUERIES[1], job_id))
            )

    def by_deploy(self) -> float:
        """A changed job file, judged, deployed."""
        settings = Settings(self.cluster.gateway or "", self.cluster.jobmanager or "")
        store = open_store(f"sqlite:///{self.folder}/upgrades.db")

        def deploy(query: str) -> str:
            job = read_job({"name": self.name, "setup": [SOURCE, self.sink], "sql": query, "flinkProperties": OPTIONS})
            with connect(settings) as (target, io):
                flow = Flow(job.spec, target, store, io, settings.jobmanager, say=lambda _: None)
                return flow.run(Policy("bench", new_lineage())).manifest.current.job_id  # type: ignore[union-attr]

        try:
            return self.measured(lambda: deploy(QUERIES[0]), lambda _: deploy(QUERIES[1]))
        finally:
            store.close()

    def by_sql_client(self) -> float:
        """A script that stops the job, and one with the savepoint that the first one printed."""

        def submit(query: str, *settings: str) -> str:
            options = [f"SET '{key}' = '{value}'" for key, value in {**OPTIONS, "pipeline.name": self.name}.items()]
            said = sql_client(self.cluster, self.folder, *options, *settings, SOURCE, self.sink, query)
            return re.findall(r"Job ID: ([0-9a-f]{32})", said)[-1]

        def upgrade(job_id: str) -> str:
            said = sql_client(self.cluster, self.folder, f"STOP JOB '{job_id}' WITH SAVEPOINT")
            savepoint = re.findall(r"(file:\S+/savepoint-\S+)", said)[-1]
            return submit(QUERIES[1], f"SET '{RESTORE}' = '{savepoint}'")

        return self.measured(lambda: submit(QUERIES[0]), upgrade)

    def verdict(self) -> float:
        """Seconds from a changed file to what would become of its state, on a gateway that is warm."""
        settings = Settings(self.cluster.gateway or "", self.cluster.jobmanager or "")
        store = open_store(f"sqlite:///{self.folder}/verdicts.db")
        jobs = [
            read_job({"name": self.name, "setup": [SOURCE, self.sink], "sql": query, "flinkProperties": OPTIONS})
            for query in QUERIES
        ]
        try:
            with connect(settings) as (target, io):
                Flow(jobs[0].spec, target, store, io, settings.jobmanager).run(Policy("bench", new_lineage()))
            began = time.perf_counter()
            with connect(settings) as (target, io):
                made = Flow(jobs[1].spec, target, store, io, settings.jobmanager).plan(Policy("bench", new_lineage()))
            taken = time.perf_counter() - began
            assert made.verdict == "carries"
            with connect(settings) as (target, io):
                flow = Flow(jobs[0].spec, target, store, io, settings.jobmanager)
                flow.run(Policy("bench", new_lineage(), stop="cancel"))
        finally:
            store.close()
        return taken


def outages(cluster: local.LocalStatus, folder: Path, rounds: int) -> dict[str, float]:
    """Medians, side by side in each round; the SQL client three times."""
    found: dict[str, list[float]] = {"by hand": [], "ours": [], "by the SQL client": []}
    for number in range(rounds):
        found["by hand"].append(Outage(cluster, folder).by_hand())
        found["ours"].append(Outage(cluster, folder).by_deploy())
        if number < 3:
            found["by the SQL client"].append(Outage(cluster, folder).by_sql_client())
    return {way: statistics.median(seconds) for way, seconds in found.items()}
