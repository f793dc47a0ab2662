"""What is sent with a job: the options of one statement, and the tag by which the job is recognised."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.options import spelled_for
from airflow_provider_flinksql.model.spec import Spec

CHECKED: Final[MappingProxyType[str, Any]] = MappingProxyType(
    {"query_version": 1, "query_id": "", "created": "1970-01-01 00:00:00"}
)
"""What stands in a statement for the facts of an attempt while there is none yet."""

RETENTION = "execution.checkpointing.externalized-checkpoint-retention"


def tag(manifest: Manifest, attempt: Attempt) -> dict[str, str]:
    """What ``GET /jobs/:id/config`` tells of our jobs; survives with the job wherever it goes."""
    return {
        "flinksql.lineage": manifest.lineage,
        "flinksql.attempt": str(attempt.number),
        "flinksql.digest": attempt.spec.digest,
    }


def check_config(spec: Spec, flink_version: str) -> dict[str, str]:
    """The ``executionConfig`` under which a Spec is explained: the options that the planner reads."""
    properties = {**spec.properties, "pipeline.name": spec.name, "execution.runtime-mode": spec.mode}
    return spelled_for(properties, flink_version)


def submit_config(manifest: Manifest, attempt: Attempt, flink_version: str) -> dict[str, str]:
    """The ``executionConfig`` of the submit; it holds for one statement and leaks into no other (measured)."""
    config = check_config(attempt.spec, flink_version)
    tags = tag(manifest, attempt)
    config["$internal.pipeline.job-id"] = attempt.job_id
    config["pipeline.global-job-parameters"] = ",".join(f"{key}:{value}" for key, value in tags.items())
    if attempt.checkpoint_folder and attempt.spec.mode == "streaming":
        folder = attempt.checkpoint_folder.rsplit("/", 1)[0]
        config |= spelled_for({"execution.checkpointing.dir": folder}, flink_version)
        config.setdefault(RETENTION, "RETAIN_ON_CANCELLATION")
    if attempt.pinned:
        config["execution.state-recovery.path"] = attempt.pinned.location
        config["execution.state-recovery.claim-mode"] = "NO_CLAIM"
        if "allow-non-restored" in attempt.accepted:
            config["execution.state-recovery.ignore-unclaimed-state"] = "true"
    return config
