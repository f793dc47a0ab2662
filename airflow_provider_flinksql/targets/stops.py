"""Stops of jobs at the JobManager: asked for under an id of their own, and found again whatever answer was lost."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.clients.shapes import JobListing
from airflow_provider_flinksql.clients.statefiles import StateFiles, same_location
from airflow_provider_flinksql.errors import Blocked, NotFound, Unseen
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.manifest import Attempt, Stop
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.targets.look import await_fresh, listed
from airflow_provider_flinksql.targets.visible import searchable

SETTLING_MS = 60_000
"""So long a job that was taken over by another JobManager may take until it can be asked for a savepoint."""


class Stops:
    """The stops of jobs on one cluster. ``config`` is the JobManager's own, as far as it is known."""

    def __init__(self, jobmanager: JobManager, io: IO, files: StateFiles, config: Mapping[str, str] | None) -> None:
        self._jobmanager = jobmanager
        self._io = io
        self._files = files
        self._config = config

    async def request(self, attempt: Attempt, stop: Stop, trigger_id: str) -> None:
        """Ask for a stop with savepoint, or for a cancel; of a job that only starts, its outcome is asked for later."""
        try:
            if stop.kind == "cancel":
                await self._jobmanager.cancel(attempt.job_id)
            elif not await self._settling(attempt.job_id):
                await self._jobmanager.stop(
                    attempt.job_id,
                    trigger_id,
                    stop.folder,
                    drain=stop.kind == "drain",
                    format=attempt.spec.state.savepoint_format,
                )
        except NotFound:
            pass  # ended meanwhile: the outcome tells how

    async def outcome(self, attempt: Attempt, stop: Stop, trigger_id: str) -> StopOutcome | None:
        """Look at the job, then at the answer, then into the one folder that this stop may have written to."""
        job = await listed(self._jobmanager, attempt.job_id)  # the list is never stale, unlike what is said of one job
        if job is None:
            return self._outcome_of_folder(attempt, stop)
        state = job.state
        if stop.kind == "cancel":
            if state not in (*ENDED, "CANCELLING"):
                await self.request(attempt, stop, trigger_id)  # never arrived: whoever wrote it down died
            return StopOutcome(True) if state in ENDED else None
        status = await self._jobmanager.savepoint_status(attempt.job_id, trigger_id)
        match status.state:
            case "in-progress":
                return None
            case "completed":
                return StopOutcome(True, status.location) if state in ENDED else None
            case "failed" if state in ENDED and status.location is None:
                return await self._outcome_of_history(job, stop, status.cause)
            case "failed":
                return StopOutcome(state in ENDED, status.location, status.cause)
        if state in ENDED:
            return await self._outcome_of_history(job, stop, None)
        await self.request(attempt, stop, trigger_id)  # never arrived, or forgotten with its JobManager
        return None

    async def _settling(self, job_id: str) -> bool:
        """Whether a job has just been started, or taken over: a savepoint of it would fail, and with it its stop."""
        job = await listed(self._jobmanager, job_id)
        if job is None or job.state in ENDED:
            return False
        settled = job.state == "RUNNING" and job.all_running
        return job.state == "INITIALIZING" or (not settled and job.duration < SETTLING_MS)

    def _outcome_of_folder(self, attempt: Attempt, stop: Stop) -> StopOutcome:
        if stop.kind == "cancel":
            return StopOutcome(True)
        try:
            saved = self._files.find_savepoint(stop.folder or "")
        except Unseen as error:
            raise self._lost(attempt, stop) from error
        if saved is None and not searchable(self._files, attempt, stop.folder or ""):
            raise self._lost(attempt, stop)
        if saved is None:
            return StopOutcome(True, None, "the job is gone, and its stop left no savepoint")
        return StopOutcome(True, saved.location)

    def _lost(self, attempt: Attempt, stop: Stop) -> Blocked:
        return Blocked(
            f"Job {attempt.spec.name} ended after a stop whose answer is lost, and {stop.folder} cannot be looked into "
            "from here. Look there and name the savepoint with --restore-from LOCATION."
        )

    async def _outcome_of_history(self, job: JobListing, stop: Stop, cause: str | None) -> StopOutcome:
        """The answer expired or says no; the job's own history holds a savepoint that completed."""
        config = self._config or await self._jobmanager.config()
        await await_fresh(self._jobmanager, self._io, config, job.id, job.last_modification)
        checkpoints = await self._jobmanager.checkpoints(job.id)
        for checkpoint in checkpoints.completed if checkpoints else ():
            folder = (checkpoint.location or "").rpartition("/")[0]
            if checkpoint.kind == "stop-savepoint" and stop.folder and same_location(folder, stop.folder):
                return StopOutcome(True, checkpoint.location)
        return StopOutcome(True, None, cause or "the job ended before its savepoint completed")
