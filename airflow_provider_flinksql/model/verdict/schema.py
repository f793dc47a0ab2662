"""What is known of a table that a job reads or writes: its columns, its connector, and where its rows are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airflow_provider_flinksql.model.verdict.columns import digest

_LITERAL = r"'((?:[^']|'')*+)'"
_OPTION = re.compile(rf"{_LITERAL}(?: = {_LITERAL})?")
_COLUMN = re.compile(r"`((?:[^`]|``)+)` (.*?),?")
_COMMENT = re.compile(r" COMMENT '(?:[^']|'')*'")
_METADATA = re.compile(r"(.*?) METADATA(?: FROM '((?:[^']|'')*)')?(?: VIRTUAL)?")
_PLACE = re.compile(
    r"(?:.*[.-])?(path|topics?|pattern|ur[il]s?|hosts?|hostnames?|ports?|servers?|nodes|database|table|schema|name|"
    r"collection|index|warehouse|bucket|streams?|queue|subscription|project|dataset|arn|endpoint|file)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=//)[^/@]*@|[?;&].*")
_HINTED = re.compile(r"(?:^|, )([\w.-]+)=(.*?)(?=, [\w.-]+=|$)", re.DOTALL)


@dataclass(frozen=True)
class Schema:
    """The columns with their types, as ``SHOW CREATE TABLE`` writes them, and what kind of table it is.

    ``place`` is a digest of the options that say where the rows are. ``metadata`` is the key of each column that is
    read from metadata, by the column's name. ``text`` is all of it but the place.
    """

    connector: str
    insert_only: bool
    place: str
    columns: Mapping[str, str]
    metadata: Mapping[str, str]
    text: str

    def type_of(self, column: str) -> str | None:
        """The type of a column that the table holds, ``INT NOT NULL``; None for one that is unknown or computed."""
        kind = self.columns.get(column)
        return None if kind is None or kind.startswith("AS ") else kind


def known_of(created: str, *, insert_only: bool) -> str:
    """What may be kept of a table of SHOW CREATE TABLE: of its options, which may be secret, only the connector.

    Where its rows are is kept as a digest. Secrets that come from elsewhere must be named in the text by then, as
    ``${conn.kafka.host}``: no digest of a secret is kept.
    """
    columns, _, rest = created.partition("\n)")
    options = {_plain(match[1]): _plain(match[2]) for match in _OPTION.finditer(rest) if match[2] is not None}
    changes = "inserts" if insert_only else "changes"
    lines = (_COMMENT.sub("", line.strip()) for line in columns.splitlines()[1:])
    return "\n".join([f"{options.get('connector', '?')} {changes} {place_of(options)}", *lines])


def read_schema(known: str) -> Schema:
    """The inverse of :func:`known_of`."""
    first, *lines = known.splitlines()
    connector, changes, place = first.rsplit(" ", 2)
    columns, metadata = {}, {}
    for name, kind in _columns(lines):
        found = _METADATA.fullmatch(kind)
        columns[name] = found[1] if found else kind
        if found:
            metadata[name] = _plain(found[2]) if found[2] else name
    return Schema(connector, changes == "inserts", place, columns, metadata, "\n".join([connector, *lines]))


def place_of(options: Mapping[str, str]) -> str:
    """A digest of the options that say where rows are, ``-`` where none does; logins in addresses are left out."""
    places = sorted((key, _LOGIN.sub("", value)) for key, value in options.items() if _PLACE.fullmatch(key))
    return digest(*(f"{key}\0{value}" for key, value in places)) if places else "-"


def hinted(options: str) -> Mapping[str, str]:
    """The options of a hint as the planner writes it: ``path=file:///x, sink.parallelism=1``."""
    return {match[1]: match[2] for match in _HINTED.finditer(options)}


def _columns(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if match := _COLUMN.fullmatch(line):
            yield match[1].replace("``", "`"), match[2]


def _plain(literal: str) -> str:
    return literal.replace("''", "'")
