"""What a JobManager forgot, its archive tells: in the layout of Flink 1 and in that of Flink 2.3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import services
from airflow_provider_flinksql.clients.archives import find_archive
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.model.lifecycle.situation import Situation, situation
from airflow_provider_flinksql.model.policy import Policy
from contract.clusters import FORGETFUL, RealCluster, spec, until
from contract.story import Story

ANYBODY = Policy("", "")


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> dict[str, str]:
    return {"jobmanager.archive.fs.dir": f"file://{tmp_path_factory.mktemp('archives')}"}


@pytest.fixture(scope="module", params=["2.3.0", "1.20.3"])
def cluster(request, archives) -> Iterator[RealCluster]:
    options = {**FORGETFUL, **archives, "web.refresh-interval": "200"}
    with services.flink(request.param, **options) as flink, RealCluster(flink) as real:
        yield real


def forgotten(story: Story) -> Situation:
    """What a look says once the JobManager does not list the job and its archive is written."""
    cluster, job_id = story.cluster, story.attempt.job_id
    cluster.forget(job_id)
    until(cluster, lambda: story.look(closely=True).job(job_id))
    return situation(story.attempt, story.look(), ANYBODY)


def test_a_batch_run_that_nobody_saw_end_has_finished(cluster):
    story = Story(cluster)
    story.claim(spec(story.name, "bounded"))
    story.submit()
    story.await_state("FINISHED")
    assert forgotten(story).outcome == "finished"


def test_a_cancelled_job_tells_its_checkpoints(cluster):
    story = Story(cluster)
    story.start()
    story.prove()
    cluster.cancel(story.attempt.job_id)
    story.await_state("CANCELED")
    [listed] = story.look().snapshots
    assert forgotten(story).outcome == "cancelled"
    [archived] = story.look().snapshots
    assert (archived.source, archived.location, archived.checkpoint_id) == ("archive", listed.location, 1)
    assert (archived.time, archived.size) == (listed.time, listed.size)
    cluster.delete(archived.location)
    assert story.look().snapshots == ()


def test_a_job_stopped_in_the_ui_tells_its_savepoint(cluster):
    story = Story(cluster)
    story.start()
    cluster.stop_in_ui(story.attempt.job_id)
    story.await_state("FINISHED")
    assert forgotten(story).outcome == "stopped"
    [saved] = story.look().snapshots
    assert story.detail().stopped_with == saved.location


def test_a_job_that_could_not_begin_tells_why(cluster, archives):
    story = Story(cluster)
    story.claim(restore="file:///nonexistent/savepoint")
    story.submit()
    job_id = story.attempt.job_id
    archive = until(cluster, lambda: find_archive(StateFiles(), archives, job_id))
    [failed] = run_sync(JobManager(archive).exceptions(job_id))
    assert "/nonexistent/savepoint" in failed.cause


def test_what_burnt_an_id_is_archived_under_another_name(cluster, archives):
    story = Story(cluster)
    story.claim()
    run_sync(story.worker.burn(story.attempt))
    archive = until(cluster, lambda: find_archive(StateFiles(), archives, story.attempt.job_id))
    assert [job.name for job in run_sync(JobManager(archive).overview())] == [f"{story.name} (burnt)"]
