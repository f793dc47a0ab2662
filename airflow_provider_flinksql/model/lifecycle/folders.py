"""Where checkpoints and savepoints go, by what the job's options and the cluster's say."""

from __future__ import annotations

from airflow_provider_flinksql.model.manifest import Attempt
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec

SAVEPOINT_DIR = "execution.checkpointing.savepoint-dir"
CHECKPOINT_DIR = "execution.checkpointing.dir"


def checkpoint_folder_of(spec: Spec, query_version: int, job_id: str, seen: Seen) -> str | None:
    """The folder that will hold the ``chk-N`` of a job; ``None`` where no option names one."""
    base = _option(CHECKPOINT_DIR, spec, seen)
    return f"{base}/{spec.name}/{query_version}/{job_id}" if base else None


def savepoint_folder_of(spec: Spec, query_version: int, seen: Seen) -> str | None:
    """The folder that gets one folder for each savepoint; ``None`` where no option names one."""
    base, checkpoints = _option(SAVEPOINT_DIR, spec, seen), _option(CHECKPOINT_DIR, spec, seen)
    base = base or (f"{checkpoints}/savepoints" if checkpoints else None)
    return f"{base}/{spec.name}/{query_version}" if base else None


def next_savepoint_folder(spec: Spec, attempt: Attempt, seen: Seen) -> str | None:
    """Where the next savepoint of a running attempt goes: a file or a cluster that was mended since counts at once."""
    return savepoint_folder_of(spec, attempt.query_version, seen) or attempt.savepoint_folder


def _option(key: str, spec: Spec, seen: Seen) -> str | None:
    value = spec.properties.get(key) or seen.option(key)
    return value.rstrip("/") if value else None
