"""The command line's words, exit codes and documents; what it does on a cluster is tested on a real one."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import onejob
from airflow_provider_flinksql.cli import main, output, owner
from airflow_provider_flinksql.cli.output import worst
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.model.manifest import Stop
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets import connect
from unit.test_shown import Terminal

ENTRY = {
    "path", "name", "action", "verdict", "reason", "job_id", "query_version", "restored_from", "savepoint",
    "plan_digest", "steps", "error",
}  # fmt: skip

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``cli(*words)``: exit code, stdout and stderr. Its home is empty, and no cluster is named."""
    for name in ("FLINKSQL_GATEWAY", "FLINKSQL_JOBMANAGER", "FLINKSQL_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLINKSQL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(connect, "SyncIO", SyncIO)  # what OneJob.listen() changes is put back

    def run(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/manifests.db"


def jobs(out: str) -> list[dict[str, Any]]:
    document = json.loads(out)
    assert document["version"] == 1
    return document["jobs"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["plan"],
        ["plan", "a.yaml", "--nonsense"],
        ["plan", "a.yaml", "--js"],
        ["plan", "a.yaml", "--param", "no-equals-sign"],
        ["plan", "a.yaml", "--gateway", "http://x:1"],
        ["plan", "a.yaml", "--jobmanager", "http://x:1"],
        ["plan", "a.yaml", "--conn", "flink", "--gateway", "http://x:1"],
        ["deploy", "a.yaml", "--accept", "everything"],
        ["deploy", "a.yaml", "b.yaml", "--restore-from", "file:///s"],
        ["history"],
        ["history", "a", "b"],
        ["snapshots"],
        ["stop"],
        ["restart"],
        ["savepoint"],
        ["rollback", "a", "--to", "first"],
        ["adopt", "a"],
        ["adopt", "a", "the-one-that-runs"],
        ["adopt", "../a", "0" * 32],
        ["deploy", "a.yaml", "b.yaml", "--expect", "0f"],
        ["plan", "a.yaml", "--expect", "0f"],
        ["restart", "a", "b"],
        ["stop", "a", "--drain", "--cancel"],
        ["local", "up", "--flink", "newest"],
    ],
)
def test_wrong_usage_exits_64_and_says_so_on_stderr(cli, words):
    code, out, err = cli(*words)
    assert (code, out) == (64, "")
    assert "flinksql" in err


def test_a_folder_without_a_job_file_is_an_error_and_a_document(cli, tmp_path):
    code, out, err = cli("plan", str(tmp_path), "--json")
    (job,) = json.loads(out)["jobs"]
    assert (code, job["action"], job["name"], job["path"]) == (1, "error", None, str(tmp_path))
    assert "no job file (*.yaml, *.yml) is there" in err


def test_help_exits_0_and_names_every_command(cli):
    code, out, _ = cli("--help")
    assert code == 0
    assert all(command in out for command in ("plan", "deploy", "status", "adopt", "snapshots", "stop", "local"))


def test_of_many_codes_the_worst_counts():
    assert worst([0, 2, 3, 1]) == 1
    assert worst([0, 2, 3]) == 3
    assert worst([0, 4]) == 4
    assert worst([2, 0]) == 2
    assert worst([]) == 0


def test_a_plan_of_an_unchanged_job_is_two_requests_and_exit_0(cli, tmp_path, store):
    file, manifest = onejob.on_record(tmp_path)
    flink = onejob.OneJob(manifest)
    flink.listen()
    code, out, err = cli("plan", file, *onejob.WHERE, "--store", store, "--json")
    (entry,) = jobs(out)
    assert (code, err, entry["action"], entry["verdict"]) == (0, "", "none", "none")
    assert entry.keys() == ENTRY
    assert entry["job_id"] == manifest.current.job_id
    assert flink.asked == [f"GET {onejob.JOBMANAGER}/jobmanager/config", f"GET {onejob.JOBMANAGER}/jobs/overview"]


def test_many_jobs_are_one_look_and_one_read(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    (tmp_path / "bad.yaml").write_text("name: [")
    for number in range(20):
        (tmp_path / f"off-{number}.yaml").write_text(
            json.dumps({**onejob.JOB, "name": f"off-{number}", "enabled": False})
        )
    for command in ("plan", "deploy"):
        flink = onejob.OneJob(manifest)
        flink.listen()
        code, out, _ = cli(command, tmp_path, *onejob.WHERE, "--store", store, "--json")
        found = {entry["name"]: entry["action"] for entry in jobs(out)}
        assert code == 1
        assert found == {"orders": "none", None: "error", **{f"off-{number}": "none" for number in range(20)}}
        assert len(flink.asked) == 2


def test_a_blocked_plan_exits_3_and_names_the_way_out(cli, tmp_path, store):
    file, manifest = onejob.on_record(tmp_path)
    file.write_text(file.read_text().replace("1s", "2s"))
    onejob.OneJob(manifest).listen()
    code, out, err = cli("plan", file, *onejob.WHERE, "--store", store, "--json")
    (entry,) = jobs(out)
    assert (code, entry["action"], entry["verdict"]) == (3, "blocked", "carries")
    assert entry["error"] == {"type": "Blocked", "message": entry["reason"]}
    assert err.startswith("blocked: orders: ")
    assert "execution.checkpointing.savepoint-dir" in err


def test_a_job_that_is_only_to_be_recorded_is_something_to_do(cli, tmp_path, store):
    file, manifest = onejob.on_record(tmp_path)
    file.write_text(json.dumps({**onejob.JOB, "description": "numbers"}))
    onejob.OneJob(manifest).listen()
    code, out, _ = cli("plan", file, *onejob.WHERE, "--store", store)
    assert code == 2
    *said, digest = out.splitlines()
    assert said == [
        "orders: will be recorded, the job is not touched: only what does not run changed",
        "  write the file down; the job is not touched",
    ]
    assert re.fullmatch("  plan [0-9a-f]{64}", digest)


def test_two_files_of_one_name_are_both_refused_and_one_file_given_twice_is_one(cli, tmp_path):
    for name in ("one.yaml", "two.yml"):
        (tmp_path / name).write_text(json.dumps(onejob.JOB))
    code, out, _ = cli("plan", tmp_path, tmp_path / "one.yaml", tmp_path / "sub" / ".." / "one.yaml", "--json")
    entries = jobs(out)
    assert code == 1
    assert [entry["error"]["type"] for entry in entries] == ["InvalidSpec", "InvalidSpec"]
    assert "two.yml" in entries[0]["reason"]


def test_without_a_cluster_every_job_says_how_to_name_one(cli, tmp_path):
    (tmp_path / "orders.yaml").write_text(json.dumps(onejob.JOB))
    code, out, _ = cli("deploy", tmp_path / "orders.yaml", "--json")
    (entry,) = jobs(out)
    assert (code, entry["name"], entry["error"]["type"]) == (1, "orders", "Misconfigured")
    assert "flinksql local up" in entry["reason"]


def test_a_missing_file_is_an_error_of_its_own(cli, tmp_path):
    code, out, err = cli("plan", tmp_path / "nowhere.yaml", "--json")
    (entry,) = jobs(out)
    assert (code, entry["name"], entry["action"], entry["verdict"]) == (1, None, "error", None)
    assert "there is no such file" in err


def test_parameters_and_defaults_reach_the_job(cli, tmp_path, store):
    file, manifest = onejob.on_record(tmp_path)
    file.write_text(json.dumps({"name": "orders", "sql": "INSERT INTO o SELECT ${param.column} FROM s"}))
    interval = {"execution.checkpointing.interval": "${param.interval}"}
    (tmp_path / "common.yaml").write_text(json.dumps({"flinkProperties": interval}))
    onejob.OneJob(manifest).listen()
    words = ("--defaults", tmp_path / "common.yaml", *onejob.WHERE, "--store", store)
    words = ("--param", "column=id", *words)
    assert cli("plan", file, "--param", "interval=1s", *words)[0] == 0
    assert cli("plan", file, "--param", "interval=2s", *words)[0] == 3


def test_a_parameter_is_used_by_at_least_one_of_the_jobs(cli, tmp_path, store):
    file, manifest = onejob.on_record(tmp_path)
    (tmp_path / "other.yaml").write_text(json.dumps({"name": "other", "sql": "INSERT INTO o SELECT '${param.x}'"}))
    onejob.OneJob(manifest).listen()
    where = (*onejob.WHERE, "--store", store)
    assert cli("plan", file, tmp_path / "other.yaml", "--param", "x=1", *where)[0] != 64
    code, out, err = cli("plan", file, "--param", "x=1", *where)
    assert (code, out) == (64, "")
    assert "--param x: no job has a placeholder ${param.x}" in err


def test_an_interrupt_exits_130_and_says_that_the_job_goes_on(cli, tmp_path, store, monkeypatch):
    file, _ = onejob.on_record(tmp_path)
    monkeypatch.setattr(
        "airflow_provider_flinksql.cli.jobs.find_store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    code, out, err = cli("plan", file, *onejob.WHERE, "--store", store)
    assert (code, out) == (130, "")
    assert "goes on" in err


def test_status_of_an_empty_store_is_well(cli):
    code, out, _ = cli("status", "--json")
    assert (code, jobs(out)) == (0, [])


def test_status_shows_state_health_and_last_checkpoint(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    onejob.OneJob(manifest).listen()
    code, out, _ = cli("status", *onejob.WHERE, "--store", store, "--json")
    (entry,) = jobs(out)
    assert (code, entry["state"], entry["healthy"], entry["since"]) == (
        0,
        "RUNNING",
        True,
        "2026-09-21T14:13:20.000+00:00",
    )
    assert entry["last_checkpoint"] == {"id": 7, "time": "2026-09-21T14:13:25.000+00:00", "location": "file:/c/chk-7"}


def test_status_of_a_job_that_is_not_well_exits_4(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    onejob.OneJob(manifest, state="RESTARTING").listen()
    code, out, _ = cli("status", "orders", *onejob.WHERE, "--store", store)
    assert code == 4
    assert "RESTARTING" in out


def test_status_without_an_answer_is_unreachable_and_exits_1(cli, tmp_path, store):
    onejob.on_record(tmp_path)
    code, out, err = cli("status", "orders", "nobody", "--store", store, "--json")
    orders, nobody = jobs(out)
    assert (code, orders["state"], orders["healthy"]) == (1, "UNREACHABLE", False)
    assert (nobody["state"], nobody["error"]["type"]) == (None, "UnknownJob")
    assert "flinksql local up" in err


def test_a_stopped_job_needs_no_cluster_to_be_well(cli, tmp_path, store):
    stop = Stop(1, "savepoint", "file:/s/x", None, "completed", "file:/s/x/sp")
    onejob.on_record(tmp_path, state="ended", outcome="stopped", stops=(stop,), ended_at=onejob.SETTLED / 1000)
    code, out, _ = cli("status", "orders", "--store", store, "--json")
    assert (code, jobs(out)[0]["state"]) == (0, "STOPPED")
    assert jobs(out)[0]["last_checkpoint"]["location"] == "file:/s/x/sp"


def test_history_shows_every_attempt(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    code, out, _ = cli("history", "orders", "--store", store, "--json")
    document = json.loads(out)
    assert code == 0
    assert document == {
        "version": 1,
        "name": "orders",
        "error": None,
        "older": 0,
        "attempts": [
            {
                "name": "orders",
                "number": 1,
                "job_id": manifest.current.job_id,
                "state": "confirmed",
                "started": "2026-09-21T14:13:20.000+00:00",
                "ended": None,
                "reason": None,
                "restored_from": None,
                "by": "ann@host",
                "savepoints": [],
            }
        ],
    }
    assert cli("history", "nobody", "--store", store)[0] == 1


def test_an_attempt_of_a_history_is_read_in_a_hundred_columns(cli, tmp_path, store):
    pinned = Snapshot("file:/s/chk-7", "checkpoint", "JobManager", 1, 7)
    _, manifest = onejob.on_record(tmp_path, pinned=pinned, reason="upgraded")
    code, out, _ = cli("history", "orders", "--store", store)
    head, first, *below = out.splitlines()
    assert (code, below) == (0, ["    by ann@host: upgraded", "    restored from file:/s/chk-7"])
    assert first.split() == ["1", "confirmed", "2026-09-21", "14:13:20", "-", manifest.current.job_id]
    assert head.index("JOB ID") == first.index(manifest.current.job_id)
    assert max(map(len, out.splitlines())) <= 100


def test_states_are_in_colour_on_a_terminal(monkeypatch):
    stream = Terminal(tty=True)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    output.table(("JOB", "STATE"), [("RUNNING", "FAILED")])
    output.paragraphs(("JOB", "STATE"), [(("RUNNING", "confirmed"), ["below"])])
    assert "\x1b[31mFAILED" in stream.text
    assert "\x1b[32mconfirmed" in stream.text
    assert "\x1b[32mRUNNING" not in stream.text  # that is the name of a job


def test_the_runs_of_a_batch_job_are_found_by_the_name_in_its_file(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    runs = open_store(store)
    for name in ("daily@1", "daily@2", "daily-other@1"):
        batch = replace(manifest.current, spec=replace(manifest.current.spec, name=name, mode="batch"))
        runs.put(replace(manifest, name=name, current=batch), 0)
    runs.close()
    code, out, _ = cli("history", "daily", "--store", store, "--json")
    assert (code, [attempt["name"] for attempt in json.loads(out)["attempts"]]) == (0, ["daily@1", "daily@2"])
    code, out, _ = cli("snapshots", "daily", "--store", store)
    assert (code, out) == (0, "No state of daily is known.\n")


def test_snapshots_shows_each_state_and_why_it_is_chosen(cli, tmp_path, store):
    _, manifest = onejob.on_record(tmp_path)
    onejob.OneJob(manifest).listen()
    words = ("snapshots", "orders", *onejob.WHERE, "--store", store)
    code, out, err = cli(*words, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "version": 1,
        "name": "orders",
        "snapshots": [
            {
                "location": "file:/c/chk-7",
                "kind": "checkpoint",
                "source": "JobManager",
                "attempt": 1,
                "checkpoint_id": 7,
                "time": "2026-09-21T14:13:25.000+00:00",
                "job_id": manifest.current.job_id,
                "size": None,
                "chosen": True,
                "why": "the newest",
            }
        ],
        "notes": [],
    }
    code, out, _ = cli(*words)
    head, line = out.splitlines()
    assert (code, head.split()) == (0, ["KIND", "ATTEMPT", "CHECKPOINT", "ID", "TIME", "SOURCE", "LOCATION", "WHY"])
    assert line.startswith("*")
    assert cli("snapshots", "nobody", "--store", store)[0] == 1


def test_snapshots_without_a_cluster_says_so_and_shows_what_is_on_record(cli, tmp_path, store):
    (tmp_path / "sp").mkdir()
    stop = Stop(1, "savepoint", f"{tmp_path}/sp", None, "completed", f"{tmp_path}/sp/savepoint-1")
    onejob.on_record(tmp_path, state="ended", outcome="stopped", stops=(stop,))
    code, out, err = cli("snapshots", "orders", "--store", store)
    assert code == 0
    assert "flinksql local up" in err
    assert out.rstrip().endswith("it is not there any more")


def test_stop_of_an_unknown_name_exits_1(cli, store):
    code, out, _ = cli("stop", "nobody", "--store", store, "--json")
    (entry,) = jobs(out)
    assert (code, entry["action"], entry["path"]) == (1, "error", None)
    assert entry.keys() == ENTRY


def test_an_attempt_of_a_dead_process_of_this_host_is_nobodys(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    owners = {
        f"cli:{host}:{ended.pid}:1": True,
        f"cli:{host}:{os.getpid()}:1": True,  # a process of our pid that was not us
        f"cli:{host}:{os.getppid()}:1": False,
        f"cli:elsewhere:{ended.pid}:1": False,
        "airflow:dag/task": False,
    }
    for name, gone in owners.items():
        store = tmp_path / name.replace("/", "-")
        store.mkdir()
        _, manifest = onejob.on_record(store, owner=name, state="claimed")
        pending = type(manifest)(manifest.name, manifest.lineage, pending=manifest.current)
        assert owner.policy_of(pending).dead_owner == (name if gone else None)
    ours = owner.policy_of(None).owner
    assert owner.policy_of(None).owner == ours

