"""The facts the clients rely on, asked of real Flink. tests/unit checks the same on recorded answers."""

import asyncio
import time
import uuid
from urllib.parse import urlsplit

import pytest

from airflow_provider_flinksql.clients.flink import JobManager, incarnation
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import AsyncIO, SyncIO, run_sync
from airflow_provider_flinksql.clients.statefiles import StateFiles, same_location
from airflow_provider_flinksql.errors import (
    DeadlineExceeded,
    Duplicate,
    FlinkSqlError,
    InvalidQuery,
    Misconfigured,
    NotFound,
    SessionGone,
    StatementFailed,
    Unreachable,
)
from settings import READ, REFUSED

TABLES = [
    "CREATE TABLE src (id BIGINT, k INT) WITH ('connector'='datagen', 'rows-per-second'='20', 'fields.k.max'='5')",
    "CREATE TABLE sink (k BIGINT, n BIGINT) WITH ('connector'='blackhole')",
]
COUNT = "INSERT INTO sink SELECT k, COUNT(*) FROM src GROUP BY k"
NOWHERE = "file:///not/there"
FILES = StateFiles()


@pytest.fixture(params=["worker", "triggerer"])
def talk(request, flink):
    """Runs ``flow(jobmanager, gateway, io)`` against the cluster, blocking or awaited."""

    def as_worker(flow):
        with SyncIO(flink.jobmanager) as io, SyncIO(flink.gateway) as gateway:
            return run_sync(flow(JobManager(io), Gateway(gateway), io))

    async def as_triggerer(flow):
        async with AsyncIO(flink.jobmanager) as io, AsyncIO(flink.gateway) as gateway:
            return await flow(JobManager(io), Gateway(gateway), io)

    return as_worker if request.param == "worker" else lambda flow: asyncio.run(as_triggerer(flow))


async def until(io, ask, good):
    deadline = time.monotonic() + 60
    while not good(answer := await ask()):
        assert time.monotonic() < deadline, answer
        await io.sleep(0.05)
    return answer


async def prepared(gateway):
    session = await gateway.open_session()
    for table in TABLES:
        await session.execute(table)
    return session


def options(tmp_path, job, **more):
    return {
        "$internal.pipeline.job-id": job,
        "pipeline.name": f"name-{job}",
        "pipeline.global-job-parameters": "flinksql.lineage:abc,flinksql.attempt:7",
        "execution.checkpointing.interval": "10 min",
        "execution.checkpointing.dir": f"file://{tmp_path}/checkpoints",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        **more,
    }


def test_versions_and_life(talk, flink):
    async def flow(jobmanager, gateway, io):
        cluster = await jobmanager.cluster()
        assert cluster.flink_version == await gateway.info() == flink.flink
        assert cluster.slots_total >= cluster.slots_available >= 0
        assert uuid.UUID(incarnation(await jobmanager.config()))
        assert incarnation(await jobmanager.config()) == incarnation(await jobmanager.config())

    talk(flow)


def test_the_gateway_reads_set_and_reset_as_we_do(talk):
    async def flow(jobmanager, gateway, io):
        for text, key, value in READ:
            async with await gateway.open_session() as session:
                await session.execute("SET 'a.b' = 'before'")
                await session.execute(text)
                assert dict((await session.execute("SET")).rows).get(key or "a.b") == value, text
        for text in REFUSED:
            async with await gateway.open_session() as session:
                with pytest.raises(InvalidQuery):
                    await session.execute(text)

    talk(flow)


def test_a_job_from_start_to_restore(talk, tmp_path):
    first, second, trigger, saved, stopped = (uuid.uuid4().hex for _ in range(5))

    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            assert "== Optimized Execution Plan ==" in await session.explain(COUNT)
            result = await session.execute(COUNT, options(tmp_path, first))
            assert result.job_id == first
            assert first in await session.show_jobs()
            with pytest.raises(Duplicate):
                await session.execute(COUNT, options(tmp_path, first))
        await all_running(jobmanager, io, first)
        listed = next(job for job in await jobmanager.overview() if job.id == first)
        assert (listed.name, listed.state) == (f"name-{first}", "RUNNING")
        assert await jobmanager.job_config(first) == {"flinksql.lineage": "abc", "flinksql.attempt": "7"}
        assert not await jobmanager.deletes_on_cancel(first)

        number = await proven(jobmanager, io, first, trigger)
        seen = await jobmanager.checkpoints(first)
        assert (seen.completed[0].id, seen.completed[0].kind, seen.restored) == (number, "checkpoint", None)
        folder = f"file://{tmp_path}/checkpoints/{first}"
        assert [one.checkpoint_id for one in FILES.completed_checkpoints(folder)] == [number]
        assert same_location(FILES.completed_checkpoints(folder)[0].location, seen.completed[0].location)

        await jobmanager.savepoint(first, saved, f"file://{tmp_path}/saved", format="native")
        savepoint = await until(
            io, lambda: jobmanager.savepoint_status(first, saved), lambda status: status.state != "in-progress"
        )
        assert (savepoint.state, savepoint.cause) == ("completed", None)
        kept = FILES.find_savepoint(f"file://{tmp_path}/saved")
        assert (same_location(kept.location, savepoint.location), kept.checkpoint_id > number) == (True, True)

        own = f"file://{tmp_path}/own"
        await jobmanager.stop(first, stopped, own)
        await jobmanager.stop(first, stopped, own)  # asked twice is asked once
        stop = await until(
            io, lambda: jobmanager.savepoint_status(first, stopped), lambda status: status.state != "in-progress"
        )
        assert stop.state == "completed"
        assert same_location(FILES.find_savepoint(own).location, stop.location)
        assert FILES.find(stop.location)
        await ended(jobmanager, io, first, "FINISHED")
        by_stop = (await jobmanager.checkpoints(first)).stopped_with
        assert (by_stop.location, by_stop.id) == (stop.location, FILES.find_savepoint(own).checkpoint_id)
        await jobmanager.cancel(first)  # it has ended: as good

        restoring = {"execution.state-recovery.path": stop.location}
        async with await prepared(gateway) as session:
            await session.execute(COUNT, options(tmp_path, second, **restoring))
        await all_running(jobmanager, io, second)
        await proven(jobmanager, io, second, trigger)
        seen = await jobmanager.checkpoints(second)
        assert same_location(seen.restored.location, stop.location)
        assert seen.restored.is_savepoint
        await jobmanager.cancel(second)
        await ended(jobmanager, io, second, "CANCELED")
        seen = await jobmanager.checkpoints(second)
        assert seen.stopped_with is None
        assert FILES.find(seen.completed[0].location)

    talk(flow)


async def all_running(jobmanager, io, job):
    await until(io, lambda: jobmanager.job(job), lambda details: details.all_running)


async def proven(jobmanager, io, job, trigger):
    await jobmanager.request_checkpoint(job, trigger)
    status = await until(
        io, lambda: jobmanager.checkpoint_status(job, trigger), lambda status: status.state != "in-progress"
    )
    assert status.state == "completed", status
    return status.checkpoint_id


async def ended(jobmanager, io, job, state):
    await until(io, lambda: jobmanager.job(job), lambda details: details.state == state)


def test_a_savepoint_that_fails_says_why(talk, tmp_path):
    job, trigger = uuid.uuid4().hex, uuid.uuid4().hex

    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            await session.execute(COUNT, options(tmp_path, job))
        await all_running(jobmanager, io, job)
        await jobmanager.stop(job, trigger, "file:///proc/nowhere")
        status = await until(
            io, lambda: jobmanager.savepoint_status(job, trigger), lambda status: status.state != "in-progress"
        )
        assert (status.state, status.location) == ("failed", None)
        assert status.cause == "IOException: Failed to create savepoint directory at file:/proc/nowhere"
        assert (await jobmanager.job(job)).state == "RUNNING"
        await jobmanager.cancel(job)

    talk(flow)


def test_what_is_not_there(talk):
    job = uuid.uuid4().hex

    async def flow(jobmanager, gateway, io):
        for ask in (jobmanager.job, jobmanager.checkpoints, jobmanager.exceptions, jobmanager.cancel):
            with pytest.raises(NotFound):
                await ask(job)
        assert (await jobmanager.savepoint_status(job, job)).state == "unknown"
        assert (await jobmanager.checkpoint_status(job, job)).state == "unknown"
        await jobmanager.stop(job, job, "file:///tmp/x")  # accepted: only the status tells
        status = await until(
            io, lambda: jobmanager.savepoint_status(job, job), lambda status: status.state != "in-progress"
        )
        assert status.state == "failed"
        assert status.cause.startswith("FlinkJobNotFoundException")

    talk(flow)


def test_a_burnt_id_is_refused_for_ever(talk, tmp_path):
    job = uuid.uuid4().hex

    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            with pytest.raises(StatementFailed, match="FileNotFoundException: Cannot find checkpoint or savepoint"):
                await session.execute(COUNT, options(tmp_path, job, **{"execution.state-recovery.path": NOWHERE}))
            assert (await jobmanager.job(job)).state == "FAILED"
            (failure,) = await jobmanager.exceptions(job)
            assert failure.cause.startswith("FileNotFoundException: Cannot find checkpoint or savepoint")
            with pytest.raises(Duplicate):
                await session.execute(COUNT, options(tmp_path, job))

    talk(flow)


def test_a_batch_job_has_no_checkpoints(talk, tmp_path):
    job = uuid.uuid4().hex

    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            batch = {"execution.runtime-mode": "batch"}
            await session.execute("INSERT INTO sink VALUES (1, 1)", options(tmp_path, job, **batch))
            result = await session.execute("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s) ORDER BY n", batch)
        assert (result.columns, result.rows) == (("n", "s"), ((1, "a"), (2, "b")))
        await ended(jobmanager, io, job, "FINISHED")
        assert await jobmanager.checkpoints(job) is None
        assert not await jobmanager.deletes_on_cancel(job)

    talk(flow)


@pytest.mark.parametrize(
    ("statement", "config", "error", "said"),
    [
        ("INSERT INTO sink SELECT k, 1 FROM nope", {}, InvalidQuery, "line 1, column 35: Object 'nope' not found"),
        ("INSERT INTO sink\nSELECT k,\n zzz FROM src", {}, InvalidQuery, "line 3, column 2: Column 'zzz' not found"),
        ("SELECT 1 FROM FOR", {}, InvalidQuery, "line 1, column 15: syntax error at `FOR`: a reserved"),
        ("SELECT 1 +", {}, InvalidQuery, "syntax error at the end"),
        ("INSERT INTO sink SELEC k", {}, InvalidQuery, "Non-query expression"),
        ("SELECT 1; SELECT 2", {}, InvalidQuery, "only single statement supported"),
        ("INSERT INTO sink SELECT 'a', 1", {}, InvalidQuery, "Column types of query result and sink"),
        (
            "CREATE TEMPORARY FUNCTION foo AS 'com.example.Foo'",
            {},
            InvalidQuery,
            "there is no class com.example.Foo of function",
        ),
        ("ADD JAR '/not/there.jar'", {}, Misconfigured, "jar /not/there.jar is not found"),
        (COUNT, {"parallelism.default": "many"}, InvalidQuery, "Could not parse value 'many'"),
        (
            "SHOW JOBS",
            {"rest.address": "127.0.0.1", "rest.port": "9", "rest.retry.max-attempts": "1"},
            Unreachable,
            "no answer from its JobManager: ConnectException: Connection refused",
        ),
    ],
)
def test_errors_are_told_apart_in_one_line(talk, statement, config, error, said):
    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            with pytest.raises(error, match=said) as caught:
                await session.execute(statement, config)
            assert "\n" not in str(caught.value)
            await session.execute("SHOW TABLES")  # the session goes on

    talk(flow)


def test_a_late_select_is_ended_and_its_session_is_free_at_once(talk):
    async def flow(jobmanager, gateway, io):
        async with await prepared(gateway) as session:
            with pytest.raises(DeadlineExceeded, match="it was cancelled"):
                await session.execute("SELECT * FROM src", deadline=time.monotonic() + 0.7)
            await session.execute("SHOW TABLES")  # refused, were the SELECT still running

    talk(flow)


def test_a_closed_session_is_gone(talk):
    async def flow(jobmanager, gateway, io):
        session = await gateway.open_session({"parallelism.default": "1"})
        await session.close()
        await session.close()
        with pytest.raises(SessionGone):
            await session.execute("SELECT 1")

    talk(flow)


def test_gateway_and_jobmanager_cannot_be_mistaken_for_each_other(flink):
    with SyncIO(flink.jobmanager) as jobmanager, SyncIO(flink.gateway) as gateway:
        with pytest.raises(Misconfigured, match="not as a Flink SQL gateway"):
            run_sync(Gateway(jobmanager).info())
        with pytest.raises(Misconfigured, match="not as a Flink SQL gateway"):
            run_sync(Gateway(jobmanager).open_session())
        with pytest.raises(Misconfigured, match="not as a Flink JobManager"):
            run_sync(JobManager(gateway).overview())


def test_a_wrong_scheme_is_a_setting_and_a_wrong_port_is_silence(flink):
    port = urlsplit(flink.jobmanager).port
    for url, error in ((f"https://127.0.0.1:{port}", Misconfigured), ("http://127.0.0.1:9", Unreachable)):
        with SyncIO(url) as io, pytest.raises(FlinkSqlError, match="Check") as caught:
            run_sync(JobManager(io).overview())
        assert type(caught.value) is error
