"""Rows about what is easily misread: names, places, literals, options, and operators with columns of their own."""

from __future__ import annotations

from dataclasses import replace

from truth.rows import _JSON, TABLES, Job, Row, job

COUNT = "p SELECT k, COUNT(*) FROM orders GROUP BY k"
UNNEST = "p SELECT x, COUNT(*) FROM orders CROSS JOIN UNNEST(ARRAY[k, k2]) AS t(x) GROUP BY x"
TWO_UNNESTS = (
    "p SELECT x, COUNT(*) FROM orders CROSS JOIN UNNEST(ARRAY[k, 7]) AS t(x) "
    "CROSS JOIN UNNEST(ARRAY[v, k2]) AS u(y) WHERE y > 1 GROUP BY x"
)
UNNEST_JOIN = (
    "p SELECT x, b.id FROM orders a CROSS JOIN UNNEST(ARRAY[a.k, 77]) AS t(x) "
    "JOIN more_orders b ON b.k = x AND b.v < a.v"
)
CUBE = "p SELECT k, COUNT(*) FROM orders GROUP BY CUBE(k, k2)"
OTHER_NAME = "p SELECT `金额`, COUNT(*) FROM (SELECT k AS `金额` FROM orders) GROUP BY `金额`"
SPACED = "p SELECT k, SUM(`net amount`) FROM (SELECT k, id + 0 AS `net amount` FROM orders) GROUP BY k"
AWKWARD_JOIN = (
    "p SELECT a.`k 1` + a.`k-2`, b.id FROM (SELECT k AS `k 1`, k2 AS `k-2`, id FROM orders) a "
    "JOIN more_orders b ON a.`{}` = b.k"
)
QUOTED = "p SELECT k, COUNT(*) FROM orders WHERE s <> 'it''s, (k)' AND v > {} GROUP BY k"
BY_FILE = "ps SELECT {}, COUNT(*) FROM orders GROUP BY {}"
OF_WINDOWS = "FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
RANK = (
    "p SELECT k, id FROM (SELECT k, id, v, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v {}) n "
    f"{OF_WINDOWS}) WHERE n <= 2"
)
LAST_IN_WINDOW = (
    "p SELECT a, id FROM (SELECT {} AS a, id, ROW_NUMBER() OVER "
    f"(PARTITION BY window_start, window_end, {{}} ORDER BY ts DESC) n {OF_WINDOWS}) WHERE n = 1"
)
MATCH = (
    "p SELECT k, n FROM orders MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES {measure} AS n "
    "AFTER MATCH SKIP PAST LAST ROW PATTERN (A B) WITHIN INTERVAL '{within}' MINUTE DEFINE B AS B.v > A.v)"
)
SPLIT = {
    "table__exec__mini_batch__enabled": "true",
    "table__exec__mini_batch__allow_latency": "100 ms",
    "table__exec__mini_batch__size": "100",
    "table__optimizer__distinct_agg__split__enabled": "true",
}
DISTINCT = "p SELECT k, COUNT(DISTINCT {}) FROM orders GROUP BY k"
STRAIGHT = "files SELECT k, id FROM orders"

A = job(COUNT)


def with_table(base: Job, name: str, text: str) -> Job:
    return replace(base, tables={**base.tables, name: text})


def set_up(base: Job, *statements: str) -> Job:
    return replace(base, setup=statements)


def files(key: str, column: str = "f", kind: str = "VIRTUAL") -> Job:
    base = job(BY_FILE.format(column, column))
    table = f"(k INT, {column} STRING NOT NULL METADATA FROM '{key}' {kind}) WITH ({_JSON})"
    return with_table(base, "orders", table)


def names() -> list[Row]:
    u, two, join, cube = map(job, (UNNEST, TWO_UNNESTS, UNNEST_JOIN, CUBE))
    called = "p SELECT `my-fn`(k), COUNT(*) FROM orders GROUP BY `my-fn`(k)"
    more = TABLES["orders"].replace("s STRING", "s STRING, more INT")
    return [
        Row(
            "a name in other letters: another column behind it",
            job(OTHER_NAME),
            job(OTHER_NAME.replace("k AS", "k2 AS")),
            "else",
        ),
        Row("a name in other letters: another name", job(OTHER_NAME), job(OTHER_NAME.replace("金额", "数量"))),
        Row(
            "a name with a space: another column behind it",
            job(SPACED),
            job(SPACED.replace("id + 0", "v + id")),
            "else",
        ),
        Row(
            "a join on awkward names: another key",
            job(AWKWARD_JOIN.format("k 1")),
            job(AWKWARD_JOIN.format("k-2")),
            "else",
        ),
        Row("a join on awkward names: nothing", job(AWKWARD_JOIN.format("k 1")), job(AWKWARD_JOIN.format("k 1"))),
        Row(
            "a function of an awkward name: another class",
            replace(job(called), functions={"`my-fn`": "Same"}),
            replace(job(called), functions={"`my-fn`": "More"}),
            "else",
        ),
        Row("a literal with a quote: nothing", job(QUOTED.format(4)), job(QUOTED.format(4))),
        Row("a literal with a quote: another filter", job(QUOTED.format(4)), job(QUOTED.format(5))),
        Row("UNNEST: nothing", u, u),
        Row("UNNEST: a source column more, unused", u, with_table(u, "orders", more)),
        Row(
            "UNNEST: another name",
            u,
            job(UNNEST.replace("t(x)", "t(y)").replace("SELECT x", "SELECT y").replace("BY x", "BY y")),
        ),
        Row("UNNEST: another array", u, job(UNNEST.replace("ARRAY[k, k2]", "ARRAY[k, v]")), "else"),
        Row("two UNNESTs: nothing", two, two),
        Row("two UNNESTs: the first array", two, job(TWO_UNNESTS.replace("ARRAY[k, 7]", "ARRAY[k2, 7]")), "else"),
        Row("UNNEST joined with a table: nothing", join, join),
        Row("CUBE: nothing", cube, cube),
        Row("CUBE -> ROLLUP", cube, job(CUBE.replace("CUBE", "ROLLUP")), "else"),
        Row("CUBE: a source column more, unused", cube, with_table(cube, "orders", more)),
        Row("split distinct count: nothing", job(DISTINCT.format("v"), **SPLIT), job(DISTINCT.format("v"), **SPLIT)),
        Row(
            "split distinct count: another name",
            job(DISTINCT.format("v"), **SPLIT),
            job(DISTINCT.format("o.v").replace("FROM orders", "FROM orders o"), **SPLIT),
        ),
        Row(
            "split distinct count: another column",
            job(DISTINCT.format("v"), **SPLIT),
            job(DISTINCT.format("k2"), **SPLIT),
            "else",
        ),
        Row(
            "window Top-N: filter behind it",
            job(RANK.format("DESC")),
            job(RANK.format("DESC") + " AND k > 0"),
        ),
        Row(
            "window Top-N: other order",
            job(RANK.format("DESC")),
            job(RANK.format("ASC")),
            "else",
        ),
        Row(
            "last row of a window: nothing", job(LAST_IN_WINDOW.format("k", "k")), job(LAST_IN_WINDOW.format("k", "k"))
        ),
        Row(
            "last row of a window: by k2",
            job(LAST_IN_WINDOW.format("k", "k")),
            job(LAST_IN_WINDOW.format("k2", "k2")),
            "else",
        ),
        Row(
            "MATCH_RECOGNIZE: another measure",
            job(MATCH.format(measure="B.id", within=9)),
            job(MATCH.format(measure="A.id", within=9)),
        ),
        Row(
            "MATCH_RECOGNIZE: another WITHIN",
            job(MATCH.format(measure="B.id", within=9)),
            job(MATCH.format(measure="B.id", within=8)),
        ),
        Row("metadata: nothing", files("file.name"), files("file.name")),
        Row("metadata: not VIRTUAL", files("file.name"), files("file.name", kind="")),
        Row("metadata: another name", files("file.name"), files("file.name", "g")),
        Row("metadata: another key", files("file.name"), files("file.path"), "else", loose=True),
    ]


def places() -> list[Row]:
    out = "(a INT, n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{folder}/other')"
    straight = job(STRAIGHT)
    twin = ("CREATE DATABASE d2", f"CREATE TABLE d2.files {out}")
    view = "CREATE TEMPORARY VIEW seen AS SELECT k FROM orders"
    seen = job("p SELECT k, COUNT(*) FROM seen GROUP BY k")
    return [
        Row(
            "place: ALTER TABLE moves the sink",
            straight,
            set_up(straight, "ALTER TABLE files SET ('path' = '{folder}/other')"),
            "else",
        ),
        Row(
            "place: a hint moves the sink",
            straight,
            job(STRAIGHT.replace("files", "files /*+ OPTIONS('path' = '{folder}/other') */")),
            "else",
        ),
        Row(
            "place: ALTER TABLE changes the format of nothing",
            straight,
            set_up(straight, "ALTER TABLE files SET ('sink.rolling-policy.file-size' = '1 MB')"),
        ),
        Row(
            "place: a table of the same name elsewhere moves",
            set_up(straight, *twin),
            set_up(straight, twin[0], twin[1].replace("/other", "/out2")),
        ),
        Row(
            "place: a hint in a view moves the source",
            set_up(seen, view),
            set_up(seen, view.replace("orders", "orders /*+ OPTIONS('path' = '{folder}/more') */")),
        ),
    ]


def options() -> list[Row]:
    two = job(COUNT, pipeline__max_parallelism="2")
    return [
        Row(
            "max-parallelism 2, parallelism 1 -> 3",
            two,
            job(COUNT, pipeline__max_parallelism="2", parallelism__default="3"),
            "refused",
        ),
        Row(
            "max-parallelism 2, parallelism 1 -> 2",
            two,
            job(COUNT, pipeline__max_parallelism="2", parallelism__default="2"),
        ),
        Row("max-parallelism said, as Flink chose it", A, job(COUNT, pipeline__max_parallelism="128")),
        Row("max-parallelism 2, no longer said", two, A),
        Row("option: NOT NULL enforcer", A, job(COUNT, table__exec__sink__not_null_enforcer="DROP")),
        Row("option: no materialisation before the sink", A, job(COUNT, table__exec__sink__upsert_materialize="NONE")),
        Row("option: the dialect that holds anyway", A, job(COUNT, table__sql_dialect="default")),
        Row("option: its own default", A, job(COUNT, table__exec__legacy_cast_behaviour="DISABLED")),
        Row("option: of a TaskManager", A, job(COUNT, taskmanager__memory__process__size="2g")),
        Row("option: of the SQL client", A, job(COUNT, sql_client__execution__result_mode="tableau")),
        Row("option: latency metrics", A, job(COUNT, metrics__latency__interval="1000")),
        Row("a catalog that nothing uses", A, set_up(A, "CREATE CATALOG unused WITH ('type' = 'generic_in_memory')")),
    ]
