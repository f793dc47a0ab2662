"""The JobManager's REST interface, alike for Flink 1.20 and 2.x. All times are milliseconds since 1970, as Flink's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_flinksql.clients.answers import reading
from airflow_provider_flinksql.clients.causes import root_cause
from airflow_provider_flinksql.clients.http import IO, request
from airflow_provider_flinksql.clients.redactor import Redactor
from airflow_provider_flinksql.errors import Misconfigured, NotFound, Refused, Said

SERVER = "Flink JobManager"

SnapshotKind = Literal["checkpoint", "savepoint", "stop-savepoint"]
OperationState = Literal["in-progress", "completed", "failed", "unknown"]

_KINDS: dict[str, SnapshotKind] = {"SAVEPOINT": "savepoint", "SYNC_SAVEPOINT": "stop-savepoint"}
_WEB_FOLDER = re.compile(r"flink-web-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
# A stop can fail after its savepoint is complete; Flink then says so, and only here.
_SAVED_NEVERTHELESS = re.compile(r"A savepoint has been created at: (\S+), but the corresponding job")


@dataclass(frozen=True)
class JobListing:
    """One line of the JobManager's list of jobs, ended ones it still remembers included."""

    id: str
    name: str
    state: str
    start_time: int
    last_modification: int
    duration: int
    tasks: Mapping[str, int]


@dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint or savepoint. ``location`` is None where it cannot be addressed from outside."""

    id: int
    location: str | None
    kind: SnapshotKind
    time: int
    discarded: bool
    size: int | None = None
    duration: int | None = None

    @property
    def restorable(self) -> bool:
        """Whether a job could be started from it, as far as the JobManager knows."""
        return self.location is not None and not self.discarded


@dataclass(frozen=True)
class Restored:
    """What a job was started from, or recovered from since."""

    id: int
    location: str | None
    is_savepoint: bool
    time: int


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint statistics of a job; ``completed`` is newest first and holds what Flink still lists (about 10).

    ``counts``: restored, total, in_progress, completed, failed. A failed one is no fault by itself: a checkpoint
    triggered before all tasks run counts as failed.
    """

    counts: Mapping[str, int]
    completed: tuple[Checkpoint, ...]
    restored: Restored | None

    @property
    def stopped_with(self) -> Checkpoint | None:
        """The savepoint a FINISHED job was stopped with; None if its sources ended.

        Not simply the newest entry: a last checkpoint can complete after the savepoint of the stop, while tasks end.
        A stop that failed after its savepoint makes the job recover, so a restore after it means it went on.
        """
        stop = next((one for one in self.completed if one.kind == "stop-savepoint"), None)
        went_on = stop and self.restored and self.restored.time > stop.time
        return None if went_on else stop


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


@dataclass(frozen=True)
class ClusterOverview:
    """What a cluster has to offer."""

    flink_version: str
    taskmanagers: int
    slots_total: int
    slots_available: int


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
        body = await self._get("/jobmanager/config")
        with reading(SERVER, "GET /jobmanager/config"):
            return {entry["key"]: entry["value"] for entry in body}

    async def cluster(self) -> ClusterOverview:
        """Version and slots."""
        body = await self._get("/overview")
        with reading(SERVER, "GET /overview"):
            return ClusterOverview(
                flink_version=body["flink-version"],
                taskmanagers=body["taskmanagers"],
                slots_total=body["slots-total"],
                slots_available=body["slots-available"],
            )

    async def overview(self) -> list[JobListing]:
        """All jobs in one request: some 400 bytes a job."""
        body = await self._get("/jobs/overview")
        with reading(SERVER, "GET /jobs/overview"):
            return [
                JobListing(
                    id=job["jid"],
                    name=job["name"],
                    state=job["state"],
                    start_time=job["start-time"],
                    last_modification=job["last-modification"],
                    duration=job["duration"],
                    tasks=job["tasks"],
                )
                for job in body["jobs"]
            ]

    async def job(self, job_id: str) -> dict[str, Any]:
        """Everything about a job. Not ``/jobs/:id/status``, which answers 500 for a job that is forgotten."""
        body: dict[str, Any] = await self._get(f"/jobs/{job_id}")
        return body

    async def job_config(self, job_id: str) -> dict[str, str]:
        """The tags a job carries: its ``pipeline.global-job-parameters``."""
        body = await self._get(f"/jobs/{job_id}/config")
        with reading(SERVER, "GET /jobs/:id/config"):
            execution = body.get("execution-config") or {}
            return dict(execution.get("user-config") or {})

    async def checkpoints(self, job_id: str) -> Checkpoints | None:
        """What a job has saved and was restored from; None if it does no checkpoints."""
        body = await self._get_unless_off(f"/jobs/{job_id}/checkpoints")
        if body is None:
            return None
        with reading(SERVER, "GET /jobs/:id/checkpoints"):
            latest = body["latest"]
            entries = [*body["history"], latest["completed"], latest["savepoint"]]  # the history can be crowded out
            found = {entry["id"]: _checkpoint(entry) for entry in entries if entry and entry["status"] == "COMPLETED"}
            return Checkpoints(
                counts=body["counts"],
                completed=tuple(found[number] for number in sorted(found, reverse=True)),
                restored=_restored(latest["restored"]) if latest["restored"] else None,
            )

    async def checkpoint_config(self, job_id: str) -> dict[str, Any] | None:
        """How a job does its checkpoints; None if it does none."""
        body: dict[str, Any] | None = await self._get_unless_off(f"/jobs/{job_id}/checkpoints/config")
        return body

    async def exceptions(self, job_id: str, most: int = 20) -> list[JobException]:
        """What a job has failed of, newest first."""
        body = await self._get(f"/jobs/{job_id}/exceptions", {"maxExceptions": str(most)})
        with reading(SERVER, "GET /jobs/:id/exceptions"):
            return [self._exception(entry) for entry in body["exceptionHistory"]["entries"]]

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
        state, operation, trace = await self._operation(f"/jobs/{job_id}/savepoints/{trigger_id}")
        saved = _SAVED_NEVERTHELESS.search(trace.words)
        location = saved[1] if saved else operation.get("location")
        return SavepointStatus(state, location=location, cause=root_cause(trace) or None)

    async def request_checkpoint(self, job_id: str, trigger_id: str) -> str:
        """Asks for a checkpoint now, whatever the interval: the proof of health."""
        return await self._trigger(
            f"/jobs/{job_id}/checkpoints", {"checkpointType": "CONFIGURED", "triggerId": trigger_id}
        )

    async def checkpoint_status(self, job_id: str, trigger_id: str) -> CheckpointStatus:
        """What became of :meth:`request_checkpoint`."""
        state, operation, trace = await self._operation(f"/jobs/{job_id}/checkpoints/{trigger_id}")
        return CheckpointStatus(state, operation.get("checkpointId"), root_cause(trace) or None)

    async def cancel(self, job_id: str) -> None:
        """Asks a job to end without savepoint; nothing to do if it has ended."""
        try:
            await self._ask("PATCH", f"/jobs/{job_id}", params={"mode": "cancel"})
        except Refused as refused:
            if refused.status != 409:  # "has already reached another terminal state"
                raise

    async def _operation(self, path: str) -> tuple[OperationState, dict[str, Any], Said]:
        """State, outcome and, if it failed, the trace of an asynchronous request."""
        try:
            body = await self._get(path)
        except NotFound as missing:
            if "There is no " not in missing.detail.words:
                raise
            return "unknown", {}, Said()
        with reading(SERVER, "GET …/:triggerId"):
            operation = body.get("operation") or {}
            if body["status"]["id"] != "COMPLETED":
                return "in-progress", operation, Said()
            # savepoints and checkpoints spell it differently
            failure = operation.get("failure-cause") or operation.get("failureCause")
            trace = Said(failure["stack-trace"], self._redact) if failure else Said()
            return ("failed" if failure else "completed"), operation, trace

    async def _trigger(self, path: str, body: dict[str, Any]) -> str:
        answer = await self._ask("POST", path, json=body)
        with reading(SERVER, f"POST {path}"):
            return str(answer["request-id"])

    async def _get_unless_off(self, path: str) -> Any:
        try:
            return await self._get(path)
        except NotFound as missing:
            if re.search(r"Checkpointing (has not been|is not) enabled", missing.detail.words):
                return None
            raise

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._ask("GET", path, params=params)

    async def _ask(self, method: str, path: str, **content: Any) -> Any:
        content |= {"deadline": self._deadline, "redact": self._redact}
        return await request(self._io, method, path, server=SERVER, retries=True, **content)

    def _exception(self, entry: Mapping[str, Any]) -> JobException:
        # a failure that is not retried is the job's own; the task stands among the concurrent ones then
        entries = [entry, *entry.get("concurrentExceptions", [])]
        task = next((Said(one["taskName"], self._redact) for one in entries if one.get("taskName")), None)
        cause = root_cause(Said(entry["stacktrace"], self._redact))
        return JobException(time=entry["timestamp"], cause=cause, task=task)


def _checkpoint(entry: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        id=entry["id"],
        location=_location(entry),
        kind=_KINDS.get(entry["checkpoint_type"], "checkpoint"),
        time=entry["latest_ack_timestamp"],
        discarded=entry["discarded"],
        size=entry.get("state_size"),
        duration=entry.get("end_to_end_duration"),
    )


def _restored(entry: Mapping[str, Any]) -> Restored:
    return Restored(
        id=entry["id"],
        location=_location(entry),
        is_savepoint=entry["is_savepoint"],
        time=entry["restore_timestamp"],
    )


def _location(entry: Mapping[str, Any]) -> str | None:
    path: str | None = entry.get("external_path")
    return None if path is None or path.startswith("<") else path  # <checkpoint-not-externally-addressable>
