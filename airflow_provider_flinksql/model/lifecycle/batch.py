"""What a batch run needs: one success per run key."""

from __future__ import annotations

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.lifecycle.steps import Next, Start
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec


def choose_run(spec: Spec, manifest: Manifest, seen: Seen, policy: Policy) -> Next | Start | None:
    """Attach to a live run, leave a finished one, begin another attempt of one that failed, was cancelled or lost."""
    current = manifest.current
    if current is None:
        return Start(1, True, "this run was never started")
    now = situation(current, seen, policy)
    if now.status == "finished":
        return Next(do.End(current.number), "it has finished") if current.state != "ended" else None
    if now.over:
        if current.state != "ended":
            return Next(do.End(current.number), now.reason)
        return Start(current.query_version, True, f"attempt {current.number} of this run: {now.reason}")
    if now.status == "elsewhere":
        raise Blocked(
            f"Run {manifest.name} may run on another cluster: {now.reason}. --accept cluster-gone lets go of it."
        )
    if now.status == "transient":
        return Next(do.AwaitGone(current.number), now.reason)
    if policy.wait_for == "finished":
        return Next(do.AwaitFinished(current.number), "it runs")
    return None
