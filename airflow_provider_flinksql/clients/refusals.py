"""A planner's refusal of a statement in words that help its author: what is wrong, about which table, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from airflow_provider_flinksql.clients.causes import Cause, cause
from airflow_provider_flinksql.errors import Said

_TABLE = re.compile(r"Unable to create a (?:source|sink) for (?:reading|writing) table '(.+)'\.$", re.MULTILINE)
_NO_FACTORY = re.compile(
    r"Could not find any (?P<format>format )?factory for identifier '(?P<name>[^']*)'"
    r"(?: that implements '[\w.$]*?(?P<interface>\w+)')? in the classpath\."
    r"(?: Available factory identifiers are: (?P<known>.*))?"
)
_SYNTAX = re.compile(r"(?:Encountered \"(?P<tokens>.*)\"|Incorrect syntax near the keyword '(?P<word>\w+)')\.?")
_ODD_LETTER = re.compile(r"Lexical error\.? Encountered: (?:\"(?P<letter>.*)\" \(\d+\)|<EOF>)")
_EXPECTED = re.compile(r"^Was expecting(?: one of)?:\n(?P<lines>(?:[ \t].*\n)*)", re.MULTILINE)
_OPTION = re.compile(r"Could not parse value '.*' for key '([^']+)'\.")
_VALUES = re.compile(r"Expected one of: .*")
_FUNCTION = re.compile(r"function '([^'\n]+)'")
_NO_QUERY = "Non-query expression encountered in illegal context"
_NO_CLASS = ("ClassNotFoundException", "NoClassDefFoundError")

_SAYS_ENOUGH = re.compile(
    r"SqlValid|SqlParse|^Parse|Calcite|^Validation|^Catalog|^Database|^Table"
    r"|^IllegalArgument|^IllegalState|^UnsupportedOperation"
)
"""Exceptions whose class adds nothing to their message."""

_KAFKA, _JDBC = "flink-sql-connector-kafka", "flink-connector-jdbc with the driver of the database"
_REGISTRY = "flink-sql-avro-confluent-registry"
_JARS = {
    "connector": {
        "kafka": _KAFKA,
        "upsert-kafka": _KAFKA,
        "jdbc": _JDBC,
        "elasticsearch-7": "flink-sql-connector-elasticsearch7",
        "opensearch": "flink-sql-connector-opensearch",
        "mongodb": "flink-sql-connector-mongodb",
        "hbase-2.2": "flink-sql-connector-hbase-2.2",
        "pulsar": "flink-sql-connector-pulsar",
        "mysql-cdc": "flink-sql-connector-mysql-cdc",
        "postgres-cdc": "flink-sql-connector-postgres-cdc",
        "iceberg": "iceberg-flink-runtime",
        "paimon": "paimon-flink",
    },
    "format": {
        "avro": "flink-sql-avro",
        "avro-confluent": _REGISTRY,
        "debezium-avro-confluent": _REGISTRY,
        "parquet": "flink-sql-parquet",
        "orc": "flink-sql-orc",
        "protobuf": "flink-sql-protobuf",
        **dict.fromkeys(("json", "debezium-json", "canal-json", "maxwell-json", "ogg-json"), "flink-json"),
        "csv": "flink-csv",
    },
    "catalog": {
        "jdbc": _JDBC,
        "hive": "flink-sql-connector-hive",
        "iceberg": "iceberg-flink-runtime",
        "paimon": "paimon-flink",
    },
}
"""Which artifact brings what does not come with Flink, by the identifier, as Flink's documentation names it."""


class Refusal(NamedTuple):
    """Why, in one line, and the path of the table that it is about: ``catalog.database.table``."""

    reason: str
    table: str | None


def refusal(trace: Said) -> Refusal:
    """What a planner's trace says. Of a table only its path is named: its options may be secret."""
    last = cause(trace)
    found = _TABLE.search(trace)
    table = found[1] if found else None
    reason = _syntax(last, trace) or _no_factory(last.message) or _no_class(last, trace) or _option(last, trace)
    reason = reason or _plain(last)
    return Refusal(f"table {table}: {reason}" if table else reason, table)


def _option(last: Cause, trace: str) -> str | None:
    """Which option it is whose value Flink could not read. Why not is left out: it quotes a part of a secret."""
    found = _OPTION.search(trace)
    if found is None or found[0] == last.message:
        return None
    values = _VALUES.search(last.message)
    return f"Flink cannot read the value of the option '{found[1]}'.{f' {values[0]}' if values else ''}"


def _plain(last: Cause) -> str:
    return last.message if last.message and _SAYS_ENOUGH.search(last.kind) else str(last)


def _syntax(last: Cause, trace: str) -> str | None:
    if last.message == _NO_QUERY:
        return (
            "syntax error: Flink knows no such statement, or no query stands where one must; a query begins with "
            f"SELECT, WITH, VALUES or TABLE ({_NO_QUERY})"
        )
    if odd := _ODD_LETTER.search(last.message):
        return f"syntax error at `{odd['letter']}`" if odd["letter"] else "syntax error: a quote is never closed"
    if not (found := _SYNTAX.fullmatch(last.message)):
        return None
    tokens = (found["tokens"] or found["word"] or "<EOF>").replace('\\"', '"').split() or ["<EOF>"]
    if word := _reserved(tokens, trace):
        return f"syntax error at `{word}`: a reserved word; as a name write `{word}` in back-ticks"
    if tokens[0] == '"':
        return "syntax error at `\"`: names stand in back-ticks, text in single quotes"
    return "syntax error at the end: more must follow" if "<EOF>" in tokens else f"syntax error at `{tokens[0]}`"


def _reserved(tokens: Sequence[str], trace: str) -> str | None:
    """The word that the parser met where it would have taken any name: then it is none, and so it is reserved.

    No list of words is needed, which each version of Flink has its own of: the parser says what it was expecting.
    """
    expected = {
        line.strip().removesuffix("...").strip().upper()
        for lines in _EXPECTED.finditer(trace)
        for line in lines["lines"].splitlines()
    }
    for number, token in enumerate(tokens):
        before = "".join(f'"{one}" ' for one in tokens[:number]).upper()
        if f"{before}<IDENTIFIER>" in expected and token.isidentifier():
            return token
    return None


def _no_factory(message: str) -> str | None:
    if not (found := _NO_FACTORY.search(message)):
        return None
    name, interface = found["name"], found["interface"] or ""
    kinds = {"Catalog": "catalog", "Module": "module", "DynamicTable": "connector", "Model": "model provider"}
    kind = next((word for begin, word in kinds.items() if interface.startswith(begin)), "factory")
    kind = "format" if found["format"] or "Format" in interface else kind
    jars = _JARS.get(kind, {})
    known = found["known"].split(", ") if found["known"] else []
    only = f", only {', '.join(known)}" if known else ""
    near = [] if name in jars else difflib.get_close_matches(name, [*jars, *known], 1, 0.75)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    jar = f"{jars[name]}, made for this version of Flink," if name in jars else "the jar that brings it"
    return f"this Flink has no {kind} '{name}'{only}.{hint} {_put(jar)}"


def _no_class(last: Cause, trace: str) -> str | None:
    if last.kind not in _NO_CLASS or " " in last.message:
        return None
    function = _FUNCTION.search(trace)
    of = f" of function {function[1]}" if function else ""
    return f"there is no class {last.message.replace('/', '.')}{of}. {_put('the jar that has it')}"


def _put(jar: str) -> str:
    return (
        f"Put {jar} into lib/ of the cluster and of the SQL gateway and restart both, "
        "or name it under `jars:` of the job file."
    )
