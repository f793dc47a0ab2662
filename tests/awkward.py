"""Jobs and plans whose every name needs quotes: a verdict does not hang on how things are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import quote_identifier, quote_literal

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
OTHERS = {
    **dict(zip("abortu", ("a-b", "from", "o o", "r.r", "t`", "ü"), strict=True)),
    **{"orders": "orders of today", "more_orders": "more.orders", "rates": "курс", "numbers": "1 2", "parity": "group"},
    **{
        "p": "p.x",
        "q": "`q`",
        "p3": "3",
        "ps": "p-s",
        "w2": "w 2",
        "bh": "b.h.",
        "files": "文件",
        "other_files": "table",
    },
}
"""The same for tables, and for what queries call them."""

_QUOTED = r"'(?:[^']|'')*'|`(?:[^`]|``)*`"


def renamed(spec: Spec) -> Spec:
    """The same job with another name for each column, table and alias; functions, and what stands in quotes, stay."""
    names = NAMES | OTHERS
    hinted = rf"(?<=\()'{_any(OTHERS)}'"  # STATE_TTL('orders' = …)
    word = re.compile(rf"{hinted}|{_QUOTED}|(?<![\w$])(?<!FUNCTION ){_any(names)}(?![\w$]|\()")

    def other(match: re.Match[str]) -> str:
        if match[0] in names:
            return quote_identifier(names[match[0]])
        table = names.get(match[0][1:-1]) if match.string[match.start() - 1] == "(" else None
        return quote_literal(table) if table else match[0]

    def text(statements: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.sub(other, statement) for statement in statements)

    return replace(spec, statements=text(spec.statements), tables=text(spec.tables), setup=text(spec.setup))


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
