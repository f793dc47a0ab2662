"""The truth table: what becomes of a job's state when its query changes, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from airflow_provider_flinksql.model.spec import Spec

Truth = Literal["right", "else", "refused", "dies"]
"""``right``: restores, and the values go on; ``else``: restores, but old values mean something else or are lost;
``refused``: by Flink at the submit; ``dies``: after its start."""


def _moment(second: int) -> str:
    return f"2020-01-01 00:{second // 60:02d}:{second % 60:02d}"


def _orders(*rows: tuple[int, int, int, int, str, int]) -> str:
    names = ("id", "k", "k2", "v", "s")
    return "".join(json.dumps(dict(zip(names, row, strict=False)) | {"ts": _moment(row[5])}) + "\n" for row in rows)


def _rates(*changes: tuple[str, tuple[int, int] | None, tuple[int, int] | None, int]) -> str:
    def row(values: tuple[int, int] | None, second: int) -> dict[str, object] | None:
        return values and {"k": values[0], "w": values[1], "ts": _moment(second)}

    return "".join(
        json.dumps({"op": op, "before": row(before, second), "after": row(after, second)}) + "\n"
        for op, before, after, second in changes
    )


FIRST = {
    "orders": _orders(
        (1, 1, 2, 5, "a", 1), (2, 2, 1, 7, "b", 2), (3, 1, 2, 9, "a", 3), (4, 3, 1, 20, "c", 12), (5, 1, 1, 6, "b", 13)
    ),
    "more": _orders((1, 1, 2, 5, "a", 1), (2, 2, 1, 7, "b", 2), (5, 1, 1, 6, "b", 13)),
    "rates": _rates(("c", None, (1, 10), 0), ("c", None, (2, 20), 0), ("c", None, (3, 20), 1), ("c", None, (9, 5), 20)),
}
SECOND = {
    "orders": _orders((6, 1, 2, 4, "b", 14), (7, 2, 2, 8, "a", 15), (8, 1, 1, 30, "c", 25), (9, 9, 9, 0, "z", 59)),
    "more": _orders((6, 1, 2, 4, "b", 14), (8, 1, 1, 30, "c", 25), (9, 9, 9, 0, "z", 59)),
    "rates": _rates(("u", (1, 10), (1, 11), 21), ("d", (2, 20), None, 22), ("c", None, (4, 20), 60)),
}

_JSON = "'connector' = 'filesystem', 'format' = 'json', 'source.monitor-interval' = '50 ms', 'path' = '{folder}/orders'"
_COLUMNS = "id BIGINT, k INT, k2 INT, v INT, s STRING, ts TIMESTAMP(3)"
_WATERMARK = "pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND"
_CDC = _JSON.replace("'json'", "'debezium-json'").replace("/orders", "/rates")
_COUNTING = "'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '1000'"
_PRINT = "'connector' = 'print', 'print-identifier' = '{name}'"

TABLES = {
    "orders": f"({_COLUMNS}, {_WATERMARK}) WITH ({_JSON})",
    "more_orders": f"({_COLUMNS}, {_WATERMARK}) WITH ({_JSON})".replace("/orders", "/more"),
    "rates": (
        "(k INT NOT NULL, w INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (k) NOT ENFORCED) "
        f"WITH ({_CDC})"
    ),
    "numbers": f"(id BIGINT, k INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1', {_COUNTING})",
    "p": f"(a INT, n BIGINT) WITH ({_PRINT})",
    "q": f"(a INT, n BIGINT) WITH ({_PRINT})",
    "p3": f"(a INT, n BIGINT, m BIGINT) WITH ({_PRINT})",
    "ps": f"(a STRING, n BIGINT) WITH ({_PRINT})",
    "w": f"(a INT, n BIGINT, ws TIMESTAMP(3)) WITH ({_PRINT})",
    "w2": f"(a INT, n BIGINT, ws TIMESTAMP(3)) WITH ({_PRINT})",
    "parity": "(k INT, g INT) WITH ('connector' = 'parity')",
    "bh": "(a INT, n BIGINT) WITH ('connector' = 'blackhole')",
    "files": "(a INT, n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{folder}/out')",
    "other_files": "(a INT, n BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '{folder}/other')",
}

JAR = "truth.jar"
FILE_SINKS = ("INSERT INTO files ", "INSERT INTO other_files ")


@dataclass(frozen=True)
class Job:
    """One query over :data:`TABLES`, of which ``tables`` are other than there.

    ``functions`` are named after their classes in :data:`JAR`, which lies beside the job's folder; ``setup`` runs last.
    """

    statements: tuple[str, ...]
    tables: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()

    @property
    def into_files(self) -> bool:
        """Whether what it writes is seen only once a file is finished."""
        return any(statement.startswith(FILE_SINKS) for statement in self.statements)

    def spec(self, folder: Path, name: str, properties: Mapping[str, str]) -> Spec:
        """As a job file would have it; only tables that are named are made."""
        said = " ".join((*self.statements, *self.setup))
        tables = {**TABLES, **self.tables}
        made = tuple(
            f"CREATE TABLE {table} {text}".replace("{folder}", str(folder)).replace("{name}", name)
            for table, text in tables.items()
            if table in said.replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").split()
        )
        setup = tuple(f"CREATE TEMPORARY FUNCTION {name} AS 'truth.{of}'" for name, of in self.functions.items())
        jars = (str(folder.parent / JAR),) if setup or " parity " in said else ()
        setup += tuple(one.replace("{folder}", str(folder)).replace("{name}", name) for one in self.setup)
        return Spec(name, self.statements, made, setup, jars, properties={**properties, **self.options})


def job(*statements: str, tables: Mapping[str, str] | None = None, **options: str) -> Job:
    """``job("p SELECT …")``: INSERT INTO is left out, options are written with ``__`` for dots."""
    return Job(
        tuple(f"INSERT INTO {one}" for one in statements),
        tables or {},
        {key.replace("__", ".").replace("_", "-"): value for key, value in options.items()},
    )


@dataclass(frozen=True)
class Row:
    """One change and what it leads to; ``loose`` where the rows that come out are never the same twice."""

    change: str
    old: Job
    new: Job
    truth: Truth = "right"
    in_1_20: Truth | None = None
    loose: bool = False

    def in_version(self, flink: str) -> Truth:
        """What happens on that Flink."""
        return self.in_1_20 or self.truth if flink.startswith("1.20") else self.truth
