"""What is sent through a SQL gateway so that a job starts, or that one never starts any more."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway, Session
from airflow_provider_flinksql.errors import Duplicate, Misconfigured, OperationFailed, SessionGone
from airflow_provider_flinksql.model.lifecycle.situation import burnt_name
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.model.statement import final_statement
from airflow_provider_flinksql.model.submission import submit_config
from airflow_provider_flinksql.targets.look import listed
from airflow_provider_flinksql.targets.planner import Planner, deadline
from airflow_provider_flinksql.targets.secrets import Secrets

SUBMIT_SECONDS = 300.0
"""A submit may wait for a JobManager that does not answer: the gateway itself tries for 60 s (measured)."""

BURNING = "INSERT INTO flinksql_burnt SELECT * FROM (VALUES (1))"
BURNT_SINK = "CREATE TEMPORARY TABLE flinksql_burnt (x INT) WITH ('connector' = 'blackhole')"
NOWHERE = "file:///nonexistent/flinksql-burnt"


class Submitter:
    """Sends jobs through one gateway to one JobManager. ``cluster`` is how attempts remember it, for messages."""

    def __init__(
        self, cluster: str, gateway: Gateway, jobmanager: JobManager, planner: Planner, secrets: Secrets
    ) -> None:
        self._cluster = cluster
        self._gateway = gateway
        self._jobmanager = jobmanager
        self._planner = planner
        self._secrets = secrets

    async def submit(self, manifest: Manifest, attempt: Attempt, version: str) -> None:
        """Send the job in the prepared session; through it, too, a stray job is found that went to another cluster."""
        spec = attempt.spec
        session = await self._planner.prepared(spec, version)
        statement = final_statement(
            spec, query_version=attempt.query_version, query_id=manifest.lineage, created=_moment(attempt.claimed_at)
        )
        config = self._secrets.filled(submit_config(manifest, attempt, version))
        try:
            await session.execute(self._secrets.fill(statement), config, deadline=deadline(SUBMIT_SECONDS))
        except SessionGone:
            await self._planner.release()
            raise
        except (Duplicate, OperationFailed):
            # arrived before, or refused by the JobManager: either way the next look tells what became of it
            if await listed(self._jobmanager, attempt.job_id) is None:
                await self._require_same_cluster(session, attempt.job_id)
                raise
        else:
            if await listed(self._jobmanager, attempt.job_id) is None:
                await self._require_same_cluster(session, attempt.job_id)

    async def burn(self, attempt: Attempt, survives: bool) -> None:
        """Use the id up, so that no submit still on its way can start a job under it.

        A trivial job with a restore path that does not exist is refused, and its id remembered. With high availability
        Flink 2.3 keeps of a job that was refused so what kills each JobManager that leads later: there
        (``survives``) it runs.
        """
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
        job = await listed(self._jobmanager, attempt.job_id)
        if job and job.name == config["pipeline.name"] and job.state not in ENDED:
            await self._jobmanager.cancel(job.id)  # where no slot is free it would wait

    async def _require_same_cluster(self, session: Session, job_id: str) -> None:
        """A job that the gateway knows and the JobManager does not is a stray one: stop it where it is."""
        if job_id not in await session.show_jobs():
            return
        try:
            await session.execute(f"STOP JOB '{job_id}'")
        except OperationFailed:
            pass  # it has ended
        raise Misconfigured(
            f"The gateway submits to another cluster than {self._cluster}: it started job {job_id}, which is not "
            "there. It was stopped. Make the gateway's rest.address and the connection's jobmanager_url name one "
            "cluster."
        )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
