"""What command line and operators do with one job: from a job file to a small result that says what was done."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from airflow_provider_flinksql.clients.http import IO, run_sync
from airflow_provider_flinksql.deploy.reconcile import DEFAULT_LIMITS, Deploy, Deployed, Limits, SoFar, Waiting
from airflow_provider_flinksql.errors import StatementError, StatementFailed, StoreFailed, Unreadable
from airflow_provider_flinksql.jobfile.read import JobFile
from airflow_provider_flinksql.model.lifecycle.plan import Plan
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, Stored
from airflow_provider_flinksql.targets import Target

log = logging.getLogger(__name__)


def new_lineage() -> str:
    """The one random thing of a deploy: used if the manifest is yet to be written."""
    return str(uuid.uuid4())


def run_spec(spec: Spec, key: str | None) -> Spec:
    """The Spec of one batch run: its manifest and its Flink job carry the run's name. Streaming Specs are as they are.

    ``key`` tells runs apart; without one the same file is the same run. A Spec taken from a run's manifest is named
    for its run already: no name in a file holds an ``@``.
    """
    if spec.mode == "streaming" or "@" in spec.name:
        return spec
    return replace(spec, name=f"{spec.name}@{hashlib.sha256((key or spec.digest).encode()).hexdigest()[:12]}")


@dataclass(frozen=True)
class Result:
    """What a deploy did, small enough for an XCom. ``url`` is the job's page in Flink's own UI."""

    name: str
    action: str
    verdict: str
    reason: str
    job_id: str | None
    query_version: int | None
    cluster: str | None
    url: str | None
    restored_from: str | None
    savepoint: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))


def job_page(jobmanager: str, job_id: str, page: str = "overview") -> str:
    """A page of Flink's own UI about one job, ended ones included (``running`` is but the name of the route)."""
    return f"{jobmanager.rstrip('/')}/#/job/running/{quote(job_id, safe='')}/{page}"


def result(
    name: str, made: Plan, manifest: Manifest | None, jobmanager: str, previous: Attempt | None = None
) -> Result:
    """The result of a deploy that began with plan ``made`` and left ``manifest`` in place of attempt ``previous``."""
    attempt = (manifest.pending or manifest.current) if manifest else None
    if manifest is None or attempt is None:
        return Result(name, made.action, made.verdict, made.reason, None, None, None, None, None, None)
    over = attempt.state == "ended" and attempt.spec.mode == "streaming"
    return Result(
        name=name,
        action=made.action,
        verdict=made.verdict,
        reason=made.reason,
        job_id=attempt.job_id,
        query_version=attempt.query_version,
        cluster=attempt.cluster,
        url=None if over else job_page(jobmanager, attempt.job_id),
        restored_from=attempt.pinned.location if attempt.pinned and made.action != "none" else None,
        savepoint=_savepoint(attempt, previous, made),
    )


def _savepoint(attempt: Attempt, previous: Attempt | None, made: Plan) -> str | None:
    """The savepoint that this deploy took, or that an earlier one took for what this one ended."""
    if attempt.state == "ended" and made.steps:
        return attempt.stop.location if attempt.stop else None
    stop = previous.stop if previous else None
    return stop.location if stop and stop.purpose == attempt.number and made.action != "none" else None


@contextmanager
def positions_in(file: JobFile | None) -> Iterator[None]:
    """Makes what a statement is refused for say where in the author's file that is."""
    try:
        yield
    except StatementError as error:
        if isinstance(error, StatementFailed) and error.place is None:
            raise  # the submit: it was planned, so nothing in the file is at fault
        part, index = error.place or ("statements", 0)
        where = file.place_of(error) if file else f"the job on record, {part}[{index}]"
        raise type(error)(f"{where}: {error.reason}") from error


@dataclass
class Flow:
    """One job's way through a cluster, for one thread.

    ``file`` is where ``wanted`` was read, None for what is on record; ``run_key`` tells batch runs of one file apart.
    ``say`` gets what happens line by line, ``warn`` what a start will cost later, ``planned`` the plan that a deploy
    begins with and what was on record then.
    """

    wanted: Spec
    target: Target
    store: Store
    io: IO
    jobmanager: str
    file: JobFile | None = None
    run_key: str | None = None
    say: Callable[[str], None] = log.info
    limits: Limits = DEFAULT_LIMITS
    planned: Callable[[Plan, Manifest | None], None] = lambda *_: None
    warn: Callable[[str], None] = log.warning

    @property
    def spec(self) -> Spec:
        """What should run, named for its run where it is a batch job."""
        return run_spec(self.wanted, self.run_key)

    def plan(self, policy: Policy, stored: Stored | None = None, *, reuse: bool = False, check: bool = True) -> Plan:
        """What a deploy would do now; leaves no trace. ``reuse`` takes the cluster's job list of the last look.

        Without ``check`` nothing is asked of the gateway: what would be (re)started may still be refused.
        """
        with positions_in(self.file):
            return run_sync(self._deploy().plan(self.spec, policy, stored, reuse=reuse, check=check))

    def run(self, policy: Policy, so_far: SoFar | None = None) -> Deployed | Waiting:
        """Bring the job to what its file says; Waiting only where ``limits.inline`` allows to defer.

        ``so_far`` is what the Waiting said that this goes on from.
        """
        with positions_in(self.file):
            return run_sync(self._deploy(so_far).run(self.spec, policy))

    def deploy(self, policy: Policy, so_far: SoFar | None = None) -> Result | Waiting:
        """:meth:`run`, and what was done in few words."""
        done = self.run(policy, so_far)
        return done if isinstance(done, Waiting) else self.result(done)

    def result(self, done: Deployed) -> Result:
        """What was done, for people and XCom; it is done, also where the store does not tell what was before it."""
        try:
            history = self.store.history(self.spec.name, 1) if done.begun.action not in ("none", "record") else []
        except (StoreFailed, Unreadable):
            history = []
        return result(self.spec.name, done.begun, done.manifest, self.jobmanager, history[-1] if history else None)

    def _deploy(self, so_far: SoFar | None = None) -> Deploy:
        clock = time.monotonic
        return Deploy(self.target, self.store, self.io, clock, self.say, self.limits, self.planned, self.warn, so_far)
