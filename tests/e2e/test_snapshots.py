"""Finding the newest state, on a real Flink whose state lies in S3: what there is, what is taken, what is refused."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import from_url

import services
from airflow_provider_flinksql import local
from e2e.commandline import Cluster, Job, assert_goes_on, deployed, started, stopped, until


@dataclass
class Lab:
    """Folders for embedded Flinks that share one bucket; ``home`` holds the one that is up."""

    home: Path
    properties: dict[str, str]
    cache: dict[str, str]
    lives: int = 0

    def up(self) -> None:
        """A cluster that knows nothing of the one before."""
        self.lives += 1
        self.home = self.home.parent / f"home-{self.lives}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.cache.items():
                patch.setenv(name, value)
            local.up("2.3.0", folder=self.home / "local", properties=self.properties, progress=print)

    def down(self) -> None:
        local.down(self.home / "local")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="flinksql-e2e-"))
    with (
        services.object_store() as s3,
        services.with_s3_plugin("2.3.0") as cache,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        folders = {
            "execution.checkpointing.dir": "s3a://flink/checkpoints",
            "execution.checkpointing.savepoint-dir": "s3://flink/savepoints",
            "jobmanager.archive.fs.dir": "s3://flink/archives",
        }
        made = Lab(folder / "none", {**s3.flink, **folders, "completed-application-store.max-capacity": "1"}, cache)
        try:
            made.up()
            yield made
        finally:
            made.down()
            shutil.rmtree(folder)


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Iterator[Cluster]:
    monkeypatch.setenv("FLINKSQL_HOME", str(lab.home))
    monkeypatch.setenv("FLINKSQL_STORE", f"sqlite:///{tmp_path}/manifests.db")
    yield Cluster(lab.home, capsys)
    ours = Cluster(lab.home, capsys)
    for job_id in ours.live():
        ours.cancel(job_id)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path, f"job-{tmp_path.name[-12:].strip('_')}")


def snapshots(cluster: Cluster, job: Job) -> list[dict[str, Any]]:
    answer = cluster.json("snapshots", job.name)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["snapshots"]


def chosen(cluster: Cluster, job: Job) -> dict[str, Any]:
    """What a restart would restore, as soon as the JobManager tells of its first checkpoint."""
    return until(lambda: next((one for one in snapshots(cluster, job) if one["chosen"]), None))


@pytest.mark.parametrize("form", ["canonical", "native"])
def test_a_savepoint_of_either_form_carries_the_job_over(cluster, job, form):
    first = started(cluster, job.write(state={"savepoint-format": form}))
    second = deployed(cluster, job.write(options={"restart-strategy.type": "none"}, state={"savepoint-format": form}))
    taken = cluster.get(f"/jobs/{first['job_id']}/checkpoints")["latest"]["savepoint"]
    assert (taken["savepointFormat"], taken["external_path"]) == (form.upper(), second["restored_from"])
    assert second["restored_from"].startswith("s3://flink/savepoints/")
    assert_goes_on(cluster, job)


def test_a_job_is_stopped_with_a_checkpoint_where_the_file_says_so(cluster, job):
    first = started(cluster, job.write(state={"stop-with": "checkpoint"}))
    second = deployed(cluster, job.write(options={"restart-strategy.type": "none"}, state={"stop-with": "checkpoint"}))
    assert cluster.state(first["job_id"]) == "CANCELED"
    assert second["savepoint"] is None
    assert f"{first['job_id']}/chk-" in second["restored_from"]
    assert_goes_on(cluster, job)


def test_a_named_state_that_would_not_be_there_is_refused_and_the_job_goes_on(cluster, job):
    first = started(cluster, job)
    own = chosen(cluster, job)["location"]
    for location, said in (("s3://flink/savepoints/none", "_metadata"), (own, "--cancel")):
        for command in ("plan", "deploy"):
            answer = cluster.json(command, job.path, "--restore-from", location)
            assert answer.code == 3
            assert said in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]
    stopped(cluster, job, "--cancel")
    kept = chosen(cluster, job)["location"]
    assert deployed(cluster, job, "--restore-from", kept)["restored_from"] == kept
    assert_goes_on(cluster, job)


def test_a_savepoint_that_somebody_deleted_is_told_before_a_start_fails_of_it(cluster, job):
    started(cluster, job)
    saved = stopped(cluster, job)["savepoint"]
    bucket = from_url("s3://flink", client_options={"allow_http": True})
    obstore.delete(bucket, f"{saved.removeprefix('s3://flink/')}/_metadata")
    answer = cluster.json("deploy", job.path)
    assert answer.code == 3
    assert saved in answer.job["reason"]
    assert [one["why"] for one in snapshots(cluster, job)] == ["it is not there any more"]
    assert deployed(cluster, job, "--restore-from", "none")["action"] == "start-fresh"


def test_state_older_than_the_file_allows_is_refused(cluster, job):
    started(cluster, job)
    stopped(cluster, job, "--cancel")
    kept = chosen(cluster, job)["location"]
    job.write(state={"max-age": "1s"})
    time.sleep(2)
    answer = cluster.json("deploy", job.path)
    assert answer.code == 3
    assert "max-age is 1 s" in answer.job["reason"]
    assert f"--restore-from {kept}" in answer.job["reason"]


def test_a_job_that_its_jobmanager_forgot_goes_on_from_its_newest_checkpoint(cluster, job, tmp_path):
    first = started(cluster, job)
    cluster.cancel(first["job_id"])
    until(lambda: [one["source"] for one in snapshots(cluster, job)] == ["JobManager"])
    other = Job(tmp_path, f"{job.name}-v2")
    cluster.cancel(started(cluster, other)["job_id"])
    until(lambda: first["job_id"] not in {one["jid"] for one in cluster.get("/jobs/overview")["jobs"]})
    newest = chosen(cluster, job)
    assert (newest["source"], newest["job_id"]) == ("archive", first["job_id"])
    assert newest["location"].startswith(f"s3a://flink/checkpoints/{job.name}/1/{first['job_id']}/chk-")
    again = cluster("deploy", job.path)
    assert again.code == 0
    assert f"Attempt 2 restores checkpoint {newest['location']} (known from: archive)" in again.err
    assert_goes_on(cluster, job)


def test_a_cluster_that_is_gone_for_good_leaves_all_states_to_the_next(lab, cluster, job, monkeypatch):
    started(cluster, job)
    stop = stopped(cluster, job)
    second = deployed(cluster, job)
    until(lambda: cluster.checkpoints(second["job_id"]) > 2)
    before = len(job.numbers())
    cluster.kill("jobmanager")
    lab.down()
    told = cluster.json("snapshots", job.name)
    assert told.code == 0
    assert "No cluster tells of it" in json.loads(told.out)["notes"][0]
    newest, *_, saved = json.loads(told.out)["snapshots"]  # between them, at times, what was to be deleted next
    assert (newest["chosen"], newest["source"], newest["attempt"], newest["kind"]) == (True, "folder", 2, "checkpoint")
    assert f"/{second['job_id']}/chk-{newest['checkpoint_id']}" in newest["location"]
    assert (saved["location"], saved["attempt"], saved["kind"]) == (stop["savepoint"], 1, "savepoint")
    assert (saved["chosen"], saved["why"]) == (False, "of attempt 1; attempt 2 went on since")
    assert newest["checkpoint_id"] > saved["checkpoint_id"]
    table = cluster("snapshots", job.name)
    assert next(line for line in table.out.splitlines() if line.startswith("*")).endswith("the newest")
    lab.up()
    monkeypatch.setenv("FLINKSQL_HOME", str(lab.home))
    there = Cluster(lab.home, cluster._capsys)
    assert there.json("deploy", job.path).code == 3
    third = deployed(there, job, "--accept", "cluster-gone")
    assert third["restored_from"] == newest["location"]
    assert_goes_on(there, job, before)
