"""Jobs on a session cluster: submitted through a SQL gateway, watched and stopped at the JobManager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway, Session
from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.clients.shapes import JobListing
from airflow_provider_flinksql.clients.statefiles import StateFiles, same_location
from airflow_provider_flinksql.errors import (
    Blocked,
    Duplicate,
    Misconfigured,
    NotFound,
    OperationFailed,
    SessionGone,
    Unseen,
)
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.lifecycle.situation import burnt_name
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Savepoint, Stop
from airflow_provider_flinksql.model.seen import ENDED, Found, Seen, Sighting, Traits
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement
from airflow_provider_flinksql.model.submission import submit_config
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.look import Look, Survey, await_fresh, survey
from airflow_provider_flinksql.targets.planner import FIRST_LOOK_SECONDS, Planner, deadline
from airflow_provider_flinksql.targets.savepoints import take
from airflow_provider_flinksql.targets.secrets import Secrets
from airflow_provider_flinksql.targets.slots import Slots
from airflow_provider_flinksql.targets.visible import searchable

SUBMIT_SECONDS = 300.0
"""A submit may wait for a JobManager that does not answer: the gateway itself tries for 60 s (measured)."""

BURNING = "INSERT INTO flinksql_burnt SELECT * FROM (VALUES (1))"
BURNT_SINK = "CREATE TEMPORARY TABLE flinksql_burnt (x INT) WITH ('connector' = 'blackhole')"
NOWHERE = "file:///nonexistent/flinksql-burnt"

SETTLING_MS = 60_000
"""So long a job that was taken over by another JobManager may take until it can be asked for a savepoint."""


class SessionTarget:
    """One session cluster for one thread. ``name`` is how attempts remember the cluster.

    ``life_at`` tells the incarnation of the JobManager at an address, ``None`` if nobody answers there.
    """

    traits = Traits()

    def __init__(
        self,
        name: str,
        jobmanager: IO,
        gateway: IO,
        resolve: Resolve | None = None,
        life_at: Callable[[str], Awaitable[str | None]] | None = None,
        storage: Mapping[str, str] | None = None,
        taken: Survey | None = None,
    ) -> None:
        self.name = name
        self._life_at = life_at
        self._io = jobmanager
        self._secrets = Secrets(resolve, jobmanager.secrets)
        self._jobmanager = JobManager(jobmanager, redact=self._secrets.redact)
        self._gateway = Gateway(gateway, redact=self._secrets.redact)
        self._files = StateFiles(storage)
        self._planner = Planner(self._gateway, self._secrets)
        self._survey = taken
        self._version: str | None = None
        self._live: frozenset[str] = frozenset()
        """The jobs of the last look that a stop of this one's lineage would end."""
        self._begun = False

    async def survey(self) -> Survey:
        """What concerns all jobs of the cluster, asked for now; looks that reuse it ask for no more."""
        first = JobManager(self._io, deadline(FIRST_LOOK_SECONDS)) if self._survey is None else None
        self._survey = await survey(first or self._jobmanager)
        return self._survey

    async def look(
        self,
        name: str,
        manifest: Manifest | None,
        *,
        reuse: bool = False,
        closely: bool = False,
        job_id: str | None = None,
    ) -> Seen:
        """One look; ``reuse`` takes the job list of the last one, for many jobs of one cluster."""
        self._secrets.about(manifest)
        first = self._survey is None
        jobmanager = self._jobmanager.heard(self._io, deadline(FIRST_LOOK_SECONDS)) if first else self._jobmanager
        if self._survey is None or not reuse:
            self._survey = await survey(jobmanager)
        seen = await Look(jobmanager, self._io, self._files, self.name, self._survey, manifest).at(
            name, closely, job_id
        )
        self._live = frozenset(job.job_id for job in seen.jobs if job.live)
        self._begun = manifest is not None and (manifest.pending or manifest.refused) is not None
        return replace(seen, old_cluster_answers=await self._answers_elsewhere(manifest, seen))

    async def _answers_elsewhere(self, manifest: Manifest | None, seen: Seen) -> bool:
        """Whether a cluster that a job was started on still answers. This one under an older name is none."""
        heads = (manifest.pending, manifest.current) if manifest else ()
        going = [a for a in heads if a and a.sent and a.state != "ended" and a.incarnation != seen.incarnation]
        others = {a.cluster for a in going if a.cluster != self.name and a.cluster.startswith("http")}
        lives = [await self._life_at(url) for url in sorted(others)] if self._life_at else []
        return any(life not in (None, seen.incarnation) for life in lives)

    async def look_for(self, location: str) -> Found:
        """Whether a complete snapshot lies there."""
        return self._files.look_for(location)

    async def check(self, spec: Spec) -> Explained:
        """Open a session, run jars, tables and setup, plan the statement, count the slots. Starts nothing."""
        explained = await self._planner.explain(spec, await self._flink_version())
        slots = Slots(self._jobmanager, self._io, self.name, self._survey.config if self._survey else {})
        await slots.require(spec, explained.text, self._live, waits=self._begun and not self._live)
        return explained

    async def explain(self, spec: Spec) -> Explained:
        """What the planner says of a Spec that is not to be started; the prepared session is closed for it."""
        try:
            return await self._planner.explain(spec, await self._flink_version())
        finally:
            await self.release()

    async def submit(self, manifest: Manifest, attempt: Attempt) -> None:
        """Send the job in the prepared session; through it, too, a stray job is found that went to another cluster."""
        spec, version = attempt.spec, await self._flink_version()
        session = await self._planner.prepared(spec, version)
        statement = final_statement(
            spec, query_version=attempt.query_version, query_id=manifest.lineage, created=_moment(attempt.claimed_at)
        )
        config = self._secrets.filled(submit_config(manifest, attempt, version))
        try:
            await session.execute(self._secrets.fill(statement), config, deadline=deadline(SUBMIT_SECONDS))
        except SessionGone:
            await self.release()
            raise
        except (Duplicate, OperationFailed):
            # arrived before, or refused by the JobManager: either way the next look tells what became of it
            if await self._listed(attempt.job_id) is None:
                await self._require_same_cluster(session, attempt.job_id)
                raise
        else:
            if await self._listed(attempt.job_id) is None:
                await self._require_same_cluster(session, attempt.job_id)

    async def request_stop(self, attempt: Attempt, stop: Stop, trigger_id: str) -> None:
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

    async def stop_outcome(self, attempt: Attempt, stop: Stop, trigger_id: str) -> StopOutcome | None:
        """Look at the job, then at the answer, then into the one folder that this stop may have written to."""
        job = await self._listed(attempt.job_id)  # the list is never stale, unlike what is said of one job
        if job is None:
            return self._outcome_of_folder(attempt, stop)
        state = job.state
        if stop.kind == "cancel":
            if state not in (*ENDED, "CANCELLING"):
                await self.request_stop(attempt, stop, trigger_id)  # never arrived: whoever wrote it down died
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
        await self.request_stop(attempt, stop, trigger_id)  # never arrived, or forgotten with its JobManager
        return None

    async def _settling(self, job_id: str) -> bool:
        """Whether a job has just been started, or taken over: a savepoint of it would fail, and with it its stop."""
        job = await self._listed(job_id)
        if job is None or job.state in ENDED:
            return False
        settled = job.state == "RUNNING" and job.all_running
        return job.state == "INITIALIZING" or (not settled and job.duration < SETTLING_MS)

    async def request_proof(self, attempt: Attempt, trigger_id: str) -> None:
        """Ask for a checkpoint now."""
        await self._jobmanager.request_checkpoint(attempt.job_id, trigger_id)

    async def take_savepoint(self, attempt: Attempt, asked: Savepoint, trigger_id: str) -> Savepoint | None:
        """What became of a savepoint of a job that goes on."""
        return await take(self._jobmanager, self._files, attempt, asked, trigger_id)

    async def cancel(self, job: Sighting) -> None:
        """Cancel a job."""
        try:
            await self._jobmanager.cancel(job.job_id)
        except NotFound:
            pass  # already gone

    async def burn(self, attempt: Attempt) -> None:
        """Use the id up, so that no submit still on its way can start a job under it.

        A trivial job with a restore path that does not exist is refused, and its id remembered. With high availability
        Flink 2.3 keeps of a job that was refused so what kills each JobManager that leads later: there it runs.
        """
        survives = self._survey is not None and self._survey.high_availability
        end = {"execution.runtime-mode": "batch"} if survives else {"execution.state-recovery.path": NOWHERE}
        config = {
            "$internal.pipeline.job-id": attempt.job_id,
            "pipeline.name": burnt_name(attempt.spec.name),
            "parallelism.default": "1",
            **end,
        }
        async with await self._gateway.open_session() as session:
            await session.execute(BURNT_SINK)
            try:
                await session.execute(BURNING, config, deadline=deadline(SUBMIT_SECONDS))
            except (Duplicate, OperationFailed):
                pass  # as it should
        job = await self._listed(attempt.job_id)
        if job and job.name == config["pipeline.name"] and job.state not in ENDED:
            await self._jobmanager.cancel(job.id)  # where no slot is free it would wait

    async def release(self) -> None:
        """Close the prepared session."""
        await self._planner.release()

    async def _flink_version(self) -> str:
        if self._version is None:
            self._version = (await self._jobmanager.cluster()).flink_version
        return self._version

    async def _listed(self, job_id: str) -> JobListing | None:
        return next((job for job in await self._jobmanager.overview() if job.id == job_id), None)

    async def _require_same_cluster(self, session: Session, job_id: str) -> None:
        """A job that the gateway knows and the JobManager does not is a stray one: stop it where it is."""
        if job_id not in await session.show_jobs():
            return
        try:
            await session.execute(f"STOP JOB '{job_id}'")
        except OperationFailed:
            pass  # it has ended
        raise Misconfigured(
            f"The gateway submits to another cluster than {self.name}: it started job {job_id}, which is not there. "
            "It was stopped. Make the gateway's rest.address and the connection's jobmanager_url name one cluster."
        )

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
        config = self._survey.config if self._survey else await self._jobmanager.config()
        await await_fresh(self._jobmanager, self._io, config, job.id, job.last_modification)
        checkpoints = await self._jobmanager.checkpoints(job.id)
        for checkpoint in checkpoints.completed if checkpoints else ():
            folder = (checkpoint.location or "").rpartition("/")[0]
            if checkpoint.kind == "stop-savepoint" and stop.folder and same_location(folder, stop.folder):
                return StopOutcome(True, checkpoint.location)
        return StopOutcome(True, None, cause or "the job ended before its savepoint completed")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
