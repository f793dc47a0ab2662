"""The steps that touch the outside."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.errors import DeadlineExceeded
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.options import duration
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.targets import Target

CHECKPOINT_TIMEOUT = 600.0
"""Flink's own, in seconds."""


async def perform(
    step: do.Step, target: Target, manifest: Manifest, seen: Seen, io: IO, clock: Callable[[], float]
) -> StopOutcome | None:
    """Do one acting step; its ids are derived from its numbers, so doing it twice is doing it once."""
    match step:
        case do.RequestStop(number, n):
            attempt = manifest.attempt(number)
            await target.request_stop(attempt, attempt.stops[-1], manifest.id("stop", number, n))
        case do.AwaitEnd(number, n):
            return await _await_end(target, manifest.attempt(number), manifest.id("stop", number, n), io, clock)
        case do.Submit(number):
            await target.submit(manifest, manifest.attempt(number))
        case do.RequestProof(number, n):
            if n > 1:
                await io.sleep(1.0)  # the one before failed, as one does that comes before all tasks run
            await target.request_proof(manifest.attempt(number), manifest.id("proof", number, n))
        case do.Burn(number):
            await target.burn(manifest.attempt(number))
        case do.Cancel(number):
            for job in seen.jobs:
                if job.attempt == number and job.live:
                    await target.cancel(job)
    return None


def patience(spec: Spec) -> float:
    """How long to wait for a savepoint: as long as the job's checkpoints may take, and a minute for the job to end."""
    return (duration(spec.properties, "execution.checkpointing.timeout", "10 min") or CHECKPOINT_TIMEOUT) + 60.0


async def _await_end(
    target: Target, attempt: Attempt, trigger_id: str, io: IO, clock: Callable[[], float]
) -> StopOutcome:
    limit = patience(attempt.spec)
    start = clock()
    pause = 0.02
    while True:
        outcome = await target.stop_outcome(attempt, attempt.stops[-1], trigger_id)
        if outcome is not None:
            return outcome
        if clock() - start > limit:
            raise DeadlineExceeded(
                f"Job {attempt.spec.name} ({attempt.job_id}) did not end within {limit:.0f} s of its stop. The stop is "
                "on record: deploy again to go on waiting for it."
            )
        await io.sleep(pause)
        pause = min(pause * 1.5, 1.0)
