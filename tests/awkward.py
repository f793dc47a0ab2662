"""Jobs and plans whose every name needs quotes: a verdict does not hang on how things are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.sql import quote_identifier
from truth.rows import TABLES, Job

COLUMNS = ("id", "k", "k2", "v", "s", "ts", "pt", "w", "x", "y", "c", "g", "n", "rn", "fn", "f")
"""The names that the rows of the truth table give to columns."""

NAMES = dict(
    zip(
        COLUMNS,
        (
            "订单",
            "key-1",
            "key 2",
            "my.value",
            "select",
            "ts`x",
            "1st",
            "é",
            "x+y",
            "y/z",
            "#c",
            "g" * 128,
            "n?",
            "ORDER BY",
            "f n",
            "@f",
        ),
        strict=True,
    )
)
_QUOTED = r"'(?:[^']|'')*'|`(?:[^`]|``)*`"


def renamed(job: Job) -> Job:
    """The same job with other names; what calls a function or stands in quotes stays, and so does a table's name."""
    names = {name: other for name, other in NAMES.items() if name not in TABLES}
    word = re.compile(rf"{_QUOTED}|(?<![\w$]){_any(names)}(?![\w$]|\s*\()")

    def text(sql: str) -> str:
        return word.sub(lambda match: quote_identifier(names[match[0]]) if match[0] in names else match[0], sql)

    tables = {name: text(definition) for name, definition in {**TABLES, **job.tables}.items()}
    return replace(job, statements=tuple(map(text, job.statements)), tables=tables, setup=tuple(map(text, job.setup)))


def plan_renamed(plan: Explained, names: Mapping[str, str]) -> Explained:
    """What the planner would say of the same query with other names: it writes them bare."""
    bare = re.compile(rf"{_QUOTED}|(?<![\w$]){_any(names)}(?=\d*(?![\w$(]))")
    lines = []
    for line in plan.text.splitlines():
        *fields, text = line.split("\t")
        if fields[0] != "sink":
            told = bare.sub(lambda match: names.get(match[0], match[0]), json.loads(text))
            text = json.dumps(told)
        lines.append("\t".join([*fields, text]))
    sources = tuple((path, _schema_renamed(schema, names)) for path, schema in plan.sources)
    return replace(plan, text="\n".join(lines), sources=sources)


def _schema_renamed(schema: str, names: Mapping[str, str]) -> str:
    column = re.compile(r"^`((?:[^`]|``)*)`", re.MULTILINE)
    return column.sub(lambda match: quote_identifier(names.get(match[1], match[1])), schema)


def _any(names: Mapping[str, str]) -> str:
    return f"(?:{'|'.join(sorted(names, key=len, reverse=True))})"
