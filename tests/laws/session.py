"""The session cluster as one deploy speaks to it: requests to the world, and looks made of their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_flinksql.errors import Blocked, Duplicate, InvalidQuery, NotFound, StatementFailed
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.failures import failures
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Stop
from airflow_provider_flinksql.model.seen import ENDED, Detail, Found, Seen, Sighting, Traits
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec
from laws.jobmanager import ANSWERS_KEPT, Job, JobManager, alike
from laws.world import Broken, World

SLOTS = 8
ALIKE = '1\t1\t\t"Source: s"\t"TableSourceScan(table=[[c, d, s]], fields=[a])"'
SCHEMA = (("c.d.s", "datagen inserts -\n`a` INT"),)
"""What the planner says of queries that compute the same; of the others it says nothing that could be judged."""


class FakeSessionCluster:
    """One worker's way to the world: a :class:`Target` that tells what the REST answers of a session cluster tell."""

    name = "http://jobmanager"
    traits = Traits()

    def __init__(self, world: World) -> None:
        self.world = world

    async def look(
        self,
        name: str,
        manifest: Manifest | None,
        *,
        reuse: bool = False,
        closely: bool = False,
        job_id: str | None = None,
    ) -> Seen:
        jobmanager = self.world.jobmanager
        # Two requests in this order: the list is never older than the incarnation that it is taken for.
        incarnation = self.world.request("list", lambda: str(jobmanager.incarnation))
        self.world.looked_in = jobmanager.incarnation
        listed = self.world.request("list", lambda: [_line(job, manifest, jobmanager) for job in jobmanager.listed()])
        jobs = {line.job_id: line for line in listed if line.name == name or line.attempt is not None}
        jobs |= {line.job_id: line for line in listed if line.job_id == job_id}
        details: dict[str, Detail] = {}
        snapshots: list[Snapshot] = []
        for attempt in _in_question(manifest):
            line = jobs.get(attempt.job_id)
            if line is None:
                snapshots += self._search(attempt)
            elif closely or not _as_confirmed(attempt, line):
                self._closely(line.job_id, attempt.number, details, snapshots, manifest, attempt)
        for line in jobs.values():
            if line.attempt is None and line.live:
                self._closely(line.job_id, 0, details, snapshots, None, None)
        return Seen(
            cluster=self.name,
            incarnation=incarnation,
            high_availability=jobmanager.high_availability,
            jobs=tuple(jobs.values()),
            details=tuple(details.items()),
            snapshots=tuple(snapshots),
            options=(("execution.checkpointing.dir", "/chk"), ("execution.checkpointing.savepoint-dir", "/sp")),
            traits=self.traits,
        )

    def _closely(
        self,
        job_id: str,
        number: int,
        details: dict[str, Detail],
        snapshots: list[Snapshot],
        manifest: Manifest | None,
        attempt: Attempt | None,
    ) -> None:
        world = self.world
        job = world.request("details", lambda: world.jobmanager.jobs.get(job_id))
        if job is None:
            return
        proof = "none"
        if manifest and attempt and attempt.proofs and attempt.state != "confirmed" and job.live:
            asked = job.proofs.get(manifest.id("proof", attempt.number, attempt.proofs))
            proof = "failed" if asked is None else "in-progress" if asked else "completed"
        last = job.history[-1] if job.history else None
        stopped = last.location if job.state == "FINISHED" and last and last.kind == "savepoint" else None
        details[job_id] = Detail(
            checkpointing=job.spec.mode == "streaming",
            completed=len(job.history),
            restored=job.restored,
            checkpoint_at=int(job.checkpoint_at * 1000) if last else None,
            checkpoint_id=last.checkpoint_id if last else None,
            checkpoint_location=last.location if last else None,
            cause=job.cause,
            failures=failures(job.failures_since_checkpoint, int(job.started * 1000), 16),
            stopped_with=stopped,
            proof=proof,  # type: ignore[arg-type]
            delete_on_cancellation=job.deletes,
        )
        found = [kept for kept in reversed(job.history) if kept.location in world.jobmanager.disk]
        snapshots += [Snapshot(k.location, k.kind, "JobManager", number, k.checkpoint_id) for k in found]
        if attempt and not found:  # a JobManager that took over does not know what its predecessor saw complete
            snapshots += self._search(attempt)

    def _search(self, attempt: Attempt) -> list[Snapshot]:
        """Into the attempt's own folders: a checkpoint's name holds its id, a savepoint's does not."""
        disk = self.world.jobmanager.disk.values()
        folder = f"{attempt.checkpoint_folder}/"
        found = [k for k in disk if k.location.startswith(folder)]
        saved = [k for stop in attempt.stops if stop.folder for k in disk if k.location.startswith(f"{stop.folder}/")]
        return [
            *(Snapshot(k.location, "checkpoint", "folder", attempt.number, k.checkpoint_id) for k in found),
            *(Snapshot(k.location, "savepoint", "folder", attempt.number) for k in saved),
        ]

    async def look_for(self, location: str) -> Found:
        disk = self.world.jobmanager.disk
        return self.world.request("exists", lambda: "there" if location in disk else "missing")

    async def check(self, spec: Spec) -> Explained:
        def explain() -> Explained:
            if "refused" in spec.statements[0]:
                raise InvalidQuery("Object 'refused' not found", 1, 1)
            if int(spec.properties.get("parallelism.default", "1")) > SLOTS:
                raise Blocked(f"Job {spec.name} wants more than {SLOTS} slots; lower parallelism.default.")
            return Explained("2.3.0", ALIKE if alike(spec.statements[0]) else "", SCHEMA)

        return self.world.request("check", explain)

    async def explain(self, spec: Spec) -> Explained:
        return await self.check(spec)

    async def submit(self, manifest: Manifest, attempt: Attempt) -> None:
        world = self.world
        try:
            world.submit(attempt, lambda: world.start(attempt))
        except (Duplicate, StatementFailed):
            if attempt.job_id not in {job.id for job in world.jobmanager.listed()}:
                raise

    async def request_stop(self, attempt: Attempt, stop: Stop, trigger_id: str) -> None:
        jobmanager = self.world.jobmanager
        if stop.kind == "cancel":
            self.world.request("cancel", lambda: _if_there(self.world.cancel, attempt.job_id))
        else:
            drain = stop.kind == "drain"
            arguments = (attempt.job_id, trigger_id, stop.folder, drain)
            self.world.request("stop", lambda: _if_there(jobmanager.stop, *arguments))

    async def stop_outcome(self, attempt: Attempt, stop: Stop, trigger_id: str) -> StopOutcome | None:
        world = self.world
        listed = world.request("job", lambda: {job.id: job for job in world.jobmanager.listed()})
        job = listed.get(attempt.job_id)
        if job is None:
            return StopOutcome(True) if stop.kind == "cancel" else self._outcome_of_folder(stop)
        if stop.kind == "cancel" and job.state in ENDED:
            return StopOutcome(True)
        if stop.kind == "cancel":
            if job.state != "CANCELLING":
                await self.request_stop(attempt, stop, trigger_id)
            return None
        run = world.request("outcome", lambda: job.stops.get(trigger_id))
        if run and run.done_at is not None and world.now - run.done_at > ANSWERS_KEPT:
            run = None
        if run and run.done_at is None and job.live:
            return None
        if run and run.location and run.fate == "works":
            return None if job.live else StopOutcome(True, run.location)
        if run and run.done_at is not None and job.live:
            return StopOutcome(False, run.location, "the savepoint expired")
        if not job.live:
            folder = f"{stop.folder}/"
            kept = [k.location for k in job.kept if k.location.startswith(folder)]
            return StopOutcome(True, kept[-1] if kept else None, "the job ended before its savepoint completed")
        await self.request_stop(attempt, stop, trigger_id)
        return None

    def _outcome_of_folder(self, stop: Stop) -> StopOutcome:
        folder = f"{stop.folder}/"
        found = [kept.location for kept in self.world.jobmanager.disk.values() if kept.location.startswith(folder)]
        if len(found) > 1:
            raise Broken(f"{folder} was used by more than one stop: {found}")
        return StopOutcome(True, found[0] if found else None, None if found else "gone without a savepoint")

    async def request_proof(self, attempt: Attempt, trigger_id: str) -> None:
        world = self.world
        proofs = world.request("proof", lambda: world.jobmanager.find(attempt.job_id).proofs)
        proofs.setdefault(trigger_id, world.now)

    async def cancel(self, job: Sighting) -> None:
        self.world.request("cancel", lambda: _if_there(self.world.jobmanager.cancel, job.job_id))

    async def burn(self, attempt: Attempt) -> None:
        """A submit that fails: the id is used up, and the job listed as failed."""
        world = self.world

        def refuse() -> None:
            burnt = Job(attempt.job_id, f"{attempt.spec.name} (burnt)", attempt.spec, "", restored="/nowhere")
            try:
                world.jobmanager.submit(burnt)
            except Duplicate:
                pass

        world.request("burn", refuse)

    async def release(self) -> None:
        """Nothing is open."""


def _line(job: Job, manifest: Manifest | None, jobmanager: JobManager) -> Sighting:
    attempt = manifest.attempt_of(job.id) if manifest else None
    pending = manifest.pending if manifest else None
    ambiguous = pending and pending.job_id == job.id and pending.replaced and not pending.landed
    return Sighting(
        job_id=job.id,
        name=job.name,
        state=job.state,
        all_running=job.state == "RUNNING",
        changed_at=int(job.since * 1000),
        stable_ms=int((jobmanager.now - job.since) * 1000),
        attempt=attempt,
        digest=job.spec.digest if ambiguous else None,
    )


def _in_question(manifest: Manifest | None) -> list[Attempt]:
    heads = (manifest.pending, manifest.current) if manifest else ()
    over = ("finished", "stopped", "drained")
    return [a for a in heads if a and a.sent and not (a.state == "ended" and a.outcome in over)]


def _as_confirmed(attempt: Attempt, line: Sighting) -> bool:
    quiet = line.state == "RUNNING" and line.all_running and line.changed_at == attempt.settled_at
    return attempt.state == "confirmed" and quiet and not attempt.stop


def _if_there(call: Callable[..., Any], job_id: str, *arguments: Any) -> None:
    try:
        call(job_id, *arguments)
    except NotFound:
        pass  # ended meanwhile
