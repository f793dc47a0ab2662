"""Where a rollback goes: an earlier attempt's Spec, and the state that it left."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.manifest import Attempt, Manifest


def earlier(manifest: Manifest, ended: Sequence[Attempt], number: int | None = None) -> tuple[Attempt, str]:
    """The attempt to go back to and the location of its last state: the last of another Spec, or the one named.

    Gone back from is the attempt that was sent last, whether it runs, failed, or never came up.
    """
    sent = {a.number: a for a in (*ended, manifest.current, manifest.pending) if a and a.sent}
    present = sent[max(sent)] if sent else None
    before = [sent[n] for n in sorted(sent) if present and n < present.number]
    if number is not None:
        found = next((a for a in before if a.number == number), None)
        if found is None:
            raise Blocked(
                f"Job {manifest.name} has no attempt {number} to go back to; flinksql history {manifest.name} shows "
                "those before the present one."
            )
        location = last_state(found)
        if location is None:
            raise Blocked(f"Job {manifest.name}: attempt {number} left no state on record to go back to.")
        return found, location
    for attempt in reversed(before):
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
