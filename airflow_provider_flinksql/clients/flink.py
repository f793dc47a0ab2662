"""The JobManager's REST interface, alike for Flink 1.20 and 2.x. All times are milliseconds since 1970, as Flink's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from airflow_provider_flinksql.clients.causes import root_cause
from airflow_provider_flinksql.clients.http import IO, request
from airflow_provider_flinksql.clients.redactor import Redactor
from airflow_provider_flinksql.clients.shapes import (
    CheckpointConfig,
    Checkpoints,
    ClusterOverview,
    FailureEntry,
    Failures,
    JobConfig,
    JobDetails,
    JobList,
    JobListing,
    Operation,
    Option,
    Outcome,
    Triggered,
)
from airflow_provider_flinksql.errors import Misconfigured, NotFound, Refused, Said

SERVER = "Flink JobManager"

T = TypeVar("T")

OperationState = Literal["in-progress", "completed", "failed", "unknown"]

_WEB_FOLDER = re.compile(r"flink-web-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
# A stop can fail after its savepoint is complete; Flink then says so, and only here.
_SAVED_NEVERTHELESS = re.compile(r"A savepoint has been created at: (\S+), but the corresponding job")


@dataclass(frozen=True)
class JobException:
    """A failure a job has seen; ``cause`` in one line, ``task`` None when it concerns the job as a whole."""

    time: int
    cause: str
    task: str | None


@dataclass(frozen=True)
class SavepointStatus:
    """What became of a savepoint or stop. A failed one has a ``location`` if its savepoint is complete nevertheless.

    ``unknown``: the JobManager has no such request; it forgets answers after 5 minutes and when it restarts.
    """

    state: OperationState
    location: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class CheckpointStatus:
    """What became of a checkpoint that was asked for; ``unknown`` as in :class:`SavepointStatus`."""

    state: OperationState
    checkpoint_id: int | None = None
    cause: str | None = None


def incarnation(config: Mapping[str, str]) -> str:
    """The id of this life of the JobManager process, from its configuration: drawn anew at each of its starts."""
    if found := _WEB_FOLDER.search(config.get("web.tmpdir", "")):
        return found[1]
    raise Misconfigured(f"{SERVER}: its configuration names no web.tmpdir with flink-web-<uuid>; is it a JobManager?")


class JobManager:
    """One JobManager. A job it does not know is :class:`NotFound`.

    ``trigger_id`` (32 hex digits) names a request: sent twice it is one request, so these calls are retried.
    ``redact`` takes secrets out of whatever it says in words; not given, those we prove ourselves by.
    """

    def __init__(self, io: IO, deadline: float | None = None, redact: Callable[[str], str] | None = None) -> None:
        self._io = io
        self._deadline = deadline
        self._redact = redact or Redactor(io.secrets)

    def heard(self, io: IO, deadline: float | None = None) -> JobManager:
        """The same JobManager by another way: its archive, or one that knows another deadline."""
        return JobManager(io, deadline, self._redact)

    def grant(self, seconds: float) -> None:
        """Make the deadline later, by what was let pass without asking anything."""
        if self._deadline is not None:
            self._deadline += seconds

    async def config(self) -> dict[str, str]:
        """The effective configuration of the JobManager process."""
        options = await self._get("/jobmanager/config", tuple[Option, ...])
        return {option.key: option.value for option in options}

    async def cluster(self) -> ClusterOverview:
        """Version and slots."""
        return await self._get("/overview", ClusterOverview)

    async def overview(self) -> tuple[JobListing, ...]:
        """All jobs in one request: some 400 bytes a job."""
        return (await self._get("/jobs/overview", JobList)).jobs

    async def job(self, job_id: str) -> JobDetails:
        """One job. Not ``/jobs/:id/status``, which answers 500 for a job that is forgotten."""
        return await self._get(f"/jobs/{job_id}", JobDetails)

    async def job_config(self, job_id: str) -> dict[str, str]:
        """The tags a job carries: its ``pipeline.global-job-parameters``."""
        return (await self._get(f"/jobs/{job_id}/config", JobConfig)).tags

    async def checkpoints(self, job_id: str) -> Checkpoints | None:
        """What a job has saved and was restored from; None if it does no checkpoints."""
        return await self._get_unless_off(f"/jobs/{job_id}/checkpoints", Checkpoints)

    async def deletes_on_cancel(self, job_id: str) -> bool:
        """Whether Flink deletes the checkpoints of a job that is cancelled."""
        config = await self._get_unless_off(f"/jobs/{job_id}/checkpoints/config", CheckpointConfig)
        return config is not None and config.externalization.delete_on_cancellation

    async def exceptions(self, job_id: str, most: int = 20) -> list[JobException]:
        """What a job has failed of, newest first."""
        failures = await self._get(f"/jobs/{job_id}/exceptions", Failures, {"maxExceptions": str(most)})
        return [self._exception(entry) for entry in failures.history.entries]

    async def stop(
        self,
        job_id: str,
        trigger_id: str,
        target_directory: str | None = None,
        *,
        drain: bool = False,
        format: str = "canonical",
    ) -> str:
        """Asks for a stop with savepoint; its end is seen through :meth:`savepoint_status`.

        Accepted for jobs that have ended or never were, too: only the status tells.
        """
        body = {
            "targetDirectory": target_directory,
            "drain": drain,
            "formatType": format.upper(),
            "triggerId": trigger_id,
        }
        return await self._trigger(f"/jobs/{job_id}/stop", body)

    async def savepoint(
        self, job_id: str, trigger_id: str, directory: str | None = None, *, format: str = "canonical"
    ) -> str:
        """Asks for a savepoint of a job that goes on."""
        body = {
            "target-directory": directory,
            "cancel-job": False,
            "formatType": format.upper(),
            "triggerId": trigger_id,
        }
        return await self._trigger(f"/jobs/{job_id}/savepoints", body)

    async def savepoint_status(self, job_id: str, trigger_id: str) -> SavepointStatus:
        """What became of :meth:`stop` or :meth:`savepoint`."""
        state, outcome = await self._operation(f"/jobs/{job_id}/savepoints/{trigger_id}")
        saved = _SAVED_NEVERTHELESS.search(outcome.trace or "")
        return SavepointStatus(state, saved[1] if saved else outcome.location, self._cause(outcome.trace or ""))

    async def request_checkpoint(self, job_id: str, trigger_id: str) -> str:
        """Asks for a checkpoint now, whatever the interval: the proof of health."""
        return await self._trigger(
            f"/jobs/{job_id}/checkpoints", {"checkpointType": "CONFIGURED", "triggerId": trigger_id}
        )

    async def checkpoint_status(self, job_id: str, trigger_id: str) -> CheckpointStatus:
        """What became of :meth:`request_checkpoint`."""
        state, outcome = await self._operation(f"/jobs/{job_id}/checkpoints/{trigger_id}")
        return CheckpointStatus(state, outcome.checkpoint_id, self._cause(outcome.trace or ""))

    async def cancel(self, job_id: str) -> None:
        """Asks a job to end without savepoint; nothing to do if it has ended."""
        try:
            await self._ask("PATCH", f"/jobs/{job_id}", dict[str, Any], params={"mode": "cancel"})
        except Refused as refused:
            if refused.status != 409:  # "has already reached another terminal state"
                raise

    async def _operation(self, path: str) -> tuple[OperationState, Outcome]:
        """State and outcome of an asynchronous request."""
        try:
            operation = await self._get(path, Operation)
        except NotFound as missing:
            if "There is no " not in missing.detail.words:
                raise
            return "unknown", Outcome()
        if operation.ended is None:
            return "in-progress", Outcome()
        return ("completed" if operation.ended.trace is None else "failed"), operation.ended

    async def _trigger(self, path: str, body: dict[str, Any]) -> str:
        return (await self._ask("POST", path, Triggered, json=body)).id

    async def _get_unless_off(self, path: str, kind: type[T]) -> T | None:
        try:
            return await self._get(path, kind)
        except NotFound as missing:
            if re.search(r"Checkpointing (has not been|is not) enabled", missing.detail.words):
                return None
            raise

    async def _get(self, path: str, kind: type[T], params: Mapping[str, str] | None = None) -> T:
        return await self._ask("GET", path, kind, params=params)

    async def _ask(self, method: str, path: str, kind: type[T], **content: Any) -> T:
        content |= {"retries": True, "deadline": self._deadline, "redact": self._redact}
        answer: T = await request(self._io, method, path, kind=kind, server=SERVER, **content)
        return answer

    def _cause(self, trace: str) -> str | None:
        return root_cause(Said(trace, self._redact)) or None

    def _exception(self, entry: FailureEntry) -> JobException:
        # a failure that is not retried is the job's own; the task stands among the concurrent ones then
        task = next((Said(one.task, self._redact) for one in (entry, *entry.concurrent) if one.task), None)
        return JobException(entry.timestamp, self._cause(entry.stacktrace) or "", task)
