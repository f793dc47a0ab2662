"""Job files: what is read, what is refused, and where it stood."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flinksql.errors import InvalidSpec
from airflow_provider_flinksql.jobfile import source as yamlsource
from airflow_provider_flinksql.jobfile.read import job_files, read_job
from airflow_provider_flinksql.model.spec import Spec, StatePolicy
from airflow_provider_flinksql.model.sql import offset_of

FULL = """\
name: orders-per-minute
description: Orders per minute and shop
target-table: "`default_catalog`.`default_database`.`orders_per_minute`"
sql: |
  SELECT shop, window_start, COUNT(*) AS orders -- a comment
  FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY shop, window_start, window_end
flinkProperties:
  execution.checkpointing.interval: 10s
mode: streaming
enabled: true
tables: [tables/*.sql]
setup: ["CREATE TEMPORARY FUNCTION f AS 'org.F'"]
jars: [s3://bucket/udf.jar]
parameters: {group_id: rta-orders}
query-metadata: false
state:
  on-query-change: carry-or-fresh
  stop-with: checkpoint
  savepoint-format: native
  on-savepoint-failure: checkpoint
  on-failure: hold
  max-age: 7d
health: {timeout: 90s}
"""
SMALL = "name: j\nsql: INSERT INTO a SELECT 1\n"
RUNNER = """\
---
name: query-unique-name
description: "Some description."
target-table: "`kafka`.`some-kafka-table-name`"
sql: >-
  SELECT
      `column_a`
  FROM
      `kafka`.`some-kafka-input-table`
  WHERE
      `column_d` = 'SOME_VALUE'
flinkProperties: { }
"""
TEMPLATE = """\
---
flinkProperties:
  pipeline.name: {job_name}
  restart-strategy: fixed-delay
  state.checkpoints.dir: s3://bucket/checkpoints/{job_name}/
  execution.checkpointing.interval: 60s
"""


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request, monkeypatch):
    """Both of PyYAML's parsers: not every platform has the fast one."""
    monkeypatch.setattr(yamlsource, "_LOADER", getattr(yaml, request.param))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "b.sql").write_text("CREATE TABLE b (x INT) WITH ('g' = '${param.group_id}');\n")
    (tmp_path / "tables" / "a.sql").write_text("-- first\nCREATE TABLE a (x INT);\n  CREATE TABLE a2 (x INT);\n")
    return tmp_path


def write(folder, text, name="job.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def faults(source, **options):
    with pytest.raises(InvalidSpec) as caught:
        read_job(source, **options)
    return [str(fault) for fault in caught.value.faults]


def fault(source, **options):
    (only,) = faults(source, **options)
    return only


def test_every_key_is_read(folder, loader):
    job = read_job(write(folder, FULL))
    assert job.spec == Spec(
        name="orders-per-minute",
        description="Orders per minute and shop",
        target_table="`default_catalog`.`default_database`.`orders_per_minute`",
        statements=(
            "SELECT shop, window_start, COUNT(*) AS orders -- a comment\n"
            "FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))\n"
            "GROUP BY shop, window_start, window_end",
        ),
        properties={"execution.checkpointing.interval": "10s"},
        tables=(
            "CREATE TABLE a (x INT)",
            "CREATE TABLE a2 (x INT)",
            "CREATE TABLE b (x INT) WITH ('g' = 'rta-orders')",
        ),
        setup=("CREATE TEMPORARY FUNCTION f AS 'org.F'",),
        jars=("s3://bucket/udf.jar",),
        state=StatePolicy("carry-or-fresh", "checkpoint", "native", "checkpoint", "hold", 7 * 86400.0),
        health_timeout=90.0,
    )
    assert Spec.from_json(json.loads(json.dumps(job.spec.to_json()))) == job.spec


def test_a_mapping_and_yaml_text_and_a_file_are_the_same_job(folder):
    from_file = read_job(write(folder, FULL)).spec
    assert read_job(FULL, folder=folder).spec == from_file
    assert read_job(yaml.safe_load(FULL), folder=folder).spec == from_file


def test_what_is_not_said_has_the_promised_default():
    assert read_job(SMALL).spec == Spec("j", ("INSERT INTO a SELECT 1",))


def test_a_job_of_flink_sql_runner_is_read_unchanged_with_its_template(tmp_path, loader):
    write(tmp_path, TEMPLATE, "job-template.yaml")
    spec = read_job(write(tmp_path, RUNNER)).spec
    assert spec.statements[0].split() == RUNNER.split(">-")[1].split("flinkProperties")[0].split()
    assert spec.target_table == "`kafka`.`some-kafka-table-name`"
    assert spec.properties == {
        "restart-strategy.type": "fixed-delay",
        "execution.checkpointing.dir": "s3://bucket/checkpoints/query-unique-name/",
        "execution.checkpointing.interval": "60s",
    }


@pytest.mark.parametrize(
    "text", ["on", "010", "12:30:00", "1_000", "0x1F", "1e3", "yes", "2024-01-01", "true", "null "]
)
def test_a_scalar_is_read_as_written(text, loader):
    job = read_job(f"{SMALL}description: {text}\nflinkProperties:\n  a: {text or None}\n" if text != "null " else SMALL)
    assert job.spec.description == ("" if text == "null " else text)
    assert job.spec.properties == ({} if text == "null " else {"a": text})


def test_python_values_of_an_inline_job_become_what_yaml_would_say():
    job = {"name": "j", "sql": "INSERT INTO a SELECT 1", "enabled": False, "flinkProperties": {"a": True, "b": 2}}
    spec = read_job(job).spec
    assert (spec.enabled, spec.properties) == (False, {"a": "true", "b": "2"})


def test_properties_of_operator_win_over_file_over_defaults_over_connection(tmp_path):
    write(tmp_path, "flinkProperties: {a: defaults, b: defaults, c: defaults, state.backend: x}\n", "job-template.yaml")
    path = write(tmp_path, SMALL + "flinkProperties: {a: job, b: job, state.backend.type: y}\n")
    connection = dict.fromkeys("abcd", "connection")
    spec = read_job(path, connection_properties=connection, operator_properties={"a": "operator"}).spec
    assert spec.properties == {
        "a": "operator",
        "b": "job",
        "c": "defaults",
        "d": "connection",
        "state.backend.type": "y",
    }


def test_a_defaults_file_lies_under_the_job_key_by_key_with_paths_of_its_own(folder):
    shared = folder / "shared"
    shared.mkdir()
    (shared / "t.sql").write_text("CREATE TABLE t (x INT)")
    defaults = write(
        shared,
        "mode: batch\ndescription: of {job_name}\ntables: [t.sql]\nstate: {on-failure: hold, stop-with: checkpoint}\n",
    )
    spec = read_job(write(folder, SMALL + "mode: streaming\nstate: {stop-with: savepoint}\n"), defaults=defaults).spec
    assert (spec.mode, spec.description, spec.tables) == ("streaming", "of j", ("CREATE TABLE t (x INT)",))
    assert (spec.state.on_failure, spec.state.stop_with) == ("hold", "savepoint")


def test_a_named_defaults_file_replaces_the_one_beside_the_job(tmp_path):
    write(tmp_path, "description: beside\n", "job-template.yaml")
    defaults = write(tmp_path, "description: named\n", "other.yaml")
    assert read_job(write(tmp_path, SMALL), defaults=defaults).spec.description == "named"


def test_a_fault_in_the_defaults_file_names_it(tmp_path):
    defaults = write(tmp_path, "mode: both\n", "job-template.yaml")
    assert fault(write(tmp_path, SMALL)) == f"mode: write streaming or batch, not both ({defaults}, line 1)"
    defaults.write_text("a: [")
    assert f"({defaults}, line " in fault(write(tmp_path, SMALL))
    assert "there is no such file" in fault(write(tmp_path, SMALL), defaults=tmp_path / "none.yaml")


def test_parameters_fill_sql_tables_setup_and_options_and_the_given_ones_win(folder):
    text = (
        "name: j\nsql: INSERT INTO a SELECT '${param.x}', ${param.n}\ntables: [tables/b.sql]\n"
        "setup: [\"USE CATALOG `${param.x}`\"]\nflinkProperties: {a: 'it is ${param.x}'}\n"
        "parameters: {x: it's, n: 7, group_id: g}\n"
    )
    spec = read_job(write(folder, text), parameters={"n": "8"}).spec
    assert spec.statements == ("INSERT INTO a SELECT 'it''s', 8",)
    assert spec.tables == ("CREATE TABLE b (x INT) WITH ('g' = 'g')",)
    assert spec.setup == ("USE CATALOG `it's`",)
    assert spec.properties == {"a": "it is it's"}


def test_secrets_stay_placeholders(folder):
    text = "name: j\nsql: INSERT INTO a SELECT '${env.X}'\nsetup: [\"SET 'a' = '${conn.k.password}'\"]\n"
    text += "flinkProperties: {b: '${var.y}'}\n"
    spec = read_job(text).spec
    assert (spec.statements, spec.setup) == (("INSERT INTO a SELECT '${env.X}'",), ())
    assert spec.properties == {"a": "${conn.k.password}", "b": "${var.y}"}


@pytest.mark.parametrize("given", [{"x": "${conn.k.password}"}, {"x": "a${env.HOME}"}])
def test_a_parameter_cannot_reach_for_a_secret(given):
    sql = "name: j\nsql: INSERT INTO a SELECT '${param.x}'\n"
    (found,) = faults(sql, parameters=given)
    assert found.startswith("parameters.x: a parameter cannot hold a placeholder")
    assert "HOME" not in found


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("INSERT INTO a SELECT 1;", ("INSERT INTO a SELECT 1",)),
        ("INSERT INTO a SELECT ';'; INSERT INTO b SELECT 2", ("INSERT INTO a SELECT ';'", "INSERT INTO b SELECT 2")),
        (
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END; INSERT INTO c SELECT 3",
            ("INSERT INTO a SELECT 1", "INSERT INTO b SELECT 2", "INSERT INTO c SELECT 3"),
        ),
    ],
)
def test_all_inserts_of_a_file_are_one_job(sql, statements):
    assert read_job({"name": "j", "sql": sql}).spec.statements == statements


def test_create_table_as_is_fine_for_a_batch_job():
    assert read_job({"name": "j", "mode": "batch", "sql": "CREATE TABLE a AS SELECT 1"}).spec.statements


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nmae: x", "nmae: there is no such key; did you mean `name`?"),
        ("zzzz: x", "zzzz: there is no such key; known are name, description, target-table"),
        ("code: x", "code: jobs written in Python are not supported yet"),
        ("restore-from: x", "restore-from: this belongs to one run, never into a file"),
        ("meta: {}", "meta: this is flink-sql-runner's own record"),
        ("enabled: yes", "enabled: write true or false, not yes"),
        ("query-metadata: 1", "query-metadata: write true or false, not 1"),
        ("query-metadata: true", "query-metadata: only a query with a `target-table` can get these columns"),
        ("mode: Batch", "mode: write streaming or batch, not Batch"),
        ("description: [a]", "description: this must be a text, not a list"),
        ("tables: a.sql", "tables: this must be a list"),
        ("jars: [{a: b}]", "jars[0]: this must be a text"),
        ("setup: ['']", "setup[0]: this must be a text"),
        ("parameters: [a]", "parameters: this must be a mapping of keys and values"),
        ("parameters: {a b: c}", "parameters.a b: use letters, digits"),
        ("state: {max-age: 5}", "state.max-age: give 5 a unit: 5s, 5min"),
        ("state: {max-age: 0s}", "state.max-age: this must be longer than nothing"),
        ("state: {max-age: soon}", "state.max-age: 'soon' is not a duration"),
        ("state: {stop-with: force}", "state.stop-with: write savepoint or checkpoint, not force"),
        ("state: {stop_with: savepoint}", "state.stop_with: there is no such key; did you mean `stop-with`?"),
        ("health: {timeot: 5m}", "health.timeot: there is no such key; did you mean `timeout`?"),
        ("target-table: a", "sql: an INSERT names its own table; delete `target-table`"),
        ("tables: [none.sql]", "there is no such file"),
        ("tables: [none/*.sql]", "tables[0]: no file matches none/*.sql"),
        ("setup: [INSERT INTO a SELECT 1]", "setup[0]: INSERT INTO a SELECT …: an INSERT starts a job of its own"),
        ("setup: ['SELECT ''a']", "setup[0]: the quote that begins here is never closed"),
        ("setup: [\"SET 'pipeline.name' = 'x'\"]", "this option is not yours to set: the job is named by `name:`"),
        ("setup: [\"USE '${param.a}'\"]", "setup[0]: ${param.a} has no value; give it under `parameters`"),
        ("setup: [\"USE '${conn.a}'\"]", "setup[0]: ${conn.a} is not a placeholder; write ${param.name}"),
        ("jars: ['${param.a}']", "jars[0]: ${param.a} has no value"),
        (
            "flinkProperties: {rest.port: 1}",
            "flinkProperties.rest.port: this option is not yours to set: the cluster's",
        ),
        ("flinkProperties: {execution.savepoint.path: a}", "is not yours to set: which state a job starts from"),
        ("flinkProperties: {pipeline.name: other}", "flinkProperties.pipeline.name: this option is not yours to set"),
        ("flinkProperties: {a: {b: c}}", "flinkProperties.a: write the key in full: a.b"),
        ("flinkProperties: {a: [b]}", "flinkProperties.a: write a list as one text"),
        ("flinkProperties: {a: }", "flinkProperties.a: this has no value"),
        (
            "flinkProperties: {state.backend: a, state.backend.type: b}",
            "another name of state.backend, which has another",
        ),
        ("name: again", "name: this key stands twice, first in line 1"),
        ("? [a]\n: b", "a key must be text"),
        ("description: !secret a", "description: the tag !secret has no meaning here"),
    ],
)
def test_a_fault_says_where_and_what_to_do(line, message, tmp_path, loader):
    found = fault(write(tmp_path, f"{SMALL}{line}\n"))
    assert message in found
    assert found.startswith("line 2: sql: " if message.startswith("sql") else "line 3: ")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "line 2: sql: this is empty"),
        ("|\n  -- only this\n", "line 2: sql: there is no statement in it"),
        ("SELECT 1", "line 2: sql: a query needs a `target-table`"),
        (
            "|\n  INSERT INTO a SELECT 1;\n  CREATE TABLE b (x INT)\n",
            "line 4: sql: statement 2 of `sql` is not an INSERT",
        ),
        (
            "|\n  INSERT INTO a SELECT 1;\n\n  SELECT 2\n",
            "line 5: sql: statement 2 of `sql` is not an INSERT (SELECT 2)",
        ),
        ("|\n  SET 'a' = 'b';\n  INSERT INTO a SELECT 1\n", "line 3: sql: statement 1 of `sql` is not an INSERT"),
        ("|\n\n  CREATE TABLE b AS SELECT 1\n", "line 4: sql: CREATE TABLE … AS fails at the second deploy"),
        ("EXECUTE STATEMENT SET BEGIN END", "line 2: sql: statement 1 of `sql` is an empty statement set"),
        ("EXECUTE STATEMENT SET BEGIN SELECT 1; END", "line 2: sql: a statement set holds INSERTs only, not SELECT 1"),
        ("|\n  INSERT INTO a\n  SELECT 'b\n", "line 4: sql: the quote that begins here is never closed"),
        ("|\n  INSERT INTO a\n  SELECT '${param.b}'\n", "line 4: sql: ${param.b} has no value"),
        (
            "|\n  INSERT INTO a\n  SELECT ${param.x}\n",
            "line 4: sql: the value of ${param.x} is not a plain word or number",
        ),
        (
            ">\n  INSERT INTO a -- b\n  SELECT 1\n",
            "line 2: sql: a line comment in a text that YAML folds into one line hides what follows; write `|`",
        ),
        (
            "INSERT INTO a -- b\n  SELECT 1\n",
            "line 2: sql: a line comment in a text that YAML folds into one line hides what follows; write `|`",
        ),
        (
            "'INSERT INTO a -- b\n\n  SELECT 1'\n",
            "line 2: sql: a line comment in a text that YAML folds into one line hides what follows; write `|`",
        ),
    ],
)
def test_sql_that_cannot_be_a_job_is_refused_at_its_line(sql, message, tmp_path, loader):
    assert message in fault(write(tmp_path, f"name: j\nsql: {sql}\nparameters: {{x: a b}}\n"))


def test_a_block_comment_in_folded_text_hides_nothing():
    assert read_job("name: j\nsql: >\n  INSERT INTO a /* -- */\n  SELECT '--'\n").spec.statements


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a" * 101, "a/b", "null"])
def test_a_name_that_would_not_fit_everywhere_is_refused(name):
    assert fault(f"name: {name}\nsql: INSERT INTO a SELECT 1\n").startswith("line 1: name: ")


@pytest.mark.parametrize("target", ["a b", "a;", "a.b.c.d", "SELECT 1; DROP", "'a'", "a -- b"])
def test_a_target_that_is_no_table_name_is_refused(target):
    assert "target-table: this is not a table name" in fault({"name": "j", "sql": "SELECT 1", "target-table": target})


@pytest.mark.parametrize("target", ["a", "a.b.c", "`a b`.`c``d`", "t (a, b)", "t /*+ OPTIONS('a'='b') */"])
def test_a_target_may_be_any_table(target):
    assert read_job({"name": "j", "sql": "SELECT 1", "target-table": target}).spec.target_table == target


def test_every_fault_is_reported_at_once_in_the_order_of_the_file(tmp_path):
    text = (
        "name: a b\nsql: SELECT 1\nmode: x\nflinkProperties:\n  rest.port: 1\n  pipeline.jars: a\nenabled: 1\nfoo: 1\n"
    )
    lines = [found.split(":")[0] for found in faults(write(tmp_path, text))]
    assert lines == ["line 1", "line 2", "line 3", "line 5", "line 6", "line 7", "line 8"]


def test_a_fault_in_a_table_file_names_that_file_and_its_line(tmp_path):
    (tmp_path / "t.sql").write_text("CREATE TABLE a (x INT);\n\nSELECT 1;\nCREATE TABLE b (x '${param.y}')")
    found = faults(write(tmp_path, SMALL + "tables: [t.sql]\n"))
    assert found[0] == f"line 3: tables: {tmp_path}/t.sql, line 3: SELECT 1: a query has no effect here"
    assert (
        found[1] == f"line 3: tables: {tmp_path}/t.sql, line 4: ${{param.y}} has no value; give it under `parameters`"
    )


def test_a_table_file_named_twice_is_run_once_and_patterns_are_sorted(folder):
    job = read_job(write(folder, SMALL + "tables: [tables/b.sql, 'tables/*.sql']\nparameters: {group_id: g}\n"))
    assert [text.split()[2] for text in job.spec.tables] == ["b", "a", "a2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "line 1: this is not a mapping of keys"),
        ("name: [\n", "this is not YAML: "),
        ("name: j\n\tsql: x\n", "line 2: this is not YAML: "),
        ("name: a\n---\nname: b\n", "line 2: a second document begins here; write one file per job"),
        ("name: a\x01b\n", "this is not YAML text: "),
        ("a: &a [*a]\n", "line 1: a: its aliases expand without end"),
        ("a: " + "[" * 100_000, "line 1: this is not a job file: it is nested too deeply"),
        ("a: *b\n", "line 1: this is not YAML: "),
    ],
)
def test_what_is_no_job_file_is_one_fault(text, message, loader):
    assert message in fault(text)


def test_aliases_that_explode_are_a_fault(loader):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "its aliases expand to far too much" in fault("\n".join(lines))


def test_anchors_and_merges_work(loader):
    text = (
        SMALL
        + "flinkProperties: &p {a: '1', b: '2'}\nparameters: {<<: *p, b: '3'}\nsetup: ['USE `${param.a}${param.b}`']\n"
    )
    assert read_job(text).spec.setup == ("USE `13`",)


def test_a_file_that_cannot_be_read_is_a_plain_sentence(tmp_path):
    assert fault(tmp_path / "none.yaml") == "there is no such file"
    assert fault(tmp_path) == "this is a folder, not a file"
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: j\n# \xe9\n")
    assert fault(path) == "line 2: the file is not UTF-8 text: byte 0xe9"
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    assert fault(tmp_path / "loop.yaml").startswith("the file cannot be read: ")


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read_job(path).spec == read_job(SMALL).spec


def test_the_faults_of_a_connection_say_so():
    found = fault(SMALL, connection_properties={"rest.port": "1"})
    assert found.startswith("flinkProperties.rest.port: this option is not yours to set")
    assert found.endswith("(the connection's flink_properties)")


def spot(text, word):
    offset = text.index(word)
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


BLOCKS = {
    "literal": "sql: |\n  INSERT INTO a\n    SELECT '${param.x}',\n     HERE",
    "indented": "sql: |2-\n\n      INSERT INTO a\n    SELECT '${param.x}', HERE",
    "script": "sql: |\n  -- c\n  INSERT INTO b SELECT 1; INSERT INTO a SELECT '${param.x}', HERE",
    "set": "sql: |\n  EXECUTE STATEMENT SET BEGIN INSERT INTO b SELECT 1;\n  INSERT INTO a\n  SELECT HERE; END",
    "execute": "sql: |\n  EXECUTE /* e */ INSERT INTO a SELECT '${param.x}',\n   HERE",
    "plain": "sql: INSERT INTO a SELECT HERE",
    "quoted": "sql: \"INSERT INTO a SELECT '${param.x}', HERE\"",
    "deep": "state: {}\nsql:   |  # the text\n         INSERT INTO a SELECT '${param.x}',\n\n         HERE",
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_planners_position_is_found_in_the_job_file(block, tmp_path, loader):
    text = f"name: j\nparameters: {{x: it's a longer ''value''}}\njars: ['${{param.x}}']\n{BLOCKS[block]}\n"
    job = read_job(write(tmp_path, text))
    index = len(job.spec.statements) - 1
    statement = job.spec.statements[index]
    place = job.locate(index, *spot(statement, "HERE"))
    assert (place.source, place.line, place.column) == (str(tmp_path / "job.yaml"), *spot(text, "HERE"))
    assert str(place) == f"{tmp_path}/job.yaml, line {place.line}, column {place.column}"


def test_a_position_in_folded_text_is_that_of_its_key(tmp_path):
    job = read_job(write(tmp_path, "name: j\nsql: >\n  INSERT INTO a\n  SELECT HERE\n"))
    assert str(job.locate(0, 1, 22)) == f"{tmp_path}/job.yaml, line 2"


def test_a_position_in_a_session_statement_is_found_in_its_file(folder):
    job = read_job(write(folder, FULL))
    assert str(job.locate(1, 1, 14, "tables")) == f"{folder}/tables/a.sql, line 3, column 16"
    filled = job.spec.tables[2].index("orders'") + 7
    assert str(job.locate(2, 1, filled, "tables")).startswith(f"{folder}/tables/b.sql, line 1")
    assert job.locate(0, 1, 8, "setup").line == 13


def test_a_misspelt_query_for_a_target_table_is_told_to_be_none():
    said = fault("name: j\ntarget-table: o\nsql: SELEC k FROM s\n")
    assert said == "line 3: sql: this is no query (SELEC k FROM s): one begins with SELECT, WITH, VALUES or TABLE"


def test_a_missing_file_says_where_its_relative_path_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fault(Path("j.yaml")) == f"there is no such file; a relative path begins in {tmp_path}"
    (tmp_path / "jobs").mkdir()
    file = write(tmp_path / "jobs", f"{SMALL}tables: [sql/*.sql, none.sql, /none.sql]\n").relative_to(tmp_path)
    assert sorted(faults(file)) == [
        "line 3: tables: /none.sql: there is no such file",
        f"line 3: tables: jobs/none.sql: there is no such file; a relative path begins in {tmp_path}/jobs",
        f"line 3: tables[0]: no file matches sql/*.sql; a relative path begins in {tmp_path}/jobs",
    ]


def test_a_position_in_an_inline_job_is_that_in_its_text():
    assert (
        str(read_job({"name": "j", "sql": "\nINSERT INTO a\nSELECT x"}).locate(0, 2, 8))
        == "the job, sql, line 3, column 8"
    )


@given(st.text("ab 'HERE\n${}.;-param", max_size=30).map(lambda text: text.replace("'", "''")), st.integers(1, 9))
def test_every_position_of_a_literal_block_is_exact(noise, indent):
    sql = f"INSERT INTO a SELECT '{noise}', '${{param.x}}', MARK"
    body = "\n".join(" " * indent + line if line.strip(" ") else "" for line in sql.split("\n"))
    text = f"name: j\nparameters: {{x: 'a''b'}}\nsql: |{indent}\n{body}\n"
    try:
        job = read_job(text)
    except InvalidSpec:
        return  # the noise made a placeholder
    statement = job.spec.statements[0]
    place = job.locate(0, *spot(statement, "MARK"))
    assert text[offset_of(text, place.line, place.column) :].startswith("MARK")


def test_a_folder_is_read_to_the_bottom_without_defaults_and_hidden_files(tmp_path):
    for name in ("b.yaml", "a/c.yml", "a/job-template.yaml", "my.yaml", "a/x.sql", "..data/b.yaml", ".hidden.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = job_files([tmp_path, tmp_path / "b.yaml", tmp_path / "none.yaml"], defaults=tmp_path / "my.yaml")
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/c.yml", "b.yaml", "none.yaml"]


def test_reading_job_files_loads_nothing_but_yaml():
    code = "import sys, airflow_provider_flinksql.jobfile.read; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {"airflow_provider_flinksql", "yaml", "_yaml", "__main__"}
    foreign = {name for name in loaded if name not in sys.stdlib_module_names} - ours
    assert not foreign & {"airflow", "httpx", "sqlalchemy", "tenacity", "rich", "jsonschema"}
    assert {name for name in foreign if not name.startswith(("cython", "_cython", "_distutils", "__editable"))} == set()


def test_the_query_digest_ignores_layout_and_options_but_no_string(folder):
    base = read_job(write(folder, FULL)).spec
    layout = FULL.replace("COUNT(*) AS", "COUNT( * )  AS").replace("-- a comment", "")
    options = FULL.replace("10s", "20s")
    assert read_job(write(folder, layout)).spec.query_digest == base.query_digest
    assert read_job(write(folder, layout)).spec.digest == base.digest
    assert read_job(write(folder, options)).spec.query_digest == base.query_digest
    assert read_job(write(folder, options)).spec.digest != base.digest
    assert read_job(write(folder, FULL.replace("'1' MINUTE", "'2' MINUTE"))).spec.query_digest != base.query_digest


def test_a_path_may_hold_brackets(tmp_path):
    odd = tmp_path / "a[1]"
    odd.mkdir()
    (odd / "t.sql").write_text("CREATE TABLE t (x INT)")
    assert read_job(write(odd, SMALL + "tables: ['*.sql']\n")).spec.tables == ("CREATE TABLE t (x INT)",)
    assert Path(job_files([odd])[0]).name == "job.yaml"


def test_the_value_of_an_option_that_we_read_ourselves_is_checked_before_any_call(tmp_path):
    text = "flinkProperties:\n  execution.checkpointing.timeout: 10sekunden\n  state.savepoints.dir: s3://${env.B}/x\n"
    timeout, folder = faults(write(tmp_path, SMALL + text))
    assert timeout.startswith("line 4: flinkProperties.execution.checkpointing.timeout: '10sekunden' is not a duration")
    assert folder.startswith("line 5: flinkProperties.state.savepoints.dir: ${env.B} is known only to Flink")


def properties(job, **options):
    return read_job({"name": "j", "sql": "INSERT INTO a SELECT 1", **job}, **options).spec.properties


def test_a_set_is_an_option_of_the_job_under_its_present_name(tmp_path):
    (tmp_path / "t.sql").write_text("SET 'state.backend' = '${param.b}';\nCREATE TABLE t (x INT);")
    text = SMALL + "tables: [t.sql]\nparameters: {b: it's}\nsetup:\n - SET state.checkpoints.dir = s3://a/b // c\n"
    spec = read_job(write(tmp_path, text)).spec
    assert (spec.tables, spec.setup) == (("CREATE TABLE t (x INT)",), ())
    assert spec.properties == {"state.backend.type": "it's", "execution.checkpointing.dir": "s3://a/b"}


def test_a_reset_takes_back_the_sets_before_it_and_nothing_else():
    setup = ["SET a = 1", "SET state.backend = x", "RESET 'state.backend.type'", "RESET 'table.local-time-zone'"]
    assert properties({"setup": setup, "flinkProperties": {"c": "d"}}) == {"a": "1", "c": "d"}
    again = [*setup, "RESET; SET a = 2"]
    assert properties({"setup": again, "flinkProperties": {"c": "d"}}, connection_properties={"e": "f"}) == {
        "a": "2",
        "c": "d",
        "e": "f",
    }


def test_a_set_has_the_precedence_of_the_file_that_names_it(tmp_path):
    (tmp_path / "shared.sql").write_text("SET a = defaults; SET b = defaults; SET c = defaults; SET d = defaults")
    (tmp_path / "job-template.yaml").write_text("tables: [shared.sql]\nflinkProperties: {e: defaults}\n")
    text = SMALL + "setup: [SET b = job; SET e = job]\nflinkProperties: {c: job}\n"
    spec = read_job(
        write(tmp_path, text), connection_properties={"a": "connection"}, operator_properties={"d": "operator"}
    ).spec
    assert spec.properties == {"a": "defaults", "b": "job", "c": "job", "d": "operator", "e": "job"}


def test_an_option_that_is_given_twice_is_a_fault_that_names_both_places_and_no_value(tmp_path):
    (tmp_path / "t.sql").write_text("CREATE TABLE t (x INT);\nSET a = secret1;\nSET b = 1; SET b = 1;")
    text = SMALL + "tables: [t.sql]\nsetup: [SET a = secret2, SET c = secret3]\nflinkProperties:\n  c: secret4\n"
    file = write(tmp_path, text)
    other = "gives this option another value"
    assert faults(file) == [
        f"line 4: setup[0]: SET a: {tmp_path}/t.sql, line 2 {other}; keep one",
        f"line 4: setup[1]: SET c: flinkProperties ({file}, line 6) {other}; put it there alone",
    ]


@pytest.mark.parametrize("key", ["rest.port", "execution.savepoint.path", "execution.target", "table.dml-sync"])
@pytest.mark.parametrize("form", ["SET {key} = 1", "SET '{key}' = '1'", "set {key}=1 // c"])
def test_an_option_that_is_not_yours_is_refused_however_it_is_set(key, form, tmp_path):
    (tmp_path / "t.sql").write_text("\n" + form.format(key=key))
    found = fault(write(tmp_path, SMALL + "tables: [t.sql]\n"))
    assert f"line 3: tables: {tmp_path}/t.sql, line 2: SET {key}: this option is not yours to set: " in found


def test_what_is_set_is_checked_as_an_option():
    setup = {"setup": ["SET execution.checkpointing.timeout = soon", "SET state.savepoints.dir = s3://${env.B}"]}
    timeout, folder = faults({"name": "j", "sql": "INSERT INTO a SELECT 1", **setup})
    assert "'soon' is not a duration" in timeout
    assert "${env.B} is known only to Flink" in folder


def test_the_name_of_the_job_and_options_of_the_sql_client_may_be_set_and_mean_nothing():
    assert properties({"setup": ["SET pipeline.name = j", "SET 'sql-client.execution.result-mode' = 'tableau'"]}) == {}


@pytest.mark.parametrize("text", ["SHOW TABLES", "DESCRIBE t", "DESC t", "EXPLAIN SELECT 1", "SET", "-- c", "RESET"])
def test_what_has_no_effect_changes_nothing(text):
    plain = {"name": "j", "sql": "INSERT INTO a SELECT 1"}
    assert read_job({**plain, "setup": [text]}).spec == read_job(plain).spec


def test_a_table_file_may_be_empty(tmp_path):
    (tmp_path / "t.sql").write_text("-- nothing yet\n")
    assert read_job(write(tmp_path, SMALL + "tables: [t.sql]\n")).spec.tables == ()


def test_execute_insert_is_an_insert():
    spec = read_job({"name": "j", "sql": "EXECUTE INSERT INTO a SELECT 1"}).spec
    assert spec.statements == ("INSERT INTO a SELECT 1",)


@pytest.mark.parametrize(
    "text",
    [
        "STOP JOB 'a'",
        "CALL sys.a()",
        "ANALYZE TABLE t COMPUTE STATISTICS",
        "REMOVE JAR 'a'",
        "CREATE MATERIALIZED TABLE t AS SELECT 1",
        "ALTER MATERIALIZED TABLE t SUSPEND",
    ],
)
def test_a_statement_that_acts_on_more_than_the_session_is_refused(text):
    found = fault({"name": "j", "sql": "INSERT INTO a SELECT 1", "setup": [text]})
    assert "`plan` runs what stands here, too, so it may act on no job and on no data" in found


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("sql: |\n  INSERT INTO a\n  SELECT `${env.C}` FROM b\n", "line 4: sql: ${env.C}"),
        ("sql: |\n  INSERT INTO a\n  SELECT 1 FROM b GROUP BY ${conn.c.d}\n", "line 4: sql: ${conn.c.d}"),
        ("sql: SELECT 1\ntarget-table: '`${var.t}`'\n", "line 3: target-table: ${var.t}"),
        ("sql: INSERT INTO a SELECT 1\nsetup: ['USE CATALOG ${var.c}']\n", "line 3: setup[0]: ${var.c}"),
        ("sql: INSERT INTO a SELECT 1\ntables: ['${env.T}']\n", "line 3: tables[0]: ${env.T}"),
    ],
)
def test_a_late_bound_value_stands_in_strings_and_options_alone(line, place, tmp_path):
    found = faults(write(tmp_path, f"name: j\n{line}"))[0]
    assert found.startswith(place)
    assert "use ${param.x}" in found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${params.city}", "did you mean ${param.city}?"),
        ("${Param.city}", "did you mean ${param.city}?"),
        ("${city}", "did you mean ${param.city}?"),
        ("${ENV.HOME}", "did you mean ${env.HOME}?"),
        ("${connection.k.password}", "did you mean ${conn.k.password}?"),
        ("${foo.bar}", "write ${param.name}, ${conn.id.field}"),
        ("{{ ds }}", "write ${param.ds} here and give the operator parameters={'ds': '{{ ds }}'}"),
        ("{{ params.day }}", "write ${param.day} here"),
        ("{{ macros.ds_add(ds, 1) }}", "never rendered by Jinja"),
        ("{{ ds | f }}", "never rendered by Jinja"),
        ("{{ var.value.topic }}", "write ${var.topic}"),
        ("{{ conn.kafka_prod.password }}", "write ${conn.kafka_prod.password}"),
        ("${HOME}", "did you mean ${env.HOME} or ${param.HOME}?"),
    ],
)
def test_what_is_nearly_a_placeholder_is_a_fault_with_what_was_meant(text, meant, tmp_path):
    job = f"name: j\nsql: |\n  INSERT INTO a\n  SELECT '{text}'\nflinkProperties: {{a: '{text}'}}\n"
    sql, option = faults(write(tmp_path, job))
    assert sql.startswith("line 4: sql: ")
    assert option.startswith("line 5: flinkProperties.a: ")
    assert meant in sql
    assert meant in option


@pytest.mark.parametrize(
    "text", ['{"a": {"b": 1}}', "${1}", "$", "${}", "{{1}}", "a{2}", "$.store.book[0]", "{{}}", '{{"a"}}', "${ }"]
)
def test_other_braces_and_dollars_are_left_alone(text):
    sql = f"INSERT INTO a SELECT '{text}' -- ${{city}} {{{{ ds }}}}"
    assert read_job({"name": "j", "sql": sql}).spec.statements == (f"INSERT INTO a SELECT '{text}'",)


def test_a_text_that_looks_like_a_placeholder_can_be_a_parameters_value():
    job = {"name": "j", "sql": "INSERT INTO a SELECT '${param.group}'", "parameters": {"group": "${name}"}}
    assert read_job(job).spec.statements == ("INSERT INTO a SELECT '${name}'",)


def test_a_parameter_of_the_file_that_is_used_nowhere_is_a_fault(tmp_path):
    (tmp_path / "job-template.yaml").write_text("parameters: {for-others: x}\n")
    found = fault(write(tmp_path, SMALL + "parameters: {day: x}\n"))
    assert found == "line 3: parameters.day: this is used nowhere; write ${param.day} where it is meant, or delete it"


def test_a_placeholder_in_the_name_of_an_option_is_a_fault():
    job = {"name": "j", "sql": "INSERT INTO a SELECT 1", "setup": ["SET '${env.K}' = '1'"]}
    assert all("write it out" in found for found in faults({**job, "flinkProperties": {"${param.k}.x": "1"}}))
    assert properties({"setup": ["SET '${param.k}' = '1'"], "parameters": {"k": "a"}}) == {"a": "1"}


def test_a_given_parameter_that_is_used_nowhere_is_told():
    job = read_job("name: j\nsql: INSERT INTO a SELECT '${param.b}'\n", parameters={"b": "1", "c": "2"})
    assert job.unused == {"c"}
    with pytest.raises(InvalidSpec, match=r"parameters\.c: this was given, and there is no such placeholder"):
        job.require_used()


def test_a_jinja_template_in_a_files_parameter_is_a_fault_and_in_a_given_one_text():
    sql = "INSERT INTO a SELECT '${param.d}'"
    assert "never rendered by Jinja" in fault({"name": "j", "sql": sql, "parameters": {"d": "{{ ds }}"}})
    assert read_job({"name": "j", "sql": sql}, parameters={"d": "{{ ds }}"}).spec.statements[0].endswith("'{{ ds }}'")
