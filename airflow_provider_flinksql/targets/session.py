"""Jobs on a session cluster: submitted through a SQL gateway, watched and stopped at the JobManager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.errors import NotFound
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Savepoint, Stop
from airflow_provider_flinksql.model.seen import Found, Seen, Sighting, Traits
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.look import Look, Survey, survey
from airflow_provider_flinksql.targets.planner import FIRST_LOOK_SECONDS, Planner, deadline
from airflow_provider_flinksql.targets.savepoints import take
from airflow_provider_flinksql.targets.secrets import Secrets
from airflow_provider_flinksql.targets.slots import Slots
from airflow_provider_flinksql.targets.stops import Stops
from airflow_provider_flinksql.targets.submitter import Submitter


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
        self._submitter = Submitter(name, self._gateway, self._jobmanager, self._planner, self._secrets)
        self._survey = taken
        self._version: str | None = None
        self._live: frozenset[str] = frozenset()
        """The jobs of the last look that a stop of this one's lineage would end."""
        self._begun = False

    async def survey(self) -> Survey:
        """What concerns all jobs of the cluster, asked for now; looks that reuse it ask for no more."""
        first = self._jobmanager.heard(self._io, deadline(FIRST_LOOK_SECONDS)) if self._survey is None else None
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
        seen = await Look(jobmanager, self._io, self._files, self.name, self.traits, self._survey, manifest).at(
            name, closely, job_id
        )
        self._live = frozenset(job.job_id for job in seen.jobs if job.live)
        self._begun = manifest is not None and (manifest.pending or manifest.refused) is not None
        return replace(seen, old_cluster_answers=await self._answers_elsewhere(manifest, seen))

    async def _answers_elsewhere(self, manifest: Manifest | None, seen: Seen) -> bool:
        """Whether a cluster that a job was started on still answers. This one under an older name is none."""
        heads = manifest.heads if manifest else ()
        going = [a for a in heads if a.sent and a.state != "ended" and a.incarnation != seen.incarnation]
        others = {a.cluster for a in going if a.cluster != self.name and a.cluster.startswith("http")}
        lives = [await self._life_at(url) for url in sorted(others)] if self._life_at else []
        return any(life not in (None, seen.incarnation) for life in lives)

    @property
    def _stops(self) -> Stops:
        return Stops(self._jobmanager, self._io, self._files, self._survey.config if self._survey else None)

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
        await self._submitter.submit(manifest, attempt, await self._flink_version())

    async def request_stop(self, attempt: Attempt, stop: Stop, trigger_id: str) -> None:
        """Ask for a stop with savepoint, or for a cancel; of a job that only starts, its outcome is asked for later."""
        await self._stops.request(attempt, stop, trigger_id)

    async def stop_outcome(self, attempt: Attempt, stop: Stop, trigger_id: str) -> StopOutcome | None:
        """Look at the job, then at the answer, then into the one folder that this stop may have written to."""
        return await self._stops.outcome(attempt, stop, trigger_id)

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
        """Use the id up, so that no submit still on its way can start a job under it."""
        await self._submitter.burn(attempt, self._survey is not None and self._survey.high_availability)

    async def release(self) -> None:
        """Close the prepared session."""
        await self._planner.release()

    async def _flink_version(self) -> str:
        if self._version is None:
            self._version = (await self._jobmanager.cluster()).flink_version
        return self._version
