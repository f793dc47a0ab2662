"""Savepoints of jobs that go on: asked for once, and found again whatever answer was lost."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.shapes import Checkpoint
from airflow_provider_flinksql.clients.statefiles import StateFiles, same_location
from airflow_provider_flinksql.errors import NotFound, Unseen
from airflow_provider_flinksql.model.manifest import Attempt, Savepoint


async def take(
    jobmanager: JobManager, files: StateFiles, attempt: Attempt, asked: Savepoint, trigger_id: str
) -> Savepoint | None:
    """The savepoint as it came out, ``None`` while it is under way; asks for it if the request never arrived.

    The JobManager forgets its answers after some minutes and when it dies: then the job's history tells, and the one
    folder that this savepoint may have been written to.
    """
    try:
        status = await jobmanager.savepoint_status(attempt.job_id, trigger_id)
        if status.state == "in-progress":
            return None
        if status.state == "failed" and status.location is None:
            return replace(asked, state="failed", cause=status.cause or "Flink does not say why")
        entry = await _entry(jobmanager, attempt.job_id, asked.folder)
        if entry:
            return _told(asked, entry)
        location = status.location or _kept(files, asked.folder)
        if location:
            return replace(asked, state="completed", location=location)
        await jobmanager.savepoint(attempt.job_id, trigger_id, asked.folder, format=attempt.spec.state.savepoint_format)
    except NotFound:
        if location := _kept(files, asked.folder):
            return replace(asked, state="completed", location=location)
        return replace(asked, state="failed", cause="the job ended before its savepoint completed")
    return None


async def _entry(jobmanager: JobManager, job_id: str, folder: str) -> Checkpoint | None:
    checkpoints = await jobmanager.checkpoints(job_id)
    completed = checkpoints.completed if checkpoints else ()
    return next((c for c in completed if c.location and same_location(c.location.rpartition("/")[0], folder)), None)


def _kept(files: StateFiles, folder: str) -> str | None:
    try:
        kept = files.find_savepoint(folder)
    except Unseen:
        return None  # nobody here can tell; a second savepoint does no harm
    return kept.location if kept else None


def _told(asked: Savepoint, entry: Checkpoint) -> Savepoint:
    seconds = None if entry.duration is None else entry.duration / 1000
    known = {"location": entry.location, "checkpoint_id": entry.id, "size": entry.size}
    return replace(asked, state="completed", **known, seconds=seconds, time=entry.time / 1000)  # type: ignore[arg-type]
