"""Whether a cluster has the slots that a job needs."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_flinksql.clients.flink import ClusterOverview
from airflow_provider_flinksql.errors import Blocked, Unreachable
from airflow_provider_flinksql.model.spec import Spec


def require_slots(spec: Spec, cluster: ClusterOverview, config: Mapping[str, str], name: str) -> None:
    """Where slots are fixed, a parallelism above all of them can never run. ``config`` is the JobManager's."""
    if any(key.startswith(("yarn.", "kubernetes.cluster-id")) for key in config):
        return
    parallelism = spec.properties.get("parallelism.default") or config.get("parallelism.default") or "1"
    wanted = int(parallelism) if parallelism.isdecimal() else 1  # what is no number the planner refuses
    if not cluster.taskmanagers:
        raise Unreachable(f"The cluster {name} has no TaskManager at the moment; nothing was stopped.")
    if wanted > cluster.slots_total:
        raise Blocked(
            f"Job {spec.name} wants {wanted} slots (parallelism.default), the cluster {name} has "
            f"{cluster.slots_total}. Add TaskManagers or lower parallelism.default; nothing was stopped."
        )
