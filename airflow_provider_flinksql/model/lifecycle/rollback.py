"""Going back: when a new attempt proves broken, what ran before it runs again, and the broken Spec is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from heapq import merge
from itertools import takewhile

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle.candidates import has_written
from airflow_provider_flinksql.model.lifecycle.situation import Situation, used_up
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Refused
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec


def refusal(spec: Spec, manifest: Manifest | None, policy: Policy) -> Refused | None:
    """Why this Spec is not to be deployed, if it was refused and nobody wants to try it again.

    Whoever wants that is told of an earlier failure, not of their own.
    """
    if manifest is None or manifest.current is None or manifest.refused is None or not spec.enabled or policy.stop:
        return None
    refuses = manifest.refused.digest == spec.digest != manifest.current.spec.digest
    forgiven = policy.again and manifest.refused.owner != policy.owner
    return manifest.refused if refuses and not forgiven else None


def in_force(spec: Spec, manifest: Manifest | None, policy: Policy) -> tuple[Spec, Policy]:
    """What is to run: the Spec as asked for, or in the place of a refused one what ran before it.

    What was consented to was meant for the Spec that is refused. A restart is of what is on record by now, whoever
    deployed it since the restart was asked for.
    """
    if manifest is None or manifest.current is None:
        return spec, policy
    on_record = manifest.subject.spec if policy.restart and manifest.subject else spec
    if not refusal(spec, manifest, policy) and not refusal(on_record, manifest, policy):
        return on_record, policy
    return manifest.current.spec, replace(policy, restore_from=None, restart=None, accept=frozenset(), rolls_back=False)


def refused(spec: Spec, why: Refused) -> Blocked:
    """The error for a file that is not tried again by itself."""
    return Blocked(f"Job {spec.name}: {why.reason}. What ran before is left to run. Edit the file, or say --again.")


def proven_broken(manifest: Manifest, pending: Attempt, seen: Seen, now: Situation) -> str | None:
    """The root cause, where evidence says that the pending attempt cannot run, and one may go back.

    Not where it completed a checkpoint of its own: its sinks have committed, and going back would write that twice.
    Nor where nothing was stopped for its sake, or the same Spec ran before: going back would change nothing.
    """
    current = manifest.current
    refused_at_once = now.status == "missing" and pending.rejected and used_up(pending, seen)
    broken = now.outcome == "failed" or now.loops or refused_at_once
    if not broken or current is None or (manifest.refused and manifest.refused.number == pending.number):
        return None
    stop = current.stop
    made_room = stop is not None and stop.purpose == pending.number and stop.state == "completed"
    if not made_room or current.spec.digest == pending.spec.digest or pending.spec.state.on_failure == "hold":
        return None
    return None if has_written(pending, seen) else pending.rejected or now.reason


def way_back(manifest: Manifest, ended: Iterable[Attempt], number: int | None = None) -> tuple[Attempt, str]:
    """The attempt to go back to and the location of its last state: the last of another Spec, or the one named.

    Gone back from is the attempt that was sent last, whether it runs, failed, or never came up. ``ended`` is the
    history, newest first, of which no more is read than it takes.
    """
    sent = (a for a in merge(manifest.heads, ended, key=lambda a: a.number, reverse=True) if a.sent)
    present = next(sent, None)
    if number is not None:
        found = next((a for a in takewhile(lambda a: a.number >= number, sent) if a.number == number), None)
        if found is None:
            raise Blocked(
                f"Job {manifest.name} has no attempt {number} to go back to; flinksql history {manifest.name} shows "
                "those before the present one."
            )
        location = last_state(found)
        if location is None:
            raise Blocked(f"Job {manifest.name}: attempt {number} left no state on record to go back to.")
        return found, location
    for attempt in sent:
        location = last_state(attempt)
        if location and present and attempt.spec.digest != present.spec.digest and attempt.spec.statements:
            return attempt, location
    raise Blocked(
        f"Job {manifest.name} has no earlier attempt of another file that left state on record, so there is nothing to "
        "go back to. Deploy the file that shall run."
    )


def last_state(attempt: Attempt) -> str | None:
    """The savepoint of its stop, else the newest state that was known at its end."""
    stop = attempt.stop
    if stop and stop.location and stop.state == "completed":
        return stop.location
    return attempt.snapshot.location if attempt.snapshot else None
