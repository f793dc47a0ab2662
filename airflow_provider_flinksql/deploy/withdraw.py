"""What becomes of a job when somebody ends the task that deployed it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_flinksql.deploy.flow import Flow
from airflow_provider_flinksql.deploy.reconcile import Limits
from airflow_provider_flinksql.deploy.tell import line_by_line
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.stores import Store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings, connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Withdrawal:
    """How the job of manifest ``name`` ends if it does; plain values, so that a trigger can keep them.

    Only an attempt of ``owner`` is ended, and none that somebody else is about to replace. ``by`` says to people who.
    """

    name: str
    owner: str
    by: str
    stop: Literal["savepoint", "cancel"]

    def subject(self, manifest: Manifest | None, job_id: str | None = None) -> Attempt | None:
        """The attempt that this is about; where ``job_id`` is given no other than that."""
        heads = manifest.heads if manifest else ()
        if heads and heads[0].owner != self.owner:
            return None
        live = (a for a in heads if a.sent and a.state != "ended" and a.owner == self.owner)
        return next((a for a in live if job_id in (None, a.job_id)), None)


def withdraw(
    asked: Withdrawal,
    settings: Settings,
    store: Store,
    resolve: Resolve,
    job_id: str | None = None,
    *,
    halt: threading.Event | None = None,
    patience: float = 30.0,
    total: float = 120.0,
    say: Callable[[str], None] = log.info,
) -> bool:
    """End the job as asked, by the same steps as any stop; ``False`` if there is none that is still the owner's.

    The stop is on record before it is sent: if ``halt`` or a death ends this half-way, the next deploy finds out what
    became of it. ``patience`` are the seconds for one answer of a server. ``resolve`` is called, for the secrets of the
    job, only if a server has something to say that may quote them.
    """
    manifest = store.get(asked.name).manifest
    attempt = asked.subject(manifest, job_id)
    if manifest is None or attempt is None:
        line_by_line(say)(f"Job {asked.name}: nothing that this task began is under way, so nothing is stopped.")
        return False
    policy = Policy(asked.owner, manifest.lineage, asked.by, stop=asked.stop, stop_only=attempt.job_id)
    with connect(settings, resolve, halt, patience) as (target, io):
        flow = Flow(attempt.spec, target, store, io, settings.jobmanager, say=say)
        flow.limits = Limits(outage=total, transition=total, total=total)
        flow.run(policy)
    return True
