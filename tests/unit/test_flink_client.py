import uuid

import httpx
import pytest

from airflow_provider_flinksql.clients.causes import LONGEST, position, root_cause
from airflow_provider_flinksql.clients.flink import CheckpointStatus, JobManager, SavepointStatus, incarnation
from airflow_provider_flinksql.clients.shapes import ClusterOverview, JobDetails, Vertex, VertexTasks
from airflow_provider_flinksql.errors import Misconfigured, NotFound, Said
from talking import Recorded, Server

JOB = "0123456789abcdef0123456789abcdef"
TRIGGER = "f" * 32


def calling(name, *arguments, **options):
    return lambda io: getattr(JobManager(io), name)(*arguments, **options)


def test_the_configuration_names_this_life_of_the_jobmanager(speak, recorded):
    config = speak(calling("config"), Server(recorded["jobmanager config"]))
    assert config["execution.checkpointing.dir"] == "file:///flink/ckpt"
    assert str(uuid.UUID(incarnation(config))) in config["web.tmpdir"]


def test_a_configuration_without_a_life_is_not_a_jobmanagers():
    with pytest.raises(Misconfigured, match=r"web\.tmpdir"):
        incarnation({"web.tmpdir": "/tmp"})


def test_the_cluster_says_version_and_slots(speak, recorded):
    assert speak(calling("cluster"), Server(recorded["overview"])) == ClusterOverview(recorded.version, 1, 8, 8)


def test_the_list_of_jobs(speak, recorded):
    jobs = {job.name: job for job in speak(calling("overview"), Server(recorded["jobs"]))}
    stopped = jobs["counted"]
    assert stopped.state == "FINISHED"
    assert len(stopped.id) == 32
    assert stopped.tasks.total == stopped.tasks.finished == 2
    assert stopped.duration > 0
    assert stopped.start_time + stopped.duration <= stopped.last_modification


def test_the_tags_of_a_job(speak, recorded):
    tags = speak(calling("job_config", JOB), Server(recorded["job/config"]))
    assert tags == {"flinksql.lineage": "abc", "flinksql.attempt": "7"}


def test_a_jobs_details_are_as_flink_gives_them(speak, recorded):
    job = speak(calling("job", JOB), Server(recorded["job"]))
    assert job.state == "RUNNING"
    assert [vertex.parallelism for vertex in job.vertices] == [1, 1]
    assert job.all_running == (job.vertices[1].tasks.running == 1)


def test_all_tasks_run_when_every_subtask_does():
    def job(state, *vertices):
        return JobDetails(state, 0, tuple(Vertex(width, VertexTasks(*tasks)) for width, tasks in vertices))

    assert job("RUNNING", (2, (1, 1)), (1, (1, 0))).all_running
    assert not job("RUNNING", (2, (1, 0))).all_running
    assert not job("RUNNING", (2, (1, 0)), (-1, (0, 0))).all_running  # a batch job that has not decided yet
    assert not job("RESTARTING", (1, (1, 0))).all_running
    assert not job("RUNNING").all_running


@pytest.mark.parametrize("name", ["job", "job_config", "checkpoints", "deletes_on_cancel", "exceptions"])
def test_a_job_it_does_not_know_is_not_found(speak, recorded, name):
    reply = {
        "job": "unknown job",
        "job_config": "unknown job/config",
        "checkpoints": "unknown job/checkpoints",
        "deletes_on_cancel": "unknown job/checkpoints/config",
        "exceptions": "unknown job/exceptions",
    }[name]
    with pytest.raises(NotFound, match=r"Could not find Flink job \(0+\)$"):
        speak(calling(name, JOB), Server(recorded[reply]))


def test_a_job_without_checkpoints_is_told_from_one_unknown(speak, recorded):
    assert speak(calling("checkpoints", JOB), Server(recorded["checkpoints, off"])) is None
    assert speak(calling("deletes_on_cancel", JOB), Server(recorded["checkpoints config, off"])) is False


def test_checkpoints_of_a_running_job(speak, recorded):
    seen = speak(calling("checkpoints", JOB), Server(recorded["checkpoints, running"]))
    assert seen.counts.completed == len(seen.completed) == 1
    assert seen.completed[0].kind == "checkpoint"
    assert seen.completed[0].location.endswith("/chk-1")
    assert seen.restored is None


def test_a_job_stopped_with_savepoint_says_so_and_its_discarded_checkpoints_are_marked(speak, recorded):
    seen = speak(calling("checkpoints", JOB), Server(recorded["checkpoints, stopped"]))
    completed = seen.completed
    assert {one.kind: one.restorable for one in completed} == {
        "stop-savepoint": True,
        "savepoint": True,
        "checkpoint": False,
    }
    assert [one.id for one in completed] == sorted((one.id for one in completed), reverse=True)
    assert seen.stopped_with.location.startswith("file:/flink/sp/own/savepoint-")
    assert seen.stopped_with == next(one for one in completed if one.restorable)


def test_a_restored_job_says_what_from(speak, recorded):
    seen = speak(calling("checkpoints", JOB), Server(recorded["checkpoints, restored"]))
    assert seen.restored.is_savepoint
    assert seen.restored.location.startswith("file:/flink/sp/own/savepoint-")
    assert seen.completed[0].id > seen.restored.id
    assert seen.completed[0].restorable


def test_a_checkpoint_that_completes_while_the_job_stops_hides_no_stop(speak):
    """Seen on 2.3.0 only, and not each time."""
    seen = speak(calling("checkpoints", JOB), Server(Recorded("2.3.0")["checkpoints, stopped"]))
    assert seen.completed[0].kind == "checkpoint"
    assert seen.stopped_with == seen.completed[1]


def test_the_savepoint_of_a_stop_is_seen_when_failures_fill_the_history(speak, recorded):
    body = recorded["checkpoints, stopped"].json()
    body["history"] = [entry for entry in body["history"] if entry["status"] == "FAILED"]
    seen = speak(calling("checkpoints", JOB), Server(httpx.Response(200, json=body)))
    assert len(seen.completed) == 2
    assert seen.stopped_with.id == body["latest"]["savepoint"]["id"]


def test_a_job_that_recovered_from_a_failed_stop_was_not_stopped(speak, recorded):
    body = recorded["checkpoints, stopped"].json()
    after = body["latest"]["savepoint"]["latest_ack_timestamp"] + 1
    body["latest"]["restored"] = {
        "id": 3,
        "restore_timestamp": after,
        "is_savepoint": False,
        "external_path": "file:/c",
    }
    assert speak(calling("checkpoints", JOB), Server(httpx.Response(200, json=body))).stopped_with is None


@pytest.mark.parametrize("name", ["checkpoints, running", "checkpoints, restored", "checkpoints, cancelled"])
def test_other_jobs_were_not_stopped(speak, recorded, name):
    assert speak(calling("checkpoints", JOB), Server(recorded[name])).stopped_with is None


def test_a_checkpoint_in_the_jobmanagers_memory_has_no_location(speak, recorded):
    body = recorded["checkpoints, running"].json()
    body["history"][0]["external_path"] = "<checkpoint-not-externally-addressable>"
    body["latest"]["completed"] = body["history"][0]
    completed = speak(calling("checkpoints", JOB), Server(httpx.Response(200, json=body))).completed
    assert [(one.location, one.restorable) for one in completed] == [(None, False)]


def test_a_crash_loop_is_seen_with_its_cause_and_without_java(speak, recorded):
    entries = speak(calling("exceptions", JOB), Server(recorded["exceptions, loop"]))
    assert len(entries) >= 2
    assert {entry.cause for entry in entries} == {
        "StateMigrationException: The new key serializer (org.apache.flink.table.runtime.typeutils.RowDataSerializer) "
        "must be compatible with the previous key serializer "
        "(org.apache.flink.table.runtime.typeutils.RowDataSerializer)."
    }
    assert all(entry.task.startswith("GroupAggregate") for entry in entries)
    assert [entry.time for entry in entries] == sorted((entry.time for entry in entries), reverse=True)


def test_a_failure_that_was_not_retried_still_names_its_task(speak, recorded):
    server = Server(recorded["exceptions, failed"])
    (entry,) = speak(calling("exceptions", JOB), server)
    assert entry.cause.startswith("NumberFormatException: For input string: 'no")
    assert entry.task.startswith("Source: src")
    assert server.asked[0].url.params["maxExceptions"] == "20"


def test_a_job_that_failed_before_it_started_has_no_task(speak, recorded):
    (entry,) = speak(calling("exceptions", JOB), Server(recorded["exceptions, burnt"]))
    assert entry.cause == (
        "FileNotFoundException: Cannot find checkpoint or savepoint file/directory 'file:///not/there' "
        "on file system 'file'."
    )
    assert entry.task is None


def test_stop_and_savepoint_spell_the_folder_each_in_its_way(speak, recorded):
    server = Server(recorded["request stop"], recorded["request savepoint"])

    async def both(io):
        jobmanager = JobManager(io)
        await jobmanager.stop(JOB, TRIGGER, "file:///sp", drain=True, format="native")
        return await jobmanager.savepoint(JOB, TRIGGER, "file:///sp")

    assert len(speak(both, server)) == 32
    assert server.lines == [f"POST /jobs/{JOB}/stop", f"POST /jobs/{JOB}/savepoints"]
    common = {"triggerId": TRIGGER}
    assert server.body(0) == common | {"targetDirectory": "file:///sp", "drain": True, "formatType": "NATIVE"}
    assert server.body(1) == common | {
        "target-directory": "file:///sp",
        "cancel-job": False,
        "formatType": "CANONICAL",
    }


def test_a_stop_whose_answer_was_lost_is_asked_for_again_under_the_same_id(speak, recorded):
    server = Server(httpx.ReadError("connection reset"), recorded["request stop"])
    speak(calling("stop", JOB, TRIGGER, "file:///sp"), server)
    assert server.body(0) == server.body(1)


def test_savepoint_status(speak, recorded):
    def status(name):
        return speak(calling("savepoint_status", JOB, TRIGGER), Server(recorded[name]))

    assert status("stop in progress") == SavepointStatus("in-progress")
    assert status("savepoint unknown") == SavepointStatus("unknown")
    assert status("stop done").state == "completed"
    assert status("stop done").location.startswith("file:/flink/sp/own/savepoint-")
    assert status("savepoint failed") == SavepointStatus(
        "failed", cause="IOException: Failed to create savepoint directory at file:/proc/nowhere"
    )
    assert status("stop of ended").state == "failed"
    assert status("stop of ended").cause.startswith("FlinkJobNotFoundException: Could not find Flink job")


def test_a_failed_stop_whose_savepoint_is_complete_gives_its_location(speak):
    trace = (
        "java.util.concurrent.CompletionException: org.apache.flink.runtime.scheduler.stopwithsavepoint."
        "StopWithSavepointStoppingException: A savepoint has been created at: file:/sp/savepoint-1-2, but the "
        f"corresponding job {JOB} failed during stopping. The savepoint is consistent, but might have uncommitted "
        "transactions. If you want to commit the transaction please restart a job from this savepoint.\n"
        "\tat A.b(A.java:1)"
    )
    body = {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": {"class": "x", "stack-trace": trace}}}
    status = speak(calling("savepoint_status", JOB, TRIGGER), Server(httpx.Response(200, json=body)))
    assert (status.state, status.location) == ("failed", "file:/sp/savepoint-1-2")


def test_checkpoint_status(speak, recorded):
    def status(name):
        return speak(calling("checkpoint_status", JOB, TRIGGER), Server(recorded[name]))

    assert status("checkpoint in progress") == CheckpointStatus("in-progress")
    assert status("checkpoint done") == CheckpointStatus(
        "completed", checkpoint_id=recorded["checkpoint done"].json()["operation"]["checkpointId"]
    )
    assert status("checkpoint unknown") == CheckpointStatus("unknown")
    assert status("checkpoint of ended").state == "failed"
    assert status("checkpoint of ended").cause.startswith("FlinkJobNotFoundException")


def test_a_checkpoint_on_demand_is_a_configured_one(speak, recorded):
    server = Server(recorded["request checkpoint"])
    speak(calling("request_checkpoint", JOB, TRIGGER), server)
    assert server.body() == {"checkpointType": "CONFIGURED", "triggerId": TRIGGER}


def test_cancelling(speak, recorded):
    server = Server(recorded["cancel"], recorded["cancel ended"], recorded["cancel unknown"])

    async def thrice(io):
        await JobManager(io).cancel(JOB)
        await JobManager(io).cancel(JOB)  # it has ended meanwhile: as good
        with pytest.raises(NotFound):
            await JobManager(io).cancel(JOB)

    speak(thrice, server)
    assert str(server.asked[0].url).endswith(f"/jobs/{JOB}?mode=cancel")
    assert server.lines == [f"PATCH /jobs/{JOB}"] * 3


@pytest.mark.parametrize("name", ["config", "cluster", "overview"])
@pytest.mark.parametrize("body", [{"hello": "world"}, [], "text", {"jobs": [{}]}, 7])
def test_json_of_another_server_is_a_wrong_setting(speak, name, body):
    if (name, body) == ("config", []):
        return  # an empty configuration is one; it has no incarnation
    with pytest.raises(Misconfigured, match="Flink JobManager"):
        speak(calling(name), Server(httpx.Response(200, json=body)))


@pytest.mark.parametrize("name", ["unknown path", "info"])
def test_a_gateways_or_unknown_answer_is_a_wrong_setting(speak, recorded, name):
    with pytest.raises(Misconfigured):
        speak(calling("overview"), Server(recorded[name]))


def test_every_recorded_trace_is_one_short_line_of_cause(recorded: Recorded):
    traces = [
        recorded[name].json()["errors"][-1] for status in (404, 409, 500) for name in recorded.names(status=status)
    ]
    assert len(traces) > 30
    for trace in traces:
        said = root_cause(Said(trace))
        assert said
        assert len(said) <= LONGEST
        assert "\n" not in said
        assert "\tat " not in said
        assert "Caused by" not in said
        assert "server side" not in said


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ("plain words\nmore", "plain words"),
        ("", ""),
        ("a.b.OuterException: no\n\tat x\nCaused by: c.d.InnerError\n\tat y", "InnerError"),
        ("a.b.CException: first\nsecond\n\n  third\n\tat x", "CException: first second third"),
        ("a.b.CException: " + "x" * 900, "CException: " + "x" * (LONGEST - 13) + "…"),
        ("a.b.CException: lost B@1a2b3c4d\n", "CException: lost B"),
        (
            "a.IllegalArgumentException: Could not parse value 'm' for key 'k'.\n"
            'Caused by: a.NumberFormatException: For input string: "m"',
            "IllegalArgumentException: Could not parse value 'm' for key 'k'.",
        ),
    ],
)
def test_the_innermost_cause_in_one_line(trace, said):
    assert root_cause(Said(trace)) == said


@pytest.mark.parametrize(
    ("trace", "where"),
    [
        ("X: From line 3, column 2 to line 3, column 4: Column 'z'\nCaused by: at line 9, column 9", (3, 2)),
        ('Encountered "FOR" at line 1, column 14.', (1, 14)),
        ('Encountered "<EOF>" at line 0, column 0.', None),
        ("somewhere", None),
    ],
)
def test_the_place_in_the_sql(trace, where):
    assert position(Said(trace)) == where
