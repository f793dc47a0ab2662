"""Speed as ratios, measured side by side in one run on the embedded Flink: ``make bench``.

Prints a table; asserts nothing, since a busy machine is no fault of the code.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
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
from tests.bench import growth, large
from tests.bench.recovery import recoveries
from tests.bench.sqlclient import sql_client
from tests.bench.upgrade import Outage, outages
from tests.services import flink

ROUNDS = 10
SOURCE = "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5')"
SINK = "CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole')"
QUERY = "INSERT INTO nowhere SELECT MOD(n, 7), COUNT(*) FROM numbers GROUP BY MOD(n, 7)"


def job_text(name: str) -> str:
    return f"""
name: {name}
setup: ["{SOURCE}", "{SINK}"]
sql: {QUERY}
flinkProperties: {{execution.checkpointing.interval: 2s, parallelism.default: "1"}}
"""


def by_hand(cluster: local.LocalStatus) -> float:
    """The same statements sent to the same gateway by somebody who writes nothing down: to the job id."""
    config = {"execution.checkpointing.interval": "2s", "parallelism.default": "1", "pipeline.name": "by-hand"}

    async def send(gateway: SyncIO) -> str | None:
        async with await Gateway(gateway).open_session() as session:
            await session.execute(SOURCE)
            await session.execute(SINK)
            await session.explain(QUERY, config)
            return (await session.execute(QUERY, config)).job_id

    with SyncIO(cluster.gateway or "") as gateway, SyncIO(cluster.jobmanager or "") as jobmanager:
        start = time.perf_counter()
        job_id = run_sync(send(gateway))
        taken = time.perf_counter() - start
        run_sync(JobManager(jobmanager).cancel(job_id or ""))
    return taken


def by_deploy(cluster: local.LocalStatus, folder: Path) -> tuple[float, float]:
    """Seconds of a first deploy to the job id, and from there to the proof of health."""
    times: dict[str, float] = {}

    def say(line: str) -> None:
        times.setdefault(line.split()[0], time.perf_counter())

    name = f"bench-{uuid.uuid4().hex[:8]}"
    settings = Settings(cluster.gateway or "", cluster.jobmanager or "")
    store = open_store(f"sqlite:///{folder}/bench.db")
    with connect(settings) as (target, io):
        flow = Flow(read_job(job_text(name)).spec, target, store, io, settings.jobmanager, say=say)
        start = time.perf_counter()
        flow.deploy(Policy("bench", new_lineage()))
        end = time.perf_counter()
        flow.deploy(Policy("bench", new_lineage(), stop="cancel"))
    store.close()
    submitted = times.get("Waiting") or times["All"]  # the first line said once the job id is known
    return submitted - start, end - submitted


def by_sql_client(cluster: local.LocalStatus, folder: Path) -> float:
    """What a BashOperator runs."""
    start = time.perf_counter()
    if "Job ID" not in sql_client(cluster, folder, SOURCE, SINK, QUERY):
        raise RuntimeError("the SQL client submitted nothing")
    return time.perf_counter() - start


def unchanged_plan(cluster: local.LocalStatus, folder: Path) -> float:
    """A whole process: ``flinksql plan`` of a job that is as it should be."""
    job = folder / "job.yaml"
    where = ["--gateway", cluster.gateway or "", "--jobmanager", cluster.jobmanager or ""]
    where += ["--store", f"sqlite:///{folder}/process.db"]
    program = [str(Path(sys.executable).with_name("flinksql"))]
    if not job.exists():
        job.write_text(job_text("unchanged"))
        subprocess.run([*program, "deploy", str(job), *where], check=True, capture_output=True)
    start = time.perf_counter()
    subprocess.run([*program, "plan", str(job), *where], check=True, capture_output=True)
    return time.perf_counter() - start


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _ in range(rounds))


def main() -> None:
    with flink() as cluster, tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        by_hand(cluster)  # the first statement of a gateway loads the planner
        pairs = [(by_hand(cluster), *by_deploy(cluster, folder)) for _ in range(ROUNDS)]
        hand, deploy, proof = (statistics.median(column) for column in zip(*pairs, strict=True))
        client = median(lambda: by_sql_client(cluster, folder), 3)
        plan = median(lambda: unchanged_plan(cluster, folder))
        verdict = median(lambda: Outage(cluster, folder).verdict())
        out = outages(cluster, folder, ROUNDS)
        bound = 1.2 * out["by hand"] + 0.5
        recovered = recoveries(folder, ROUNDS)
        rows = [
            ("unchanged plan of one job, whole process", f"{plan:.3f} s", "promised: under 0.5 s"),
            ("first deploy to the job id, by hand", f"{hand:.3f} s", ""),
            ("first deploy to the job id, ours", f"{deploy:.3f} s", f"promised: under {1.2 * hand + 0.15:.3f} s"),
            ("   ours / by hand", f"{deploy / hand:.2f} x", ""),
            ("   then to the proof of health", f"{proof:.3f} s", "by hand nobody looks"),
            ("the same by the SQL client", f"{client:.3f} s", f"{client / deploy:.0f} x ours"),
            ("verdict on a changed query", f"{verdict:.3f} s", "promised: under 0.5 s"),
            ("upgrade, last row to first row, by hand", f"{out['by hand']:.3f} s", ""),
            ("   ours, judged before and written down", f"{out['ours']:.3f} s", f"promised: under {bound:.3f} s"),
            ("   by the SQL client", f"{out['by the SQL client']:.3f} s", ""),
            ("an upgrade that nobody disturbs and one look", "1.00 x", ""),
            *((f"   {what}, and its re-run", f"{ratio:.2f} x", "promised: 1.3 x") for what, ratio in recovered.items()),
        ]
        print(f"\nmedian of {ROUNDS} (SQL client: 3), Flink {cluster.flink}, side by side\n")
        growth.table(rows)
    print("\nwhole processes, on a JobManager that speaks recorded answers (CPU) and an S3 in memory (time)\n")
    growth.table([*growth.rows(), *large.rows()])


if __name__ == "__main__":
    main()
