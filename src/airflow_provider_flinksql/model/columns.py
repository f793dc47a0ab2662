"""Columns by what they mean: expressions resolved down to the columns of sources.

Names vanish: ``GROUP BY a``, where ``a`` is another name for ``k``, is ``GROUP BY k``. A meaning starts with a mark
(``§1f0c.k``) of where it comes from and of its type; :func:`shown` takes the marks away for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"'(?:w\$|[^']*')|[A-Za-z_$][\w$]*(?![\w$]*(?:\(|=\[))")
_MARK = re.compile(r"§\w+\.")
_CAST = re.compile(r"CAST\(([^()]*|[^()]*\([^()]*\)) AS (\w+(?:\([\d, ]+\))?)\)")
_AGGREGATE = re.compile(r"(\$?\w+)\((.*?)\)(?: FILTER (\S+))?")
_KEEP_ONE_VALUE = ("SUM", "$SUM0", "MIN", "MAX")


@dataclass(frozen=True)
class Column:
    """One column. ``type`` is None where the planner's text does not tell it, ``INT ?`` where not whether of NULLs."""

    meaning: str
    type: str | None = None

    @property
    def form(self) -> str | None:
        """The type as state has it, if it is known for sure."""
        return None if self.type is None or self.type.endswith("?") else self.type


class AnyColumns(dict[str, Column]):
    """The columns of an operator that we do not look into: whatever the next one names."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark

    def __missing__(self, name: str) -> Column:
        return Column(f"§{self._mark}.{name}")

    def __contains__(self, name: object) -> bool:
        return True


def shown(meaning: str) -> str:
    """A meaning as a person reads it."""
    return _MARK.sub("", meaning)


def resolved(text: str, columns: Mapping[str, Column]) -> str:
    """An expression with each column replaced by its meaning."""

    def one(match: re.Match[str]) -> str:
        name = match[0]
        return columns[name].meaning if not name.startswith("'") and name in columns else name

    return _NAME.sub(one, text)


def column_of(text: str, columns: Mapping[str, Column]) -> Column:
    """The meaning of an expression, and its type where the text tells it."""
    if text in columns:
        return columns[text]
    if cast := _CAST.fullmatch(text):
        inner = column_of(cast[1], columns).type
        nullable = " ?" if inner is None else " NOT NULL" if inner.endswith("NOT NULL") else ""
        return Column(resolved(text, columns), cast[2] + nullable)
    return Column(resolved(text, columns))


def named(item: str) -> tuple[str, str]:
    """``k2 AS k`` -> what it is and how it is called."""
    head, found, name = item.rpartition(" AS ")
    return (head, name) if found and "(" not in name.lstrip("(") and ")" not in name.rstrip(")") else (item, item)


def state_type(call: str, columns: Mapping[str, Column]) -> str | None:
    """What an aggregate keeps: a count or one value of its argument's type; None for those we do not know."""
    match = _AGGREGATE.fullmatch(call)
    if not match or not (match[1] == "COUNT" or match[1] in _KEEP_ONE_VALUE):
        return None
    argument = match[2].removeprefix("DISTINCT ")
    kind = column_of(argument, columns).type if argument != "*" else ""
    plain = None if kind is None else kind.removesuffix(" NOT NULL").removesuffix(" ?")
    if match[2] != argument:
        return plain and f"{match[1]} of DISTINCT {plain}"
    return "BIGINT" if match[1] == "COUNT" else plain
