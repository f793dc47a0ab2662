"""What a change means for the state of a job, told before anything stops; and the way back when it proves broken."""

import pytest

from e2e.commandline import assert_goes_on, deployed, started, until

BROKEN = "INSERT INTO o SELECT id, CAST(100 / (id - id) AS INT) AS w FROM s"
SOON = {"give-up-after": "2s"}
OTHER_COLUMNS = "INSERT INTO o SELECT id, 2 AS w FROM s WHERE id > 0"


def test_a_query_whose_state_carries_is_upgraded_without_gap_or_repeat(cluster, job):
    started(cluster, job)
    job.write(sql=OTHER_COLUMNS)
    planned = cluster.json("plan", job.path)
    assert (planned.code, planned.job["action"], planned.job["verdict"]) == (2, "upgrade", "carries")
    second = deployed(cluster, job)
    assert (second["action"], second["verdict"], second["query_version"]) == ("upgrade", "carries", 2)
    assert second["plan_digest"] == planned.job["plan_digest"]
    assert second["restored_from"] == second["savepoint"]
    assert_goes_on(cluster, job)


def test_what_flink_would_not_restore_is_blocked_with_its_verdict_and_what_each_way_costs(cluster, job):
    first = started(cluster, job)
    job.write(options={"pipeline.max-parallelism": "64"})
    answer = cluster.json("plan", job.path)
    assert (answer.code, answer.job["verdict"]) == (3, "fails")
    for part in ("pipeline.max-parallelism", "--accept allow-non-restored", "written twice", "Nothing was stopped"):
        assert part in answer.job["reason"]
    assert cluster.live(job.name) == [first["job_id"]]


def test_an_upgrade_that_flink_refuses_goes_back_and_is_not_tried_again(cluster, job):
    started(cluster, job)
    job.write(options={"pipeline.max-parallelism": "64"})
    answer = cluster.json("deploy", job.path, "--accept", "allow-non-restored")
    assert (answer.code, answer.job["error"]["type"]) == (1, "JobFailed")
    assert "Max parallelism mismatch" in answer.job["reason"]
    assert "What ran before runs again as attempt 3" in answer.job["reason"]
    (job_id,) = cluster.live(job.name)
    for command in ("plan", "deploy"):
        again = cluster.json(command, job.path)
        assert (again.code, again.job["action"]) == (3, "blocked")
        assert "say --again" in again.job["reason"]
    assert cluster.live(job.name) == [job_id]
    assert_goes_on(cluster, job)


@pytest.mark.parametrize("mended_by", ["an edit", "the old file"])
def test_an_upgrade_that_crashes_again_and_again_goes_back(cluster, job, mended_by):
    first = started(cluster, job)
    job.write(sql=BROKEN, health=SOON)
    answer = cluster.json("deploy", job.path)
    assert (answer.code, answer.job["error"]["type"]) == (1, "JobFailed")
    assert "/ by zero" in answer.job["reason"]
    attempts = cluster.json("history", job.name)
    assert "proved broken" in attempts.out
    (job_id,) = cluster.live(job.name)
    assert job_id != first["job_id"]
    job.write(**({"sql": OTHER_COLUMNS} if mended_by == "an edit" else {}))
    mended = deployed(cluster, job)
    expected = ("upgrade", 4) if mended_by == "an edit" else ("none", 3)
    assert (mended["action"], mended["query_version"]) == expected
    assert_goes_on(cluster, job)


def test_a_refused_file_is_tried_again_on_somebodys_word(cluster, job, monkeypatch):
    started(cluster, job)
    job.write(sql=BROKEN, health=SOON)
    assert cluster.json("deploy", job.path).code == 1
    (job_id,) = cluster.live(job.name)
    monkeypatch.setattr("airflow_provider_flinksql.cli.owner.STARTED", 1)  # as another process
    answer = cluster.json("deploy", job.path, "--again")
    assert (answer.code, answer.job["error"]["type"]) == (1, "JobFailed")
    assert "attempt 4 proved broken" in answer.job["reason"]
    assert cluster.live(job.name) != [job_id]
    assert_goes_on(cluster, job)


def test_a_job_that_shall_hold_is_left_as_it_is_and_the_mended_file_takes_the_state_over(cluster, job):
    started(cluster, job)
    job.write(sql=BROKEN, state={"on-failure": "hold"}, health={"timeout": "8s", **SOON})
    answer = cluster.json("deploy", job.path)
    assert (answer.code, answer.job["error"]["type"]) == (1, "JobFailed")
    (broken,) = cluster.live(job.name)
    until(lambda: cluster.state(broken) in ("RESTARTING", "RUNNING"))
    job.write(sql=OTHER_COLUMNS)
    mended = deployed(cluster, job)
    assert mended["action"] in ("resume", "upgrade")
    assert_goes_on(cluster, job)
