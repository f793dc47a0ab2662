"""The judge on what real planners said of the rows of the truth table; tests/truth shows that they still say so."""

import functools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.carry import change_since
from airflow_provider_flinksql.model.spec import Spec, StatePolicy
from airflow_provider_flinksql.model.verdict.graph import read
from airflow_provider_flinksql.model.verdict.judge import Change, judge
from airflow_provider_flinksql.model.verdict.plantext import split
from airflow_provider_flinksql.model.verdict.schema import known_of, place_of, read_schema
from truth.document import documented, measured
from truth.record import Record
from truth.rows import Row
from truth.table import ROWS
from unit.test_plan import CHECKPOINT, STOPPED, attempt, ended, listed, look

VERSIONS = ("2.3.0", "1.20.3")
BY_CHANGE = {row.change: row for row in ROWS}
SAID = {"right": "carries", "else": "changes-meaning", "refused": "fails", "dies": "fails"}
NOT_JUDGED = {
    "MIN(v) -> MIN(v + 1)",
    "aggregate over changes: the argument",
    "time zone",
    "an option nobody knows",
    "first row -> last row",
    "function in the key: another class",
    "function behind the count: another class",
    "aggregate function: another class",
    "aggregate function: another accumulator",
    "a name with a space: another column behind it",
    "a function of an awkward name: another class",
    "UNNEST: another array",
    "two UNNESTs: the first array",
    "split distinct count: another column",
    "MATCH_RECOGNIZE: another WITHIN",
}


recorded = functools.cache(Record)


def specs(row: Row) -> tuple[Spec, Spec]:
    return row.new.spec(Path("/folder"), "job", {}), row.old.spec(Path("/folder"), "job", {})


def judged(change: str, version: str = "2.3.0") -> Change:
    return judge(*specs(BY_CHANGE[change]), *recorded(version).plans(change))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("change", BY_CHANGE)
def test_the_verdict_is_what_the_restore_shows(change: str, version: str) -> None:
    row = BY_CHANGE[change]
    expected = SAID[row.in_version(version)]
    if specs(row)[0].digest == specs(row)[1].digest:
        expected = "none"
    elif change in NOT_JUDGED or (change == "TTL as a hint" and version.startswith("1.")):
        expected = "unknown"
    assert judged(change, version).verdict == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "GROUP BY k -> k2",
            "GROUP BY changes from k to k2: the types fit, so Flink would restore, but what was kept for k would be "
            "shown for k2",
        ),
        (
            "TUMBLE 10 s -> 20 s",
            "window of the windowed aggregation GROUP BY k changes from TUMBLE(time_col=[ts], size=[10 s]) to "
            "TUMBLE(time_col=[ts], size=[20 s]): the types fit, so Flink would restore, but what was kept for "
            "TUMBLE(time_col=[ts], size=[10 s]) would be shown for TUMBLE(time_col=[ts], size=[20 s])",
        ),
        (
            "SUM added",
            "aggregates of the aggregation GROUP BY k changes from COUNT(*) to COUNT(*), SUM(id): the state has "
            "another form, and the job would fail after its start",
        ),
        (
            "statements: one added behind",
            "the source orders loses its place, since the number of INSERTs changes from 1 to 2: Flink finds state by "
            "the place of an operator in the whole job; Flink would refuse to restore",
        ),
        (
            "source: the key NOT NULL",
            "GROUP BY changes in its types from INT to INT NOT NULL: the state has another form, and the job would "
            "fail after its start",
        ),
        (
            "MATCH_RECOGNIZE: condition",
            "DEFINE of MATCH_RECOGNIZE PARTITION BY k changes from {B=>(PREV(B.v, 0), LAST(A.v, 0))} to "
            "{B=<(PREV(B.v, 0), LAST(A.v, 0))}: the types fit, so Flink would restore, but what was kept for "
            "{B=>(PREV(B.v, 0), LAST(A.v, 0))} would be shown for {B=<(PREV(B.v, 0), LAST(A.v, 0))}",
        ),
        (
            "no state -> aggregate",
            "the aggregation GROUP BY k is new and would start empty, without the rows that were read so far",
        ),
        ("HAVING", "the query changed; all state finds its place and keeps its meaning"),
    ],
)
def test_the_reason_names_the_operator_and_the_change(change: str, reason: str) -> None:
    assert judged(change).reason == reason


def test_without_both_plans_a_changed_query_is_unknown() -> None:
    new, old = specs(BY_CHANGE["HAVING"])
    planned, before = recorded("2.3.0").plans("HAVING")
    assert judge(new, old).verdict == judge(new, old, planned, None).verdict == "unknown"
    assert judge(new, old, None, before).verdict == "unknown"


def test_plans_of_two_flinks_are_not_compared() -> None:
    new, old = specs(BY_CHANGE["HAVING"])
    planned, before = recorded("2.3.0").plans("HAVING")
    change = judge(new, old, planned, replace(before, flink_version="2.2.1"))
    assert change.verdict == "unknown"
    assert "2.2.1" in change.reason


def test_plans_of_two_patch_releases_are() -> None:
    new, old = specs(BY_CHANGE["HAVING"])
    planned, before = recorded("2.3.0").plans("HAVING")
    assert judge(new, old, planned, replace(before, flink_version="2.3.7")).verdict == "carries"


def with_setup(*statements: str, jars: tuple[str, ...] = ()) -> Spec:
    return replace(specs(BY_CHANGE["nothing"])[0], setup=statements, jars=jars)


def judged_setup(new: Spec, old: Spec, calls: str = "COUNT(*)") -> Change:
    plan = recorded("2.3.0").plans("nothing")[0]
    plan = replace(plan, text=plan.text.replace("COUNT(*)", calls))
    return judge(new, old, plan, plan)


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        ("CREATE TEMPORARY FUNCTION price AS 'a.New'", "CREATE TEMPORARY FUNCTION price AS 'a.Old'", "unknown"),
        ("CREATE TEMPORARY SYSTEM FUNCTION price AS 'a.New'", "CREATE TEMPORARY VIEW v AS SELECT 1", "unknown"),
        ("CREATE TEMPORARY FUNCTION unused AS 'a.New'", "CREATE TEMPORARY FUNCTION unused AS 'a.Old'", "carries"),
        ("CREATE TEMPORARY VIEW v AS SELECT 1", "CREATE TEMPORARY VIEW v AS SELECT 2", "carries"),
        ("CREATE CATALOG c WITH ('type'='x')", "CREATE CATALOG c WITH ('type'='y')", "carries"),
        ("CREATE CATALOG c WITH ('type'='x');USE CATALOG c", "USE CATALOG c", "unknown"),
        ("CREATE CATALOG default_catalog WITH ('type'='x')", "SHOW TABLES", "unknown"),
        ("CREATE FUNCTION price AS 'a.B'", "CREATE FUNCTION IF NOT EXISTS price AS 'a.B'", "carries"),
        ("CREATE FUNCTION price AS 'a.B'", "CREATE FUNCTION price AS 'a.B' LANGUAGE JAVA", "carries"),
        ("CREATE FUNCTION price AS 'a.B'", "CREATE FUNCTION price AS 'a.B' LANGUAGE PYTHON", "unknown"),
        ("CREATE FUNCTION `my-price` AS 'a.B'", "CREATE FUNCTION `my-price` AS 'a.C'", "unknown"),
        ("CREATE FUNCTION d.`my-price` AS 'a.B'", "CREATE FUNCTION d.`my-price` AS 'a.C'", "unknown"),
        ("LOAD MODULE hive", "LOAD MODULE core", "unknown"),
        ("USE MODULES hive", "USE MODULES core", "unknown"),
    ],
)
def test_what_setup_does_to_a_query_unseen_cannot_be_judged(new: str, old: str, verdict: str) -> None:
    ours, theirs = (with_setup(*one.split(";")) for one in (new, old))
    assert judged_setup(ours, theirs, "SUM(price(k)), MIN(my-price(k))").verdict == verdict


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (("a.jar", "b.jar"), ("a.jar",), "carries"),
        (("b.jar",), ("a.jar",), "unknown"),
        ((), ("a.jar",), "unknown"),
        (("b.jar", "a.jar"), ("a.jar",), "unknown"),
    ],
)
def test_jars_that_change_cannot_be_judged_one_behind_them_can(
    new: tuple[str, ...], old: tuple[str, ...], verdict: str
) -> None:
    assert judged_setup(with_setup(jars=new), with_setup(jars=old)).verdict == verdict


def test_only_a_canonical_savepoint_is_read_by_another_state_backend() -> None:
    new, old = specs(BY_CHANGE["state backend, canonical savepoint"])
    plans = recorded("2.3.0").plans("state backend, canonical savepoint")
    for policy in (StatePolicy(savepoint_format="native"), StatePolicy(stop_with="checkpoint")):
        assert judge(new, replace(old, state=policy), *plans).verdict == "unknown"


def test_another_state_backend_does_not_carry_what_died_and_left_a_checkpoint() -> None:
    new, old = specs(BY_CHANGE["state backend, canonical savepoint"])
    planned, before = recorded("2.3.0").plans("state backend, canonical savepoint")
    explained = ((new.digest, planned),)
    died = replace(ended("failed", 1, old), explained=before)
    assert change_since(new, died, look(snapshots=(CHECKPOINT,), explained=explained)).verdict == "unknown"
    stopped = replace(STOPPED, spec=old, explained=before)
    assert change_since(new, stopped, look(snapshots=(CHECKPOINT,), explained=explained)).verdict == "carries"
    runs = attempt(1, old, explained=before)
    seen = look(listed(runs), snapshots=(CHECKPOINT,), explained=explained)
    assert change_since(new, runs, seen).verdict == "carries"


@pytest.mark.parametrize(("parallelism", "verdict"), [("128", "carries"), ("129", "fails")])
def test_no_parallelism_above_the_old_jobs_greatest_is_carried(parallelism: str, verdict: str) -> None:
    new, old = specs(BY_CHANGE["parallelism 1 -> 2"])
    planned, before = recorded("2.3.0").plans("parallelism 1 -> 2")
    planned = replace(planned, text=planned.text.replace("\t2\t", f"\t{parallelism}\t"))
    assert judge(new, old, planned, before).verdict == verdict


@pytest.mark.parametrize(
    ("parallelism", "said", "now", "verdict"),
    [
        ("4", "1024", "200", "carries"),
        ("4", "1024", "1025", "fails"),
        ("1", "2", "3", "fails"),
        ("1", "-1", "128", "carries"),
        ("1", "-1", "129", "fails"),
    ],
)
def test_the_most_that_a_job_may_be_rescaled_to_is_what_it_said(
    parallelism: str, said: str, now: str, verdict: str
) -> None:
    row, (planned, before) = BY_CHANGE["parallelism 1 -> 2"], recorded("2.3.0").plans("parallelism 1 -> 2")
    new, old = (
        replace(spec, properties={**spec.properties, "pipeline.max-parallelism": said}) for spec in specs(row)
    )
    planned = replace(planned, text=planned.text.replace("\t2\t", f"\t{now}\t"))
    before = replace(before, text=re.sub(r"(?m)^(\d+)\t1\t", rf"\g<1>\t{parallelism}\t", before.text))
    assert judge(new, old, planned, before).verdict == verdict


def test_what_the_gateway_says_of_a_default_holds() -> None:
    new, old = specs(BY_CHANGE["option: its own default"])
    planned, before = recorded("2.3.0").plans("option: its own default")
    enabled = (("table.exec.legacy-cast-behaviour", "ENABLED"),)
    assert judge(new, old, planned, replace(before, defaults=enabled)).verdict == "unknown"
    assert judge(new, old, replace(planned, defaults=enabled), before).verdict == "carries"


def test_plans_that_are_kept_in_another_form_are_not_compared() -> None:
    new, old = specs(BY_CHANGE["HAVING"])
    planned, before = recorded("2.3.0").plans("HAVING")
    kept = {key: value for key, value in before.to_json().items() if key != "form"}
    assert judge(new, old, planned, Explained.from_json(kept)).verdict == "unknown"


@pytest.mark.parametrize(
    ("change", "before", "after", "verdict"),
    [
        ("nothing", "Calc(select=[k])", "Calc(select=[(s = '***') AS k])", "unknown"),
        ("nothing", "COUNT(*) AS", "COUNT(*) FILTER (k = '***') AS", "unknown"),
        ("nothing", "Calc(select=[k])", "Calc(select=[k], where=[(s = '***')])", "carries"),
        ("aggregate over changes: nothing", "Calc(select=[w])", "Calc(select=[w], where=[(k = '***')])", "unknown"),
        ("self-join: nothing", "(v < v0)", "(v < '***')", "carries"),
        ("self-join: nothing", "(k = k0)", "(k = '***')", "unknown"),
    ],
)
def test_a_secret_in_what_state_hangs_on_cannot_be_judged(change: str, before: str, after: str, verdict: str) -> None:
    new, old = specs(BY_CHANGE[change])
    plans = [replace(plan, text=plan.text.replace(before, after)) for plan in recorded("2.3.0").plans(change)]
    assert all("***" in plan.text for plan in plans)
    assert judge(replace(new, target_table="t"), old, *plans).verdict == verdict


def test_a_table_of_which_nothing_is_known_cannot_be_judged() -> None:
    new, old = specs(BY_CHANGE["filter before the aggregate"])
    planned, before = (replace(plan, sources=()) for plan in recorded("2.3.0").plans("filter before the aggregate"))
    assert judge(new, old, planned, before).verdict == "unknown"


def test_a_column_that_is_pushed_down_without_a_type_hangs_on_all_that_its_table_has() -> None:
    new, old = specs(BY_CHANGE["nothing"])

    def nested(kind: str) -> Explained:
        plan = recorded("2.3.0").plans("nothing")[0]
        sources = ((path, text.replace("`k` INT", f"`r` ROW<`k` {kind}>")) for path, text in plan.sources)
        text = plan.text.replace("[k, ts]", "[r_k, ts]").replace("select=[k]", "select=[r_k AS k]")
        return replace(plan, text=text, sources=tuple(sources))

    changed = replace(new, target_table="t")
    assert judge(changed, old, nested("INT"), nested("INT")).verdict == "carries"
    assert judge(changed, old, nested("BIGINT"), nested("INT")).verdict == "unknown"


@pytest.mark.parametrize("connector", ["kafka", "jdbc", "paimon"])
def test_whether_an_unmeasured_connector_goes_on_elsewhere_cannot_be_judged(connector: str) -> None:
    change = "source: another table of the same columns"
    plans = [
        replace(plan, sources=tuple((path, text.replace("filesystem", connector)) for path, text in plan.sources))
        for plan in recorded("2.3.0").plans(change)
    ]
    assert judge(*specs(BY_CHANGE[change]), *plans).verdict == "unknown"


def test_every_recorded_plan_is_the_same_query_as_itself() -> None:
    for version in VERSIONS:
        for change, row in BY_CHANGE.items():
            _, old = specs(row)
            plan = recorded(version).plans(change)[1]
            assert judge(replace(old, target_table="t"), old, plan, plan).verdict == "carries", change


def test_two_operators_never_share_an_identity() -> None:
    for version in VERSIONS:
        for change in BY_CHANGE:
            graph = read(recorded(version).plans(change)[0].text)
            assert len(set(graph.identities().values())) == len(graph.operators), change


def test_a_schema_holds_no_option_but_the_connector() -> None:
    created = (
        "CREATE TABLE `c`.`d`.`t` (\n  `k` INT NOT NULL COMMENT 'it''s',\n  `b``x` AS `k` + 1\n)\nWITH (\n"
        "  'connector' = 'kafka',\n  'topic' = 'it''s',\n  'properties.sasl.jaas.config' = 'password=hunter2'\n)\n"
    )
    known = known_of(created, insert_only=True)
    assert "hunter2" not in known
    schema = read_schema(known)
    assert (schema.connector, schema.insert_only) == ("kafka", True)
    assert schema.columns == {"k": "INT NOT NULL", "b`x": "AS `k` + 1"}
    assert schema.place == place_of({"topic": "it's"})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a, f(b, c) AS d", ["a", "f(b, c) AS d"]),
        ("a=[b, c], d={e, f}", ["a=[b, c]", "d={e, f}"]),
        ("x = 'a, b', y", ["x = 'a, b'", "y"]),
        ("start('w$) AS s, end('w$) AS e", ["start('w$) AS s", "end('w$) AS e"]),
        ("", []),
    ],
)
def test_a_planners_list_is_split_between_its_parts(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_explained_is_read_back_from_json() -> None:
    plan = recorded("2.3.0").plans("HAVING")[0]
    assert Explained.from_json(plan.to_json()) == plan


def test_the_table_in_the_documentation_is_what_was_measured() -> None:
    assert documented() == measured(), "run: python -m tests.truth document"
