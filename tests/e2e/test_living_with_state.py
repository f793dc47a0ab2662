"""What people do with the state of a job on record, through the command line on a real Flink."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flinksql.cli import owner
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.savepoint import TakeSavepoint
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets.connect import Settings, connect
from e2e.commandline import Cluster, assert_goes_on, deployed, started, stopped, until


def did(cluster: Cluster, *words: str) -> dict[str, Any]:
    """The one job that a command was about, once it has gone well."""
    answer = cluster.json(*words)
    assert answer.code == 0, answer.err
    return answer.job


def test_a_restart_goes_on_from_its_own_savepoint_and_a_stopped_job_is_started(cluster, job):
    first = started(cluster, job)
    second = did(cluster, "restart", job.name)
    assert (second["action"], second["reason"]) == ("restart", "you asked to restart it")
    assert second["restored_from"] == second["savepoint"]
    assert cluster.live(job.name) == [second["job_id"]] != [first["job_id"]]
    saved = stopped(cluster, job)["savepoint"]
    third = did(cluster, "restart", job.name)
    assert (third["restored_from"], cluster.live(job.name)) == (saved, [third["job_id"]])
    assert deployed(cluster, job)["action"] == "none"
    assert_goes_on(cluster, job)


def test_a_restart_goes_on_from_what_somebody_names(cluster, job):
    started(cluster, job)
    first = did(cluster, "restart", job.name)
    until(lambda: cluster.checkpoints(first["job_id"]))
    second = did(cluster, "restart", job.name, "--from", "latest-checkpoint")
    assert second["savepoint"] is None
    assert f"{first['job_id']}/chk-" in second["restored_from"]
    saved = first["savepoint"]
    third = did(cluster, "restart", job.name, "--from", saved)
    assert third["restored_from"] == saved
    assert cluster.json("restart", job.name, "--from", f"{saved}-not").code == 3
    assert cluster.live(job.name) == [third["job_id"]]


def test_a_job_of_another_name_is_adopted_by_its_id_then_described_then_changed(cluster, job):
    stranger = cluster.by_hand("insert-into_somewhere", job.out)
    assert cluster.json("adopt", job.name, "0" * 32).code == 3
    adopted = did(cluster, "adopt", job.name, stranger)
    assert (adopted["action"], adopted["job_id"]) == ("adopt", stranger)
    assert did(cluster, "adopt", job.name, stranger)["action"] == "none"
    assert cluster.json("status", job.name).job["state"] == "RUNNING"
    for words, said in ((["restart", job.name], "nobody knows the SQL"), (["deploy", job.path], "--adopt says")):
        refused = cluster.json(*words)
        assert refused.code == 3
        assert said in refused.job["reason"]
    assert did(cluster, "adopt", job.name, stranger, "--job", job.path)["action"] == "record"
    assert deployed(cluster, job)["action"] == "none"
    changed = deployed(cluster, job.write(options={"execution.checkpointing.interval": "2s"}))
    assert (changed["action"], cluster.state(stranger)) == ("restart", "FINISHED")
    assert changed["restored_from"] == changed["savepoint"]
    assert cluster.live(job.name) == [changed["job_id"]]
    assert_goes_on(cluster, job)


def test_a_savepoint_is_taken_of_a_job_that_goes_on_and_is_a_state_to_restore(cluster, job):
    first = started(cluster, job)
    answer = cluster.json("savepoint", job.name)
    assert answer.code == 0, answer.err
    taken = json.loads(answer.out)
    assert (taken["job_id"], taken["attempt"], taken["number"], taken["error"]) == (first["job_id"], 1, 1, None)
    assert Path(taken["savepoint"].removeprefix("file:"), "_metadata").is_file()
    assert f"/{job.name}/1/" in taken["savepoint"]
    assert taken["size"] > 0 < taken["seconds"]
    assert cluster.live(job.name) == [first["job_id"]]
    history = json.loads(cluster.json("history", job.name).out)
    assert history["attempts"][0]["savepoints"] == [taken["savepoint"]]
    assert taken["savepoint"] in cluster("history", job.name).out
    listed = json.loads(cluster.json("snapshots", job.name).out)["snapshots"]
    assert taken["savepoint"] in [one["location"] for one in listed]
    assert did(cluster, "restart", job.name, "--from", taken["savepoint"])["restored_from"] == taken["savepoint"]


def test_a_job_that_is_not_up_takes_no_savepoint_and_says_why(cluster, job):
    started(cluster, job)
    stopped(cluster, job)
    answer = cluster.json("savepoint", job.name)
    error = json.loads(answer.out)["error"]
    assert (answer.code, error["type"]) == (1, "SavepointFailed")
    assert "is not up, so it can take no savepoint: stopped with savepoint" in error["message"]


def test_a_retry_takes_the_savepoint_that_was_asked_for_and_no_second_one(cluster, job):
    """Its worker dies once it is written down, and once it is complete; at last the JobManager knows no answer."""
    started(cluster, job)
    status, mine = cluster.status, Policy("me", "")
    with connect(Settings(str(status.gateway), str(status.jobmanager))) as (target, io):
        store = open_store(os.environ["FLINKSQL_STORE"])
        taking = TakeSavepoint(target, store, io, time.monotonic)
        for place in ("_finish", "_put"):
            dying = TakeSavepoint(target, store, io, time.monotonic)
            setattr(dying, place, dies)
            with pytest.raises(Died):
                run_sync(dying.run(job.name, mine))
        first = run_sync(taking.run(job.name, mine))
        assert run_sync(taking.run(job.name, mine)) == first
        manifest = store.get(job.name).manifest
        forgotten = replace(manifest.current.savepoints[0], number=1, state="requested")
        lost = replace(manifest, lineage="00000000-0000-4000-8000-000000000001")  # other ids: nobody knows the answer
        found = run_sync(target.take_savepoint(manifest.current, forgotten, lost.id("savepoint", 1, 1)))
        assert (found.state, found.location, found.size) == ("completed", first.savepoint, first.size)
        second = run_sync(taking.run(job.name, Policy("another", "")))
        store.close()
    assert (first.number, second.number) == (1, 2)
    saved = {Path(one.savepoint.removeprefix("file:")) for one in (first, second)}
    assert {path for one in saved for path in one.parent.parent.glob("*/savepoint-*")} == saved


def test_a_rollback_runs_the_earlier_file_from_its_state_and_refuses_the_present_one(cluster, job):
    started(cluster, job)
    other = job.write(sql="INSERT INTO o SELECT id + 0, 1 AS w FROM s", state={"on-query-change": "fresh"})
    second = deployed(cluster, other)
    back = did(cluster, "rollback", job.name)
    assert back["restored_from"] == second["savepoint"]
    assert cluster.live(job.name) == [back["job_id"]]
    refused = cluster.json("deploy", job.path)
    assert (refused.code, "went back from it" in refused.job["reason"]) == (3, True)
    assert cluster.json("rollback", job.name, "--to", "7").code == 3
    assert deployed(cluster, job.write())["action"] in ("none", "record")
    assert cluster.live(job.name) == [back["job_id"]]


def test_a_deploy_does_what_was_approved_and_nothing_else(cluster, job, monkeypatch):
    approved = cluster.json("plan", job.path).job["plan_digest"]
    assert approved in cluster("plan", job.path).out
    assert deployed(cluster, job, "--expect", approved)["action"] == "start"
    monkeypatch.setattr(owner, "STARTED", 1)  # another process
    moved = cluster.json("deploy", job.path, "--expect", approved)
    assert (moved.code, approved in moved.job["reason"]) == (3, True)
    assert moved.job["error"]["type"] == "Blocked"


class Died(Exception):
    """A worker that is gone."""


def dies(*_: object) -> None:
    raise Died
