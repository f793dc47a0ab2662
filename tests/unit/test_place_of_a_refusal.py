"""Where in the author's files a refused statement is said to stand."""

import pytest

from airflow_provider_flinksql.deploy.flow import positions_in
from airflow_provider_flinksql.errors import InvalidQuery, StatementFailed
from airflow_provider_flinksql.jobfile.read import read_job

JOB = """\
name: j
tables: [tables/*.sql]
setup:
  - USE default_database
sql: |
  INSERT INTO sink SELECT 1;
  INSERT INTO sink
  SELECT 2;
flinkProperties:
  parallelism.default: two
"""
TABLES = """\
-- all of them

CREATE TABLE IF NOT EXISTS db.`ka` (k INT);
  CREATE TEMPORARY TABLE sink (k INT);
"""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.sql").write_text(TABLES)
    (tmp_path / "j.yaml").write_text(JOB)
    return read_job(tmp_path / "j.yaml")


def said(job, error):
    with pytest.raises(type(error)) as caught, positions_in(job):
        raise error
    return str(caught.value).replace(f"{job.path.parent}/", "")


def at(job, part, index, error):
    return error.at(part, index, job.spec.digest)


def test_without_a_position_it_is_the_line_where_the_statement_begins(job):
    assert said(job, at(job, "tables", 1, InvalidQuery("no"))) == "tables/a.sql, line 4: no"
    assert said(job, at(job, "setup", 0, InvalidQuery("no"))) == "j.yaml, line 4: no"
    assert said(job, at(job, "statements", 0, InvalidQuery("no"))) == "j.yaml, line 6: no"
    assert said(job, at(job, "statements", 1, InvalidQuery("no"))) == "j.yaml, line 7: no"


def test_with_a_position_it_is_that_one(job):
    assert said(job, at(job, "tables", 0, InvalidQuery("no", 1, 9))) == "tables/a.sql, line 3, column 9: no"


def test_a_fault_of_a_table_stands_where_the_table_is_created(job):
    error = InvalidQuery("table c.db.ka: no", table="c.db.ka")
    assert said(job, at(job, "statements", 0, error)) == "tables/a.sql, line 3: table c.db.ka: no"


def test_a_table_that_no_statement_creates_is_refused_where_it_is_used(job):
    error = InvalidQuery("table c.db.other: no", table="c.db.other")
    assert said(job, at(job, "statements", 1, error)) == "j.yaml, line 7: table c.db.other: no"


def test_an_option_of_the_job_is_named_wherever_flink_fell_over_it(job):
    error = InvalidQuery("Could not parse value 'two' for key 'parallelism.default'.")
    assert said(job, at(job, "tables", 0, error)).startswith("j.yaml, flinkProperties.parallelism.default: Could not")


def test_what_failed_outside_names_its_statement_too(job):
    assert said(job, at(job, "setup", 0, StatementFailed("refused"))) == "j.yaml, line 4: refused"


def test_a_failed_submit_is_no_fault_of_a_statement(job):
    assert said(job, StatementFailed("no such folder")) == "no such folder"


def test_what_ran_before_has_no_file_to_point_into(job):
    old = InvalidQuery("no", 1, 1).at("setup", 7, "of another Spec")
    assert said(job, old) == "j.yaml, setup[7]: no"


def test_what_is_on_record_has_no_file_at_all(job):
    error = at(job, "statements", 0, InvalidQuery("no", 1, 1))
    with pytest.raises(InvalidQuery, match=r"^the job on record, statements\[0\]: no$"), positions_in(None):
        raise error
