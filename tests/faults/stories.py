"""What people do to the tasks of a real Airflow, and what happens to its processes: the judge is the same.

One Airflow for all. Stories of single tasks are told at once; those that harm what all tasks stand on, one by one
after them. All of it happens while the other tests run: Airflow and Flink mostly wait.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from faults.judge import overlaps
from faults.killed import COVERING
from faults.lab import Lab
from faults.table import cell
from faults.tasks import OVER, Job, Task, counting, kill_session, patient, tasks, until

AT_ONCE = 6
"""Tasks; each process of a task takes seconds to start."""

WAYS = {"running": False, "deferred": True}
"""How a task waits for its job."""


@dataclass(frozen=True)
class Story:
    """``tell`` is given the tasks of its jobs, in their order. ``alone``: it harms what other tasks stand on."""

    tell: Callable[..., None]
    jobs: Mapping[str, Job]
    short: bool = True
    """Part of the short form: what the others add is the other way of waiting, or another step."""
    alone: bool = False


@contextmanager
def telling(lab: Lab, folder: Path, names: Collection[str]) -> Iterator[Mapping[str, Future[None]]]:
    """Tells these stories from now on; how each ended, once it has. They end early when they are over for all."""
    told: dict[str, Future[None]] = {name: Future() for name in names}
    OVER.clear()
    teller = threading.Thread(target=_tell_all, args=(lab, folder, told))
    teller.start()
    try:
        yield told
    finally:
        teller.join()


def _tell_all(lab: Lab, folder: Path, told: Mapping[str, Future[None]]) -> None:
    if not told:
        return
    jobs = {name: job for story in told for name, job in STORIES[story].jobs.items()}

    def tell(name: str) -> None:
        _tell(STORIES[name], [airflow[job] for job in STORIES[name].jobs], told[name])

    try:
        with tasks(lab, folder, jobs) as airflow:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                list(threads.map(tell, [name for name in told if not STORIES[name].alone]))
            for name in told:
                if STORIES[name].alone:
                    tell(name)
    except BaseException as error:  # of Airflow itself: nobody waits in vain
        for future in told.values():
            if not future.done():
                future.set_exception(error)


def _tell(story: Story, involved: list[Task], told: Future[None]) -> None:
    try:
        story.tell(*involved)
        told.set_result(None)
    except BaseException as error:
        told.set_exception(error)


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


# --- processes of Airflow itself ---------------------------------------------------------------------


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A whole group of processes stands still."""
    os.killpg(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process, signal.SIGCONT)


def airflows_own(streaming: Task, batch: Task, running: Task, running_batch: Task) -> None:
    """Its triggerer dies, and stalls while another takes over; then its scheduler dies, too, and another begins."""
    stack = streaming.stack
    for task in (streaming, running):
        patient(task.job)
    counting(batch.job, 10, 20000)
    counting(running_batch.job, 10, 900)
    deferred, here = (streaming, batch), (running, running_batch)
    for task in deferred:
        task.begin()
    for task in deferred:
        task.waits(deferred=True)
    with cell("Airflow", "triggerer", "killed"):
        os.killpg(stack.processes["triggerer"].pid, signal.SIGKILL)
        time.sleep(1)
        stack.start("triggerer")
        for task in deferred:
            task.waits(deferred=True)
    for task in here:
        task.begin()
    with cell("Airflow", "triggerer", "stopped and replaced"):
        with stopped(stack.processes["triggerer"].pid):
            time.sleep(1)
            stack.start("triggerer")
            for task in deferred:
                task.waits(deferred=True)
        batch.says("is deferred.")  # the one that lost its triggers asks before it acts
        assert (streaming.states(), batch.states()) == (["RUNNING"], ["RUNNING"])
    for task in here:
        task.waits(deferred=False)
    with cell("Airflow", "scheduler", "killed and started"):
        kill_session(stack.processes["scheduler"].pid)
        stack.start("scheduler")
        for task in here:
            task.comes_to("running", "success", tries=2)
        for task in (streaming, running):
            task.job.wire.unproved = False
        for task in (streaming, *here):
            task.ends()
        says_what_was_begun(running)
        streaming.job.judge(1)
        running.job.judge(1)
        is_whole(running_batch, 900, "FINISHED")


STREAMING: Job = ("streaming", {})
DEFERRED: Job = ("streaming", {"deferrable": True})
BATCH: Job = ("batch", {})
DEFERRED_BATCH: Job = ("batch", {"deferrable": True})

_ALL = {
    **{
        f"streaming_{way}": Story(
            lambda task, way=way: people_and_streaming(task, way),
            {f"streaming_{way}": ("streaming", {"deferrable": deferred})},
            short=deferred,
        )
        for way, deferred in WAYS.items()
    },
    **{
        f"batch_{way}": Story(
            lambda task, way=way: people_and_batch(task, way),
            {f"batch_{way}": ("batch", {"deferrable": deferred})},
        )
        for way, deferred in WAYS.items()
    },
    **{
        f"attach_{way}": Story(
            lambda task, way=way: people_and_attached(task, way),
            {f"attach_{way}": ("batch", {"deferrable": deferred, "on_clear": "attach"})},
            short=False,
        )
        for way, deferred in WAYS.items()
    },
    "killed_first": Story(killed_first, {"killed_first": STREAMING}, short=False),
    "killed_upgrade": Story(killed_upgrade, {"killed_upgrade": DEFERRED}),
    "killed_supervisor": Story(killed_supervisor, {"killed_supervisor": DEFERRED}, short=False),
    "killed_batch": Story(killed_batch, {"killed_batch": BATCH}, short=False),
    "shut_down": Story(shut_down, {"shut_down": DEFERRED}),
    "frozen": Story(frozen, {"frozen": DEFERRED}, short=False),
    "frozen_for_good": Story(frozen_for_good, {"frozen_for_good": ("batch", {"retries": 0})}, short=False),
    "airflows_own": Story(
        airflows_own,
        {"own_deferred": DEFERRED, "own_deferred_batch": DEFERRED_BATCH, "own": STREAMING, "own_batch": BATCH},
        alone=True,
    ),
}
STORIES = {name: story for name, story in _ALL.items() if story.short or not COVERING}
