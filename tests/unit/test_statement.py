"""The statements that are sent to Flink for a Spec."""

import pytest

from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import kind_of, offset_of, split
from airflow_provider_flinksql.model.statement import final_statement, locate, session_statements

FACTS = {"query_version": 3, "query_id": "an-id", "created": "2024-05-06 07:08:09"}
QUERY = "SELECT a,\n  WRONG\nFROM t"
SPECS = {
    "query": Spec("j", (QUERY,), target_table="`c`.`o`"),
    "metadata": Spec("j", (QUERY,), target_table="o", query_metadata=True, description="it's\ntwo lines"),
    "insert": Spec("j", (f"INSERT INTO o {QUERY}",)),
    "set": Spec("j", ("INSERT INTO p SELECT 1", f"INSERT INTO o {QUERY}")),
}


def test_a_session_gets_jars_then_tables_then_setup():
    spec = Spec(
        "j", ("INSERT INTO o SELECT 1",), tables=("CREATE 1", "CREATE 2"), setup=("SET",), jars=("s3://it's/a.jar",)
    )
    assert session_statements(spec) == ["ADD JAR 's3://it''s/a.jar'", "CREATE 1", "CREATE 2", "SET"]


def test_a_query_is_inserted_into_its_target():
    assert final_statement(SPECS["query"], **FACTS) == f"INSERT INTO `c`.`o`\n{QUERY}"


def test_one_insert_is_sent_as_it_is():
    assert final_statement(SPECS["insert"], **FACTS) == f"INSERT INTO o {QUERY}"


def test_several_inserts_are_one_statement_set():
    final = final_statement(SPECS["set"], **FACTS)
    assert final == f"EXECUTE STATEMENT SET BEGIN\nINSERT INTO p SELECT 1;\nINSERT INTO o {QUERY};\nEND"
    assert [statement.kind for statement in split(final)] == ["statement-set"]


def test_metadata_columns_follow_the_querys_own_in_the_order_of_flink_sql_runner():
    final = final_statement(SPECS["metadata"], **FACTS)
    assert final == (
        "INSERT INTO o\nSELECT *, NOW() AS `__create_timestamp`, CAST('j' AS STRING) AS `__query_name`, "
        "CAST('it''s\ntwo lines' AS STRING) AS `__query_description`, CAST('an-id' AS STRING) AS `__query_id`, "
        "CAST(3 AS INT) AS `__query_version`, CAST('2024-05-06 07:08:09' AS TIMESTAMP) AS `__query_create_timestamp` "
        f"FROM (\n{QUERY}\n)"
    )
    assert kind_of(final) == "insert"


@pytest.mark.parametrize("name", SPECS)
def test_a_position_of_the_planner_is_found_in_the_users_statement(name):
    spec = SPECS[name]
    final = final_statement(spec, **FACTS)
    line = next(number for number, text in enumerate(final.split("\n"), 1) if text == "  WRONG")
    index, line, column = locate(spec, line, 3, **FACTS)
    text = spec.statements[index]
    assert text[offset_of(text, line, column) :].startswith("WRONG")


@pytest.mark.parametrize(("name", "line"), [("query", 1), ("metadata", 2), ("set", 1), ("set", 99)])
def test_a_position_in_what_we_added_is_nobodys(name, line):
    assert locate(SPECS[name], line, 1, **FACTS) is None
