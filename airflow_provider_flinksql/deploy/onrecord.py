"""Jobs on record, without their files: what restart, stop, savepoint and rollback are about."""

from __future__ import annotations

from typing import Any

from airflow_provider_flinksql.errors import Misconfigured, UnknownJob
from airflow_provider_flinksql.model.manifest import Manifest, StopKind
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, Stored

LATEST_CHECKPOINT = "latest-checkpoint"


def unknown_job(store: Store, name: str) -> UnknownJob:
    """The error for a name without a manifest."""
    return UnknownJob(f"No job named {name} is on record in {store.name}.")


def on_record(store: Store, name: str) -> Manifest:
    """What is on record of a job."""
    manifest = store.get(name).manifest
    if manifest is None:
        raise unknown_job(store, name)
    return manifest


def of_name(heads: dict[str, Stored], name: str) -> dict[str, Stored]:
    """What is on record under a name: one job, or each run of a batch job."""
    return {key: heads[key] for key in sorted(heads) if key == name or key.startswith(f"{name}@")}


def named(store: Store, name: str) -> dict[str, Stored]:
    """The same from the store; UnknownJob if there is nothing."""
    found = of_name(store.heads(), name)
    if not found:
        raise unknown_job(store, name)
    return found


def streaming_spec(manifest: Manifest) -> Spec:
    """What was submitted last, where the job is one that keeps state."""
    attempt = manifest.subject
    if attempt is None:
        raise Misconfigured(f"Job {manifest.name} never came up, so there is nothing to go on from: deploy its file.")
    if attempt.spec.mode == "batch":
        raise Misconfigured(f"Job {manifest.name} is a batch run and has no state: deploy its file again.")
    return attempt.spec


def restarting(restore_from: str | None) -> dict[str, Any]:
    """A restart as what one policy asks for: from a savepoint of its stop, the newest checkpoint, or a location."""
    if restore_from == LATEST_CHECKPOINT:
        return {"restart": "checkpoint"}
    return {"restart": "savepoint", "restore_from": restore_from or None}


def stopping(spec: Spec, kind: StopKind | None) -> StopKind:
    """How a job is stopped where nobody says how: a batch job takes no savepoint."""
    return kind or ("savepoint" if spec.mode == "streaming" else "cancel")
