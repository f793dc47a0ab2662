"""The ways of running a job, behind one protocol. ``plan`` reads a target's traits, never its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Savepoint, Stop
from airflow_provider_flinksql.model.seen import Found, Seen, Sighting, Traits
from airflow_provider_flinksql.model.spec import Spec

Resolve = Callable[[str], str]
"""Turns the name of a placeholder (``conn.kafka.password``) into its secret value."""


class Target(Protocol):
    """One cluster, as one deploy speaks to it. Every call may raise ServiceError; then its effect is unknown."""

    name: str
    traits: Traits

    async def look(
        self,
        name: str,
        manifest: Manifest | None,
        *,
        reuse: bool = False,
        closely: bool = False,
        job_id: str | None = None,
    ) -> Seen:
        """One look, as deep as the manifest needs: two requests where the job is up and nothing is under way.

        ``reuse`` takes the job list of the last look, for many jobs of one cluster; ``closely`` looks deeper always.
        ``job_id`` is one job more, whatever its name.
        """

    async def look_for(self, location: str) -> Found:
        """Whether a complete snapshot lies there."""

    async def check(self, spec: Spec) -> Explained:
        """Try everything that can fail; keeps the prepared session for the submit. Raises InvalidQuery, Blocked, …"""

    async def explain(self, spec: Spec) -> Explained:
        """What the planner of this cluster says of another Spec, in a session of its own: one that ran before."""

    async def submit(self, manifest: Manifest, attempt: Attempt) -> None:
        """Send the job. Raises Duplicate when a submit under this id arrived before and its job is not listed."""

    async def request_stop(self, attempt: Attempt, stop: Stop, trigger_id: str) -> None:
        """Ask for a stop; the same trigger id is the same stop."""

    async def stop_outcome(self, attempt: Attempt, stop: Stop, trigger_id: str) -> StopOutcome | None:
        """What became of a stop, ``None`` while it is under way. Asks again if the request never arrived."""

    async def request_proof(self, attempt: Attempt, trigger_id: str) -> None:
        """Ask for a checkpoint."""

    async def take_savepoint(self, attempt: Attempt, asked: Savepoint, trigger_id: str) -> Savepoint | None:
        """A savepoint as it came out, ``None`` while it is under way. Asks for it if the request never arrived."""

    async def cancel(self, job: Sighting) -> None:
        """Cancel a job; it is not an error if it has ended."""

    async def burn(self, attempt: Attempt) -> None:
        """Use up an attempt's id."""

    async def release(self) -> None:
        """Close what is open; never raises."""
