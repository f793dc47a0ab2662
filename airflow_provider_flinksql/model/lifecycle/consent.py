"""What a person said for one run: whether it was followed already, and what an attempt keeps of it."""

from __future__ import annotations

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy


def consent_key(policy: Policy) -> str | None:
    """What an attempt keeps of a one-run wish, so that a retry of the same run does not follow it again."""
    wish = policy.restore_from or (policy.restart and f"restart from {policy.restart}")
    return f"{wish} by {policy.owner}" if wish else None


def asked_to_restart(current: Attempt, policy: Policy) -> bool:
    """Whether a person asked for a restart that was not made yet."""
    return policy.restart is not None and current.consent != consent_key(policy)


def asked_for(current: Attempt | None, policy: Policy) -> str | None:
    """The state that a person named for this run, "none" for an empty start, ``None`` if it was used already."""
    return None if current and current.consent == consent_key(policy) else policy.restore_from


def last_consent(current: Attempt | None, policy: Policy) -> str | None:
    """What the next attempt keeps: the consent it is made with, else the one that was used before."""
    return consent_key(policy) or (current.consent if current else None)


def named_unchecked(manifest: Manifest | None, policy: Policy) -> str | None:
    """The location that a person named, as long as nothing was begun for its sake: then it is to be looked for."""
    current, pending = (manifest.current, manifest.pending) if manifest else (None, None)
    asked = asked_for(current, policy)
    begun = pending is not None and pending.consent == consent_key(policy)
    return None if asked == "none" or begun else asked
