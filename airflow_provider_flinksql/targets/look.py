"""One look at a session cluster, as deep as the manifest needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from airflow_provider_flinksql.clients.archives import find_archive
from airflow_provider_flinksql.clients.flink import JobException, JobManager, incarnation
from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.clients.shapes import Checkpoint, Checkpoints, JobListing
from airflow_provider_flinksql.clients.statefiles import Kept, StateFiles
from airflow_provider_flinksql.errors import NotFound, Unreachable, Unseen
from airflow_provider_flinksql.model.failures import failures
from airflow_provider_flinksql.model.lifecycle.situation import burnt_name
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.options import canonical, duration
from airflow_provider_flinksql.model.seen import Detail, Proof, Seen, Sighting, Traits
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.targets.visible import deleted, searchable, unseen

CACHES = ("web.refresh-interval", "rest.cache.checkpoint-statistics.timeout", "rest.cache.execution-graph.timeout")
DEFAULT_AGE, UNREADABLE_AGE = "3 s", 3.0
"""How old what the JobManager says of one job may be. Only its list of jobs is never stale."""


@dataclass(frozen=True)
class Survey:
    """What concerns all jobs of a cluster: two requests, whatever their number.

    What many looks want of it is put in order once.
    """

    config: Mapping[str, str]
    jobs: tuple[JobListing, ...]

    @cached_property
    def incarnation(self) -> str:
        """The life of the JobManager that said this."""
        return incarnation(self.config)

    @cached_property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The cluster's own options about checkpoints, under their present names."""
        config = canonical(self.config)
        return tuple((key, config[key]) for key in sorted(config) if key.startswith("execution.checkpointing."))

    def about(self, name: str, job_id: str | None, manifest: Manifest | None) -> list[JobListing]:
        """The jobs of this name or id, and all with an id that was ever one of the manifest's."""
        ids = [*self._named.get(name, ()), job_id, *(manifest.job_ids if manifest else ())]
        return [self._by_id[one] for one in dict.fromkeys(ids) if one in self._by_id]

    @cached_property
    def _by_id(self) -> Mapping[str | None, JobListing]:
        return {job.id: job for job in self.jobs}

    @cached_property
    def _named(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for job in self.jobs:
            found[job.name].append(job.id)
        return found

    @property
    def high_availability(self) -> bool:
        """Whether another JobManager may take the jobs over."""
        kind = self.config.get("high-availability.type") or self.config.get("high-availability") or "NONE"
        return kind.upper() != "NONE"

    @property
    def remembered_failures(self) -> int:
        """How many failures of a job the JobManager tells of."""
        size = self.config.get("web.exception-history-size", "")
        return int(size) if size.isdecimal() else 16


async def survey(jobmanager: JobManager) -> Survey:
    """Ask for configuration and job list. In this order: a list is never older than the incarnation it is taken for."""
    config = await jobmanager.config()
    return Survey(config, await jobmanager.overview())


async def listed(jobmanager: JobManager, job_id: str) -> JobListing | None:
    """A job's line in the list, which is never stale, unlike what is said of one job; None where it has none."""
    return next((job for job in await jobmanager.overview() if job.id == job_id), None)


async def await_fresh(jobmanager: JobManager, io: IO, config: Mapping[str, str], job_id: str, ended: int) -> None:
    """Let pass what time is left until no answer about an ended job can be from before its end.

    Its last checkpoint and the savepoint of its stop would be missed, and an older state restored, or none. ``ended``
    is the JobManager's time, and so is the one it is compared with.
    """
    ages = [duration(config, key, DEFAULT_AGE if key == CACHES[0] else "0 s") for key in CACHES]
    oldest = max(UNREADABLE_AGE if age is None else age for age in ages)
    now = (await jobmanager.job(job_id)).now
    left = oldest + 0.01 - (now - ended) / 1000
    if left > 0:
        await io.sleep(min(left, oldest))
        jobmanager.grant(min(left, oldest))


class Look:
    """A look for the sake of one job; ``closely`` also where everything seems well."""

    def __init__(
        self,
        jobmanager: JobManager,
        io: IO,
        files: StateFiles,
        cluster: str,
        traits: Traits,
        taken: Survey,
        manifest: Manifest | None,
    ) -> None:
        self._jobmanager = jobmanager
        self._io = io
        self._files = files
        self._cluster = cluster
        self._traits = traits
        self._survey = taken
        self._manifest = manifest

    async def at(self, name: str, closely: bool = False, job_id: str | None = None) -> Seen:
        """What there is to see of job ``name``, and of one more, whatever its name."""
        sightings = {job.id: await self._sighting(job) for job in self._survey.about(name, job_id, self._manifest)}
        details: dict[str, Detail] = {}
        snapshots: list[Snapshot] = []
        searched, hidden = True, None
        for attempt in self._in_question():
            sighting = sightings.get(attempt.job_id)
            own: list[Snapshot] = []
            burnt = attempt.burnt_in == self._survey.incarnation
            if (sighting is None or burnt) and (past := await self._remembered(attempt)):
                sightings[attempt.job_id], details[attempt.job_id], own = past
            elif sighting and (closely or self._learns(attempt) or not _as_confirmed(attempt, sighting)):
                details[attempt.job_id], own = await self._closely(sighting, attempt)
                if closely and sighting.live and attempt.state == "confirmed":
                    hidden = unseen(self._files, attempt, told=bool(own))
            asked = attempt.job_id in details  # what is told may be some seconds old
            silent = asked and (attempt.had_state or self._of_another_life(attempt))
            if not own and (sighting is None or silent):
                own, found = search(self._files, attempt)
                searched = searched and found
            snapshots += own
        for stranger in (s for s in sightings.values() if s.attempt is None and s.live):
            details[stranger.job_id], own = await self._closely(stranger, None)
            snapshots += own
        return Seen(
            cluster=self._cluster,
            incarnation=self._survey.incarnation,
            high_availability=self._survey.high_availability,
            jobs=tuple(sightings.values()),
            details=tuple(details.items()),
            snapshots=tuple(snapshots),
            searched=searched,
            unseen=hidden,
            options=self._survey.options,
            traits=self._traits,
        )

    def _attempt_of(self, job_id: str) -> int | None:
        return self._manifest.attempt_of(job_id) if self._manifest else None

    def _learns(self, attempt: Attempt) -> bool:
        """Whether it is yet to be seen where an adopted job keeps its checkpoints."""
        return bool(self._manifest and attempt.checkpoint_folder is None and attempt.job_id in self._manifest.adopted)

    def _of_another_life(self, attempt: Attempt) -> bool:
        """Whether this JobManager may know no more of the job than its id, which may have been used up here.

        With high availability one JobManager answers for another, and its life is no sign of whose memory that is.
        """
        life = self._survey.incarnation
        return attempt.incarnation != life or attempt.burnt_in == life or self._survey.high_availability

    def _in_question(self) -> list[Attempt]:
        """The attempts whose state may be needed: not those that were never sent, nor those that ended with theirs."""
        heads = self._manifest.heads if self._manifest else ()
        over = ("finished", "stopped", "drained")
        return [a for a in heads if a.sent and not (a.state == "ended" and a.outcome in over)]

    async def _sighting(self, job: JobListing) -> Sighting:
        attempt = self._attempt_of(job.id)
        sighting = Sighting(
            job_id=job.id,
            name=job.name,
            state=job.state,
            all_running=job.all_running,
            started_at=job.start_time,
            changed_at=job.last_modification,
            stable_ms=job.start_time + job.duration - job.last_modification,
            attempt=attempt,
        )
        pending = self._manifest.pending if self._manifest else None
        ambiguous = pending is not None and pending.job_id == job.id and pending.replaced and not pending.landed
        if sighting.live and ambiguous:
            return replace(sighting, digest=await self._tagged_digest(job.id))
        return sighting

    async def _tagged_digest(self, job_id: str) -> str | None:
        """Which Spec the job says that it runs. A tag makes no job ours: only the ids of our lineage do."""
        try:
            return (await self._jobmanager.job_config(job_id)).get("flinksql.digest")
        except NotFound:
            return None

    async def _remembered(self, attempt: Attempt) -> tuple[Sighting, Detail, list[Snapshot]] | None:
        """What the archive says of an ended job that the JobManager does not list."""
        archive = find_archive(self._files, self._survey.config, attempt.job_id)
        if archive is None:
            return None
        jobmanager = self._jobmanager.heard(archive)
        ended = (job for job in await jobmanager.overview() if job.name != burnt_name(attempt.spec.name))
        for job in ended:
            sighting = replace(await self._sighting(job), archived=True)
            return sighting, *await self._told(jobmanager, "archive", attempt, sighting)
        return None

    async def _closely(self, sighting: Sighting, attempt: Attempt | None) -> tuple[Detail, list[Snapshot]]:
        if sighting.state == "INITIALIZING":  # nobody can speak for the job yet: Flink refuses to be asked about it
            return Detail(), []
        try:
            if not sighting.live and not (attempt and attempt.stop and attempt.stop.location):
                await await_fresh(self._jobmanager, self._io, self._survey.config, sighting.job_id, sighting.changed_at)
            detail, found = await self._told(self._jobmanager, "JobManager", attempt, sighting)
            proof: Proof = await self._proof(attempt, sighting) if attempt else "none"
        except NotFound as error:
            raise Unreachable(f"Job {sighting.job_id} was forgotten while it was looked at; look again.") from error
        return replace(detail, proof=proof), found

    async def _told(
        self, jobmanager: JobManager, source: str, attempt: Attempt | None, sighting: Sighting
    ) -> tuple[Detail, list[Snapshot]]:
        checkpoints = await jobmanager.checkpoints(sighting.job_id)
        exceptions = await jobmanager.exceptions(sighting.job_id, self._survey.remembered_failures)
        on_cancel = await jobmanager.deletes_on_cancel(sighting.job_id)
        detail = _detail(checkpoints, exceptions, sighting, self._survey.remembered_failures)
        lost = on_cancel and sighting.state == "CANCELED"
        kept = [c for c in checkpoints.completed if c.restorable] if checkpoints else []
        found = [
            Snapshot(
                c.location,
                _kind(c),
                source,
                attempt.number if attempt else 0,
                # What completes while tasks end is older than the savepoint of the stop: with no id it ranks highest.
                None if c.location == detail.stopped_with else c.id,
                c.time / 1000,
                sighting.job_id,
                c.size,
            )
            for c in kept
            if c.location and not (lost and c.kind == "checkpoint")
        ]
        # The JobManager knows what it deleted itself; what people deleted only the folder tells.
        found = [one for one in found if sighting.live or not deleted(self._files, attempt, one.location)]
        return replace(detail, delete_on_cancellation=on_cancel), found

    async def _proof(self, attempt: Attempt, sighting: Sighting) -> Proof:
        if not self._manifest or not attempt.proofs or attempt.state == "confirmed" or not sighting.live:
            return "none"
        trigger = self._manifest.id("proof", attempt.number, attempt.proofs)
        status = await self._jobmanager.checkpoint_status(sighting.job_id, trigger)
        return status.state if status.state in ("in-progress", "completed") else "failed"


def _as_confirmed(attempt: Attempt, sighting: Sighting) -> bool:
    """Whether nothing has happened to the job since it proved itself: then its line in the list is enough."""
    if attempt.state != "confirmed" or sighting.state != "RUNNING" or attempt.stop:
        return False
    if attempt.spec.mode == "batch":
        return True
    return sighting.all_running and sighting.changed_at == attempt.settled_at


def _detail(
    checkpoints: Checkpoints | None, exceptions: list[JobException], sighting: Sighting, remembered: int
) -> Detail:
    completed = checkpoints.completed if checkpoints else ()
    last = max((c.time for c in completed), default=None)
    recent = [(e.time, e.cause) for e in exceptions if last is None or e.time > last]
    newest = completed[0] if completed else None
    stopped = _stopped_with(checkpoints, sighting)
    return Detail(
        checkpointing=checkpoints is not None,
        completed=checkpoints.counts.completed if checkpoints else 0,
        restored=checkpoints.restored.location if checkpoints and checkpoints.restored else None,
        checkpoint_at=last,
        checkpoint_id=newest.id if newest else None,
        checkpoint_location=newest.location if newest else None,
        cause=exceptions[0].cause if exceptions else None,
        failures=failures(recent, last or sighting.started_at, remembered),
        stopped_with=stopped.location if stopped else None,
    )


def _kind(checkpoint: Checkpoint) -> Literal["checkpoint", "savepoint"]:
    return "checkpoint" if checkpoint.kind == "checkpoint" else "savepoint"


def _stopped_with(checkpoints: Checkpoints | None, sighting: Sighting) -> Checkpoint | None:
    return checkpoints.stopped_with if checkpoints and sighting.state == "FINISHED" else None


def search(files: StateFiles, attempt: Attempt, most: int | None = 1) -> tuple[list[Snapshot], bool]:
    """Look into the folders of a job that the JobManager does not list; ``False``: they cannot be looked into.

    The newest state is found there, and the newest ``most`` of its checkpoints, all for ``None``.
    """
    if attempt.spec.mode == "batch":
        return [], True
    if attempt.checkpoint_folder is None:
        return [], not attempt.had_state
    try:
        completed = files.completed_checkpoints(attempt.checkpoint_folder, most)
        newest = completed[0].checkpoint_id if most == 1 and completed else 0
        saved = [files.find_savepoint(folder) for folder in _folders(attempt, newest)]
    except Unseen:
        return [], False
    found: list[tuple[Literal["checkpoint", "savepoint"], Kept]] = [("checkpoint", kept) for kept in completed]
    found += [("savepoint", kept) for kept in saved if kept]
    may_be_hidden = not found and (attempt.had_state or attempt.landed)
    if may_be_hidden and not searchable(files, attempt, attempt.checkpoint_folder):
        return [], False
    return [
        Snapshot(kept.location, kind, "folder", attempt.number, kept.checkpoint_id, kept.time, attempt.job_id)
        for kind, kept in found
    ], True


def _folders(attempt: Attempt, newest: int) -> list[str]:
    """The folders of the attempt's savepoints, but for those that are known to be older than checkpoint ``newest``."""
    taken = (one for one in attempt.savepoints if one.checkpoint_id is None or one.checkpoint_id >= newest)
    return [*(stop.folder for stop in attempt.stops if stop.folder), *(one.folder for one in taken)]
