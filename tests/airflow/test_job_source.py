"""What ``job=`` of the operator may be, and what is said of what it may not be."""

from types import SimpleNamespace

import pytest

from airflow_provider_flinksql.errors import InvalidSpec, Misconfigured
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator, _source
from airflow_provider_flinksql.operators.upkeep import FlinkSqlRestartOperator, _name


def refused(job, folder, error=Misconfigured):
    with pytest.raises(error) as caught:
        _source(job, folder)
    return str(caught.value)


def test_a_path_begins_in_the_folder_of_the_dags_file(tmp_path):
    (tmp_path / "jobs").mkdir()
    file = tmp_path / "jobs" / "orders.yaml"
    file.touch()
    assert _source("jobs/orders.yaml", tmp_path) == file
    assert _source(file.relative_to(tmp_path), tmp_path) == file
    assert _source(str(file), tmp_path.parent) == file


@pytest.mark.parametrize("job", [{"name": "j"}, "name: j\nsql: x\n", "{name: j, sql: x}"])
def test_a_job_written_out_is_taken_as_it_is(job, tmp_path):
    assert _source(job, tmp_path) == job


def test_a_missing_file_says_where_its_path_begins(tmp_path):
    said = refused("jobs/orders.yaml", tmp_path, InvalidSpec)
    assert "job='jobs/orders.yaml'" in said
    assert f"there is no such file; a relative path begins in {tmp_path}, the folder of the DAG's file" in said
    assert refused("/none/orders.yaml", tmp_path, InvalidSpec).endswith("there is no such file")


@pytest.mark.parametrize("job", ["jobs/{{ ds }}.yaml", "{{ params.job }}", "{% if x %}a.yaml{% endif %}"])
def test_a_templated_path_is_told_to_be_none(job, tmp_path):
    said = refused(job, tmp_path)
    assert repr(job) in said
    assert "is not rendered" in said
    assert "parameters={…}" in said


def test_a_folder_is_told_to_be_more_than_one_job(tmp_path):
    (tmp_path / "jobs").mkdir()
    assert f"is the folder {tmp_path}/jobs; a task deploys one job" in refused("jobs", tmp_path)


@pytest.mark.parametrize("restore_from", ["s3://b/../x", "s3://b/a\nb", "hdfs://nn:0/x", "sp-1", "latest-checkpoint"])
def test_a_location_that_is_none_is_refused_once_it_is_rendered(restore_from):
    task = FlinkSqlDeployOperator(task_id="t", job={}, restore_from=restore_from)
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=1)
    with pytest.raises(Misconfigured, match="restore_from: "):
        task._policy({"ti": ti}, Spec("a", ()))


@pytest.mark.parametrize("restore_from", [None, "", "none", "latest-checkpoint", "s3://b/x"])
def test_a_restart_may_say_what_a_deploy_may_not(restore_from):
    task = FlinkSqlRestartOperator(task_id="t", name="a", restore_from=restore_from)
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=1)
    policy = task._policy({"ti": ti}, Spec("a", ()))
    assert policy.restart == ("checkpoint" if restore_from == "latest-checkpoint" else "savepoint")


@pytest.mark.parametrize("name", ["a\nb", "../a", "a\0", "", "x" * 101])
def test_a_name_that_is_none_is_refused_once_it_is_rendered(name):
    with pytest.raises(Misconfigured, match="name: "):
        _name(name)


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b.yaml", "\ud800.yaml", "loop.yaml"])
def test_a_path_that_no_file_has_is_left_to_whoever_reads_it(path, tmp_path):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert _source(path, tmp_path) == tmp_path / path
