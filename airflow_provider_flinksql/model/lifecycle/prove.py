"""What an attempt that was sent needs: its fate, then its proof."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_flinksql.errors import Blocked, JobFailed
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.batch import choose_run
from airflow_provider_flinksql.model.lifecycle.candidates import has_written
from airflow_provider_flinksql.model.lifecycle.consent import asked_for, last_consent
from airflow_provider_flinksql.model.lifecycle.losing import request_cancel, require_lasting
from airflow_provider_flinksql.model.lifecycle.rollback import proven_broken
from airflow_provider_flinksql.model.lifecycle.situation import (
    LATE_SUBMIT,
    STABLE_MS,
    Situation,
    may_land_late,
    situation,
    used_up,
)
from airflow_provider_flinksql.model.lifecycle.steps import Next, Start
from airflow_provider_flinksql.model.lifecycle.streaming import choose, not_up
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen
from airflow_provider_flinksql.model.snapshot import plain
from airflow_provider_flinksql.model.spec import Spec


def next_step(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next:
    """The next step for ``manifest.pending``, whose submit may have left us."""
    pending = manifest.pending
    if pending is None:
        raise AssertionError("unreachable: there is no pending attempt")
    now = situation(pending, seen, policy)
    if now.status == "elsewhere":
        raise Blocked(
            f"Job {spec.name} was submitted to another cluster and may run there: {now.reason}. Stop it there first; "
            "if that cluster is gone for good, say so with --accept cluster-gone."
        )
    if now.status == "missing":
        return _missing(spec, manifest, pending, seen, policy)
    if now.status == "transient":
        return Next(do.AwaitGone(pending.number), now.reason)
    if not pending.landed or (now.live and pending.incarnation != seen.incarnation):
        return Next(do.Landed(pending.number), "it arrived")
    if cause := proven_broken(manifest, pending, seen, now):
        return Next(do.Refuse(pending.number), cause)
    if now.over and may_land_late(pending, seen):
        return Next(do.Burn(pending.number), "its submit may still land in the new JobManager")
    if now.status == "finished":
        return Next(do.Confirm(pending.number), "it has finished")
    if now.over:
        return Next(do.GiveUp(pending.number), now.reason)
    if _not_wanted(spec, pending, policy) and had_its_time(pending, seen, now):
        return _replace_broken(spec, manifest, pending, seen, policy, now)
    return _prove(spec, pending, seen, now)


def _not_wanted(spec: Spec, pending: Attempt, policy: Policy) -> bool:
    """Whether something else is to run, or the same from a state that a person named since."""
    named = policy.restart is None and asked_for(pending, policy) is not None
    return spec.digest != pending.spec.digest or named


def had_its_time(pending: Attempt, seen: Seen, now: Situation) -> bool:
    """Whether it does not come up: this deploy waited long enough, or an earlier one did and nothing was written."""
    waited = seen.now - (pending.sent_at or seen.now) >= pending.spec.health_timeout
    return now.status == "not-up" or (now.status == "unsettled" and waited and not has_written(pending, seen))


def fits(manifest: Manifest, pending: Attempt, spec: Spec, wanted: Start, policy: Policy) -> bool:
    """Whether what was claimed is what is wanted now; another deploy's consent is not wanted, unless it is sent."""
    if not pending.sent and pending.consent != last_consent(manifest.current, policy):
        return False
    return (pending.spec, pending.query_version, pending.fresh) == (spec, wanted.query_version, wanted.fresh)


def _missing(spec: Spec, manifest: Manifest, pending: Attempt, seen: Seen, policy: Policy) -> Next:
    """Its fate is unknown: the same id is sent again, never a new one."""
    if pending.rejected and used_up(pending, seen):
        cause = proven_broken(manifest, pending, seen, situation(pending, seen, policy))
        return Next(do.Refuse(pending.number) if cause else do.GiveUp(pending.number), pending.rejected)
    if pending.rejected:
        return let_go(pending, seen, f"its submit was refused: {pending.rejected}")
    if used_up(pending, seen) or seen.traits.submit == "once":
        return let_go(pending, seen, "its submit was not seen to arrive")
    # The current attempt ended before this one was sent, so what is wanted is a start, as it was then.
    wanted = (choose_run if spec.mode == "batch" else choose)(spec, replace(manifest, pending=None), seen, policy)
    if not isinstance(wanted, Start) or wanted.fresh != pending.fresh:
        return let_go(pending, seen, "another start is wanted, and this one may still land")
    if seen.prepared != spec.digest:
        return Next(do.Check(), "its submit was not seen to arrive")
    if not fits(manifest, pending, spec, wanted, policy):
        return Next(do.Supersede(pending.number, wanted.query_version, wanted.fresh), wanted.why)
    return Next(do.Submit(pending.number), "its submit was not seen to arrive")


def let_go(attempt: Attempt, seen: Seen, why: str) -> Next:
    """The next step towards giving up an attempt that was not seen to arrive: it must not land any more."""
    if used_up(attempt, seen):
        return Next(do.GiveUp(attempt.number), "its id was used up before it landed")
    if seen.traits.submit == "idempotent":
        return Next(do.Burn(attempt.number), why)
    if seen.now - (attempt.sent_at or 0.0) > LATE_SUBMIT:
        return Next(do.GiveUp(attempt.number), "it never landed")
    return Next(do.AwaitGone(attempt.number), "it may still land")


def _replace_broken(
    spec: Spec, manifest: Manifest, pending: Attempt, seen: Seen, policy: Policy, now: Situation
) -> Next:
    """A changed file replaces an attempt that does not come up; what would be refused is refused before the cancel.

    A change is judged against the attempt that wrote state: one that never proved up and wrote none holds nobody up.
    """
    own = has_written(pending, seen)
    ended = replace(pending, state="ended", outcome="cancelled", reason=now.reason, had_state=own)
    without = replace(manifest, current=ended if own else manifest.current, pending=None)
    wanted = (choose_run if spec.mode == "batch" else choose)(spec, without, seen, policy)
    named = asked_for(without.current, policy)
    if own and named:
        require_lasting(spec, pending, named, seen, "cancel")
    unwanted = named is not None or (isinstance(wanted, Start) and wanted.fresh)
    cancel = request_cancel(spec, pending, seen, now, purpose=manifest.last_number + 1, left_behind=unwanted)
    if seen.prepared != spec.digest:
        return Next(do.Check(), now.reason)
    return Next(cancel, now.reason)


def _prove(spec: Spec, pending: Attempt, seen: Seen, now: Situation) -> Next:
    """A job is up when it proves it."""
    if now.status != "up":
        if seen.waited >= spec.time_to_prove:
            raise not_up(spec, now)
        return Next(do.AwaitRunning(pending.number), now.reason)
    if spec.mode == "batch":
        return Next(do.Confirm(pending.number), "it runs")
    job = seen.job_of(pending)
    detail = seen.detail(pending.job_id)
    if not restored_as_pinned(pending, detail):
        raise JobFailed(
            f"Job {spec.name} runs as {pending.job_id}, but it restored from {detail.restored or 'nothing'} instead of "
            f"{pending.pinned or 'starting empty'}. Its output may be wrong: cancel it, then deploy again."
        )
    stable_ms = job.stable_ms if job else 0
    if stable_ms < spec.stable_for * 1000:  # before its proof: what has completed no checkpoint can still go back
        why = f"it is to run {spec.stable_for:g} s undisturbed"
        if seen.waited >= spec.time_to_prove:
            raise not_up(spec, replace(now, reason=f"{why}, and does not"))
        return Next(do.AwaitProof(pending.number), why)
    if not detail.checkpointing:
        stable = stable_ms >= STABLE_MS
        return Next(do.Confirm(pending.number) if stable else do.AwaitProof(pending.number), "it has no checkpoints")
    if detail.proof == "completed":
        return Next(do.Confirm(pending.number), "it runs, and a checkpoint completed")
    if pending.proofs and seen.waited >= spec.time_to_prove:
        raise not_up(spec, replace(now, reason="the checkpoint that was to prove it does not complete"))
    if detail.proof == "in-progress":
        return Next(do.AwaitProof(pending.number), "a checkpoint is under way")
    return Next(do.RequestProof(pending.number, pending.proofs + 1), "it runs")


def restored_as_pinned(attempt: Attempt, detail: Detail) -> bool:
    """Whether the job restored what was pinned, nothing where nothing was, or a later checkpoint of its own."""
    if detail.restored is None:
        return attempt.pinned is None
    restored, own = plain(detail.restored), attempt.checkpoint_folder
    if own is not None and restored.startswith(plain(own) + "/"):
        return True
    return attempt.pinned is not None and restored == plain(attempt.pinned.location)
