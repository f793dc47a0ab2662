"""Deaths without progress: a job that comes up, proves itself and dies of the same thing again and again.

Each single start of it succeeds, so whoever deploys by a schedule would start it for ever and see nothing but success.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_flinksql.errors import JobFailed
from airflow_provider_flinksql.model.failures import shape
from airflow_provider_flinksql.model.lifecycle.consent import asked_for, asked_to_restart
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.manifest import Attempt, Deaths, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec

MOST = 3
"""So many deaths in a row, and a job is not started any more unless somebody asks for that."""

LONG_LIFE_MS = 3_600_000
"""Whoever lived for an hour did not die of what it was restored to, though it may take no checkpoints."""


def with_death(attempt: Attempt, seen: Seen, outcome: str | None) -> Attempt:
    """The attempt at its end, with this death counted if it is one."""
    job, detail = seen.job_of(attempt), seen.detail(attempt.job_id)
    if outcome != "failed" or attempt.spec.mode == "batch":
        return attempt
    died_at = job.changed_at / 1000 if job else seen.now
    died = Deaths(1, died_at, detail.cause or "no cause reported")
    before = attempt.deaths
    lived_long = job is not None and job.changed_at - job.started_at >= LONG_LIFE_MS
    went_on = detail.completed > 1 or lived_long  # one is the proof
    if before and not went_on and shape(before.cause) == shape(died.cause):
        died = replace(died, times=before.times + 1, since=before.since)
    return replace(attempt, deaths=died)


def inherited(pending: Attempt, before: Attempt | None, policy: Policy) -> Deaths | None:
    """The deaths that a new attempt begins with: none where the file changed, or a person asked for the start."""
    same = before is not None and before.spec.digest == pending.spec.digest and before.consent == pending.consent
    return before.deaths if before and same and not policy.again else None


def dies_again(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> JobFailed | None:
    """The error for a job that is not to be started any more by itself."""
    current = manifest.current
    if current is None or current.spec.digest != spec.digest or policy.again:
        return None
    if asked_to_restart(current, policy) or asked_for(current, policy):
        return None
    now = situation(current, seen, policy)
    ended = current if current.state == "ended" else with_death(current, seen, now.outcome)
    deaths = ended.deaths
    if now.outcome != "failed" or deaths is None or deaths.times < MOST:
        return None
    return JobFailed(
        f"Job {spec.name} died {deaths}: {deaths.cause}. It is not started again by itself; its state is kept. Mend "
        "the cause or change the job file, then deploy. To try it as it is: --again, or flinksql restart "
        f"{spec.name}."
    )
