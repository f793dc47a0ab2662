"""Two other ways of running a job, as small as can be, so that the engine reads traits and not a session cluster."""

from __future__ import annotations

import uuid
from dataclasses import replace

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.seen import Seen, Traits
from laws.session import FakeSessionCluster


class FakeApplications(FakeSessionCluster):
    """Each submit starts another cluster, which draws the job's id: the job is known by its tag alone."""

    traits = Traits(submit="once", job_id="theirs")

    async def look(
        self,
        name: str,
        manifest: Manifest | None,
        *,
        reuse: bool = False,
        closely: bool = False,
        job_id: str | None = None,
    ) -> Seen:
        seen = await super().look(name, manifest, reuse=reuse, closely=closely, job_id=job_id)
        jobs = {job.id: job for job in self.world.jobmanager.jobs.values()}
        tagged = [replace(line, attempt=jobs[line.job_id].attempt) for line in seen.jobs if line.job_id in jobs]
        return replace(seen, jobs=tuple(tagged))

    async def submit(self, manifest: Manifest, attempt: Attempt) -> None:
        theirs = replace(attempt, job_id=uuid.uuid5(uuid.NAMESPACE_URL, str(len(self.world.requests))).hex)
        self.world.submit(theirs, lambda: self.world.start(theirs))


class FakeOperator(FakeSessionCluster):
    """One request puts the new job in the place of the old one, which ends with the checkpoint it has."""

    traits = Traits(upgrade="replace")

    async def submit(self, manifest: Manifest, attempt: Attempt) -> None:
        jobmanager = self.world.jobmanager

        def put() -> None:
            if attempt.job_id not in jobmanager.ids:
                for job in [job for job in jobmanager.jobs.values() if job.live and job.name == attempt.spec.name]:
                    jobmanager.end(job, "CANCELED")
                self.world.start(attempt)

        self.world.submit(attempt, put)
