"""A real Flink on which a job is started, stopped with its state, and its successor restored: what comes out then?"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import httpx  # noqa: F401 - here, since several threads at once would each begin to import it

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.errors import OperationFailed
from airflow_provider_flinksql.local import LocalStatus
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.options import spelled_for
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement, session_statements
from airflow_provider_flinksql.model.submission import CHECKED, check_config
from airflow_provider_flinksql.targets.session import SessionTarget
from truth.jars import compile_to
from truth.rows import FILE_SINKS, FIRST, JAR, SECOND, Job

End = Literal["runs", "refused", "dies"]

PATIENCE = 30.0
QUIET = 3.0
LAST_OF_FIRST, LAST_OF_SECOND = 5, 8
"""The last ids that no query here filters out."""
PROPERTIES = {
    "restart-strategy.type": "none",
    "execution.checkpointing.interval": "1 h",
    "pipeline.auto-watermark-interval": "20 ms",
    "parallelism.default": "1",
}
_LINE = re.compile(r"^(\w+)(?::\d+)?> ([+-])[IUAD]+(\[.*\])$")


@dataclass(frozen=True)
class Seen:
    """What became of a restored job: how it ended or that it runs, and the rows it added (``+``) and took back."""

    end: End
    rows: tuple[str, ...]
    cause: str = ""


@dataclass(frozen=True)
class Stopped:
    """A job that was stopped, its savepoint and where its successors find their rows."""

    spec: Spec
    savepoint: str
    rows: tuple[str, ...]
    folder: Path


class Lab:
    """One Flink and the files its jobs read."""

    def __init__(self, flink: LocalStatus, folder: Path) -> None:
        assert flink.jobmanager
        assert flink.gateway
        assert flink.flink
        self.version = flink.flink
        self._urls = (flink.jobmanager, flink.gateway)
        self._printed = Path(flink.folder) / "logs" / "taskmanager.out"
        self._folder = folder
        compile_to(folder / JAR, flink.flink)

    def stopped(self, job: Job, expected: tuple[str, ...] | None = None) -> Stopped:
        """Run a job on the first rows, stop it with a savepoint, then lay out the second rows."""
        folder = self._folder / uuid.uuid4().hex[:8]
        for name, content in FIRST.items():
            _lay_out(folder / name / "1.json", content)
        spec = job.spec(folder, "b" + uuid.uuid4().hex[:10], PROPERTIES)
        with self._clients() as (jobmanager, gateway):
            job_id = self._submit(spec, gateway)
            seen = self._watch(spec, job_id, jobmanager, expected or None)  # what shows nothing is given time instead
            assert seen.end == "runs", f"{job}: {seen}"
            if job.into_files:
                self._await_file(folder, LAST_OF_FIRST, job_id, jobmanager)
            trigger = uuid.uuid4().hex
            run_sync(jobmanager.stop(job_id, trigger, None))
            status = _until(
                lambda: run_sync(jobmanager.savepoint_status(job_id, trigger)), lambda s: s.state != "in-progress"
            )
            assert status.location, status
            rows = _until(lambda: self._rows(spec.name), lambda rows: expected is None or rows == expected)
        for name, content in SECOND.items():
            _lay_out(folder / name / "2.json", content)
        return Stopped(spec, status.location, rows, folder)

    def restored(self, job: Job, before: Stopped, expected: tuple[str, ...] | None = None) -> tuple[Spec, Seen]:
        """Start a job from the savepoint of another; it reads the second rows."""
        spec = job.spec(before.folder, "r" + uuid.uuid4().hex[:10], PROPERTIES)
        with self._clients() as (jobmanager, gateway):
            try:
                job_id = self._submit(spec, gateway, before.savepoint)
            except OperationFailed as error:
                return spec, Seen("refused", (), str(error))
            if not job.into_files:
                return spec, self._watch(spec, job_id, jobmanager, expected)
            return spec, self._watch_files(spec, job_id, jobmanager, before.folder)

    def explained(self, job: Job) -> Explained:
        """What the planner says."""
        return self.plan(self.planned(job))

    def planned(self, job: Job) -> Spec:
        """What is planned: in a folder that is always the same, since a plan hangs on where tables are."""
        spec = job.spec(Path("/folder"), "job", PROPERTIES)
        return replace(spec, jars=tuple(str(self._folder / JAR) for _ in spec.jars))

    def plan(self, spec: Spec) -> Explained:
        """What the planner says of a Spec."""
        with SyncIO(self._urls[0]) as jobmanager, SyncIO(self._urls[1]) as gateway:
            return run_sync(SessionTarget("lab", jobmanager, gateway).explain(spec))

    @contextmanager
    def _clients(self) -> Iterator[tuple[JobManager, Gateway]]:
        with SyncIO(self._urls[0]) as jobmanager, SyncIO(self._urls[1]) as gateway:
            yield JobManager(jobmanager), Gateway(gateway)

    def _submit(self, spec: Spec, gateway: Gateway, savepoint: str | None = None) -> str:
        config = check_config(spec, self.version)
        if savepoint:
            config |= spelled_for({"execution.state-recovery.path": savepoint}, self.version)

        async def submit() -> str | None:
            async with await gateway.open_session() as session:
                for statement in session_statements(spec):
                    await session.execute(statement, config)
                return (await session.execute(final_statement(spec, **CHECKED), config)).job_id

        job_id = run_sync(submit())
        assert job_id
        return job_id

    def _watch(self, spec: Spec, job_id: str, jobmanager: JobManager, expected: tuple[str, ...] | None) -> Seen:
        """Until the expected rows are there, or nothing new comes."""
        started = quiet_since = time.monotonic()
        rows: tuple[str, ...] = ()
        while time.monotonic() - started < PATIENCE:
            job = run_sync(jobmanager.job(job_id))
            if job.state == "FAILED":
                causes = run_sync(jobmanager.exceptions(job_id))
                return Seen("dies", (), causes[0].cause if causes else "")
            before, rows = rows, self._rows(spec.name)
            if rows != before or not job.all_running:
                quiet_since = time.monotonic()
            quiet = time.monotonic() - quiet_since > QUIET
            settled = quiet and (rows or time.monotonic() - started > 8.0)
            if job.all_running and (settled if expected is None else rows == expected):
                break
            time.sleep(0.05)
        if not spec.name.startswith("r") or spec.statements[0].startswith(FILE_SINKS):
            return Seen("runs", rows)
        trigger = uuid.uuid4().hex
        run_sync(jobmanager.request_checkpoint(job_id, trigger))
        status = _until(
            lambda: run_sync(jobmanager.checkpoint_status(job_id, trigger)), lambda s: s.state != "in-progress"
        )
        run_sync(jobmanager.cancel(job_id))
        return Seen("runs" if status.state == "completed" else "dies", rows, status.cause or "")

    def _watch_files(self, spec: Spec, job_id: str, jobmanager: JobManager, folder: Path) -> Seen:
        """Until it is quiet; then the job is drained, so that all that it will ever finish is finished."""
        seen = self._watch(spec, job_id, jobmanager, None)
        if seen.end != "runs":
            return seen
        self._await_file(folder, LAST_OF_SECOND, job_id, jobmanager)
        run_sync(jobmanager.stop(job_id, uuid.uuid4().hex, None, drain=True))
        _until(lambda: run_sync(jobmanager.job(job_id)).state, lambda state: state in ("FINISHED", "FAILED"))
        parts = [(name, part) for name in ("out", "other") for part in (folder / name).rglob("part-*")]
        lines = [(name, json.loads(line)) for name, part in parts for line in part.read_text().splitlines()]
        return Seen("runs", tuple(sorted(f"{name} {list(row.values())}" for name, row in lines)))

    def _await_file(self, folder: Path, row_id: int, job_id: str, jobmanager: JobManager) -> None:
        """Until a row is in a file, be it finished or not; what is under way is written out by a checkpoint."""

        def written() -> str:
            run_sync(jobmanager.request_checkpoint(job_id, uuid.uuid4().hex))
            time.sleep(0.5)
            return "".join(part.read_text() for name in ("out", "other") for part in (folder / name).rglob("*part-*"))

        _until(written, lambda text: f'"n":{row_id}}}' in text)
        time.sleep(0.5)  # the row behind it may be filtered out, and comes with it if it is not

    def _rows(self, name: str) -> tuple[str, ...]:
        """What a job added in all to what it printed, and took back."""
        net: Counter[str] = Counter()
        for line in self._printed.read_text(errors="replace").splitlines():
            if (match := _LINE.match(line)) and match[1] == name:
                net[match[3]] += 1 if match[2] == "+" else -1
        signed = ((("+" if times > 0 else "-") + row, abs(times)) for row, times in net.items())
        return tuple(sorted(row for row, times in signed for _ in range(times)))


def _until(look: Callable, good: Callable):  # type: ignore[type-arg, no-untyped-def]
    started = time.monotonic()
    while not good(found := look()):
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.05)
    return found


def _lay_out(path: Path, content: str) -> None:
    """Whole at once: what Flink finds it reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name("." + path.name)
    hidden.write_text(content)
    hidden.rename(path)
