"""SET and RESET: read as Flink reads them, and taken out of what was recorded before they were options."""

import pytest

from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.settings import Setting, setting_of
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import SqlFault
from airflow_provider_flinksql.model.verdict.judge import judge
from settings import READ, REFUSED


@pytest.mark.parametrize(("text", "key", "value"), READ)
def test_a_setting_is_read_as_flink_reads_it(text, key, value):
    assert setting_of(text) == Setting(key, value)


@pytest.mark.parametrize("text", REFUSED)
def test_what_flink_does_not_read_is_refused(text):
    with pytest.raises(SqlFault, match="write SET 'key' = 'value'"):
        setting_of(text)


@pytest.mark.parametrize("text", ["SET a.b = 'it''s'", "SET `a.b` = c", 'SET "a.b" = "c"'])
def test_what_flink_would_take_for_something_else_is_refused(text):
    with pytest.raises(SqlFault, match="write SET 'key' = 'value'"):
        setting_of(text)


def test_a_set_alone_sets_nothing():
    assert setting_of(" SET -- all\n") is None


DDL = "CREATE TABLE t (x INT)"


def recorded(setup, properties):
    """A Spec as it was written when SET was a statement like any other."""
    spec = Spec("j", ("INSERT INTO a SELECT 1",), tables=(DDL,), setup=tuple(setup), properties=properties)
    return Spec.from_json(spec.to_json())


def read(setup, properties):
    with_ddl = {"name": "j", "sql": "INSERT INTO a SELECT 1", "setup": [DDL, *setup], "flinkProperties": properties}
    spec = read_job(with_ddl).spec
    return Spec.from_json({**spec.to_json(), "tables": [DDL], "setup": [one for one in spec.setup if one != DDL]})


@pytest.mark.parametrize(
    "setup",
    [
        ["SET 'state.backend' = 'rocksdb'", "USE CATALOG c"],
        ["SET a = 1", "RESET a", "SET 'b' = 'it''s ${conn.k.password}'"],
        ["SET a = 1", "RESET", "SET b.c = s3://d/e"],
        ["SHOW TABLES", "DESCRIBE t", "EXPLAIN SELECT 1", "SET", "RESET x"],
        ["SET 'sql-client.execution.result-mode' = 'tableau'"],
    ],
)
def test_what_was_recorded_with_set_is_what_the_same_file_says_now(setup):
    before, now = recorded(setup, {"p": "q"}), read(setup, {"p": "q"})
    assert (before, before.digest) == (now, now.digest)
    assert judge(now, before).kind == "same"


def test_what_nobody_may_set_is_not_taken_over_from_the_record():
    assert recorded(["SET rest.port = 1", "SET a = b"], {}).properties == {"a": "b"}


def test_of_what_was_recorded_the_option_won_over_the_statement():
    assert recorded(["SET a = b"], {"a": "c"}).properties == {"a": "c"}


def test_a_statement_that_cannot_be_read_stays_on_record():
    assert recorded(["SET a b c"], {}).setup == ("SET a b c",)
