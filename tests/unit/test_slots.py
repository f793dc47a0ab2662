"""Whether the slots suffice is known before anything is stopped."""

import json

import httpx
import pytest

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.errors import Blocked, NoFreeSlots, Unreachable
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.targets.slots import PAUSE, RETURNING_SECONDS, Slots

SPEC = Spec("wide", ("INSERT INTO o SELECT 1",))


class Cluster:
    """Eight slots; ``jobs`` are pairs of the parallelism of its operators and a state."""

    def __init__(self, jobs=(), free=None, taskmanagers=1, frees_after=None):
        self.jobs = {f"{number:032x}": job for number, job in enumerate(jobs)}
        self.free = 8 - sum(max(widths) for widths, _ in self.jobs.values()) if free is None else free
        self.taskmanagers = taskmanagers
        self.frees_after = frees_after
        self.naps = []

    def __call__(self, request):
        free = 8 if self.frees_after is not None and len(self.naps) >= self.frees_after else self.free
        overview = {
            "flink-version": "2.3.0",
            "taskmanagers": self.taskmanagers,
            "slots-total": 8 * self.taskmanagers,
            "slots-available": free,
        }
        if request.url.path == "/overview":
            return httpx.Response(200, json=overview)
        if request.url.path == "/jobs/overview":
            return httpx.Response(200, json={"jobs": [_listed(job, state) for job, (_, state) in self.jobs.items()]})
        widths, _ = self.jobs[request.url.path.removeprefix("/jobs/")]
        tasks = {"RUNNING": 1, "FINISHED": 0}
        vertices = [{"parallelism": width, "tasks": tasks} for width in widths]
        return httpx.Response(200, json={"state": "RUNNING", "now": 4, "vertices": vertices})

    def require(self, speak, *widths, spec=SPEC, own=(), config=(), waits=False):
        graph = "\n".join(f'{n}\t{width}\t\t"n"\t{json.dumps("Calc(select=[k])")}' for n, width in enumerate(widths, 1))
        jobs = {f"{number:032x}" for number in own}

        async def flow(io):
            await Slots(JobManager(io), io, "http://c", dict(config)).require(spec, graph, jobs, waits=waits)

        speak(flow, self, self.naps)


def _listed(job, state):
    times = {"start-time": 1, "last-modification": 2, "duration": 3}
    tasks = {"total": 1, "running": 1, "finished": 0}
    return {"jid": job, "name": f"job {int(job, 16)}", "state": state, "tasks": tasks, **times}


def test_the_widest_operator_takes_the_slots(speak):
    Cluster().require(speak, 1, 8, 2)
    with pytest.raises(Blocked, match=r"wants 9 slots, for its Calc runs with parallelism 9; the cluster .* has 8"):
        Cluster().require(speak, 1, 9, 2)


def test_without_a_taskmanager_it_is_tried_again_later(speak):
    with pytest.raises(Unreachable, match="no TaskManager"):
        Cluster(taskmanagers=0, free=0).require(speak, 1)


def test_slots_that_others_hold_are_told_before_anything_is_stopped(speak):
    cluster = Cluster([([1, 4], "RUNNING"), ([2], "RUNNING"), ([9], "FAILED"), ([9], "INITIALIZING")], free=2)
    with pytest.raises(NoFreeSlots) as caught:
        cluster.require(speak, 3)
    assert caught.value.retryable
    assert "Job wide wants 3 slots; of the 8 of the cluster http://c 2 are free. " in str(caught.value)
    assert " job 0 holds 4, job 1 holds 2. Nothing was stopped or started." in str(caught.value)
    assert sum(cluster.naps) == RETURNING_SECONDS


def test_what_the_stop_of_the_job_itself_gives_back_counts(speak):
    cluster = Cluster([([6], "RUNNING"), ([2], "RUNNING")])
    cluster.require(speak, 6, own=[0])
    with pytest.raises(NoFreeSlots, match="none is free, and its own stop gives back 6"):
        cluster.require(speak, 7, own=[0])


def test_slots_of_a_job_that_has_just_ended_come_back_a_moment_later(speak):
    cluster = Cluster(free=0, frees_after=2)
    cluster.require(speak, 8)
    assert cluster.naps == [PAUSE, PAUSE]


def test_where_enough_are_free_it_is_one_request(speak):
    cluster = Cluster([([4], "RUNNING")])
    cluster.require(speak, 4)
    assert cluster.naps == []


def test_a_job_that_something_is_down_for_is_submitted_and_waits(speak):
    Cluster(free=0).require(speak, 8, waits=True)


def test_a_batch_job_runs_in_what_there_is(speak):
    Cluster(free=0).require(speak, 99, spec=Spec("batch", SPEC.statements, mode="batch"))


@pytest.mark.parametrize(
    "config",
    [
        {"jobmanager.scheduler": "Adaptive"},
        {"scheduler-mode": "reactive"},
        {"yarn.application.id": "a"},
        {"kubernetes.cluster-id": "k"},
    ],
)
def test_where_slots_come_as_jobs_need_them_nothing_is_counted(speak, config):
    Cluster(taskmanagers=0, free=0).require(speak, 99, config=config)
