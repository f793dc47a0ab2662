"""What happens on deploy, row by row, through the command line on a real Flink."""

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_flinksql import local
from e2e.commandline import NUMBERS, SHOUT, Job, assert_goes_on, deployed, sink, started, stopped, until

# --- the table ------------------------------------------------------------------------------------


def test_the_first_deploy_starts_the_job_with_its_options(cluster, job):
    job.write(setup=[NUMBERS, sink(job.out), "SET execution.checkpointing.timeout = 9min // a SET is one, too"])
    planned = cluster.json("plan", job.path)
    assert planned.code == 2
    assert planned.job["action"] == "start"
    assert planned.job["steps"][:3] == ["Check()", "Claim(1, 1, True)", "Pin(1)"]
    assert cluster.live(job.name) == []
    answer = cluster.json("deploy", job.path)
    assert answer.code == 0
    assert (answer.job["action"], answer.job["verdict"], answer.job["query_version"]) == ("start", "none", 1)
    assert answer.job["plan_digest"] == planned.job["plan_digest"]
    assert cluster.live(job.name) == [answer.job["job_id"]]
    config = cluster.get(f"/jobs/{answer.job['job_id']}/checkpoints/config")
    assert (config["interval"], config["timeout"]) == (1000, 540_000)


def test_an_unchanged_file_changes_nothing_and_says_since_when(cluster, job):
    first = started(cluster, job)
    plan, again = cluster("plan", job.path), cluster("deploy", job.path)
    assert (plan.code, again.code) == (0, 0)
    assert first["job_id"] in plan.out
    assert "since 20" in plan.out
    assert (plan.err, again.err) == ("", "")
    assert deployed(cluster, job)["action"] == "none"
    assert cluster.live(job.name) == [first["job_id"]]


def test_what_does_not_run_is_only_recorded(cluster, job):
    first = started(cluster, job)
    job.write(description="Now described", health={"timeout": "2m"}, setup=[NUMBERS, sink(job.out), "SHOW TABLES"])
    assert cluster.json("plan", job.path).code == 2
    assert deployed(cluster, job)["action"] == "record"
    assert cluster.json("plan", job.path).code == 0
    assert cluster.live(job.name) == [first["job_id"]]


def test_a_harmless_change_goes_on_from_a_savepoint_without_gap_or_repeat(cluster, job):
    first = started(cluster, job)
    job.write(options={"execution.checkpointing.interval": "2s"})
    planned = cluster.json("plan", job.path)
    assert (planned.code, planned.job["action"], planned.job["restored_from"]) == (2, "restart", None)
    second = deployed(cluster, job)
    assert (second["action"], second["verdict"], second["query_version"]) == ("restart", "carries", 1)
    assert second["job_id"] != first["job_id"]
    assert second["restored_from"] == second["savepoint"]
    assert cluster.state(first["job_id"]) == "FINISHED"
    assert_goes_on(cluster, job)


def test_a_changed_query_is_blocked_and_the_job_goes_on(cluster, job):
    first = started(cluster, job)
    job.write(options={"pipeline.max-parallelism": "64"})
    for command in ("plan", "deploy"):
        answer = cluster.json(command, job.path)
        assert (answer.code, answer.job["action"], answer.job["error"]["type"]) == (3, "blocked", "Blocked")
        assert "on-query-change: fresh" in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]


@pytest.mark.parametrize("word", ["fresh", "carry-or-fresh"])
def test_a_changed_query_starts_empty_where_the_file_allows_it(cluster, job, word):
    first = started(cluster, job)
    job.write(options={"pipeline.max-parallelism": "64"}, state={"on-query-change": word})
    second = deployed(cluster, job)
    assert (second["action"], second["query_version"], second["restored_from"]) == ("start-fresh", 2, None)
    assert Path(second["savepoint"].removeprefix("file:"), "_metadata").is_file()
    assert cluster.live(job.name) == [second["job_id"]] != [first["job_id"]]


def test_a_job_declared_disabled_is_stopped_and_later_goes_on(cluster, job):
    started(cluster, job)
    job.write(enabled=False)
    stop = deployed(cluster, job)
    assert stop["action"] == "stop"
    assert stop["savepoint"]
    assert cluster.live(job.name) == []
    before = job.assert_each_once()
    assert deployed(cluster, job)["action"] == "none"
    assert cluster("status", job.name).code == 0
    again = deployed(cluster, job.write())
    assert (again["action"], again["restored_from"]) == ("restart", stop["savepoint"])
    assert_goes_on(cluster, job, before)


def test_a_stopped_job_goes_on_from_its_savepoint(cluster, job):
    started(cluster, job)
    stop = stopped(cluster, job)
    before = job.assert_each_once()
    status = cluster.json("status", job.name)
    assert (status.code, status.job["state"], status.job["healthy"]) == (0, "STOPPED", True)
    assert stopped(cluster, job)["action"] == "none"
    again = deployed(cluster, job)
    assert (again["action"], again["restored_from"]) == ("restart", stop["savepoint"])
    assert_goes_on(cluster, job, before)


def test_a_drained_job_starts_again_only_on_somebodys_word(cluster, job):
    started(cluster, job)
    stop = stopped(cluster, job, "--drain")
    answer = cluster.json("deploy", job.path)
    assert (answer.code, answer.job["action"]) == (3, "blocked")
    assert "--restore-from" in answer.job["reason"]
    again = deployed(cluster, job, "--restore-from", stop["savepoint"])
    assert again["restored_from"] == stop["savepoint"]


@pytest.mark.parametrize("by", ["--cancel", "Flink UI"])
def test_a_cancelled_job_goes_on_from_its_newest_checkpoint(cluster, job, by):
    first = started(cluster, job)
    if by == "--cancel":
        assert stopped(cluster, job, "--cancel")["savepoint"] is None
        assert cluster.json("status", job.name).job["state"] == "STOPPED"
    else:
        cluster.cancel(first["job_id"])
        status = cluster.json("status", job.name)
        assert (status.code, status.job["state"]) == (4, "CANCELED")
    before = job.assert_each_once()
    again = deployed(cluster, job)
    assert again["action"] == "restart"
    assert "/chk-" in again["restored_from"]
    assert_goes_on(cluster, job, before)


def test_a_job_stopped_in_the_flink_ui_goes_on_from_that_savepoint(cluster, job, tmp_path):
    first = started(cluster, job)
    url = f"{cluster.status.jobmanager}/jobs/{first['job_id']}/stop"
    httpx.post(url, json={"targetDirectory": f"file://{tmp_path}/by-hand", "drain": False}).raise_for_status()
    until(lambda: cluster.state(first["job_id"]) == "FINISHED")
    assert cluster.json("status", job.name).job["state"] == "STOPPED"
    again = deployed(cluster, job)
    assert "/by-hand/" in again["restored_from"]
    assert_goes_on(cluster, job)


def test_a_failed_job_goes_on_from_its_newest_checkpoint(cluster, job):
    first = started(cluster, job.write(options={"restart-strategy.type": "none"}))
    cluster.kill("taskmanager")
    until(lambda: cluster.state(first["job_id"]) == "FAILED", 60)
    status = cluster.json("status", job.name)
    assert (status.code, status.job["state"], status.job["healthy"]) == (4, "FAILED", False)
    cluster.up()
    again = deployed(cluster, job)
    assert "/chk-" in again["restored_from"]
    assert_goes_on(cluster, job)


def test_a_job_whose_jobmanager_died_goes_on_from_its_checkpoint_folder(cluster, job):
    first = started(cluster, job)
    until(lambda: cluster.checkpoints(first["job_id"]) > 1)
    cluster.kill("jobmanager")
    down = cluster.json("status", job.name)
    assert (down.code, down.job["state"]) == (1, "UNREACHABLE")
    assert cluster("plan", job.path).code == 1
    cluster.up()
    gone = cluster.json("status", job.name)
    assert (gone.code, gone.job["state"]) == (4, "LOST")
    again = deployed(cluster, job)
    assert f"/{first['job_id']}/chk-" in again["restored_from"]
    assert_goes_on(cluster, job)


def test_restore_from_none_starts_empty_once(cluster, job):
    started(cluster, job)
    again = deployed(cluster, job, "--restore-from", "none")
    assert (again["action"], again["restored_from"], again["query_version"]) == ("start-fresh", None, 2)
    assert deployed(cluster, job)["action"] == "none"
    history = json.loads(cluster.json("history", job.name).out)
    assert [attempt["state"] for attempt in history["attempts"]] == ["ended", "confirmed"]
    until(lambda: len(job.numbers()) > len(set(job.numbers())))  # the check of these tests sees an empty start


def test_a_job_without_its_state_is_blocked(cluster, job):
    first = started(cluster, job)
    cluster.cancel(first["job_id"])
    shutil.rmtree(cluster.home / "local" / "checkpoints" / job.name)
    answer = cluster.json("deploy", job.path)
    assert answer.code == 3
    assert "--restore-from none" in answer.job["reason"]


def test_a_strangers_job_is_blocked_until_adopted_and_then_ours(cluster, job):
    stranger = cluster.by_hand(job.name, job.out)
    for command in ("plan", "deploy"):
        answer = cluster.json(command, job.path)
        assert answer.code == 3
        assert stranger in answer.job["reason"]
    adopted = deployed(cluster, job, "--adopt")
    assert (adopted["action"], adopted["job_id"]) == ("adopt", stranger)
    assert cluster.json("plan", job.path).code == 0
    assert cluster.live(job.name) == [stranger]
    again = deployed(cluster, job.write(options={"execution.checkpointing.interval": "2s"}))
    assert again["restored_from"]
    assert_goes_on(cluster, job)


def test_two_strangers_are_both_named(cluster, job):
    both = [cluster.by_hand(job.name, job.out) for _ in range(2)]
    answer = cluster.json("deploy", job.path, "--adopt")
    assert answer.code == 3
    assert all(stranger in answer.job["reason"] for stranger in both)


def test_a_bounded_stream_that_finished_is_left_alone(cluster, job):
    few = NUMBERS.replace("'20000'", "'150'")
    first = deployed(cluster, job.write(setup=[few, sink(job.out)]))
    until(lambda: cluster.state(first["job_id"]) == "FINISHED")
    again = deployed(cluster, job)
    assert (again["action"], again["job_id"]) == ("none", first["job_id"])
    status = cluster.json("status", job.name)
    assert (status.code, status.job["state"]) == (0, "FINISHED")
    assert job.numbers() == list(range(1, 151))


def batch(job: Job) -> Job:
    values = "INSERT INTO o SELECT id, 1 FROM (VALUES (1), (2), (3)) AS t(id)"
    return job.write(mode="batch", sql=values, setup=[sink(job.out)], options={})


def test_a_batch_file_runs_once_and_once_more_for_another_key(cluster, job):
    first = deployed(cluster, batch(job))
    assert cluster.state(first["job_id"]) == "FINISHED"
    assert job.numbers() == [1, 2, 3]
    assert deployed(cluster, job)["action"] == "none"
    assert deployed(cluster, job, "--run", "monday")["action"] == "start"
    assert deployed(cluster, job, "--run", "monday")["action"] == "none"
    assert job.numbers() == [1, 1, 2, 2, 3, 3]
    status = cluster.json("status", job.name)
    assert status.code == 0
    assert [run["state"] for run in json.loads(status.out)["jobs"]] == ["FINISHED", "FINISHED"]


def test_a_job_that_proves_unable_to_run_fails_with_its_root_cause_and_the_mended_file_replaces_it(cluster, job):
    job.write(sql="INSERT INTO o SELECT id, CAST(10 / (id - id) AS INT) AS w FROM s", health={"timeout": "8s"})
    answer = cluster.json("deploy", job.path)
    assert (answer.code, answer.job["error"]["type"]) == (1, "JobFailed")
    assert "by zero" in answer.job["reason"]
    assert cluster("status", job.name).code == 4
    mended = deployed(cluster, job.write())
    assert cluster.live(job.name) == [mended["job_id"]]


# --- bad input ------------------------------------------------------------------------------------

BAD = {
    "not YAML": ("name: [", "not YAML"),
    "unknown key": ("name: x\nsql: INSERT INTO o SELECT 1\nflinkPropertys: {}\n", "flinkProperties"),
    "wrong type": ("name: x\nsql: INSERT INTO o SELECT 1\nenabled: maybe\n", "true or false"),
    "owned key": ("name: x\nsql: INSERT INTO o SELECT 1\nsetup: [SET rest.port = 1]\n", "rest.port"),
    "missing table file": ("name: x\nsql: INSERT INTO o SELECT 1\ntables: [nowhere.sql]\n", "nowhere.sql"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_told_with_its_fault(cluster, tmp_path, kind):
    text, said = BAD[kind]
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    for command in ("plan", "deploy"):
        answer = cluster.json(command, file)
        assert (answer.code, answer.job["action"], answer.job["verdict"]) == (1, "error", None)
        assert answer.job["error"]["type"] == "InvalidSpec"
        assert said in answer.job["error"]["message"]
        assert "line " in answer.job["error"]["message"]
    assert not (tmp_path / "manifests.db").exists()


def test_a_refused_query_is_told_where_it_stands_and_the_job_goes_on(cluster, job):
    first = started(cluster, job)
    manifest = cluster.json("history", job.name).out
    job.write(sql="INSERT INTO o\nSELECT idd, 1 AS w FROM s", state={"on-query-change": "fresh"})
    for command in ("plan", "deploy"):
        answer = cluster.json(command, job.path)
        assert (answer.code, answer.job["error"]["type"]) == (1, "InvalidQuery")
        assert "idd" in answer.job["reason"]
        assert f"{job.path}, line " in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]
    assert cluster.json("history", job.name).out == manifest


def test_a_job_too_wide_for_the_cluster_is_blocked_before_anything_stops(cluster, job):
    first = started(cluster, job)
    job.write(options={"parallelism.default": "99"}, state={"on-query-change": "fresh"})
    answer = cluster.json("deploy", job.path)
    assert answer.code == 3
    assert "slots" in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]


def test_one_bad_file_does_not_keep_the_others(cluster, job, tmp_path):
    (job.path.parent / "bad.yaml").write_text("name: bad\n")
    for twin in ("one", "two"):
        (job.path.parent / f"{twin}.yml").write_text(job.path.read_text().replace(job.name, "twin"))
    answer = cluster.json("deploy", job.path.parent)
    assert answer.code == 1
    jobs = {Path(entry["path"]).stem: entry for entry in json.loads(answer.out)["jobs"]}
    assert {stem: entry["action"] for stem, entry in jobs.items()} == {
        "bad": "error",
        "one": "error",
        "two": "error",
        job.path.stem: "start",
    }
    assert "two.yml" in jobs["one"]["error"]["message"]
    assert cluster.live(job.name) == [jobs[job.path.stem]["job_id"]]


class Deaf(http.server.BaseHTTPRequestHandler):
    """Not a Flink server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[dict[str, str]]:
    """Addresses that are wrong in four ways."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deaf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield {
            "down": f"http://127.0.0.1:{closed}",
            "another server": f"http://127.0.0.1:{server.server_port}",
            "silent": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("part", ["gateway", "jobmanager"])
@pytest.mark.parametrize("kind", ["down", "another server", "swapped", "silent"])
def test_a_wrong_address_is_told_soon_and_nothing_is_written(cluster, job, tmp_path, elsewhere, part, kind):
    right = {"gateway": str(cluster.status.gateway), "jobmanager": str(cluster.status.jobmanager)}
    other = right["jobmanager" if part == "gateway" else "gateway"]
    wrong = right | {part: other if kind == "swapped" else elsewhere[kind]}
    words = ("--gateway", wrong["gateway"], "--jobmanager", wrong["jobmanager"])
    for command in ("plan", "deploy") if kind != "silent" else ("deploy",):
        answer = cluster.json(command, job.path, *words)
        assert (answer.code, answer.job["action"]) == (1, "error")
        assert answer.job["error"]["type"] in ("Unreachable", "Misconfigured")
        assert wrong[part] in answer.job["error"]["message"]
    assert not (tmp_path / "manifests.db").exists()
    assert cluster.live(job.name) == []


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The JobManager of another cluster, which the gateway does not know."""
    folder = tmp_path_factory.mktemp("other")
    try:
        yield str(local.up("2.3.0", folder=folder, parts=("jobmanager", "taskmanager")).jobmanager)
    finally:
        local.down(folder)


def test_a_gateway_of_another_cluster_is_told_and_its_stray_job_stopped(cluster, job, other):
    answer = cluster.json("deploy", job.path, "--gateway", str(cluster.status.gateway), "--jobmanager", other)
    assert (answer.code, answer.job["error"]["type"]) == (1, "Misconfigured")
    assert "another cluster" in answer.job["reason"]
    until(lambda: cluster.live(job.name) == [])


def test_a_job_that_runs_on_another_cluster_is_blocked_as_long_as_that_answers(cluster, job, other):
    gateway, here = str(cluster.status.gateway), str(cluster.status.jobmanager)
    first = deployed(cluster, job, "--gateway", gateway, "--jobmanager", here)
    there = ("--gateway", gateway, "--jobmanager", other)
    assert cluster.json("status", *there).code == 1
    for consent in ((), ("--accept", "cluster-gone")):
        answer = cluster.json("plan", job.path, *there, *consent)
        assert answer.code == 3
        assert f"{here}, which still answers" in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]
    cluster.kill("jobmanager")
    answer = cluster.json("plan", job.path, *there)
    assert answer.code == 3
    assert "--accept cluster-gone" in answer.job["reason"]
    assert "still answers" not in answer.job["reason"]


def test_a_store_that_cannot_be_used_is_told(cluster, job, tmp_path):
    (tmp_path / "no.db").write_text("this is no database, and it is long enough to be told apart from an empty one" * 9)
    for url in (f"sqlite:///{tmp_path}/no.db", "sqlite:////proc/no/such.db", "mongodb://x"):
        answer = cluster.json("deploy", job.path, "--store", url)
        assert answer.code == 1
        assert answer.job["error"]["type"] in ("StoreUnusable", "Misconfigured")
        assert "store" in answer.job["reason"]
    assert cluster.live(job.name) == []


CANARY = "c4n4ry-5ecret"


def test_a_secret_is_in_no_output_and_no_manifest(cluster, job, tmp_path, monkeypatch):
    where = sink(tmp_path / "${env.FLINKSQL_TEST_SECRET}")
    good = job.write(setup=[NUMBERS, where])
    answers = [cluster.json("deploy", good.path)]
    assert answers[0].code == 1
    assert "FLINKSQL_TEST_SECRET is not set" in answers[0].job["reason"]
    monkeypatch.setenv("FLINKSQL_TEST_SECRET", CANARY)
    answers += [cluster("plan", good.path), cluster("deploy", good.path), cluster.json("plan", good.path)]
    assert [answer.code for answer in answers[1:]] == [2, 0, 0]
    assert (tmp_path / CANARY).is_dir()
    bad = where.replace("'format'='csv'", "'format'='${env.FLINKSQL_TEST_SECRET}'")
    job.write(setup=[NUMBERS, bad], state={"on-query-change": "fresh"})
    answers += [
        cluster("deploy", job.path),
        cluster.json("deploy", job.path),
        cluster("status"),
        cluster("stop", job.name),
    ]
    assert [answer.code for answer in answers[-4:]] == [1, 1, 0, 0]
    assert not any(CANARY in answer.out + answer.err for answer in answers)
    assert CANARY.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("manifests.db*"))
    asks = "INSERT INTO o SELECT id, 1 FROM s WHERE '${conn.db.password}' <> ''"
    job.write(sql=asks, state={"on-query-change": "fresh"})
    assert "--conn" in cluster.json("deploy", job.path).job["reason"]


# --- as processes ---------------------------------------------------------------------------------


def process(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SHOUT, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def heard(running: subprocess.Popen[str], word: str) -> None:
    assert running.stderr
    assert any(word in line for line in running.stderr), f"{word!r} was never said"


@pytest.mark.parametrize("moment", ["written down", "restores nothing", "Submitting", "Waiting until"])
def test_a_killed_deploy_is_finished_by_the_next_one_at_once(cluster, job, moment):
    killed = process("deploy", job.path)
    heard(killed, moment)
    killed.kill()
    killed.communicate()
    again = cluster.json("deploy", job.path)
    assert "Another deploy" not in again.err  # as a stranger's attempt would be, for two minutes
    assert cluster.live(job.name) == [again.job["job_id"]]
    assert_goes_on(cluster, job)


def test_deploys_at_the_same_time_start_one_job(cluster, job):
    crowd = [process("deploy", job.path, "--json") for _ in range(4)]
    told = [one.communicate(timeout=60) for one in crowd]
    assert [one.returncode for one in crowd] == [0, 0, 0, 0], told
    (job_id,) = cluster.live(job.name)
    assert {json.loads(out)["jobs"][0]["job_id"] for out, _ in told} == {job_id}
    assert len(json.loads(cluster.json("history", job.name).out)["attempts"]) == 1


@pytest.mark.parametrize("moment", ["written down", "Asking", "to end", "choosing it", "Submitting", "Waiting until"])
def test_an_upgrade_killed_anywhere_loses_and_doubles_nothing(cluster, job, moment):
    started(cluster, job)
    job.write(options={"execution.checkpointing.interval": "2s"})
    killed = process("deploy", job.path)
    heard(killed, moment)
    killed.kill()
    killed.communicate()
    again = deployed(cluster, job)
    assert cluster.live(job.name) == [again["job_id"]]
    assert_goes_on(cluster, job)


@pytest.mark.parametrize("ends", ["2>&1 | head -1", "2>&1 >/dev/full | head -1", "2>/dev/full | true", ">&- 2>&-"])
def test_a_restart_that_nobody_listens_to_ends_well(cluster, job, ends):
    before = started(cluster, job)["job_id"]
    words = ["bash", "-c", f'set -o pipefail; "$@" {ends}', "bash", *SHOUT, "restart", job.name]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr
    (job_id,) = cluster.live(job.name)
    assert job_id != before


def test_an_interrupt_leaves_the_job_and_says_so(cluster, job):
    slow = NUMBERS.replace("'20000'", "'600','number-of-rows'='600'")
    job.write(mode="batch", setup=[slow, sink(job.out)], options={})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us in the background may have it ignored
    waiting = process("deploy", job.path)
    heard(waiting, "to finish")
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert "goes on" in err
    assert "Traceback" not in err
    assert len(cluster.live()) == 1
    assert deployed(cluster, job)["action"] == "resume"
    assert job.numbers() == list(range(1, 601))


def test_an_unchanged_plan_says_one_line(cluster, job):
    started(cluster, job)
    done = subprocess.run([*SHOUT, "plan", str(job.path)], check=True, capture_output=True, text=True)
    assert "nothing to do" in done.stdout
    assert done.stderr == ""
