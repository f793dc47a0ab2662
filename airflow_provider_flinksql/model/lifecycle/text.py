"""Words for people: what a plan will do, what a step does now, and what a job file leaves open."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.candidates import candidates
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.options import duration
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import plain
from airflow_provider_flinksql.model.spec import Spec

STOPPING = {"savepoint": "stop with a savepoint", "drain": "drain and stop with a savepoint", "cancel": "cancel"}


def describe(step: do.Step, why: str, manifest: Manifest | None) -> str:
    """One line about a step that is taken now."""
    match step:
        case do.Claim(number, version, fresh):
            how = "starts empty" if fresh else "restores state"
            return f"Attempt {number} (query version {version}, {how}) is written down: {why}."
        case do.RequestStop(number, _, kind):
            return f"Asking job {_id(manifest, number)} to {STOPPING[kind]}: {why}."
        case do.AwaitEnd(number):
            return f"Waiting for job {_id(manifest, number)} to end."
        case do.Pin(number):
            claimed = _attempt(manifest, number)
            empty = claimed is not None and claimed.fresh
            return f"Attempt {number} restores {'nothing' if empty else 'the newest state; choosing it'}."
        case do.Submit(number):
            pinned = _attempt(manifest, number)
            state = f"restoring {pinned.pinned}" if pinned and pinned.pinned else "starting empty"
            return f"Submitting attempt {number} as job {_id(manifest, number)}, {state}."
        case do.Confirm(number):
            return f"Attempt {number} is up: {why}."
        case do.Refuse(number):
            return f"Attempt {number} proved broken: {why}. What ran before it is to run again."
        case do.End(number) | do.GiveUp(number):
            return f"Attempt {number} is over: {why}."
    return _waiting(step, why, manifest)


ENDING = {
    "savepoint": "stop {} with a savepoint",
    "drain": "drain {} and stop it with a savepoint",
    "cancel": "cancel {}",
}


def outline(steps: Iterable[do.Step], manifest: Manifest | None) -> list[str]:
    """The steps of a plan as a person reads them, one phrase each: ``stop job 6f47… with a savepoint``."""
    return [_phrase(step, manifest) for step in steps]


def _phrase(step: do.Step, manifest: Manifest | None) -> str:
    match step:
        case do.Check():
            return "check the file on the cluster: jars, tables, setup, the query, free slots"
        case do.Claim(number, version, fresh):
            return f"write down attempt {number}, query version {version}{', which starts empty' if fresh else ''}"
        case do.RequestStop(number, _, kind):
            return ENDING[kind].format(f"job {_id(manifest, number)}")
        case do.AwaitEnd(number):
            return f"wait until job {_id(manifest, number)} has ended"
        case do.Pin(number):
            return f"choose what attempt {number} restores, and write it down"
        case do.Submit(number):
            return f"start job {_id(manifest, number)}"
        case do.Confirm(number):
            return f"write down that attempt {number} is up"
        case do.End(number):
            return f"write down that attempt {number} is over"
        case do.GiveUp(number):
            return f"give attempt {number} up"
        case do.Refuse(number):
            return f"write down that attempt {number} proved broken: what ran before it is to run again"
        case do.Record():
            return "write the file down; the job is not touched"
    return _phrase_of_waiting(step, manifest)


def _phrase_of_waiting(step: do.Step, manifest: Manifest | None) -> str:
    match step:
        case do.AwaitRunning(number):
            return f"wait until all tasks of job {_id(manifest, number)} run"
        case do.RequestProof():
            return "ask it for a checkpoint, as the proof that it is healthy"
        case do.AwaitProof():
            return "wait for that proof"
        case do.AwaitFinished(number):
            return f"wait until job {_id(manifest, number)} has finished"
        case do.AwaitGone(number):
            return f"wait until it is certain what becomes of job {_id(manifest, number)}"
        case do.Cancel(number):
            return f"cancel a job of attempt {number} that should not run"
        case do.Burn(number):
            return f"burn the id of attempt {number}, so that a late submit starts nothing"
        case do.Landed(number):
            return f"write down that attempt {number} arrived on the cluster"
        case do.Adopt(job_id):
            return f"write down job {job_id} as this job, as it runs"
    return str(step)


def pinned(manifest: Manifest | None, number: int, seen: Seen) -> str | None:
    """What was chosen to be restored, and out of how many; ``None`` for an empty start."""
    attempt, current = _attempt(manifest, number), manifest.current if manifest else None
    chosen = attempt.pinned if attempt else None
    if chosen is None:
        return None
    places = {plain(s.location) for s in (candidates(current, seen) if current else ())} - {plain(chosen.location)}
    others = f"; not chosen: {len(places)} older" if places and chosen.attempt is not None else ""
    return f"Attempt {number} restores {chosen} (known from: {chosen.source}){others}."


def _waiting(step: do.Step, why: str, manifest: Manifest | None) -> str:
    match step:
        case do.AwaitRunning(number):
            return f"Waiting until all tasks of job {_id(manifest, number)} run ({why})."
        case do.RequestProof(number):
            return f"All tasks of job {_id(manifest, number)} run; asking for a checkpoint as the proof."
        case do.AwaitProof(number):
            return f"Waiting for the proof that job {_id(manifest, number)} is healthy ({why})."
        case do.AwaitFinished(number):
            return f"Waiting for job {_id(manifest, number)} to finish."
        case do.AwaitGone(number):
            return f"Waiting until it is certain what becomes of job {_id(manifest, number)} ({why})."
        case do.Cancel(number):
            return f"Cancelling a job of attempt {number}: {why}."
        case do.Burn(number):
            return f"Using up the id of attempt {number}: {why}."
        case do.Adopt(job_id):
            return f"Adopting job {job_id}: {why}."
        case do.Landed(number):
            return f"Attempt {number} arrived on the cluster."
    return f"{step}: {why}."


def _attempt(manifest: Manifest | None, number: int) -> Attempt | None:
    return next((a for a in (manifest.heads if manifest else ()) if a.number == number), None)


def _id(manifest: Manifest | None, number: int) -> str:
    if attempt := _attempt(manifest, number):
        return attempt.job_id
    return manifest.id("job", number) if manifest else f"of attempt {number}"


def warnings(spec: Spec, seen: Seen) -> list[str]:
    """What a start of this Spec will cost at its next restart, where the file and the cluster leave that open."""
    if spec.mode == "batch":
        return []
    options = {**dict(seen.options), **spec.properties}
    found = []
    if seen.unseen:
        found.append(
            f"Job {spec.name}: {seen.unseen} cannot be looked into from here. What the JobManager says of it counts; "
            "if its answer gets lost, you will have to name the savepoint."
        )
    if seen.named == "unchecked":
        found.append(
            f"Job {spec.name}: what you named with --restore-from cannot be looked at from here. If it is not there, "
            "Flink refuses the start when the old job has been stopped already."
        )
    if duration(options, "execution.checkpointing.interval", "0") == 0:
        found.append(
            f"Job {spec.name} takes no checkpoints: after a failure it goes back to its last savepoint, or to its "
            "start, and does everything since then again. Set execution.checkpointing.interval."
        )
    if "execution.checkpointing.dir" not in options:
        found.append(
            f"Job {spec.name} keeps its state in the JobManager's memory alone: when the JobManager or the job goes, "
            "it is lost, and the next deploy is refused until you allow an empty start. Set "
            "execution.checkpointing.dir."
        )
        if "execution.checkpointing.savepoint-dir" not in options:
            found.append(
                f"Job {spec.name} has no folder for savepoints, so it cannot be stopped without losing its state. Set "
                "execution.checkpointing.savepoint-dir."
            )
    return found
