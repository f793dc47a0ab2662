"""Whatever a server answers, a command gives a right answer or one sentence, and does to jobs what it should or less.

By default each field of each recorded answer is made wrong in one way at each client call, and some of them at each
command; with FLINKSQL_ALL_MUTATIONS=1 in every way at each of both.
"""

import os
import random
import re
import shutil
import time

import httpx
import pytest

from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway, Session
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.errors import FlinkSqlError, Misconfigured
from airflow_provider_flinksql.targets import connect
from hostile import WRONG, RecordedFlink, mutated, places, recorded
from onejob import JOBMANAGER, WHERE, on_record

ALL = "FLINKSQL_ALL_MUTATIONS" in os.environ
VERSIONS = ("1.20.3", "2.3.0")
ID, HANDLE = "0" * 32, "0-0"
TRIGGER = "f" * 32

CALLS = {
    r"GET /jobmanager/config": lambda io: JobManager(io).config(),
    r"GET /overview": lambda io: JobManager(io).cluster(),
    r"GET /jobs/overview": lambda io: JobManager(io).overview(),
    r"GET /jobs/\w+": lambda io: JobManager(io).job(ID),
    r"GET /jobs/\w+/config": lambda io: JobManager(io).job_config(ID),
    r"GET /jobs/\w+/checkpoints": lambda io: JobManager(io).checkpoints(ID),
    r"GET /jobs/\w+/checkpoints/config": lambda io: JobManager(io).deletes_on_cancel(ID),
    r"GET /jobs/\w+/exceptions": lambda io: JobManager(io).exceptions(ID),
    r"GET /jobs/\w+/savepoints/\w+": lambda io: JobManager(io).savepoint_status(ID, TRIGGER),
    r"GET /jobs/\w+/checkpoints/\w+": lambda io: JobManager(io).checkpoint_status(ID, TRIGGER),
    r"POST /jobs/\w+/stop": lambda io: JobManager(io).stop(ID, TRIGGER),
    r"POST /jobs/\w+/savepoints": lambda io: JobManager(io).savepoint(ID, TRIGGER),
    r"POST /jobs/\w+/checkpoints": lambda io: JobManager(io).request_checkpoint(ID, TRIGGER),
    r"PATCH /jobs/\w+\?mode=cancel": lambda io: JobManager(io).cancel(ID),
    r"GET /v2/info": lambda io: Gateway(io).info(),
    r"POST /v2/sessions": lambda io: Gateway(io).open_session(),
    r"POST /v2/sessions/[\w-]+/statements": lambda io: Session(io, HANDLE).execute("SELECT 1"),
    r"GET /v2/sessions/[\w-]+/operations/[\w-]+/result/.*": lambda io: Session(io, HANDLE).execute("SELECT 1"),
    r"DELETE /v2/sessions/[\w-]+": lambda io: Session(io, HANDLE).close(),
}
UNASKED = (r"GET .*/operations/[\w-]+/status", r"GET /jobs/\w+/status", r"GET /no/such/path", r"GET /jobs/xyz")


def call_of(asked):
    return next((call for pattern, call in CALLS.items() if re.fullmatch(pattern, asked)), None)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_answer_is_one_to_a_call(version):
    for name, answer in recorded(version).items():
        assert call_of(answer["request"]) or any(re.fullmatch(one, answer["request"]) for one in UNASKED), name


def answering(text, status, last):
    """An IO whose pauses take no time, and that is answered so; a statement then ends with the last page."""

    def answer(request):
        if request.url.path.endswith("/statements") and "operationHandle" not in text:
            return httpx.Response(200, json={"operationHandle": HANDLE})
        return httpx.Response(200, json=last) if seen else httpx.Response(status, text=seen.append(1) or text)

    seen = []
    io = SyncIO(JOBMANAGER, transport=httpx.MockTransport(answer))

    async def nap(_):
        pass

    io.sleep = nap
    return io


def require_one_line(error):
    said = str(error)
    assert said
    assert len(said.splitlines()) == 1
    assert len(said) < 4096
    assert "Traceback" not in said


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_of_every_answer_may_be_wrong_at_every_call(version):
    ways, number, answers = sorted(WRONG), 0, recorded(version)
    last = answers["show jobs, none/result"]["body"]
    for name, answer in answers.items():
        call = call_of(answer["request"])
        if call is None or ("select/result/" in name and not ALL):
            continue
        for place in places(answer["body"]):
            number += 1
            for way in ways if ALL else [ways[number % len(ways)]]:
                text = mutated(answer["body"], place, way)
                with answering(text, answer["status"], last) as io:
                    try:
                        run_sync(call(io))
                    except FlinkSqlError as error:
                        require_one_line(error)
                    except Exception as error:
                        error.add_note(f"{name} {place} {way}")
                        raise
    assert number > 500


@pytest.mark.parametrize(
    "place, way, said",
    [
        (("jobs", 0, "state"), "a list", r"jobs\[0\]\.state is a list"),
        (("jobs", 0, "jid"), "missing", r"jobs\[0\] has no jid"),
        (("jobs", 0, "jid"), "a text", r"jobs\[0\]\.jid is nothing that it can be"),
        (("jobs", 0, "start-time"), "a long number", r"jobs\[0\]\.start-time is nothing that it can be"),
        (("jobs", 0, "tasks"), "a text", r"jobs\[0\]\.tasks is a text"),
        (("jobs", 0, "tasks", "running"), "true", r"jobs\[0\]\.tasks\.running is true or false"),
        (("jobs",), "an object", "jobs is an object"),
        ((), "a list", "it is a list"),
    ],
)
def test_what_does_not_fit_is_named(place, way, said):
    answers = recorded("2.3.0")
    sentence = rf"the answer to GET /jobs/overview is not what Flink answers \({said}\)\. Check that the URL"
    with (
        answering(mutated(answers["jobs"]["body"], place, way), 200, {}) as io,
        pytest.raises(Misconfigured, match=sentence),
    ):
        run_sync(JobManager(io).overview())


@pytest.mark.parametrize("way", ["NaN", "half a character", "twice", "depth"])
def test_what_is_no_json_is_no_answer(way):
    answer = recorded("2.3.0")["overview"]["body"]
    with (
        answering(mutated(answer, ("flink-commit",), way), 200, {}) as io,
        pytest.raises(Misconfigured, match="answers, but not as a Flink JobManager"),
    ):
        run_sync(JobManager(io).cluster())


OTHERS = "1234567890abcdef" * 2
COMMANDS = {
    "plan, unchanged": ("plan", "FILE"),
    "plan, changed": ("plan", "CHANGED"),
    "deploy, unchanged": ("deploy", "FILE"),
    "deploy, changed": ("deploy", "CHANGED"),
    "status": ("status",),
    "history": ("history", "orders"),
    "snapshots": ("snapshots", "orders"),
    "stop": ("stop", "orders"),
    "stop --cancel": ("stop", "orders", "--cancel"),
    "savepoint": ("savepoint", "orders"),
    "restart": ("restart", "orders"),
    "restart, from a checkpoint": ("restart", "orders", "--from", "latest-checkpoint"),
    "rollback": ("rollback", "orders"),
    "adopt": ("adopt", "payments", OTHERS),
}


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    """``world(command, version, wrong)``: what the command did: exit code, Flink and what was said."""
    monkeypatch.setattr(connect, "SyncIO", SyncIO)
    real, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + ahead[0])

    async def nap(_, seconds):
        ahead[0] += seconds + 5  # whoever waits in vain has soon waited enough

    monkeypatch.setattr(SyncIO, "sleep", nap)
    folders = {"checkpoint_folder": f"file://{tmp_path}/ckpt", "savepoint_folder": f"file://{tmp_path}/sp"}
    file, manifest = on_record(tmp_path, **folders)
    job = manifest.current
    store = tmp_path / "manifests.db"
    changed = tmp_path / "changed.yaml"
    changed.write_text(file.read_text().replace("1s", "2s"))
    fresh = tmp_path / "fresh.db"
    shutil.copy(store, fresh)
    paths = {"FILE": str(file), "CHANGED": str(changed)}
    answers = {version: recorded(version) for version in VERSIONS}

    def run(command, version, wrong=None):
        shutil.copy(fresh, store)
        for folder in ("ckpt", "sp"):
            shutil.rmtree(tmp_path / folder, ignore_errors=True)
            (tmp_path / folder).mkdir()
        other = "adopt" in command
        flink = RecordedFlink(
            tmp_path, answers[version], OTHERS if other else job.job_id, "payments" if other else "orders"
        )
        flink.listen()
        where = (*WHERE, "--store", f"sqlite:///{store}")
        if command == "rollback":
            assert main(["deploy", str(changed), *where]) == 0
        flink.acts.clear()
        flink.used.clear()
        flink.wrong = wrong
        capsys.readouterr()
        code = main([*(paths.get(word, word) for word in COMMANDS[command]), *where])
        return code, flink, "".join(capsys.readouterr())

    return run


AS_OFTEN_AS_IT_LIKES = {"request stop", "request savepoint", "request checkpoint"}
"""Each under one id: asked again it is the same request."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_no_more_when_an_answer_is_wrong(world, command):
    version = random.Random(command).choice(VERSIONS)
    code, right, said = world(command, version)
    assert code in (0, 2), said
    wrongs = [(name, place, way) for name in right.used for place in places(right.used[name]) for way in WRONG]
    for wrong in wrongs if ALL else random.Random(command).sample(wrongs, min(12, len(wrongs))):
        code, flink, said = world(command, version, wrong)
        assert code in (0, 1, 2, 3, 4), (wrong, said)
        assert "Traceback" not in said, (wrong, said)
        done, due = ([act for act in one.acts if act not in AS_OFTEN_AS_IT_LIKES] for one in (flink, right))
        assert done == due[: len(done)], (wrong, said)
        assert set(flink.acts) <= set(right.acts), (wrong, said)
