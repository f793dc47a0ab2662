"""What hundreds of jobs, attempts and checkpoints cost: CPU, requests and memory of whole processes.

Needs no Flink: the JobManager speaks Flink's recorded answers, the object store is moto. Also alone:
``python -m tests.bench.growth``.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crowd import Crowd, served
from services import ObjectStore, object_store

Row = tuple[str, str, str]
SEARCH = (
    "import sys; from airflow_provider_flinksql.clients.statefiles import StateFiles;"
    "print(StateFiles().completed_checkpoints(sys.argv[1], 1)[0].checkpoint_id)"
)


@dataclass(frozen=True)
class Cost:
    """Of one process: its CPU and wall clock seconds, its peak memory in MB, and what it printed."""

    cpu: float
    seconds: float
    memory: float
    out: str


def cost(command: list[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Runs it to its end; its exit code is its own affair."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return Cost(used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024, out.read())


def jobs(size: int, *words: str, attempts: int = 200, unwell: int = 0, limit: str = "") -> Row:
    """A command about ``size`` jobs, on a cluster that lists twice as many ended ones, too."""
    crowd = Crowd(size, attempts, ended=2 * size, unwell=unwell)
    with tempfile.TemporaryDirectory() as text, served(crowd) as jobmanager:
        store = crowd.record(Path(text))
        program = [str(Path(sys.executable).with_name("flinksql")), *words]
        program += [str(Path(text) / "jobs")] if words[0] == "plan" else []
        program += ["--store", store, "--gateway", jobmanager, "--jobmanager", jobmanager]
        taken = cost(program)
    what = f"{' '.join(words)} of {size} jobs with {attempts} attempts each"
    what += f", {unwell} of them not well" if unwell else ""
    note = f"{len(crowd.asked)} requests, {taken.memory:.0f} MB, {taken.seconds:.2f} s{limit and f'; {limit}'}"
    return what, f"{taken.cpu:.2f} s", note


def checkpoints(store: ObjectStore, folders: int, shared: int) -> Row:
    """The newest state of a job that left so many checkpoints, beside so many files that they share."""
    job = f"state/{folders}/job"
    _fill(store, job, folders, shared)
    before = len(store.requests())
    taken = cost([sys.executable, "-c", SEARCH, f"s3://{store.bucket}/{job}"], store.environment)
    asked = Counter("list" if "list-type" in one else one.partition(" ")[0] for one in store.requests()[before:])
    assert taken.out.strip() == str(folders), taken.out
    what = f"the newest of {folders} checkpoints in S3, beside {shared} shared files"
    counted = f"{asked['list']} lists, {asked['HEAD']} HEAD, {asked['GET']} GET, {taken.memory:.0f} MB"
    return what, f"{taken.seconds:.2f} s", f"{counted}; a list a thousand, and the newest one"


def _fill(store: ObjectStore, job: str, folders: int, shared: int) -> None:
    import obstore
    from obstore.store import from_url

    bucket = from_url(f"s3://{store.bucket}", config=store.options, client_options={"allow_http": True})

    def put(number: int) -> None:
        obstore.put(bucket, f"{job}/chk-{number}/_metadata", struct.pack(">iiq", 0x4960672D, 6, number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(1, folders + 1)))
        list(threads.map(lambda n: obstore.put(bucket, f"{job}/shared/{n}", b"x"), range(shared)))


def rows(folders: int = 10_000) -> list[Row]:
    """What the bench prints of growth."""
    found = [
        jobs(500, "plan", limit="promised: under 2 s CPU"),
        jobs(1000, "plan"),
        jobs(500, "status", limit="promised: at most 3 requests"),
        jobs(500, "status", unwell=25, limit="and those of what is not well"),
        jobs(500, "status", "--checkpoints"),
    ]
    with object_store() as store:
        found.append(checkpoints(store, folders, shared=folders))
    return found


def table(found: list[Row]) -> None:
    """The rows, in columns."""
    width = max(len(what) for what, *_ in found)
    for what, figure, note in found:
        print(f"{what:<{width}}  {figure:>9}  {note}")


if __name__ == "__main__":
    table(rows(*map(int, sys.argv[1:])))
