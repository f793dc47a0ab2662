import asyncio
import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.local import LocalStatus
from airflow_provider_flinksql.triggers import wait
from airflow_provider_flinksql.triggers.wait import FlinkSqlWaitTrigger
from blocking import watching_the_loop


def rebuilt(trigger: BaseTrigger) -> BaseTrigger:
    """What the triggerer makes of it, by way of the database."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**json.loads(json.dumps(kwargs)))


def watched(trigger: BaseTrigger) -> Any:
    """The payload of the first event; nothing may block the loop meanwhile, whatever else the machine does."""

    async def first() -> TriggerEvent:
        return await anext(trigger.run())

    with watching_the_loop() as blocked:
        event = asyncio.run(first())
    assert blocked == []
    return event.payload


@pytest.mark.parametrize(
    "blocks",
    [
        lambda: time.sleep(0),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: sqlite3.connect(":memory:").close(),
        lambda: subprocess.run(["true"], check=True),
    ],
    ids=["a pause", "a connection", "a database", "a process"],
)
def test_what_blocks_the_loop_is_heard(blocks: Callable[[], Any]):
    async def waits() -> None:
        with suppress(OSError):
            blocks()

    with watching_the_loop() as blocked:
        asyncio.run(waits())
    assert blocked


@pytest.fixture
def news(flink: LocalStatus, connect) -> Callable[..., Any]:
    def news(job_id: str, awaiting: wait.Awaited, **more: Any) -> Any:
        connect(flink)
        trigger = rebuilt(FlinkSqlWaitTrigger("flink_sql_default", job_id, awaiting, **more))
        payload = watched(trigger)
        assert payload["job_id"] == job_id
        return payload["news"]

    return news


def cancel(flink: LocalStatus, job_id: str) -> None:
    with SyncIO(flink.jobmanager) as io:
        run_sync(JobManager(io).cancel(job_id))


def test_it_comes_back_from_the_database_as_it_was():
    trigger = FlinkSqlWaitTrigger("conn", "ab" * 16, "proof", "cd" * 16, 1234.5, 2.0, {"plan": "start"}, {"name": "n"})
    assert rebuilt(trigger).serialize() == trigger.serialize()
    assert set(trigger.serialize()[1]) == {
        "flink_conn_id", "job_id", "awaiting", "proof_id", "deadline", "poll_interval", "earlier",
        "withdrawal",
    }  # fmt: skip


def test_it_tells_when_all_tasks_run(flink, running_job, news):
    assert news(running_job(flink), "running") == "running"


def test_it_tells_when_the_job_finished(flink, running_job, news):
    assert news(running_job(flink, end=40), "finished") == "FINISHED"


@pytest.mark.parametrize("awaiting", ["running", "proof", "finished"])
def test_it_tells_when_the_job_ended_otherwise(flink, running_job, news, awaiting):
    job_id = running_job(flink)
    cancel(flink, job_id)
    assert news(job_id, awaiting, proof_id="00" * 16) == "CANCELED"


def test_it_tells_when_the_proof_is_decided(flink, running_job, news):
    job_id = running_job(flink, **{"execution.checkpointing.interval": "1h"})
    assert news(job_id, "running") == "running"
    with SyncIO(flink.jobmanager) as io:
        proof = run_sync(JobManager(io).request_checkpoint(job_id, "ab" * 16))
    assert news(job_id, "proof", proof_id=proof) == "proof"


def test_without_checkpoints_the_proof_is_to_run_undisturbed(flink, running_job, news, monkeypatch):
    monkeypatch.setattr(wait, "STABLE_MS", 1500)
    job_id = running_job(flink)
    started = time.monotonic()
    assert news(job_id, "proof", poll_interval=0.3) == "proof"
    assert time.monotonic() - started > 1.5


def test_it_tells_when_the_job_is_not_known(news):
    assert news("00" * 16, "running") == "gone"


def test_it_ends_at_its_deadline(flink, running_job, news):
    started = time.time()
    assert news(running_job(flink), "finished", deadline=started + 1.5, poll_interval=0.2) == "deadline"
    assert time.time() - started >= 1.5


def test_it_leaves_airflow_the_time_to_hear_of_the_worker_that_deferred(flink, running_job, news, monkeypatch):
    monkeypatch.setattr(wait, "SETTLING", 1.5)
    started = time.monotonic()
    assert news(running_job(flink), "running") == "running"
    assert time.monotonic() - started >= 1.5


def test_begun_anew_it_tells_the_same(flink, running_job, connect):
    connect(flink)
    trigger = FlinkSqlWaitTrigger("flink_sql_default", running_job(flink), "running")
    assert watched(trigger) == watched(trigger) == {"job_id": trigger.job_id, "news": "running", "earlier": None}


def test_a_jobmanager_that_is_silent_for_long_is_told(flink, connect, monkeypatch):
    monkeypatch.setattr(wait, "OUTAGE", 1.0)
    connect(flink, jobmanager_url="http://127.0.0.1:9")
    payload = watched(FlinkSqlWaitTrigger("flink_sql_default", "ab" * 16, "running", poll_interval=0.2))
    assert payload["news"] == "trouble"


def test_what_the_connection_lacks_is_left_for_the_worker_to_tell(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FLINK_SQL_DEFAULT", '{"conn_type": "flink_sql", "host": "gw"}')
    assert watched(FlinkSqlWaitTrigger("flink_sql_default", "ab" * 16, "running"))["news"] == "trouble"
