"""A JobManager that tells of one job, and a store in which that job is on record as up."""

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets import connect

LIFE = "0a1b2c3d-0000-4000-8000-0123456789ab"
GATEWAY, JOBMANAGER = "http://gateway.example:8083", "http://jobmanager.example:8081"
WHERE = ("--gateway", GATEWAY, "--jobmanager", JOBMANAGER)
SETTLED = 1_790_000_000_000

JOB = {
    "name": "orders",
    "sql": "INSERT INTO o SELECT id FROM s",
    "flinkProperties": {"execution.checkpointing.interval": "1s"},
}


class OneJob:
    """What the JobManager answers; ``asked`` is what it was asked. Any other request is refused as by Flink."""

    def __init__(self, manifest: Manifest, state: str = "RUNNING") -> None:
        assert manifest.current
        job = {
            "jid": manifest.current.job_id,
            "name": manifest.name,
            "state": state,
            "start-time": SETTLED - 1000,
            "last-modification": SETTLED,
            "duration": 60_000,
            "tasks": {"total": 1, "running": 1, "finished": 0},
        }
        checkpoint = {
            "id": 7,
            "status": "COMPLETED",
            "external_path": "file:/c/chk-7",
            "checkpoint_type": "CHECKPOINT",
            "latest_ack_timestamp": SETTLED + 5000,
            "discarded": False,
        }
        latest = {"completed": checkpoint, "savepoint": None, "failed": None, "restored": None}
        path = f"/jobs/{manifest.current.job_id}"
        self._answers: dict[str, Any] = {
            "/jobmanager/config": [{"key": "web.tmpdir", "value": f"/tmp/flink-web-{LIFE}"}],
            "/jobs/overview": {"jobs": [job]},
            f"{path}/checkpoints": {"counts": {"completed": 7}, "latest": latest, "history": [checkpoint]},
            f"{path}/checkpoints/config": {"externalization": {"delete_on_cancellation": False}},
            f"{path}/exceptions": {"exceptionHistory": {"entries": []}},
        }
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url}")
        if request.url.path in self._answers:
            return httpx.Response(200, json=self._answers[request.url.path])
        return httpx.Response(404, json={"errors": [f"Job {request.url.path} not found"]})

    def listen(self) -> None:
        """Let whoever connects from now on speak to this server."""
        connect.SyncIO = functools.partial(SyncIO, transport=httpx.MockTransport(self))  # type: ignore[misc]


def on_record(folder: Path, **changes: Any) -> tuple[Path, Manifest]:
    """A job file ``orders.yaml`` in the folder, and its manifest in ``manifests.db`` beside it."""
    file = folder / "orders.yaml"
    file.write_text(json.dumps(JOB))
    manifest = Manifest("orders", "b3c1f1de-5a2b-4a51-9e55-0f8f4a1f7f00", last_number=1)
    attempt = Attempt(
        number=1,
        spec=read_job(file).spec,
        query_version=1,
        job_id=manifest.id("job", 1),
        fresh=True,
        owner="somebody",
        by="ann@host",
        state="confirmed",
        claimed_at=SETTLED / 1000,
        sent_at=SETTLED / 1000,
        cluster=JOBMANAGER,
        incarnation=LIFE,
        landed=True,
        settled_at=SETTLED,
        had_state=True,
    )
    manifest = replace(manifest, current=replace(attempt, **changes))
    store = open_store(f"sqlite:///{folder}/manifests.db")
    store.put(manifest, 0)
    store.close()
    return file, manifest
