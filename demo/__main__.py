"""``make demo``: a real Airflow deploys a streaming job on a real Flink three times, and every row is checked.

Everything lies in one folder of its own, emptied at each start; nothing that runs elsewhere is touched.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_flinksql import local
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.model.sql import quote_literal
from demo.airflow_stack import Airflow, airflow

ROOT = Path(__file__).parents[1]
DAG, TASK = "flinksql_quickstart", "deploy"
SETTLE = 4.0
"""Seconds in which a run writes some rows before the next one comes."""

BEGIN = time.monotonic()


def main() -> int:
    """Run it; the exit code says whether every number was there exactly once."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="emptied at each start (default: .demo)")
    parser.add_argument("--restore-from", metavar="LOCATION | none", help="for the third run: see the check fail")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    try:
        with stack(folder) as (flink, running):
            good = three_runs(flink, running, folder / "numbers", arguments.restore_from)
            say(f"Airflow: {running.url}  user {running.login[0]}, password {running.login[1]}")
            say(f"Flink:   {flink.jobmanager}")
            if good and sys.stdout.isatty():
                say("Up until you press Ctrl-C.")
                threading.Event().wait()
            return 0 if good else 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    finally:
        local.down(folder / "flink")


@contextmanager
def stack(folder: Path) -> Iterator[tuple[local.LocalStatus, Airflow]]:
    """Flink first, since Airflow's connection needs its ports; each tells what it waits for."""
    local.down(folder / "flink")
    if folder.exists():
        shutil.rmtree(folder)
    flink = local.up(folder=folder / "flink", progress=say)
    say(f"Flink {flink.flink} is up: {flink.jobmanager}")
    gateway = (flink.gateway or "").removeprefix("http://").split(":")
    connection = {
        "conn_type": "flink_sql",
        "host": gateway[0],
        "port": int(gateway[1]),
        "extra": {"jobmanager_url": flink.jobmanager, "manifest_store": f"sqlite:///{folder}/manifests.db"},
    }
    environment = {"AIRFLOW_CONN_FLINK_SQL_DEFAULT": json.dumps(connection)}
    with airflow(folder / "airflow", ROOT / "example_dags", environment, say) as running:
        say(f"Airflow is up: {running.url}")
        yield flink, running


def three_runs(flink: local.LocalStatus, running: Airflow, output: Path, restore_from: str | None) -> bool:
    """First deploy, unchanged, changed; then every number must be there exactly once."""
    first: dict[str, Any] = {"output": output.as_uri(), "interval": "1s"}
    third = first | {"interval": "2s"} | ({"restore_from": restore_from} if restore_from else {})
    runs = [("first deploy", first), ("nothing changed", first), ("another checkpoint interval", third)]
    actions = []
    for number, (title, conf) in enumerate(runs, 1):
        say(f"Run {number}, {title}: DAG {DAG}")
        actions.append(one_run(flink, running, conf))
        time.sleep(SETTLE)
    expected = ["start", "none", "start-fresh" if restore_from == "none" else "restart"]
    if actions != expected:
        say(f"FAILED: the runs did {actions} instead of {expected}.")
        return False
    return check(flink, output)


def one_run(flink: local.LocalStatus, running: Airflow, conf: dict[str, Any]) -> str:
    """One run of the DAG, told in four lines; the action it took."""
    run_id = running.trigger(DAG, conf)
    state = running.wait(DAG, run_id, changed=lambda states: say(f"  {states}"))
    if state != "success":
        say("\n".join(running.task_log(DAG, run_id, TASK)))
        raise SystemExit(f"The run {run_id} ended as {state}; its log is above.")
    done = running.xcom(DAG, run_id, TASK)
    with SyncIO(flink.jobmanager or "") as io:
        job = run_sync(JobManager(io).job(done["job_id"]))
    say(f"  done: {done['action']}, since {done['reason']}")
    say(f"  job {done['job_id']}, query version {done['query_version']}, is {job.state}")
    say(f"  restored from: {done['restored_from'] or 'nothing'}")
    return str(done["action"])


def check(flink: local.LocalStatus, output: Path) -> bool:
    """Read the sink's files back with a batch query; asked again, since files come and go while they are listed."""
    for _ in range(3):
        rows, distinct, least, most = run_sync(read_back(flink, output))
        good = 0 < rows == distinct == most - least + 1 and least == 1
        if good:
            say(f"Checked: {rows} rows in the sink, the numbers 1 to {most}, each exactly once over all three runs.")
            return True
        time.sleep(2)
    say(f"FAILED: {rows} rows in the sink, {distinct} different numbers from {least} to {most}: a gap or a repeat.")
    return False


async def read_back(flink: local.LocalStatus, output: Path) -> tuple[int, int, int, int]:
    """Count, distinct count, least and greatest number in the sink."""
    where = quote_literal(output.as_uri())
    table = f"CREATE TABLE written (n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = {where})"
    query = "SELECT COUNT(*), COUNT(DISTINCT n), MIN(n), MAX(n) FROM written"
    with SyncIO(flink.gateway or "") as io:
        async with await Gateway(io).open_session() as session:
            await session.execute(table)
            found = await session.execute(query, {"execution.runtime-mode": "batch"})
    rows, distinct, least, most = (int(value or 0) for value in found.rows[-1])
    return rows, distinct, least, most


def say(line: str) -> None:
    """One line with the time since the start."""
    print(f"{time.monotonic() - BEGIN:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
