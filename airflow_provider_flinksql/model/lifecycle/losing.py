"""What would be lost: the guards that stand before every cancel that we choose, and before every restore.

A cancel is made here and nowhere else, so that no other place can forget them.
"""

from __future__ import annotations

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.flinkversion import too_old
from airflow_provider_flinksql.model.lifecycle.candidates import candidates, choice, has_written
from airflow_provider_flinksql.model.lifecycle.situation import Situation
from airflow_provider_flinksql.model.lifecycle.steps import RequestStop
from airflow_provider_flinksql.model.manifest import Attempt, StopKind
from airflow_provider_flinksql.model.options import span
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import plain
from airflow_provider_flinksql.model.spec import Spec


def request_cancel(
    spec: Spec, attempt: Attempt, seen: Seen, now: Situation, *, purpose: int | None = None, left_behind: bool = False
) -> RequestStop:
    """The request to cancel an attempt's job. Raises Blocked where the only state would go with it.

    ``purpose`` is the attempt that it makes room for, ``None`` where the job shall stay stopped. ``left_behind``: its
    state is not wanted, as a person or the job file says.
    """
    if not left_behind:
        require_kept(spec, attempt, seen, now, stays=purpose is None)
    return RequestStop(attempt.number, attempt.next_stop, "cancel", purpose)


def require_kept(spec: Spec, attempt: Attempt, seen: Seen, now: Situation, *, stays: bool = False) -> None:
    """Raises Blocked where a cancel would lose the newest state; ``stays``: nothing is to run in its place."""
    lost = lost_by_cancel(attempt, seen, now)
    if lost is None:
        return
    if stays:
        aim, way = "stopped", f"flinksql stop {spec.name} --cancel ends it all the same; what is not kept is lost."
    else:
        aim = "cancelled and to go on from its newest checkpoint"
        way = "Name a savepoint or checkpoint with --restore-from LOCATION, or start empty with --restore-from none."
        if now.status == "up":
            way = f"Take a savepoint instead (flinksql restart, state.stop-with: savepoint). {way}"
    raise Blocked(f"Job {spec.name} is to be {aim} ({now.reason}), and {lost}. Nothing was stopped. {way}")


def lost_by_cancel(attempt: Attempt, seen: Seen, now: Situation) -> str | None:
    """Why the newest state of a live job would not outlast its cancel; ``None`` where it would, or there is none."""
    if attempt.spec.mode == "batch":
        return None
    written, kept = has_written(attempt, seen), choice(attempt, seen)
    if kept is None and now.status == "up":
        return "none of it is kept where it can be restored"
    if not seen.searched:
        return f"its newest state cannot be looked for in {attempt.checkpoint_folder or 'an unknown folder'}"
    if not written:
        return None
    if kept is None or kept.attempt != attempt.number:
        return "it had state, and none of it was found"
    if kept.kind == "checkpoint" and seen.detail(attempt.job_id).delete_on_cancellation:
        return "cancelling it would delete its checkpoints, as its options say"
    return None


def nothing_to_lose(attempt: Attempt, seen: Seen, now: Situation) -> bool:
    """Whether a job that is not up has no state that could be carried anywhere: it began empty and wrote none."""
    bare = attempt.fresh and not has_written(attempt, seen) and not candidates(attempt, seen)
    return bare and seen.searched and now.status != "up"


def require_state(spec: Spec, attempt: Attempt, seen: Seen, now: Situation) -> None:
    """Law: never start empty by accident."""
    if not seen.searched:
        raise Blocked(
            f"Job {spec.name} is to be restored ({now.reason}), but its newest state cannot be looked for in "
            f"{attempt.checkpoint_folder or 'an unknown folder'}. Name it with --restore-from LOCATION, or start "
            "empty with --restore-from none."
        )
    if not candidates(attempt, seen) and (has_written(attempt, seen) or not attempt.fresh):
        raise Blocked(
            f"Job {spec.name} had state, and none of it was found ({now.reason}). Looked into the manifest, the "
            f"JobManager's history and {attempt.checkpoint_folder}. Name a savepoint or checkpoint with "
            "--restore-from LOCATION, or start empty with --restore-from none."
        )
    newest, limit = choice(attempt, seen), spec.state.max_age
    if newest and limit and not newest.of_our_stop and newest.older_than(limit, seen.now):
        raise Blocked(
            f"Job {spec.name} is to be restored ({now.reason}), but its newest state, {newest}, is "
            f"{span(seen.now - (newest.time or 0.0))} old, and state.max-age is {span(limit)}. Restore it all the same "
            f"with --restore-from {newest.location}, or start empty with --restore-from none."
        )


def require_readable(spec: Spec, attempt: Attempt, seen: Seen) -> None:
    """An older Flink does not read what a newer one wrote."""
    here, newest = seen.planner_on(spec.digest), choice(attempt, seen)
    wrote = attempt.flink_version or (attempt.explained.flink_version if attempt.explained else "")
    if here and newest and newest.attempt == attempt.number and too_old(here.flink_version, wrote):
        raise Blocked(
            f"Job {spec.name} is to be restored from {newest}, which Flink {wrote} wrote. This cluster is Flink "
            f"{here.flink_version}, and an older Flink does not read the state of a newer one. Deploy it to a cluster "
            f"of Flink {wrote} or newer. To try it all the same: --restore-from {newest.location}; to start empty: "
            "--restore-from none."
        )


def require_lasting(spec: Spec, attempt: Attempt, asked: str, seen: Seen, stop: StopKind) -> None:
    """A checkpoint belongs to its job: Flink deletes it when the job ends well, and on a cancel if its options say so.

    Both were measured. ``stop`` is how the job is to be ended before the state that was ``asked`` for is restored.
    """
    deleted = seen.detail(attempt.job_id).delete_on_cancellation
    own = plain(asked).startswith(f"{plain(attempt.checkpoint_folder or '')}/")
    if attempt.checkpoint_folder is None or not own or (stop == "cancel" and not deleted):
        return
    way = "Its options delete it on a cancel, too, so a savepoint is what can be restored." if deleted else (
        f"End the job first so that its checkpoints stay: flinksql stop {spec.name} --cancel; then deploy again with "
        "--restore-from."
    )
    raise Blocked(
        f"Job {spec.name}: --restore-from {asked} is a checkpoint of the job that runs, and Flink would delete it "
        f"before it could be restored. Nothing was stopped. {way}"
    )
