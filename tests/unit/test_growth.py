"""What many jobs, attempts, checkpoints and stops cost: counted, since time depends on the machine."""

import json
import struct
import threading
import uuid
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import crowd
import onejob
from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.cli.looks import AT_ONCE
from airflow_provider_flinksql.cli.running import FEW
from airflow_provider_flinksql.clients.flink import JobListing
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.clients.statefiles import Kept, StateFiles
from airflow_provider_flinksql.deploy.flow import Flow
from airflow_provider_flinksql.deploy.outcome import raise_if_over, raise_if_taken
from airflow_provider_flinksql.deploy.reconcile import Deployed
from airflow_provider_flinksql.errors import Blocked, JobFailed
from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import StopOutcome, after
from airflow_provider_flinksql.model.lifecycle.plan import Plan
from airflow_provider_flinksql.model.lifecycle.rollback import way_back
from airflow_provider_flinksql.model.lifecycle.steps import AwaitEnd, Confirm, GiveUp, RequestStop
from airflow_provider_flinksql.model.manifest import KEPT, Manifest, Savepoint, Stop
from airflow_provider_flinksql.stores import PAGE, newest_first, open_store, sqlite
from airflow_provider_flinksql.targets import connect
from airflow_provider_flinksql.targets.look import Survey, search
from unit.test_plan import ME, OTHER_QUERY, PLAIN, UP, attempt, listed, look, manifest, pending

LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(connect, "SyncIO", SyncIO)  # what listen() changes is put back

    def run(*words):
        code = main([*words, *crowd.WHERE, "--store", f"sqlite:///{tmp_path}/manifests.db"])
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("version", ["1.20.3", "2.3.0"])
def test_a_plan_of_many_unchanged_jobs_is_two_requests_and_each_id_is_derived_once(cli, tmp_path, monkeypatch, version):
    derived = []
    uuid5 = uuid.uuid5
    there = crowd.Crowd(30, attempts=40, ended=200, version=version)
    there.record(tmp_path)
    there.listen()
    monkeypatch.setattr(uuid, "uuid5", lambda root, name: derived.append((root, name)) or uuid5(root, name))
    code, out = cli("plan", str(tmp_path / "jobs"), "--json")
    assert (code, {job["action"] for job in json.loads(out)["jobs"]}) == (0, {"none"})
    assert there.asked == ["/jobmanager/config", "/jobs/overview"]
    assert len(derived) == len(set(derived)) == 30 * 40


MANIFEST = Manifest("orders", LINEAGE, last_number=30, adopted=("a" * 32,))
IDS = [*(MANIFEST.id("job", number) for number in range(40)), *(letter * 32 for letter in "abcd")]
NAMES = ["orders", "other", ""]
LISTED = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(NAMES)), unique_by=lambda job: job[0])


@given(LISTED, st.none() | st.sampled_from(IDS))
def test_a_look_finds_every_job_of_the_name_and_every_id_of_the_lineage_whatever_it_is_called(listed, more):
    jobs = [JobListing(job_id, name, "RUNNING", 0, 0, 0, {}) for job_id, name in listed]
    past = {MANIFEST.id("job", number) for number in range(1, 31)} | {"a" * 32}
    found = Survey({}, tuple(jobs)).about("orders", more, MANIFEST)
    assert len(found) == len({job.id for job in found})
    assert {job.id for job in found} == {
        job.id for job in jobs if job.name == "orders" or job.id == more or job.id in past
    }


class Counted:
    """A disk with these checkpoints in one folder (id: whether it is complete); ``read`` are those that were opened."""

    def __init__(self, checkpoints, others=()):
        self._checkpoints, self._others = checkpoints, others
        self.opened = []

    def folders(self, path):
        return [*self._others, *(f"chk-{number}" for number in self._checkpoints)]

    def sees(self, path):
        return True

    def read(self, path, most=None):
        number = int(path.split("/")[-2].removeprefix("chk-"))
        self.opened.append(number)
        return (struct.pack(">iiq", 0x4960672D, 6, number), 1.0) if self._checkpoints[number] else None


CHECKPOINTS = st.dictionaries(st.integers(0, 2000), st.booleans(), max_size=40)
OTHERS = ("shared", "taskowned", "chk-", "chk-x", "chk-٣", "chk-007", "chk--1", f"chk-{'9' * 5000}", "savepoint-1")


@given(CHECKPOINTS, st.integers(1, 5))
def test_the_newest_checkpoints_are_found_and_none_that_is_older_is_opened(checkpoints, most):
    disk = Counted(checkpoints, OTHERS)
    files = StateFiles()
    files._looking_into = lambda folder: nullcontext((disk, folder))
    complete = sorted((number for number, whole in checkpoints.items() if whole), reverse=True)
    found = files.completed_checkpoints("/job", most)
    assert [kept.checkpoint_id for kept in found] == complete[:most]
    last = complete[most - 1] if len(complete) >= most else -1
    assert disk.opened == sorted((number for number in checkpoints if number >= last), reverse=True)


def test_a_savepoint_that_is_older_than_the_newest_checkpoint_is_not_looked_for(tmp_path):
    taken = [Savepoint(n, f"/s/{n}", "me", 1.0, "completed", f"/s/{n}/savepoint-1", n * 10) for n in range(1, 20)]
    stops = tuple(Stop(n, "savepoint", f"/stop/{n}", None, "failed") for n in (1, 2))
    looked_at = []
    files = StateFiles()
    files.completed_checkpoints = lambda folder, most: [Kept(f"{folder}/chk-175", 175, 1.0)]
    files.find_savepoint = looked_at.append
    _, manifest = onejob.on_record(tmp_path, checkpoint_folder="/c", savepoints=tuple(taken), stops=stops)
    found, _ = search(files, manifest.current)
    assert [one.checkpoint_id for one in found] == [175]
    assert looked_at == ["/stop/1", "/stop/2", "/s/18", "/s/19"]


def test_snapshots_shows_the_newest_of_many_checkpoints_and_says_that_there_are_more(cli, tmp_path):
    for number in range(1, 31):
        folder = tmp_path / "c" / f"chk-{number}"
        folder.mkdir(parents=True)
        (folder / "_metadata").write_bytes(struct.pack(">iiq", 0x4960672D, 6, number))
    _, manifest = onejob.on_record(tmp_path, checkpoint_folder=f"file://{tmp_path}/c")
    server = onejob.OneJob(manifest)
    server._answers["/jobs/overview"] = {"jobs": []}
    server.listen()
    document = json.loads(cli("snapshots", "orders", "--json")[1])
    assert [one["checkpoint_id"] for one in document["snapshots"]] == list(range(30, 10, -1))
    assert [one["chosen"] for one in document["snapshots"]] == [True] + [False] * 19
    assert any("--all" in note for note in document["notes"])


@pytest.mark.parametrize("version", ["1.20.3", "2.3.0"])
@pytest.mark.parametrize("ill", [0, 1, 12])
def test_status_of_many_asks_for_two_lists_and_of_those_that_are_not_well(cli, tmp_path, version, ill):
    there = crowd.Crowd(FEW + 30, unwell=ill, version=version)
    there.record(tmp_path)
    there.listen()
    code, out = cli("status", "--json")
    told = json.loads(out)["jobs"]
    assert code == (4 if ill else 0)
    assert there.asked[:2] == ["/jobmanager/config", "/jobs/overview"]
    assert {path.split("/")[2] for path in there.asked[2:]} == {one["job_id"] for one in told if not one["healthy"]}
    assert len(there.asked) == 2 + 3 * ill
    assert [one["name"] for one in told] == [manifest.name for manifest in there.manifests]
    assert [one["state"] for one in told] == ["RESTARTING"] * ill + ["RUNNING"] * (FEW + 30 - ill)
    assert [one.get("last_checkpoint", "not asked") == "not asked" for one in told] == [one["healthy"] for one in told]


@pytest.mark.parametrize("size, words", [(FEW, []), (FEW + 1, ["--checkpoints"]), (FEW + 9, ["orders-0003"])])
def test_whoever_is_asked_for_their_last_checkpoint_tells_it(cli, tmp_path, size, words):
    there = crowd.Crowd(size)
    there.record(tmp_path)
    there.listen()
    told = json.loads(cli("status", *words, "--json")[1])["jobs"]
    assert {one["last_checkpoint"]["id"] for one in told} == {1}
    assert len(there.asked) == 2 + 3 * len(told)
    assert there.together <= AT_ONCE


def test_details_are_fetched_side_by_side_and_no_more_than_a_few_at_a_time(cli, tmp_path):
    together = threading.Barrier(AT_ONCE, timeout=30)
    there = crowd.Crowd(3 * AT_ONCE, unwell=3 * AT_ONCE)
    answer = there.answer

    def wait_for_the_others(path):
        if path.endswith("/checkpoints"):
            together.wait()
        return answer(path)

    there.answer = wait_for_the_others
    there.record(tmp_path)
    there.listen()
    assert cli("status")[0] == 4
    assert there.together == AT_ONCE


def test_one_answer_that_fails_is_the_trouble_of_one_job(cli, tmp_path):
    there = crowd.Crowd(FEW + 30, unwell=3)
    gone, answer = there.manifests[1].current.job_id, there.answer
    there.answer = lambda path: (404, {"errors": [f"Job {gone} not found"]}) if gone in path else answer(path)
    there.record(tmp_path)
    there.listen()
    code, out = cli("status", "--json")
    states = [one["state"] for one in json.loads(out)["jobs"]]
    assert (code, states[:4]) == (1, ["RESTARTING", "UNREACHABLE", "RESTARTING", "RUNNING"])


def test_a_server_that_falls_silent_is_waited_for_once_by_each_and_not_once_for_each_job(cli, tmp_path, monkeypatch):
    there = crowd.Crowd(50, unwell=50)
    there.record(tmp_path)
    answer = there.answer
    there.answer = lambda path: (503, {"errors": ["no leader"]}) if path.count("/") > 2 else answer(path)

    async def nap(*_):
        """Takes no time."""

    monkeypatch.setattr(SyncIO, "sleep", nap)
    there.listen()
    code, out = cli("status", "--json")
    assert (code, {one["state"] for one in json.loads(out)["jobs"]}) == (1, {"UNREACHABLE"})
    assert len(there.asked) <= 2 + AT_ONCE * 3


# --- the record of one job ---


@pytest.fixture
def long_history(tmp_path, monkeypatch):
    """A store with 200 ended attempts of one job; ``read`` are the numbers of those that are taken out of it."""
    _, manifest = onejob.on_record(tmp_path)
    store = open_store(f"sqlite:///{tmp_path}/manifests.db")
    ended = [
        replace(manifest.current, number=number, state="ended", outcome="failed", reason="it failed")
        for number in range(1, 201)
    ]
    store.put(replace(manifest, current=None, last_number=200, closed=tuple(ended)), 1)
    store.read = []
    of_document = sqlite.ended
    monkeypatch.setattr(sqlite, "ended", lambda name, n, text: store.read.append(n) or of_document(name, n, text))
    yield store
    store.close()


def test_what_became_of_one_attempt_is_one_row(long_history):
    manifest = long_history.get("orders").manifest
    with pytest.raises(JobFailed, match="attempt 199 "):
        raise_if_over(GiveUp(199), manifest, {199}, long_history)
    with pytest.raises(JobFailed, match="attempt 150 "):
        raise_if_taken(manifest, {150}, {150}, "somebody", long_history)
    assert long_history.read == [199, 150]


def test_the_result_of_a_deploy_takes_one_row_of_the_history(long_history):
    flow = Flow(read_job(onejob.JOB).spec, None, long_history, None, onejob.JOBMANAGER)
    flow.result(Deployed(long_history.get("orders").manifest, Plan("upgrade", "none", "")))
    assert long_history.read == [200]


def test_status_of_a_job_whose_last_attempt_came_to_nothing_takes_one_row(cli, long_history):
    assert json.loads(cli("status", "--json")[1])["jobs"][0]["state"] == "FAILED"
    assert long_history.read == [200]


def test_a_rollback_reads_as_far_back_as_it_takes(long_history):
    manifest = long_history.get("orders").manifest
    with pytest.raises(Blocked, match="attempt 197 left no state"):
        way_back(manifest, newest_first(long_history, "orders"), 197)
    assert min(long_history.read) > 200 - 2 * PAGE


def test_history_shows_the_newest_attempts_and_how_many_are_older(cli, long_history, capsys):
    document = json.loads(cli("history", "orders", "--json")[1])
    assert [one["number"] for one in document["attempts"]] == list(range(151, 201))
    assert document["older"] == 150
    assert len(long_history.read) == 50
    document = json.loads(cli("history", "orders", "--json", "--all")[1])
    assert [one["number"] for one in document["attempts"]] == list(range(1, 201))
    assert document["older"] == 0


def test_of_many_runs_of_a_batch_job_those_begun_last_are_shown(cli, tmp_path):
    _, manifest = onejob.on_record(tmp_path)
    store = open_store(f"sqlite:///{tmp_path}/manifests.db")
    for number in range(60):
        name = f"daily@{number * 37 % 60:02}"
        spec = replace(manifest.current.spec, name=name, mode="batch")
        run = replace(manifest.current, spec=spec, claimed_at=float(number))
        store.put(replace(manifest, name=name, current=run), 0)
    store.close()
    document = json.loads(cli("history", "daily", "--json")[1])
    assert [one["name"] for one in document["attempts"]] == [f"daily@{n * 37 % 60:02}" for n in range(10, 60)]
    assert document["older"] == 10


EXPLAINED = Explained("2.3.0", "x" * 100_000)


def test_what_the_planner_said_is_kept_only_as_long_as_a_change_is_judged_by_it():
    wrote = attempt(1, explained=EXPLAINED, flink_version="")
    following = pending(2, OTHER_QUERY, state="submitted", landed=True, sent_at=1.0, explained=EXPLAINED)
    confirmed = after(Confirm(2), OTHER_QUERY, manifest(wrote, following), look(listed(following)), ME)
    assert confirmed.current.explained == EXPLAINED
    assert [(one.explained, one.flink_version) for one in confirmed.closed] == [(None, "2.3.0")]
    given_up = after(GiveUp(2), PLAIN, manifest(wrote, replace(following, sent_at=None)), look(), ME)
    assert given_up.current.explained == EXPLAINED
    assert [one.explained for one in given_up.closed] == [None]


@example([False] * 50)
@example([True, False] * 40)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_stops_that_fail_for_years_leave_a_record_of_a_few_and_no_number_comes_twice(saved):
    record = manifest(UP)
    numbers = []
    for n, left_one in enumerate(saved):
        number = record.current.next_stop
        numbers.append(number)
        record = after(RequestStop(1, number, "savepoint", None), PLAIN, record, look(listed(UP)), ME)
        outcome = StopOutcome(False, f"file:///sp/{n}" if left_one else None, "no")
        record = after(AwaitEnd(1, number), PLAIN, record, look(listed(UP)), ME, outcome)
    stops = record.current.stops
    assert numbers == list(range(1, len(saved) + 1))
    assert stops[-1].number == len(saved)
    assert [stop.number for stop in stops] == sorted(stop.number for stop in stops)
    for left_one in (True, False):
        there_were = [n for n, was in enumerate(saved, 1) if was == left_one]
        there_are = [stop.number for stop in stops if bool(stop.location) == left_one]
        assert there_are == there_were[len(there_were) - len(there_are) :]
        assert min(KEPT - 1, len(there_were)) <= len(there_are) <= KEPT + 1  # the last had its place among the others
