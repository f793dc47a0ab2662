"""What became of an attempt's job, judged from one look. Only evidence ends a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_flinksql.model.manifest import Attempt, Outcome
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting

STABLE_MS = 10_000
"""How long a job must run undisturbed to count as well, where no checkpoint tells."""

STEADY_MS = 2_000
"""How long a new job that has failed must run before it is asked for its proof: most fail again at once."""

LATE_SUBMIT = 120.0
"""Seconds in which a submit may still land: the gateway retries for 60 s (measured), doubled."""

LATE = "its submit may still land in the new JobManager"
"""Why an ended attempt's id is burnt in a new life of the JobManager."""

TRANSIENT = frozenset({"CANCELLING", "FAILING", "SUSPENDED", "RECONCILING"})

Status = Literal["up", "unsettled", "not-up", "transient", "finished", "stopped", "ended", "missing", "elsewhere"]


@dataclass(frozen=True)
class Situation:
    """``outcome`` is set where the job is over, ``reason`` is for people. ``loops``: it fails alike again and again.

    ``unsettled``: live, and it cannot be told yet whether it comes up. ``transient``: on its way to another state.
    ``missing``: never seen, so it may still land. ``elsewhere``: recorded on another cluster.
    """

    status: Status
    reason: str
    outcome: Outcome | None = None
    loops: bool = False

    @property
    def live(self) -> bool:
        """Whether the job runs or may run again by itself."""
        return self.status in ("up", "unsettled", "not-up", "transient")

    @property
    def over(self) -> bool:
        """Whether evidence says that the job will not run again."""
        return self.status in ("finished", "stopped", "ended")


def used_up(attempt: Attempt, seen: Seen) -> bool:
    """Whether we used the attempt's id up where it could still land.

    With high availability one JobManager answers for another: whose life is seen says nothing.
    """
    return bool(attempt.burnt_in) if seen.high_availability else attempt.burnt_in == seen.incarnation


def may_land_late(attempt: Attempt, seen: Seen) -> bool:
    """Whether, in a new life of the JobManager, a submit of this attempt may still arrive and start its job again."""
    if attempt.sent_at is None or seen.now - attempt.sent_at > LATE_SUBMIT or seen.traits.submit == "once":
        return False
    same_life = attempt.incarnation == seen.incarnation and not seen.high_availability
    return seen.cluster == attempt.cluster and not same_life and not used_up(attempt, seen)


def situation(attempt: Attempt, seen: Seen, policy: Policy) -> Situation:
    """Judge one attempt by one look."""
    if attempt.state == "ended":
        return _recorded_end(attempt)
    job = seen.job_of(attempt)
    if job is not None and not _burnt(attempt, job, seen):
        return _listed(attempt, job, seen)
    if _elsewhere(attempt, seen):
        if "cluster-gone" in policy.accept and not seen.old_cluster_answers:
            return Situation("ended", f"cluster {attempt.cluster} is gone, as you accepted", "gone")
        still = ", which still answers" if seen.old_cluster_answers else ""
        return Situation("elsewhere", f"it was started on {attempt.cluster}{still}; this is {seen.cluster}")
    return _absent(attempt, seen, policy)


def _recorded_end(attempt: Attempt) -> Situation:
    reason = attempt.reason or "it ended"
    match attempt.outcome:
        case "stopped" | "drained":
            return Situation("stopped", reason, attempt.outcome)
        case "finished":
            return Situation("finished", reason, "finished")
        case outcome:
            return Situation("ended", reason, outcome or "failed")


def burnt_name(name: str) -> str:
    """What a job is called that only uses up an id of job ``name``."""
    return f"{name} (burnt)"


def _burnt(attempt: Attempt, job: Sighting, seen: Seen) -> bool:
    """Whether what is listed is what we used the id up with: it tells nothing of the attempt's own job."""
    named = job.name == burnt_name(attempt.spec.name)
    return named or (job.state == "FAILED" and not job.archived and attempt.burnt_in == seen.incarnation)


def _elsewhere(attempt: Attempt, seen: Seen) -> bool:
    return attempt.sent and attempt.cluster != seen.cluster and attempt.incarnation != seen.incarnation


def _listed(attempt: Attempt, job: Sighting, seen: Seen) -> Situation:
    detail = seen.detail(job.job_id)
    match job.state:
        case "FINISHED" if stopped := _by_stop(attempt, detail.stopped_with):
            return stopped
        case "FINISHED":
            return Situation("finished", "finished", "finished")
        case "FAILED":
            return Situation("ended", f"failed: {detail.cause or 'no cause reported'}", "failed")
        case "CANCELED":
            return Situation("ended", "cancelled", "cancelled")
        case state if state in TRANSIENT:
            return Situation("transient", state)
    if loops(attempt, job, detail):
        return Situation("not-up", f"restarts again and again, {detail.failures}: {detail.cause}", loops=True)
    if attempt.spec.mode == "batch":  # its tasks run one stage after another, never all at once
        return Situation("up" if job.state == "RUNNING" else "unsettled", job.state)
    if job.state == "RUNNING" and job.all_running and _settled(attempt, job, detail):
        return Situation("up", "running")
    if seen.waited >= attempt.spec.health_timeout:
        return Situation("not-up", _not_up(job, detail))
    return Situation("unsettled", _not_up(job, detail))


def loops(attempt: Attempt, job: Sighting, detail: Detail) -> bool:
    """Whether the job fails alike again and again, and has not run longer since than it does between two failures."""
    runs = job.state == "RUNNING" and (job.all_running or attempt.spec.mode == "batch")
    undisturbed = job.stable_ms if runs else 0
    if detail.failures is None or undisturbed >= max(STABLE_MS, detail.failures.pause):
        return False
    return detail.failures.loop(attempt.spec.give_up_after)


def _by_stop(attempt: Attempt, savepoint: str | None = None) -> Situation | None:
    """The end by a stop with savepoint: ours, if it is recorded as completed, or that of somebody else."""
    stop = attempt.stop if attempt.stop and attempt.stop.state == "completed" else None
    location = (stop and stop.location) or savepoint
    if location is None:
        return None
    drained = stop is not None and stop.kind == "drain"
    return Situation("stopped", f"stopped with savepoint {location}", "drained" if drained else "stopped")


def _settled(attempt: Attempt, job: Sighting, detail: Detail) -> bool:
    """Whether a confirmed job that restarted since has shown that it works; a pending one is proved by the plan."""
    if attempt.state != "confirmed":
        return detail.failures is None or job.stable_ms >= STEADY_MS
    if job.changed_at == attempt.settled_at:
        return True
    return job.stable_ms >= STABLE_MS or (detail.checkpoint_at or 0) > job.changed_at


def _not_up(job: Sighting, detail: Detail) -> str:
    what = "its tasks do not all run" if job.state == "RUNNING" and not job.all_running else f"it is {job.state}"
    return f"{what}: {detail.cause}" if detail.cause else what


def _absent(attempt: Attempt, seen: Seen, policy: Policy) -> Situation:
    if not attempt.landed:
        return Situation("missing", "its submit was not seen to arrive")
    if seen.high_availability and seen.absent_for < policy.failover_grace:
        return Situation("transient", "not listed; a failover may bring it back")
    if stopped := _by_stop(attempt):
        return stopped
    if attempt.incarnation != seen.incarnation:
        return Situation("ended", "gone with its JobManager, which was started anew", "gone")
    return Situation("ended", "ended and forgotten by the JobManager", "gone")
