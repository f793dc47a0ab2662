"""What Flink's answers look like, as far as we read them. Further fields are no matter; a field of another type is.

A field with a default is one that some version or some answer leaves out, or has null.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

_LATEST = 100_000_000_000_000  # in the year 5138: twice that can still be told as a date

Id = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
"""Of a job, or of what was asked for it."""

Handle = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]{1,100}\Z")]
"""Of a session or an operation; it becomes a part of a path."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Moment = Annotated[int, Meta(ge=-1, le=_LATEST)]
"""Milliseconds since 1970; -1 where it has not come."""

Span = Annotated[int, Meta(ge=-(10**10), le=_LATEST)]
"""Milliseconds; below nothing where a clock was set back."""

Size = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""Bytes; -1 where Flink does not know."""

SnapshotKind = Literal["checkpoint", "savepoint", "stop-savepoint"]
ResultKind = Literal["SUCCESS", "SUCCESS_WITH_CONTENT"]
_KINDS: dict[str, SnapshotKind] = {"SAVEPOINT": "savepoint", "SYNC_SAVEPOINT": "stop-savepoint"}


class Errors(Struct, frozen=True):
    """A refusal: sentences and traces."""

    errors: tuple[str, ...]


class Option(Struct, frozen=True):
    """One option of a process."""

    key: str
    value: str


class ClusterOverview(Struct, frozen=True):
    """What a cluster has to offer."""

    flink_version: str = field(name="flink-version")
    taskmanagers: Number
    slots_total: Number = field(name="slots-total")
    slots_available: Number = field(name="slots-available")


class Tasks(Struct, frozen=True):
    """How many tasks a job has, and of those that run or have finished."""

    total: Number
    running: Number
    finished: Number


class JobListing(Struct, frozen=True):
    """One line of the JobManager's list of jobs, ended ones it still remembers included.

    ``state`` is Flink's word, and may be one that a newer Flink has.
    """

    id: Id = field(name="jid")
    name: str
    state: str
    start_time: Moment = field(name="start-time")
    last_modification: Moment = field(name="last-modification")
    duration: Span
    tasks: Tasks

    @property
    def all_running(self) -> bool:
        """Whether each of its tasks runs, or has done all there was to do."""
        return 0 < self.tasks.total == self.tasks.running + self.tasks.finished


class JobList(Struct, frozen=True):
    """All jobs of a cluster."""

    jobs: tuple[JobListing, ...]


class VertexTasks(Struct, frozen=True):
    """How many tasks of a vertex run, and have finished."""

    running: Number = field(name="RUNNING")
    finished: Number = field(name="FINISHED")


class Vertex(Struct, frozen=True):
    """Some operators of a job that run in the same tasks; their ``parallelism`` is -1 until a batch job decides it."""

    parallelism: Annotated[int, Meta(ge=-1, le=2**31)]
    tasks: VertexTasks


class JobDetails(Struct, frozen=True):
    """One job; ``now`` is the JobManager's time, ``state`` as in :class:`JobListing`."""

    state: str
    now: Moment
    vertices: tuple[Vertex, ...]

    @property
    def all_running(self) -> bool:
        """Whether each of its tasks runs, or has done its work."""
        busy = sum(vertex.tasks.running + vertex.tasks.finished for vertex in self.vertices)
        decided = all(vertex.parallelism >= 0 for vertex in self.vertices)
        return self.state == "RUNNING" and decided and 0 < busy == sum(each.parallelism for each in self.vertices)


class _Execution(Struct, frozen=True):
    user_config: dict[str, str] | None = field(name="user-config", default=None)


class JobConfig(Struct, frozen=True):
    """How a job was started."""

    execution: _Execution | None = field(name="execution-config", default=None)

    @property
    def tags(self) -> dict[str, str]:
        """Its ``pipeline.global-job-parameters``."""
        return (self.execution.user_config if self.execution else None) or {}


class _Externalization(Struct, frozen=True):
    delete_on_cancellation: bool


class CheckpointConfig(Struct, frozen=True):
    """How a job does its checkpoints."""

    externalization: _Externalization


def _addressed(path: str | None) -> str | None:
    return None if path is None or path.startswith("<") else path  # <checkpoint-not-externally-addressable>


class Checkpoint(Struct, frozen=True, tag_field="status", tag="COMPLETED"):
    """A completed checkpoint or savepoint; ``size`` is in bytes. Of a type that we do not know it is a checkpoint."""

    id: Number
    type: str = field(name="checkpoint_type")
    time: Moment = field(name="latest_ack_timestamp")
    discarded: bool
    path: str | None = field(name="external_path", default=None)
    size: Size | None = field(name="state_size", default=None)
    duration: Span | None = field(name="end_to_end_duration", default=None)

    @property
    def kind(self) -> SnapshotKind:
        """What asked for it."""
        return _KINDS.get(self.type, "checkpoint")

    @property
    def location(self) -> str | None:
        """Where it lies; None where it cannot be addressed from outside."""
        return _addressed(self.path)

    @property
    def restorable(self) -> bool:
        """Whether a job could be started from it, as far as the JobManager knows."""
        return self.location is not None and not self.discarded


class _Begun(Struct, frozen=True, tag_field="status", tag="IN_PROGRESS"):
    pass


class _Failed(Struct, frozen=True, tag_field="status", tag="FAILED"):
    pass


class Restored(Struct, frozen=True):
    """What a job was started from, or recovered from since."""

    id: Number
    is_savepoint: bool
    time: Moment = field(name="restore_timestamp")
    path: str | None = field(name="external_path", default=None)

    @property
    def location(self) -> str | None:
        """Where it lies; None where it cannot be addressed from outside."""
        return _addressed(self.path)


class _Latest(Struct, frozen=True):
    completed: Checkpoint | None
    savepoint: Checkpoint | None
    restored: Restored | None


class Counts(Struct, frozen=True):
    """How many checkpoints there were. A failed one is no fault: one that is triggered before all tasks run fails."""

    completed: Number


class Checkpoints(Struct, frozen=True):
    """The checkpoint statistics of a job."""

    counts: Counts
    latest: _Latest
    history: tuple[Checkpoint | _Begun | _Failed, ...]

    @property
    def completed(self) -> tuple[Checkpoint, ...]:
        """Those that Flink still lists (about 10), the newest first."""
        entries = (*self.history, self.latest.completed, self.latest.savepoint)  # the history can be crowded out
        found = {entry.id: entry for entry in entries if isinstance(entry, Checkpoint)}
        return tuple(found[number] for number in sorted(found, reverse=True))

    @property
    def restored(self) -> Restored | None:
        """What the job was restored from last."""
        return self.latest.restored

    @property
    def stopped_with(self) -> Checkpoint | None:
        """The savepoint a FINISHED job was stopped with; None if its sources ended.

        Not simply the newest entry: a last checkpoint can complete after the savepoint of the stop, while tasks end.
        A stop that failed after its savepoint makes the job recover, so a restore after it means it went on.
        """
        stop = next((one for one in self.completed if one.kind == "stop-savepoint"), None)
        went_on = stop and self.restored and self.restored.time > stop.time
        return None if went_on else stop


class Failure(Struct, frozen=True):
    """A failure of one task, or of the job as a whole."""

    timestamp: Moment
    stacktrace: str
    task: str | None = field(name="taskName", default=None)


class FailureEntry(Failure, frozen=True):
    """A failure that a job has seen, and those that came with it."""

    concurrent: tuple[Failure, ...] = field(name="concurrentExceptions", default=())


class _FailureHistory(Struct, frozen=True):
    entries: tuple[FailureEntry, ...]


class Failures(Struct, frozen=True):
    """What a job has failed of, the newest first."""

    history: _FailureHistory = field(name="exceptionHistory")


class Triggered(Struct, frozen=True):
    """What was asked for is under way."""

    id: Id = field(name="request-id")


class _Throwable(Struct, frozen=True):
    trace: str = field(name="stack-trace")


class Outcome(Struct, frozen=True):
    """How it ended: well with a location or an id, badly with a trace."""

    location: str | None = None
    checkpoint_id: Number | None = field(name="checkpointId", default=None)
    savepoint_failure: _Throwable | None = field(name="failure-cause", default=None)
    checkpoint_failure: _Throwable | None = field(name="failureCause", default=None)

    @property
    def trace(self) -> str | None:
        """Why it failed; None where it did not."""
        failure = self.savepoint_failure or self.checkpoint_failure
        return failure.trace if failure else None


class _Status(Struct, frozen=True):
    id: str


class Operation(Struct, frozen=True):
    """What became of what was asked for; of a state that we do not know it is under way."""

    status: _Status
    outcome: Outcome | None = field(name="operation", default=None)

    def __post_init__(self) -> None:
        if self.status.id == "COMPLETED" and self.outcome in (None, Outcome()):
            raise ValueError("operation does not say how it ended")

    @property
    def ended(self) -> Outcome | None:
        """How it ended; None while it has not."""
        return self.outcome if self.status.id == "COMPLETED" else None


class Info(Struct, frozen=True):
    """Which Flink a gateway is."""

    version: str


class Opened(Struct, frozen=True):
    """A session of the gateway."""

    handle: Handle = field(name="sessionHandle")


class Begun(Struct, frozen=True):
    """A statement that the gateway took up."""

    handle: Handle = field(name="operationHandle")


class _Column(Struct, frozen=True):
    name: str


class _Row(Struct, frozen=True):
    fields: tuple[Any, ...]


class _Results(Struct, frozen=True):
    columns: tuple[_Column, ...]
    data: tuple[_Row, ...]


class NotReady(Struct, frozen=True, tag_field="resultType", tag="NOT_READY"):
    """There is no result yet."""


class Page(Struct, frozen=True, tag_field="resultType", tag="PAYLOAD"):
    """A part of what a statement brought. Rows are JSON values: a DECIMAL has lost its scale."""

    is_query: bool = field(name="isQueryResult")
    kind: ResultKind = field(name="resultKind")
    results: _Results
    job_id: Id | None = field(name="jobID", default=None)


class LastPage(Page, frozen=True, tag="EOS"):
    """There is no more."""


class _ArchivedAnswer(Struct, frozen=True):
    path: str
    json: str


class ArchivedJob(Struct, frozen=True):
    """The last answers about a job that ended, by their paths."""

    archive: tuple[_ArchivedAnswer, ...]
