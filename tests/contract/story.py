"""One job's record as the engine writes it, and the requests that go with it."""

from __future__ import annotations

import uuid
from dataclasses import replace

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome, after
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, StopKind
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec
from contract.clusters import Cluster, spec, until


class Story:
    """A lineage of its own on a cluster. ``worker`` may be replaced at any time by one that knows nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.worker = cluster.worker()
        self.name = f"job-{uuid.uuid4().hex[:8]}"
        self.manifest = Manifest(self.name, str(uuid.uuid4()))

    @property
    def attempt(self) -> Attempt:
        found = self.manifest.pending or self.manifest.current
        assert found
        return found

    # --- looks ----------------------------------------------------------------------------------------------------

    def look(self, closely: bool = False) -> Seen:
        return run_sync(self.worker.look(self.name, self.manifest, closely=closely))

    def job(self) -> Sighting | None:
        return self.look().job(self.attempt.job_id)

    def state(self) -> str | None:
        job = self.job()
        return job.state if job else None

    def detail(self) -> Detail:
        return self.look(closely=True).detail(self.attempt.job_id)

    def await_state(self, *states: str) -> None:
        until(self.cluster, lambda: self.state() in states)

    # --- starting -------------------------------------------------------------------------------------------------

    def write(self, step: do.Step, wanted: Spec | None = None, restore: str = "none") -> None:
        """What the engine leaves in the manifest for a step."""
        policy = Policy("contract", self.manifest.lineage, restore_from=restore)
        self.manifest = after(step, wanted or self.attempt.spec, self.manifest, self.look(), policy)
        self.cluster.record(self.manifest)

    def claim(self, wanted: Spec | None = None, restore: str | None = None) -> Attempt:
        """The next number, written down as sent."""
        number = self.manifest.last_number + 1
        self.write(do.Claim(number, 1, True), wanted or spec(self.name), restore or "none")
        if restore:
            pinned = Snapshot(restore, "savepoint", "a test", number - 1)
            self.manifest = replace(self.manifest, pending=replace(self.attempt, pinned=pinned, state="pinned"))
        self.write(do.Submit(number))
        return self.attempt

    def submit(self) -> None:
        run_sync(self.worker.submit(self.manifest, self.attempt))

    def start(self, wanted: Spec | None = None, restore: str | None = None) -> Attempt:
        """A job whose tasks all run."""
        self.claim(wanted, restore)
        self.submit()
        until(self.cluster, lambda: (job := self.job()) and job.state == "RUNNING" and job.all_running)
        self.write(do.Landed(self.attempt.number))
        return self.attempt

    def confirm(self) -> None:
        self.write(do.Confirm(self.attempt.number))

    # --- proving --------------------------------------------------------------------------------------------------

    def ask_proof(self) -> None:
        number, n = self.attempt.number, self.attempt.proofs + 1
        self.write(do.RequestProof(number, n))
        run_sync(self.worker.request_proof(self.attempt, self.manifest.id("proof", number, n)))

    def prove(self) -> None:
        self.ask_proof()
        until(self.cluster, lambda: self.detail().proof == "completed")

    # --- stopping -------------------------------------------------------------------------------------------------

    def write_stop(self, kind: StopKind = "savepoint") -> str:
        """The record of a stop, which is not sent; its folder."""
        self.write(do.RequestStop(self.attempt.number, len(self.attempt.stops) + 1, kind, None))
        return self.attempt.stops[-1].folder or ""

    def send_stop(self) -> None:
        stop = self.attempt.stops[-1]
        run_sync(self.worker.request_stop(self.attempt, stop, self._trigger))

    def outcome(self) -> StopOutcome | None:
        return run_sync(self.worker.stop_outcome(self.attempt, self.attempt.stops[-1], self._trigger))

    def await_outcome(self) -> StopOutcome:
        return until(self.cluster, self.outcome)

    def stop(self, kind: StopKind = "savepoint") -> str:
        """Stopped, and the engine has not heard how; where the savepoint is."""
        folder = self.write_stop(kind)
        self.send_stop()
        self.await_state("FINISHED")
        [location] = self.cluster.savepoints(folder)
        return location

    @property
    def _trigger(self) -> str:
        return self.manifest.id("stop", self.attempt.number, len(self.attempt.stops))
