"""What people do to the tasks of a real Airflow, and what happens to its processes: the judge is the same.

One Airflow for all. What concerns a single task is begun with the first test, all at once; each test waits for its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from faults.judge import overlaps
from faults.killed import COVERING
from faults.lab import Lab
from faults.table import cell
from faults.tasks import Task, counting, kill_session, patient, tasks, until

AT_ONCE = 6
"""Tasks; each process of a task takes seconds to start."""

WAYS = {"running": False, "deferred": True}
"""How a task waits for its job."""

JOBS = {
    **{f"streaming_{way}": ("streaming", {"deferrable": deferred}) for way, deferred in WAYS.items()},
    **{f"batch_{way}": ("batch", {"deferrable": deferred}) for way, deferred in WAYS.items()},
    **{f"attach_{way}": ("batch", {"deferrable": deferred, "on_clear": "attach"}) for way, deferred in WAYS.items()},
    "killed_first": ("streaming", {}),
    "killed_upgrade": ("streaming", {"deferrable": True}),
    "killed_supervisor": ("streaming", {"deferrable": True}),
    "killed_batch": ("batch", {}),
    "shut_down": ("streaming", {"deferrable": True}),
    "frozen": ("streaming", {"deferrable": True}),
    "frozen_for_good": ("batch", {"retries": 0}),
    "triggerer_streaming": ("streaming", {"deferrable": True}),
    "triggerer_batch": ("batch", {"deferrable": True}),
    "scheduler_deferred": ("streaming", {"deferrable": True}),
    "scheduler_running": ("streaming", {}),
    "scheduler_batch": ("batch", {}),
}


def says_what_was_begun(task: Task) -> None:
    """A retry's log, in one line."""
    said = [line for line in task.retries() if line.endswith("going on.") and f"{task.run_id}, try 1 was " in line]
    assert said, task.retries()


# --- people, each with one task ----------------------------------------------------------------------


def people_and_streaming(task: Task, way: str) -> None:
    patient(task.job)
    task.begin()
    number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"streaming, {way}", "cleared"):
        task.clear()
        task.comes_to("running", "deferred", tries=number + 1)
        number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"streaming, {way}", "marked success"):
        task.mark("success")
        task.clear()  # of a task that has succeeded
        task.comes_to("running", "deferred", tries=number + 1)
        number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"streaming, {way}", "marked failed"):
        task.mark("failed")
        time.sleep(3)
        task.job.wire.unproved = False
        task.clear()
        task.ends(tries=number + 1)
        number = task.look()["try_number"]
    with cell("Airflow", "streaming, succeeded", f"cleared ({way})"):
        task.clear()
        task.ends(tries=number + 1)
        assert task.result()["action"] == "none"
        task.job.judge(1)


def people_and_batch(task: Task, way: str) -> None:
    """Cleared it begins anew, marked failed it is cancelled, marked as success it is left alone.

    One that is cleared while its worker has no time to cancel its job may go on with that: see ``test_killed``.
    """
    counting(task.job, 10, 20000)
    task.begin()
    number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"batch, {way}", "cleared"):
        task.clear()
        task.comes_to("running", "deferred", tries=number + 1)
        number = task.waits(deferred=WAYS[way])
        assert task.states().count("RUNNING") == 1
    with cell("Airflow", f"batch, {way}", "marked failed"):
        task.mark("failed")
        until(lambda: set(task.states()) == {"CANCELED"}, "its job is not cancelled")
        task.clear()
        task.comes_to("running", "deferred", tries=number + 1)
        number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"batch, {way}", "marked success"):
        task.mark("success")
        task.says("is success.", number)
        time.sleep(2)
        assert task.states()[-1] == "RUNNING"
    with cell("Airflow", "batch, succeeded", f"cleared ({way})"):
        counting(task.job, 10, 20)
        task.clear()
        task.ends(tries=number + 1)
        is_whole(task, 20, *["CANCELED"] * (len(task.states()) - 1), "FINISHED")


def people_and_attached(task: Task, way: str) -> None:
    """One run, whatever is cleared."""
    counting(task.job, 10, 500)
    task.begin()
    number = task.waits(deferred=WAYS[way])
    with cell("Airflow", f"batch, {way}", "cleared, attach"):
        task.clear()
        task.ends(tries=number + 1)
        number = task.look()["try_number"]
        is_whole(task, 500, "FINISHED")
    with cell("Airflow", "batch, succeeded", f"cleared, attach ({way})"):
        task.clear()
        task.ends(tries=number + 1)
        is_whole(task, 500, "FINISHED")


def is_whole(task: Task, rows: int, *states: str) -> None:
    """A batch job whose Flink jobs ended like this, never two at a time, and which wrote each row once."""
    lives = task.job.lab.watch.of(task.job.name)
    assert [life.state for life in lives] == list(states)
    assert (overlaps(lives), task.job.output(), task.job.rows().last) == ([], [], rows)


# --- processes, each of one task ---------------------------------------------------------------------


def upgrade(task: Task) -> None:
    """The job runs as of another file."""
    task.job.must("deploy", str(task.job.path))
    task.job.grows()
    task.job.change()


def killed_first(task: Task) -> None:
    with cell("Airflow", "submit", "task killed"):
        task.begin_and_meet("submit", "during", signal.SIGKILL, only="task")
        task.ends(tries=2)
        says_what_was_begun(task)
        task.job.judge(1)


def killed_upgrade(task: Task) -> None:
    upgrade(task)
    with cell("Airflow", "stop", "task and worker killed"):
        task.begin_and_meet("stop", "during", signal.SIGKILL)
        task.ends(tries=2)
        says_what_was_begun(task)
        assert any("Plan: resume: " in line for line in task.retries())
        task.job.judge(2)


def killed_supervisor(task: Task) -> None:
    """The task goes on and does not know that nobody hears of it; its retry is a second deployer."""
    upgrade(task)
    with cell("Airflow", "stop", "worker killed"):
        task.begin_and_meet("stop", "after", signal.SIGKILL, only="worker")
        task.ends(tries=2)
        task.job.judge(2)


def killed_batch(task: Task) -> None:
    counting(task.job, 10, 300)
    with cell("Airflow", "batch, running", "task killed"):
        task.begin()
        task.waits(deferred=False)
        task.signal(signal.SIGKILL, "task")
        task.ends(tries=2)
        says_what_was_begun(task)
        is_whole(task, 300, "FINISHED")


def shut_down(task: Task) -> None:
    upgrade(task)
    with cell("Airflow", "stop", "worker terminated"):
        task.begin_and_meet("stop", "during", signal.SIGTERM, only="worker")
        task.ends()
        task.job.judge(2)


def frozen(task: Task) -> None:
    """It wakes up when the retry has done everything."""
    upgrade(task)
    with cell("Airflow", "submit", "worker frozen"):
        asleep: list[psutil.Process] = []

        def freeze() -> None:
            asleep.extend(task.processes.values())
            task.signal(signal.SIGSTOP)

        task.begin_and_act("write: pinned, current ended", "after", freeze)
        task.ends(tries=2)
        says_what_was_begun(task)
        for process in asleep:
            process.send_signal(signal.SIGCONT)
        until(lambda: not asleep[0].is_running(), "it goes on")
        assert task.look()["state"] == "success"
        task.job.judge(2)


def frozen_for_good(task: Task) -> None:
    """Without retries Airflow itself ends the task for its lost heartbeats."""
    counting(task.job, 10, 20000)
    with cell("Airflow", "batch, running", "worker frozen, no retry"):
        task.begin()
        task.waits(deferred=False)
        asleep = task.processes
        task.signal(signal.SIGSTOP)
        task.ends("failed")
        assert task.states() == ["RUNNING"]
        for process in asleep.values():
            process.send_signal(signal.SIGCONT)
        until(lambda: not asleep["task"].is_running(), "it goes on")
        # it read that its task failed, and ended the job; where it had no time to, what comes next does
        counting(task.job, 10, 20)
        task.clear()
        task.ends(tries=2)
        is_whole(task, 20, "CANCELED", "FINISHED")


ALL: dict[str, Callable[[Task], None]] = {
    **{f"streaming_{way}": lambda task, way=way: people_and_streaming(task, way) for way in WAYS},
    **{f"batch_{way}": lambda task, way=way: people_and_batch(task, way) for way in WAYS},
    **{f"attach_{way}": lambda task, way=way: people_and_attached(task, way) for way in WAYS},
    **{
        story.__name__: story
        for story in (killed_first, killed_upgrade, killed_supervisor, killed_batch, shut_down, frozen, frozen_for_good)
    },
}

SHORT = ("streaming_deferred", "batch_running", "batch_deferred", "killed_upgrade", "shut_down", "frozen")
"""Each act of people, a kill, a shutdown, a stall: what the others add is the other way of waiting, or another step."""
STORIES = {name: ALL[name] for name in SHORT} if COVERING else ALL


@pytest.fixture(scope="module")
def airflow(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Task]]:
    lab.up()
    with tasks(lab, tmp_path_factory.mktemp("airflow"), JOBS) as found:
        yield found


@pytest.fixture(scope="module")
def told(airflow: dict[str, Task], request: pytest.FixtureRequest) -> Iterator[dict[str, Future[None]]]:
    """All stories that are asked for, under way."""
    asked = [i.callspec.params["story"] for i in request.session.items if "story" in getattr(i, "fixturenames", ())]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {name: threads.submit(STORIES[name], airflow[name]) for name in asked}


@pytest.mark.parametrize("story", STORIES)
def test_one_task(told, story):
    told[story].result()


# --- processes of Airflow itself ---------------------------------------------------------------------


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A whole group of processes stands still."""
    os.killpg(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process, signal.SIGCONT)


def test_triggerers_die_and_stall_while_others_take_over(airflow):
    streaming, batch = airflow["triggerer_streaming"], airflow["triggerer_batch"]
    both, stack = (streaming, batch), streaming.stack
    patient(streaming.job)
    counting(batch.job, 10, 20000)
    for task in both:
        task.begin()
        task.waits(deferred=True)
    with cell("Airflow", "triggerer", "killed"):
        os.killpg(stack.processes["triggerer"].pid, signal.SIGKILL)
        time.sleep(1)
        stack.start("triggerer")
        for task in both:
            task.waits(deferred=True)
    with cell("Airflow", "triggerer", "stopped and replaced"):
        stalled = stack.processes["triggerer"].pid
        with stopped(stalled):
            time.sleep(1)
            stack.start("triggerer")
            for task in both:
                task.waits(deferred=True)
        batch.says("is deferred.")  # the one that lost its triggers asks before it acts
        assert (streaming.states(), batch.states()) == (["RUNNING"], ["RUNNING"])
        streaming.job.wire.unproved = False
        streaming.ends()
        streaming.job.judge(1)


def test_a_scheduler_dies_and_another_one_begins_while_tasks_run_and_are_deferred(airflow):
    waiting, running, batch = (airflow[f"scheduler_{which}"] for which in ("deferred", "running", "batch"))
    stack = waiting.stack
    for task in (waiting, running):
        patient(task.job)
    counting(batch.job, 10, 600)
    for task in (waiting, running, batch):
        task.begin()
    for task in (waiting, running, batch):
        task.waits(deferred=task is waiting)
    with cell("Airflow", "scheduler", "killed and started"):
        kill_session(stack.processes["scheduler"].pid)
        stack.start("scheduler")
        for task in (running, batch):
            task.comes_to("running", "success", tries=2)
        for task in (waiting, running):
            task.job.wire.unproved = False
        for task in (waiting, running, batch):
            task.ends()
        says_what_was_begun(running)
        waiting.job.judge(1)
        running.job.judge(1)
        is_whole(batch, 600, "FINISHED")
