"""A look at a job of which the JobManager knows no more than its id, or not even that."""

import json
import struct
from dataclasses import replace

import httpx
import pytest

from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.model.lifecycle.candidates import checkpoint_folder
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.targets.session import SessionTarget
from onejob import JOBMANAGER, LIFE, SETTLED, OneJob, on_record


def test_checkpoints_of_the_last_life_are_found_though_the_id_was_used_up_in_this_one(tmp_path):
    metadata = tmp_path / "chk-7" / "_metadata"
    metadata.parent.mkdir()
    metadata.write_bytes(struct.pack(">iiq", 0x4960672D, 6, 7))
    _, manifest = on_record(tmp_path, incarnation="another", burnt_in=LIFE, checkpoint_folder=f"file://{tmp_path}")
    server = OneJob(manifest, "FAILED")
    job = f"/jobs/{manifest.current.job_id}"
    server._answers[job] = {"state": "FAILED", "now": SETTLED + 60_000, "vertices": []}
    server._answers[f"{job}/checkpoints"]["latest"] = dict.fromkeys(("completed", "savepoint", "failed", "restored"))
    server._answers[f"{job}/checkpoints"]["history"] = []
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert [(one.location, one.checkpoint_id) for one in seen.snapshots] == [(f"file://{tmp_path}/chk-7", 7)]
    assert situation(manifest.current, seen, Policy("", "")).outcome == "gone"  # and not "failed", as the burnt one did


@pytest.fixture
def forgotten(tmp_path, request):
    """A job that the JobManager does not list, and what a look tells once these answers of it are in the archive."""
    burnt_in = getattr(request, "param", "")
    _, manifest = on_record(tmp_path, checkpoint_folder=f"file://{tmp_path}/none", burnt_in=burnt_in)
    server = OneJob(manifest, "FAILED" if burnt_in else "FINISHED")
    job_id = manifest.current.job_id
    told = {path: answer for path, answer in server._answers.items() if path != "/jobmanager/config"}
    if not burnt_in:
        server._answers["/jobs/overview"] = {"jobs": []}
    server._answers["/jobmanager/config"].append({"key": "jobmanager.archive.fs.dir", "value": f"file://{tmp_path}/a/"})

    def look(place, write=lambda entries: json.dumps({"archive": entries}), **changes):
        [listed] = told["/jobs/overview"]["jobs"]
        entries = {**told, "/jobs/overview": {"jobs": [{**listed, **changes}]}}
        file = tmp_path / "a" / place.format(job_id)
        file.parent.mkdir(parents=True)
        file.write_text(write([{"path": path, "json": json.dumps(answer)} for path, answer in entries.items()]))
        with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
            seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
        return situation(manifest.current, seen, Policy("", "")).outcome

    return look


@pytest.mark.parametrize("place", ["{0}", f"{'0' * 32}/applications/{{0}}/jobs/{{0}}"])
@pytest.mark.parametrize("state, outcome", [("FINISHED", "finished"), ("FAILED", "failed"), ("CANCELED", "cancelled")])
def test_an_archive_tells_how_a_job_ended(forgotten, place, state, outcome):
    assert forgotten(place, state=state) == outcome


def test_the_archive_of_what_burnt_the_id_tells_nothing_of_the_job(forgotten):
    assert forgotten("{0}", name="orders (burnt)", state="FAILED") == "gone"


@pytest.mark.parametrize("forgotten", [LIFE], indirect=True)
@pytest.mark.parametrize("state, outcome", [("FINISHED", "finished"), ("FAILED", "failed")])
def test_an_archive_tells_how_a_job_ended_whose_id_was_used_up_since(forgotten, state, outcome):
    assert forgotten("{0}", state=state) == outcome


@pytest.mark.parametrize("left", ["", '{"archive": [{"path": "/jobs/ove', "[]"])
def test_half_an_archive_tells_nothing(forgotten, left):
    assert forgotten("{0}", lambda _: left) == "gone"


def test_a_cause_is_told_without_the_secrets_that_it_quotes(tmp_path):
    _, manifest = on_record(tmp_path)
    table = "CREATE TABLE s (id INT) WITH ('connector' = 'x', 'password' = '${env.PASSWORD}', 'other' = '${env.UNSET}')"
    current = replace(manifest.current, spec=replace(manifest.current.spec, tables=(table,)))
    server = OneJob(manifest, "RESTARTING")
    entry = {"timestamp": SETTLED, "stacktrace": "java.io.IOException: refused c4n4ry", "exceptionName": "x"}
    path = f"/jobs/{current.job_id}/exceptions"
    server._answers[path] = {"exceptionHistory": {"entries": [entry]}}
    resolve = {"env.PASSWORD": "c4n4ry"}

    def resolved(name):
        if name not in resolve:
            raise Misconfigured(name)
        return resolve[name]

    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io, resolved).look("orders", replace(manifest, current=current)))
    assert seen.detail(current.job_id).cause == "IOException: refused ***"


@pytest.mark.parametrize("adopted, looks", [(True, 1), (False, 0)])
def test_an_adopted_job_is_looked_at_until_its_checkpoints_tell_their_folder(tmp_path, adopted, looks):
    _, manifest = on_record(tmp_path)
    if adopted:
        manifest = replace(manifest, adopted=(manifest.current.job_id,))
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(OneJob(manifest))) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert [one.location for one in seen.snapshots] == ["file:/c/chk-7"] * looks
    assert checkpoint_folder(manifest.current, seen) == ("file:/c" if adopted else None)


def test_the_folder_tells_what_the_jobmanager_does_not_tell_yet(tmp_path):
    metadata = tmp_path / "chk-7" / "_metadata"
    metadata.parent.mkdir()
    metadata.write_bytes(struct.pack(">iiq", 0x4960672D, 6, 7))
    _, manifest = on_record(tmp_path, checkpoint_folder=f"file://{tmp_path}")
    server = OneJob(manifest)
    told = server._answers[f"/jobs/{manifest.current.job_id}/checkpoints"]
    told["latest"], told["history"] = dict.fromkeys(("completed", "savepoint", "failed", "restored")), []
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest, closely=True))
    assert [(one.location, one.source) for one in seen.snapshots] == [(f"file://{tmp_path}/chk-7", "folder")]


@pytest.mark.parametrize(
    "own, saves, hidden",
    [
        pytest.param("{}/job", "{}/none/orders/1", None, id="the job's own folder is seen"),
        pytest.param("{}/none/orders/1/job", "{}/orders/1", "{}/orders/1", id="its checkpoints are not where it says"),
        pytest.param("s3://b/orders/1/job", "{}/orders/1", None, id="elsewhere, and the root is seen"),
        pytest.param("{}/job", "hdfs://nn/orders/1", "hdfs://nn/orders/1", id="a file system that we cannot read"),
        pytest.param(None, "{}/none/orders/1", "{}/none/orders/1", id="a root that is not here"),
    ],
)
def test_a_close_look_tells_whether_a_savepoint_could_be_seen_from_here(tmp_path, own, saves, hidden):
    (tmp_path / "job").mkdir()
    own, saves, hidden = (text and text.format(f"file://{tmp_path}") for text in (own, saves, hidden))
    _, manifest = on_record(tmp_path, checkpoint_folder=own, savepoint_folder=saves)
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(OneJob(manifest))) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest, closely=True))
    assert seen.unseen == hidden


def test_a_checkpoint_that_cannot_be_seen_from_here_is_there_as_the_jobmanager_says(tmp_path):
    _, manifest = on_record(tmp_path, checkpoint_folder="file:/c")
    server = OneJob(manifest, "FAILED")
    server._answers[f"/jobs/{manifest.current.job_id}"] = {"state": "FAILED", "now": SETTLED + 60_000, "vertices": []}
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert [one.location for one in seen.snapshots] == ["file:/c/chk-7"]


@pytest.mark.parametrize("root, searched", [("{}", True), ("{}/not-mounted-here", False)])
def test_a_forgotten_job_without_a_folder_left_nothing_only_where_its_root_is_seen(tmp_path, root, searched):
    folder = f"file://{root.format(tmp_path)}/orders/1/job"
    _, manifest = on_record(tmp_path, checkpoint_folder=folder)
    server = OneJob(manifest)
    server._answers["/jobs/overview"] = {"jobs": []}
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert (seen.snapshots, seen.searched) == ((), searched)


def test_a_checkpoint_deleted_with_all_folders_of_its_job_is_not_there(tmp_path):
    (tmp_path / "root").mkdir()
    folder = f"file://{tmp_path}/root/orders/1/job"
    _, manifest = on_record(tmp_path, checkpoint_folder=folder)
    server = OneJob(manifest, "FAILED")
    path = f"/jobs/{manifest.current.job_id}"
    server._answers[path] = {"state": "FAILED", "now": SETTLED + 60_000, "vertices": []}
    server._answers[f"{path}/checkpoints"]["latest"]["completed"]["external_path"] = f"{folder}/chk-7"
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(server)) as io:
        seen = run_sync(SessionTarget(JOBMANAGER, io, io).look("orders", manifest))
    assert (seen.snapshots, seen.searched) == ((), True)
