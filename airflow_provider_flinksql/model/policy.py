"""Who deploys, and what was consented to for this one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Consent = Literal["cluster-gone", "changes-meaning", "unknown", "allow-non-restored"]


@dataclass(frozen=True)
class Policy:
    """What belongs to one deploy and to no file.

    ``accept`` are the consents given for this run, ``again`` lets a Spec be tried that was refused. ``restart`` asks
    for a restart of what is unchanged: from a savepoint, or from the newest checkpoint. ``rolls_back``: the Spec is an
    earlier one, and the present one is refused from then on.
    ``adopt`` takes over a live job that others started under this name; ``adopt_id`` the one with this job id, whatever
    its name.
    ``owner`` is the same for all tries of one task instance; ``by`` says to people who it was; ``lineage`` is the
    candidate used if the manifest is yet to be written. ``restore_from`` is a location, or "none" to start empty.
    ``expect`` is the digest of the plan that a person approved; another one is refused.
    ``stop`` asks for a stop whatever the file says, ``stop_only`` limits it to the attempt with this job id, if it is
    still this owner's. ``dead_owner`` is an owner known to have died: what it left pending
    is nobody's. ``failover_grace`` is in seconds.
    """

    owner: str
    lineage: str
    by: str = ""
    adopt: bool = False
    adopt_id: str | None = None
    restore_from: str | None = None
    accept: frozenset[Consent] = frozenset()
    again: bool = False
    restart: Literal["savepoint", "checkpoint"] | None = None
    rolls_back: bool = False
    expect: str | None = None
    dead_owner: str | None = None
    wait_for: Literal["running", "finished"] = "running"
    stop: Literal["savepoint", "drain", "cancel"] | None = None
    stop_only: str | None = None
    failover_grace: float = 60.0
