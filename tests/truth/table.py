"""The rows of the truth table."""

from __future__ import annotations

from dataclasses import replace

from truth.rows import _COLUMNS, _JSON, _PRINT, _WATERMARK, TABLES, Job, Row, job
from truth.understood import names, places
from truth.understood import options as more_options

COUNT = "p SELECT k, COUNT(*) FROM orders GROUP BY k"
COUNT_RATES = "p SELECT w, COUNT(*) FROM rates GROUP BY w"
CAST_KEY = "p SELECT CAST(k AS INT), COUNT(*) FROM orders GROUP BY k"
MINIMUM = "p SELECT k, CAST(MIN(v) AS BIGINT) FROM orders GROUP BY k"
STRAIGHT = "files SELECT k, id FROM orders"
PLAIN = "p SELECT k, id FROM orders"
BY_TEXT = "ps SELECT s, COUNT(*) FROM orders GROUP BY s"
JOIN = "p SELECT o.k, o.id FROM orders o JOIN rates r ON o.k = r.k"
SELF_JOIN = "p SELECT a.k, b.id FROM orders a JOIN more_orders b ON a.k = b.k AND a.v < b.v"
INTERVAL_JOIN = (
    "p SELECT a.k, b.id FROM orders a JOIN more_orders b ON a.k = b.k "
    "AND a.ts BETWEEN b.ts - INTERVAL '20' SECOND AND b.ts - INTERVAL '1' SECOND"
)
TEMPORAL_JOIN = (
    "p3 SELECT o.k, o.id, CAST(w AS BIGINT) FROM orders o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts ON o.k = rates.k"
)
OVER = (
    "p SELECT k, SUM(CAST(v AS BIGINT)) OVER "
    "(PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders"
)
OVER_RANGE = (
    "p SELECT k, COUNT(*) OVER "
    "(PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) FROM orders"
)
FIRST_ROW = "p SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt) n FROM orders) WHERE n = 1"
LAST_ROW = (
    "p SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) n FROM orders) WHERE n = 1"
)
TOP = "p SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) n FROM orders) WHERE n <= 2"
TOP_COUNTS = (
    "p SELECT k, c FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY c DESC) n "
    "FROM (SELECT k, COUNT(*) c FROM orders GROUP BY k)) WHERE n <= 1"
)
MATCH = (
    "p SELECT k, n FROM orders MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES B.id AS n "
    "AFTER MATCH SKIP PAST LAST ROW PATTERN (A B) DEFINE B AS B.v > A.v)"
)
NESTED = "p SELECT CAST(c AS INT), COUNT(*) FROM (SELECT k, COUNT(*) c FROM orders GROUP BY k) GROUP BY c"
SET = (COUNT, "ps SELECT s, COUNT(*) FROM orders GROUP BY s")
UNION = "p SELECT k, COUNT(*) FROM (SELECT k FROM orders UNION ALL SELECT k FROM more_orders) GROUP BY k"
GLOBAL = "p SELECT 1, COUNT(*) FROM orders"


def window(kind: str, *sizes: int, where: str = "", time: str = "ts") -> str:
    lengths = ", ".join(f"INTERVAL '{size}' SECOND" for size in sizes)
    table = "TABLE orders PARTITION BY k" if kind == "SESSION" else "TABLE orders"
    return (
        f"w SELECT k, COUNT(*), window_start FROM TABLE({kind}({table}, DESCRIPTOR({time}), {lengths})) "
        f"{where} GROUP BY k, window_start, window_end"
    )


def one(sql: str, **options: str) -> Job:
    return job(sql, **options)


def using(sql: str, function: str) -> Job:
    return replace(one(sql), functions={"f": function})


def with_table(base: Job, name: str, text: str) -> Job:
    return replace(base, tables={**base.tables, name: text})


MINI_BATCH = {
    "table__exec__mini_batch__enabled": "true",
    "table__exec__mini_batch__allow_latency": "100 ms",
    "table__exec__mini_batch__size": "100",
}
NO_PROCTIME = f"({_COLUMNS}) WITH ({_JSON})"
NARROW = f"(id BIGINT, k INT) WITH ({_JSON})"
A, S, D = one(COUNT), one(PLAIN), one(COUNT_RATES)
W = one(window("TUMBLE", 10))


def aggregates() -> list[Row]:
    return [
        Row("nothing", A, A),
        Row(
            "reformatted, comments, other aliases",
            A,
            one("p\n -- all of them\n SELECT o.k AS shop,\n count( * ) AS n FROM orders AS o GROUP BY o.k"),
        ),
        Row("sink: another table", A, one(COUNT.replace("p SELECT", "q SELECT"))),
        Row("sink: another connector", A, one(COUNT.replace("p SELECT", "bh SELECT"))),
        Row("source: another table of the same columns", A, one(COUNT.replace("orders", "more_orders"))),
        Row("source: another folder", A, with_table(A, "orders", TABLES["orders"].replace("/orders", "/more"))),
        Row("source: another option", A, with_table(A, "orders", TABLES["orders"].replace("50 ms", "70 ms"))),
        Row(
            "source: an option as a hint",
            A,
            one(COUNT.replace("orders", "orders /*+ OPTIONS('source.monitor-interval'='70 ms') */")),
        ),
        Row(
            "source: a column more, unused",
            A,
            with_table(A, "orders", TABLES["orders"].replace("s STRING", "s STRING, more INT")),
        ),
        Row(
            "source: another connector",
            A,
            with_table(
                A, "orders", f"({_COLUMNS}, {_WATERMARK}) WITH ('connector' = 'datagen', 'rows-per-second' = '1')"
            ),
            "refused",
        ),
        Row("source: the watermark", A, with_table(A, "orders", TABLES["orders"].replace("'1' SECOND", "'3' SECOND"))),
        Row(
            "source: the key's type",
            one(CAST_KEY),
            with_table(one(CAST_KEY), "orders", TABLES["orders"].replace("k INT,", "k BIGINT,")),
            "dies",
        ),
        Row(
            "source: the key NOT NULL",
            A,
            with_table(A, "orders", TABLES["orders"].replace("k INT,", "k INT NOT NULL,")),
            "dies",
        ),
        Row(
            "source: a computed column under the key's name",
            A,
            with_table(
                A, "orders", TABLES["orders"].replace("k INT, k2 INT", "k2 INT").replace("pt AS", "k AS k2, pt AS")
            ),
            "else",
        ),
        Row("filter before the aggregate", A, one(COUNT.replace("GROUP", "WHERE v > 4 GROUP"))),
        Row(
            "filter where nothing was computed before",
            with_table(A, "orders", NARROW.replace("id BIGINT, ", "")),
            with_table(one(COUNT.replace("GROUP", "WHERE k > 0 GROUP")), "orders", NARROW.replace("id BIGINT, ", "")),
            "refused",
        ),
        Row("HAVING", A, one(COUNT + " HAVING COUNT(*) > 1")),
        Row("projection of the count", A, one(COUNT.replace("COUNT(*)", "COUNT(*) * 2"))),
        Row(
            "second output of the same aggregate", A, one("p3 SELECT k, COUNT(*), COUNT(*) + 1 FROM orders GROUP BY k")
        ),
        Row("the key no longer shown", A, one("p SELECT 0, COUNT(*) FROM orders GROUP BY k")),
        Row("COUNT(*) -> COUNT(v)", A, one(COUNT.replace("*", "v")), "else"),
        Row("COUNT(*) -> COUNT(*) FILTER", A, one(COUNT.replace("COUNT(*)", "COUNT(*) FILTER (WHERE v > 4)")), "else"),
        Row("MIN -> MAX", one(MINIMUM), one(MINIMUM.replace("MIN", "MAX")), "else"),
        Row("MIN(v) -> MIN(k2)", one(MINIMUM), one(MINIMUM.replace("(v)", "(k2)")), "else"),
        Row("MIN(v) -> MIN(v + 1)", one(MINIMUM), one(MINIMUM.replace("(v)", "(v + 1)")), "else"),
        Row("COUNT(*) -> SUM(v), INT", A, one("p SELECT k, CAST(SUM(v) AS BIGINT) FROM orders GROUP BY k"), "dies"),
        Row("COUNT(*) -> SUM of BIGINT", A, one("p SELECT k, SUM(id) FROM orders GROUP BY k"), "else"),
        Row("SUM added", A, one("p3 SELECT k, COUNT(*), SUM(id) FROM orders GROUP BY k"), "dies"),
        Row("SUM removed", one("p3 SELECT k, COUNT(*), SUM(id) FROM orders GROUP BY k"), A, "dies"),
        Row(
            "two aggregates swapped",
            one("p3 SELECT k, COUNT(*), SUM(id) FROM orders GROUP BY k"),
            one("p3 SELECT k, SUM(id), COUNT(*) FROM orders GROUP BY k"),
            "else",
        ),
        Row("COUNT DISTINCT added", A, one("p3 SELECT k, COUNT(*), COUNT(DISTINCT v) FROM orders GROUP BY k"), "dies"),
        Row("COUNT -> COUNT DISTINCT", A, one(COUNT.replace("*", "DISTINCT v")), "dies"),
        Row(
            "COUNT(DISTINCT v) -> COUNT(DISTINCT k2)",
            one(COUNT.replace("*", "DISTINCT v")),
            one(COUNT.replace("*", "DISTINCT k2")),
            "else",
        ),
        Row("GROUP BY k -> k2", A, one("p SELECT k2, COUNT(*) FROM orders GROUP BY k2"), "else"),
        Row(
            "GROUP BY k, where k is now k2",
            A,
            one("p SELECT k, COUNT(*) FROM (SELECT k2 AS k FROM orders) GROUP BY k"),
            "else",
        ),
        Row("GROUP BY k -> k + 0", A, one("p SELECT k + 0, COUNT(*) FROM orders GROUP BY k + 0")),
        Row("GROUP BY: another type", A, one(BY_TEXT), "dies"),
        Row("GROUP BY: a key added", A, one("p SELECT k, COUNT(*) FROM orders GROUP BY k, k2"), "dies"),
        Row("GROUP BY removed", A, one(GLOBAL), "refused"),
        Row(
            "a view in between",
            A,
            Job(one("p SELECT k, COUNT(*) FROM (SELECT * FROM (SELECT k, v FROM orders)) GROUP BY k").statements),
        ),
        Row(
            "two-level: the outer filter",
            one(NESTED),
            one(NESTED.replace("GROUP BY k)", "GROUP BY k HAVING COUNT(*) > 1)")),
            "else",
        ),
        Row("two-level: nothing", one(NESTED), one(NESTED)),
        Row("aggregate over changes: nothing", D, D),
        Row("aggregate over changes: a filter", D, one(COUNT_RATES.replace("GROUP", "WHERE k < 2 GROUP")), "else"),
        Row("aggregate over changes: the argument", D, one(COUNT_RATES.replace("*", "ts")), "dies"),
    ]


def options() -> list[Row]:
    return [
        Row("parallelism 1 -> 2", A, one(COUNT, parallelism__default="2")),
        Row("parallelism 1 -> 2, one global count", one(GLOBAL), one(GLOBAL, parallelism__default="2")),
        Row("parallelism 1 -> 2, no aggregate", S, one(PLAIN, parallelism__default="2")),
        Row("parallelism 2 -> 1", one(COUNT, parallelism__default="2"), A),
        Row("max-parallelism 128 -> 64", A, one(COUNT, pipeline__max_parallelism="64"), "refused"),
        Row("TTL set", A, one(COUNT, table__exec__state__ttl="1 h"), in_1_20="dies"),
        Row("TTL changed", one(COUNT, table__exec__state__ttl="1 h"), one(COUNT, table__exec__state__ttl="2 h")),
        Row("TTL removed", one(COUNT, table__exec__state__ttl="1 h"), A, in_1_20="dies"),
        Row(
            "TTL as a hint", A, one(COUNT.replace("SELECT", "SELECT /*+ STATE_TTL('orders' = '1d') */")), in_1_20="dies"
        ),
        Row("TTL set, windows", W, one(W.statements[0].removeprefix("INSERT INTO "), table__exec__state__ttl="1 h")),
        Row("TTL set, join", one(SELF_JOIN), one(SELF_JOIN, table__exec__state__ttl="1 h"), in_1_20="dies"),
        Row("mini-batch on", A, one(COUNT, **MINI_BATCH), "refused"),
        Row(
            "mini-batch: another size",
            one(COUNT, **MINI_BATCH),
            one(COUNT, **{**MINI_BATCH, "table__exec__mini_batch__size": "50"}),
        ),
        Row("state backend, canonical savepoint", A, one(COUNT, state__backend__type="rocksdb")),
        Row(
            "checkpointing options",
            A,
            one(
                COUNT,
                execution__checkpointing__mode="AT_LEAST_ONCE",
                execution__checkpointing__unaligned__enabled="true",
            ),
        ),
        Row("operator chaining off", A, one(COUNT, pipeline__operator_chaining__enabled="false"), "refused"),
        Row("time zone", A, one(COUNT, table__local_time_zone="Asia/Tokyo")),
        Row("a planner's option without effect here", A, one(COUNT, table__optimizer__join_reorder_enabled="true")),
        Row("an option nobody knows", A, one(COUNT, my__own__option="1")),
    ]


def windows() -> list[Row]:
    hop, cumulate, session = (one(window(*each)) for each in (("HOP", 5, 10), ("CUMULATE", 5, 10), ("SESSION", 5)))
    counts = (
        "SELECT k, COUNT(*) AS c, window_start, window_end FROM "
        "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end"
    )
    number = "ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY c DESC)"
    rank = f"p SELECT k, c FROM (SELECT *, {number} n FROM ({counts})) WHERE n <= {{n}}"
    old = "p SELECT k, COUNT(*) FROM orders GROUP BY k, {w}"
    return [
        Row("TUMBLE: nothing", W, W),
        Row("TUMBLE: filter", W, one(window("TUMBLE", 10, where="WHERE v > 4")), "refused"),
        Row("TUMBLE: sink", W, one(window("TUMBLE", 10).replace("w SELECT", "w2 SELECT"))),
        Row("TUMBLE: the watermark", W, with_table(W, "orders", TABLES["orders"].replace("'1' SECOND", "'3' SECOND"))),
        Row("TUMBLE 10 s -> 20 s", W, one(window("TUMBLE", 20)), "else"),
        Row("TUMBLE -> HOP", W, hop, "else"),
        Row("TUMBLE -> CUMULATE", W, cumulate, "else"),
        Row("TUMBLE -> SESSION", W, session, "refused"),
        Row("TUMBLE: another time", W, one(window("TUMBLE", 10, time="pt")), "refused"),
        Row(
            "TUMBLE: GROUP BY k2",
            W,
            one(window("TUMBLE", 10).replace("SELECT k,", "SELECT k2,").replace("BY k,", "BY k2,")),
            "else",
        ),
        Row("TUMBLE: COUNT(v)", W, one(window("TUMBLE", 10).replace("*", "v")), "else"),
        Row("HOP: nothing", hop, hop),
        Row("HOP: another slide", hop, one(window("HOP", 2, 10)), "else"),
        Row("CUMULATE: nothing", cumulate, cumulate),
        Row("CUMULATE: another step", cumulate, one(window("CUMULATE", 2, 10)), "else"),
        Row("SESSION: nothing", session, session),
        Row("SESSION: another gap", session, one(window("SESSION", 20)), "else"),
        Row(
            "old TUMBLE: nothing",
            one(old.format(w="TUMBLE(ts, INTERVAL '10' SECOND)")),
            one(old.format(w="TUMBLE(ts, INTERVAL '10' SECOND)")),
        ),
        Row(
            "old TUMBLE: another size",
            one(old.format(w="TUMBLE(ts, INTERVAL '10' SECOND)")),
            one(old.format(w="TUMBLE(ts, INTERVAL '20' SECOND)")),
            "else",
        ),
        Row("window Top-N: nothing", one(rank.format(n=1)), one(rank.format(n=1))),
        Row("window Top-N: one more", one(rank.format(n=1)), one(rank.format(n=2)), "else"),
    ]


def joins() -> list[Row]:
    j, sj, i, t = one(JOIN), one(SELF_JOIN), one(INTERVAL_JOIN), one(TEMPORAL_JOIN)
    return [
        Row("join: nothing", j, j),
        Row("join: filter on the inserting side", j, one(JOIN + " WHERE o.v > 4")),
        Row("join: filter on the changing side", j, one(JOIN + " WHERE r.w > 11"), "else"),
        Row("join: INNER -> LEFT", j, one(JOIN.replace("JOIN", "LEFT JOIN")), "dies"),
        Row(
            "join: a column more",
            j,
            one("p3 SELECT o.k, o.id, CAST(o.v AS BIGINT) FROM orders o JOIN rates r ON o.k = r.k"),
            "dies",
        ),
        Row(
            "join: a column less",
            sj,
            one("p SELECT a.k, 0 FROM orders a JOIN more_orders b ON a.k = b.k AND a.v < b.v"),
            "dies",
        ),
        Row("join: another output of the same columns", j, one(JOIN.replace("o.id", "o.id + 100"))),
        Row("join: another key of the same type", sj, one(SELF_JOIN.replace("a.k = b.k", "a.k = b.k2")), "else"),
        Row("self-join: nothing", sj, sj),
        Row("self-join: the other condition", sj, one(SELF_JOIN.replace("a.v < b.v", "a.v > b.v"))),
        Row(
            "self-join: the two sides swapped",
            sj,
            one("p SELECT a.k, b.id FROM more_orders b JOIN orders a ON a.k = b.k AND a.v < b.v"),
            "dies",
        ),
        Row("interval join: nothing", i, i),
        Row("interval join: wider", i, one(INTERVAL_JOIN.replace("'20'", "'40'")), "else"),
        Row("interval join: filter", i, one(INTERVAL_JOIN + " WHERE a.v > 5"), "refused"),
        Row("temporal join: nothing", t, t),
        Row("temporal join: LEFT -> INNER", t, one(TEMPORAL_JOIN.replace("LEFT ", ""))),
        Row(
            "semi-join: nothing",
            one("p SELECT k, id FROM orders WHERE k IN (SELECT k FROM rates)"),
            one("p SELECT k, id FROM orders WHERE k IN (SELECT k FROM rates)"),
        ),
    ]


def ranks() -> list[Row]:
    o, r, f, la, t, tc, m = map(one, (OVER, OVER_RANGE, FIRST_ROW, LAST_ROW, TOP, TOP_COUNTS, MATCH))
    return [
        Row("OVER rows: nothing", o, o),
        Row("OVER rows: more rows", o, one(OVER.replace("2 PREC", "4 PREC")), "else"),
        Row("OVER rows: filter", o, one(OVER + " WHERE v > 5")),
        Row("OVER range: nothing", r, r),
        Row("OVER range: longer", r, one(OVER_RANGE.replace("'10'", "'30'")), "else"),
        Row("OVER: rows -> range", one(OVER.replace("SUM(CAST(v AS BIGINT))", "COUNT(*)")), r, "else"),
        Row("first row: nothing", f, f),
        Row("first row: another column", f, one(FIRST_ROW.replace("id FROM (", "CAST(v AS BIGINT) FROM ("))),
        Row("first row: by k2", f, one(FIRST_ROW.replace("BY k", "BY k2")), "else"),
        Row("first row -> last row", f, one(FIRST_ROW.replace("pt)", "pt DESC)")), "dies"),
        Row("last row: nothing", la, la),
        Row("last row: a column more", la, one(LAST_ROW.replace("k, id FROM (", "k, id + v FROM (")), "dies"),
        Row(
            "last row: another column of the type",
            one(LAST_ROW.replace("k, id FROM (", "k, CAST(v AS BIGINT) FROM (")),
            one(LAST_ROW.replace("k, id FROM (", "k, CAST(k2 AS BIGINT) FROM (")),
            "else",
        ),
        Row("Top-N: nothing", t, t),
        Row("Top-N: 2 -> 3", t, one(TOP.replace("<= 2", "<= 3")), "else"),
        Row("Top-N: other order", t, one(TOP.replace("v DESC", "v")), "else"),
        Row("Top-N: filter", t, one(TOP.replace("FROM orders)", "FROM orders WHERE v > 5)"))),
        Row("Top-N: the number shown", t, one("p3 SELECT k, id, n FROM" + TOP.split("FROM", 1)[1]), "right"),
        Row("Top-N of counts: nothing", tc, tc),
        Row("MATCH_RECOGNIZE: nothing", m, m),
        Row("MATCH_RECOGNIZE: condition", m, one(MATCH.replace("B.v > A.v", "B.v < A.v")), "else"),
        Row("MATCH_RECOGNIZE: sink", m, one(MATCH.replace("p SELECT k, n", "p SELECT k, n + 1"))),
    ]


def whole_jobs() -> list[Row]:
    st = job(*SET)
    seq = one("p SELECT CAST(k AS INT), id FROM numbers")
    return [
        Row("statements: nothing", st, st),
        Row("statements: one added behind", A, st, "refused"),
        Row("statements: one without state added behind", A, job(COUNT, "q SELECT k, id FROM orders"), "refused"),
        Row(
            "statements: one added, of another source",
            A,
            job(COUNT, "q SELECT w, COUNT(*) FROM rates GROUP BY w"),
            "refused",
        ),
        Row("statements: one removed", st, A, "refused"),
        Row("statements: swapped", st, job(*reversed(SET)), "dies"),
        Row(
            "statements: swapped, of the same types",
            job(COUNT, "q SELECT k2, COUNT(*) FROM orders GROUP BY k2"),
            job("q SELECT k2, COUNT(*) FROM orders GROUP BY k2", COUNT),
            "else",
        ),
        Row("no state: nothing", S, S),
        Row("no state: a column more", S, one("p3 SELECT k, id, CAST(v AS BIGINT) FROM orders")),
        Row("no state: filter", S, one(PLAIN + " WHERE v > 4")),
        Row("no state: projection", S, one("p SELECT k * 2, id FROM orders")),
        Row("no state -> aggregate", S, A, "else"),
        Row("aggregate -> no state", A, S, "refused"),
        Row("no state: a second aggregate behind", A, one(NESTED), "else"),
        Row("UNION ALL: nothing", one(UNION), one(UNION)),
        Row("UNION ALL: a branch removed", one(UNION), A, "refused"),
        Row("UNION ALL: a branch added", A, one(UNION), "refused"),
        Row(
            "UNION ALL: branches swapped",
            one(UNION),
            one("p SELECT k, COUNT(*) FROM (SELECT k FROM more_orders UNION ALL SELECT k FROM orders) GROUP BY k"),
            "else",
        ),
        Row("sink: print -> files", S, one(PLAIN.replace("p SELECT", "files SELECT"))),
        Row(
            "sink: files, with a filter where nothing was computed",
            with_table(one(STRAIGHT), "orders", f"(k INT, id BIGINT) WITH ({_JSON})"),
            with_table(one(STRAIGHT + " WHERE k > 0"), "orders", f"(k INT, id BIGINT) WITH ({_JSON})"),
            "else",
        ),
        Row(
            "sink: files, with another filter",
            one(PLAIN.replace("p SELECT", "files SELECT")),
            one(PLAIN.replace("p SELECT", "files SELECT") + " WHERE v > 4"),
        ),
        Row("sink: files -> print", one(PLAIN.replace("p SELECT", "files SELECT")), S, "refused"),
        Row(
            "sink: files -> other files",
            one(PLAIN.replace("p SELECT", "files SELECT")),
            one(PLAIN.replace("p SELECT", "other_files SELECT")),
            "else",
        ),
        Row(
            "source: datagen, rows per second",
            seq,
            with_table(seq, "numbers", TABLES["numbers"].replace("'1',", "'2',", 1)),
            loose=True,
        ),
        Row(
            "a key of the sink",
            A,
            with_table(A, "p", f"(a INT NOT NULL, n BIGINT, PRIMARY KEY (a) NOT ENFORCED) WITH ({_PRINT})"),
        ),
        Row("LIMIT: nothing", one(PLAIN + " LIMIT 6"), one(PLAIN + " LIMIT 6")),
        Row("LIMIT: more, when it was reached", one(PLAIN + " LIMIT 3"), one(PLAIN + " LIMIT 4"), "else"),
        Row(
            "UNNEST behind the count",
            A,
            one(
                "p SELECT k, x FROM (SELECT k, COUNT(*) c FROM orders GROUP BY k) "
                "CROSS JOIN UNNEST(ARRAY[c, -c]) AS t(x)"
            ),
        ),
    ]


def functions() -> list[Row]:
    by, total = "p SELECT f(k), COUNT(*) FROM orders GROUP BY f(k)", "p SELECT k, f(v) FROM orders GROUP BY k"
    behind = "p SELECT k, f(CAST(COUNT(*) AS INT)) FROM orders GROUP BY k"
    looked = "p SELECT g, COUNT(*) FROM orders o JOIN parity FOR SYSTEM_TIME AS OF o.pt ON o.k = parity.k GROUP BY g"
    return [
        Row("function in the key: nothing", using(by, "Same"), using(by, "Same")),
        Row("function in the key: another class", using(by, "Same"), using(by, "More"), "else"),
        Row("function behind the count: another class", using(behind, "Same"), using(behind, "More")),
        Row("function: one that is not used", A, using(COUNT, "Same")),
        Row("aggregate function: nothing", using(total, "Total"), using(total, "Total")),
        Row("aggregate function: another class", using(total, "Total"), using(total, "Doubled"), "else"),
        Row("aggregate function: another accumulator", using(total, "Total"), using(total, "Mean"), "dies"),
        Row("lookup join: nothing", one(looked), one(looked)),
        Row("lookup join: filter on what it found", one(looked), one(looked.replace("GROUP", "WHERE g > 0 GROUP"))),
        Row("lookup join: INNER -> LEFT", one(looked), one(looked.replace("JOIN", "LEFT JOIN"))),
        Row(
            "lookup join: another option of its table",
            one(looked),
            with_table(one(looked), "parity", TABLES["parity"].replace("'parity')", "'parity', 'first' = '2')")),
        ),
        Row("lookup join: another key", one(looked), one(looked.replace("o.k =", "o.k2 =")), "else"),
    ]


GROUPS: dict[str, list[Row]] = {
    "Aggregates": aggregates(),
    "Options": options(),
    "Windows": windows(),
    "Joins": joins(),
    "OVER, deduplication, Top-N, MATCH_RECOGNIZE": ranks(),
    "The job as a whole": whole_jobs(),
    "Functions and lookup joins": functions(),
    "Names, and operators with columns of their own": names(),
    "Where tables are": places(),
    "Options that hardly matter, and parallelism": more_options(),
}
ROWS = [row for rows in GROUPS.values() for row in rows]

IN_1_20 = frozenset(
    {
        "reformatted, comments, other aliases",
        "HAVING",
        "MIN -> MAX",
        "SUM added",
        "GROUP BY k, where k is now k2",
        "TTL set",
        "parallelism 1 -> 2",
        "statements: one added behind",
        "TUMBLE -> HOP",
        "join: nothing",
        "Top-N: nothing",
    }
)
"""The rows that are also run on Flink 1.20 each time; all of them are by ``make truth``."""
