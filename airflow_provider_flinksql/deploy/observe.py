"""What one deploy sees: the look at the cluster, and what the planner says of the Specs that are to be compared."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from airflow_provider_flinksql.errors import Blocked, FlinkSqlError
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.carry import to_be_judged
from airflow_provider_flinksql.model.lifecycle.consent import asked_to_restart, named_unchecked
from airflow_provider_flinksql.model.manifest import Attempt
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Stored
from airflow_provider_flinksql.targets import Target

log = logging.getLogger(__name__)


@dataclass
class Observer:
    """The looks of one deploy. ``prepared`` is the digest of the Spec that the target keeps a session open for."""

    target: Target
    prepared: str | None = None
    explained: dict[str, Explained | None] = field(default_factory=dict)

    async def look(
        self, spec: Spec, stored: Stored, policy: Policy, *, reuse: bool = False, judged: bool = True
    ) -> Seen:
        """A job that is to end is looked at closely even if it is well: its checkpoints may be needed.

        Where its query changed, the planner is asked what that means, unless the change is not to be ``judged``.
        """
        current = stored.manifest.current if stored.manifest else None
        named = named_unchecked(stored.manifest, policy)
        wished = named is not None or (current is not None and asked_to_restart(current, policy))
        ends = policy.stop is not None or not spec.enabled
        closely = current is not None and (wished or ends or current.spec.digest != spec.digest)
        seen = await self.target.look(
            spec.name, stored.manifest, reuse=reuse, closely=closely, job_id=policy.adopt_id
        )
        for before in to_be_judged(spec, stored.manifest, policy) if judged else ():
            await self._compare(spec, before)
        found = await self.target.look_for(named) if named and spec.mode == "streaming" else "there"
        return self.told(replace(seen, now=stored.now, named=found))

    def told(self, seen: Seen) -> Seen:
        """The look with what the planner has said by now."""
        said = tuple((digest, told) for digest, told in self.explained.items() if told)
        return replace(seen, prepared=self.prepared, explained=said)

    async def check(self, spec: Spec) -> None:
        """Try everything that can fail; the session stays open for the submit."""
        self.explained[spec.digest] = await self.target.check(spec)
        self.prepared = spec.digest

    async def require_there(self, name: str, chosen: Snapshot) -> None:
        """Told before the submit would fail of it, and while another state can still be named."""
        if await self.target.look_for(chosen.location) == "missing":
            raise Blocked(
                f"Job {name} is to be restored from {chosen}, which somebody deleted. flinksql snapshots {name} "
                "shows what is left: name it with --restore-from LOCATION, or start empty with --restore-from none."
            )

    async def _compare(self, spec: Spec, before: Attempt) -> None:
        """What ran is explained anew where nobody kept what the planner said, or another Flink said it."""
        if spec.digest not in self.explained:
            await self.check(spec)
        said, kept, digest = self.explained[spec.digest], before.explained, before.spec.digest
        if digest in self.explained or (kept and said and kept.comparable(said)):
            return
        self.prepared = None
        try:
            self.explained[digest] = await self.target.explain(before.spec)
        except FlinkSqlError as error:
            if error.retryable:
                raise
            # a table, jar, catalog or secret of it is gone: what it did cannot be told any more
            log.debug("The query of attempt %d cannot be explained any more: %s", before.number, error)
            self.explained[digest] = None
