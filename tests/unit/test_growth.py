"""What many jobs, attempts, checkpoints and stops cost: counted, since time depends on the machine."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crowd
from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.flink import JobListing
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.targets import connect
from airflow_provider_flinksql.targets.look import Survey

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
