"""A look at a job of which the JobManager knows no more than its id."""

import struct

import httpx

from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.situation import situation
from airflow_provider_flinksql.targets.session import SessionTarget
from onejob import JOBMANAGER, LIFE, SETTLED, OneJob, on_record


def test_checkpoints_of_the_last_life_are_found_though_the_id_was_used_up_in_this_one(tmp_path):
    metadata = tmp_path / "chk-7" / "_metadata"
    metadata.parent.mkdir()
    metadata.write_bytes(struct.pack(">iiq", 0x4960672D, 6, 7))
    _, manifest = on_record(tmp_path, incarnation="another", burnt_in=LIFE, checkpoint_folder=f"file://{tmp_path}")
    server = OneJob(manifest, "FAILED")
    job = f"/jobs/{manifest.current.job_id}"
    server._answers[job] = {"state": "FAILED", "now": SETTLED + 60_000}
    server._answers[f"{job}/checkpoints"]["latest"] = dict.fromkeys(("completed", "savepoint", "failed", "restored"))
    server._answers[f"{job}/checkpoints"]["history"] = []
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert [(one.location, one.checkpoint_id) for one in seen.snapshots] == [(f"file://{tmp_path}/chk-7", 7)]
    assert situation(manifest.current, seen, Policy("", "")).outcome == "gone"  # and not "failed", as the burnt one did
