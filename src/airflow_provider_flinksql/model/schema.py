"""What is known of a table that a job reads or writes: its columns and its connector, never another option."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_CONNECTOR = re.compile(r"'connector' = '((?:[^']|'')*)'")
_COLUMN = re.compile(r"`((?:[^`]|``)+)` (.*?),?")
_COMMENT = re.compile(r" COMMENT '(?:[^']|'')*'")


@dataclass(frozen=True)
class Schema:
    """The columns with their types, as ``SHOW CREATE TABLE`` writes them, and what kind of table it is."""

    connector: str
    insert_only: bool
    columns: tuple[tuple[str, str], ...]

    def type_of(self, column: str) -> str | None:
        """The type of a physical column, ``INT NOT NULL``; None for one that is unknown or computed."""
        kind = dict(self.columns).get(column)
        return None if kind is None or kind.startswith("AS ") else kind


def known_of(created: str, *, insert_only: bool) -> str:
    """What may be kept of a table of SHOW CREATE TABLE: all but its options, which may be secret."""
    columns, _, options = created.partition("\n)")
    found = _CONNECTOR.search(options)
    changes = "inserts" if insert_only else "changes"
    lines = (_COMMENT.sub("", line.strip()) for line in columns.splitlines()[1:])
    return "\n".join([f"{found[1] if found else '?'} {changes}", *lines])


def read_schema(known: str) -> Schema:
    """The inverse of :func:`known_of`."""
    first, *lines = known.splitlines()
    connector, _, changes = first.rpartition(" ")
    return Schema(connector, changes == "inserts", tuple(_columns(lines)))


def _columns(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if match := _COLUMN.fullmatch(line):
            yield match[1].replace("``", "`"), match[2]
