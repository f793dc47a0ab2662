"""SET and RESET, which are options of the job like those under ``flinkProperties``.

Read as Flink's gateway reads them (2.3.0, asked): ``SET 'key' = 'value'`` by its grammar, ``SET key = value`` by a
pattern of its own, in which a value ends at the first space. Space around key and value is cut off. They are never
sent: options of a session lose against those of a statement, which is where a job's options go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_flinksql.model.options import owned, present_name
from airflow_provider_flinksql.model.sql import SqlFault, kind_of, without_comments

_STRING = r"'((?:[^']|'')*)'"
_SET = re.compile(rf"SET\s*{_STRING}\s*=\s*{_STRING}", re.IGNORECASE)
_BARE_SET = re.compile(r"SET\s+([^'\"`\s]+?)\s*=\s*(?:'([^']*)'|([^';\s][^;\s]*))", re.IGNORECASE)
_RESET = re.compile(rf"RESET(?:\s*{_STRING}|\s+([^'\"`\s]+))?", re.IGNORECASE)
_MAY_BE_ONE = re.compile(r"(?:SET|RESET|SHOW|DESCRIBE|DESC|EXPLAIN)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """An option that a SET gives, or a RESET takes back: then ``value`` is None, and for all options ``key``, too."""

    key: str | None
    value: str | None = None


def setting_of(statement: str) -> Setting | None:
    """What a SET or RESET says; None for a SET alone, which lists options. SqlFault for what Flink does not read."""
    text = without_comments(statement).strip()
    if text.upper() == "SET":
        return None
    if match := _SET.fullmatch(text):
        return Setting(_unquoted(match[1]), _unquoted(match[2]))
    if match := _BARE_SET.fullmatch(text):
        return Setting(match[1], match[3] or match[2].strip())
    if match := _RESET.fullmatch(text):
        return Setting(match[2] if match[1] is None else _unquoted(match[1]))
    raise SqlFault("Flink does not read this; write SET 'key' = 'value' or RESET 'key'", statement, 0)


def _unquoted(text: str) -> str:
    return text.replace("''", "'").strip()


def concerns_the_client(key: str) -> bool:
    """Whether only Flink's own SQL client reads this option, so that here it has no effect at all."""
    return key.startswith("sql-client.")


def without_settings(
    tables: Iterable[str], setup: Iterable[str], properties: Mapping[str, str]
) -> dict[str, tuple[str, ...] | dict[str, str]]:
    """These parts of a Spec as a file is read today, when they were recorded with SET, RESET and SHOW among them.

    Of options that nobody may set nothing is left.
    """
    options: dict[str, str] = {}
    parts = {name: tuple(_effective(part, options)) for name, part in (("tables", tables), ("setup", setup))}
    return {**parts, "properties": {**options, **properties}}


def _effective(statements: Iterable[str], options: dict[str, str]) -> Iterator[str]:
    """The statements that do something in the session; what the others say of options is done to ``options``."""
    for statement in statements:
        kind = kind_of(statement) if _MAY_BE_ONE.match(statement) else "ddl"
        try:
            setting = setting_of(statement) if kind == "set" else None
        except SqlFault:
            kind, setting = "other", None
        if kind not in ("set", "show"):
            yield statement
        match setting:
            case Setting(None):
                options.clear()
            case Setting(str(key), None):
                options.pop(present_name(key), None)
            case Setting(str(key), str(value)) if not owned(key) and not concerns_the_client(key):
                options[present_name(key)] = value
