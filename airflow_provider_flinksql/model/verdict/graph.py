"""The graph of operators that Flink would start, as EXPLAIN tells it, and by what Flink finds their state again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from airflow_provider_flinksql.model.verdict.columns import digest
from airflow_provider_flinksql.model.verdict.schema import hinted, place_of

_GRAPH = "== Physical Execution Plan =="
_NUMBER_OF_TEXT = re.compile(r"^([^(]*?)\[\d+\](?::(?! ))?")  # [7]:Calc(…) and, for what a connector adds, t[7]: Writer
_NUMBER_OF_NAME = re.compile(r"\[\d+\]")
_OPTIONS = re.compile(r", hints=\[\[\[OPTIONS (?:inheritPath:\[\] )?options:\{(.*?)\}\]\]\]")
_SCAN = re.compile(r"TableSourceScan\(table=\[\[(.*?)\]\].*changelogMode=\[(.*?)\]")
_TABLE = re.compile(r"table=\[\[?(.*)", re.DOTALL)
_SINK = re.compile(r"^Sink\(table=\[(.*?)\], fields=\[(.*)$", re.MULTILINE)
_LITERAL = re.compile(r"(?:_UTF-16LE|u&)'((?:[^']|'')*+)'")
_CODE_POINT = re.compile(r"\\([0-9a-f]{4})")
_KIND = re.compile(r"(\w+)(?:\((.*)\)|\[.*\])?", re.DOTALL)


@dataclass(frozen=True)
class Operator:
    """One operator. ``inputs`` are the numbers of the operators before it, each with the way its rows come."""

    number: int
    parallelism: int
    inputs: tuple[tuple[int, str], ...]
    name: str
    text: str

    @cached_property
    def kind(self) -> str:
        """``GroupAggregate``, ``Calc``, …; for what a connector brings along its name."""
        match = _KIND.fullmatch(self.text)
        return match[1] if match else self.text

    @cached_property
    def inner(self) -> str:
        """What stands in its brackets: ``groupBy=[k], select=[k, COUNT(*) AS n]``."""
        match = _KIND.fullmatch(self.text)
        return (match[2] or "") if match else ""


@dataclass(frozen=True)
class Graph:
    """All operators of a job, inputs first, and the tables it writes to in their order.

    ``places`` are digests of what hints say of where the rows of each of ``sinks`` go, empty where none does.
    """

    operators: tuple[Operator, ...]
    sinks: tuple[str, ...]
    places: tuple[str, ...]

    @cached_property
    def last(self) -> list[Operator]:
        """The operators that nobody reads from: the ends of the sinks."""
        read = {number for operator in self.operators for number, _ in operator.inputs}
        return [operator for operator in self.operators if operator.number not in read]

    @cached_property
    def connectors_own(self) -> frozenset[int]:
        """The operators that a connector puts behind the planner's last one to write, commit and so on."""
        own: set[int] = set()
        readers: dict[int, list[int]] = {}
        for operator in self.operators:
            for number, _ in operator.inputs:
                readers.setdefault(number, []).append(operator.number)
        for operator in reversed(self.operators):
            planned = "=[" in operator.inner
            if operator.inputs and not planned and all(number in own for number in readers.get(operator.number, ())):
                own.add(operator.number)
        return frozenset(own)

    def identities(self, chaining: bool = True) -> dict[int, str]:
        """By what Flink finds each operator's state in a savepoint, equal for two jobs where Flink would match them.

        Flink draws it from the operator's place: how many came before it, how many are chained to it, what it reads
        from. Names and meaning do not enter.
        """
        by_number = {operator.number: operator for operator in self.operators}
        readers = self._readers(by_number)
        found: dict[int, str] = {}
        queue = [operator for operator in self.operators if not operator.inputs]
        seen = {operator.number for operator in queue}
        while queue:
            operator = queue.pop(0)
            if any(number not in found for number, _ in operator.inputs):
                seen.discard(operator.number)  # comes again behind the last of its inputs
                continue
            following = [by_number[number] for number in readers.get(operator.number, ())]
            chained = sum(chaining and _chained(operator, reader) for reader in following)
            before = [found[number] for number, _ in operator.inputs]
            found[operator.number] = digest(str(len(found)), str(chained), *before)
            for reader in following:
                if reader.number not in seen:
                    seen.add(reader.number)
                    queue.append(reader)
        return found

    def _readers(self, by_number: dict[int, Operator]) -> dict[int, list[int]]:
        """Who reads from an operator, in the order in which Flink comes upon them: from each sink down."""
        readers: dict[int, list[int]] = {}
        known: set[int] = set()
        for last in self.last:
            stack: list[tuple[int, bool]] = [(last.number, False)]
            while stack:
                number, inputs_done = stack.pop()
                if inputs_done:
                    for before, _ in by_number[number].inputs:
                        readers.setdefault(before, []).append(number)
                elif number not in known:
                    known.add(number)
                    stack.append((number, True))
                    stack += [(before, False) for before, _ in reversed(by_number[number].inputs)]
        return readers


def condensed(explained: str, redact: Callable[[str], str] = str, named: Callable[[str], str] = str) -> str:
    """What is kept of EXPLAIN with JSON_EXECUTION_PLAN: its graph, one operator a line, numbered from 1.

    Left out are Flink's own running numbers, which differ each time, and options in hints, which may be secret: only a
    digest of those stays that say where rows are. Quotes in literals are doubled, as in SQL; Flink leaves them bare.

    :param redact: takes secrets out of what an operator says
    :param named: puts the names of secrets in their places, so that no digest of one is kept
    """
    before, found, graph = explained.partition(_GRAPH)
    if not found:
        return ""
    nodes = sorted(json.loads(graph)["nodes"], key=lambda node: int(node["id"]))
    numbers = {node["id"]: number for number, node in enumerate(nodes, start=1)}
    lines = ["\t".join(("sink", path, place)) for path, place in _sinks(before, named)]
    quoted = _with_quotes(before)
    for node in nodes:
        inputs = ",".join(f"{numbers[one['id']]}:{one['ship_strategy']}" for one in node.get("predecessors", ()))
        told = _OPTIONS.sub(lambda hint: _placed(hint, named), _NUMBER_OF_TEXT.sub(r"\1", node["contents"], count=1))
        text = redact(quoted(told))
        name = _NUMBER_OF_NAME.sub("", node["type"])
        fields = (numbers[node["id"]], node["parallelism"], inputs, json.dumps(name), json.dumps(text))
        lines.append("\t".join(map(str, fields)))
    return "\n".join(lines)


def _with_quotes(explained: str) -> Callable[[str], str]:
    """What doubles the quotes inside the literals of a job: its physical plan tells where each of them ends."""
    found = {_CODE_POINT.sub(lambda code: chr(int(code[1], 16)), match[1]) for match in _LITERAL.finditer(explained)}
    bare = {literal.replace("''", "'"): literal for literal in found if "''" in literal}

    def quoted(text: str) -> str:
        for literal in sorted(bare, key=len, reverse=True):
            text = text.replace(f"'{literal}'", f"'{bare[literal]}'")
        return text

    return quoted


def _placed(hint: re.Match[str], named: Callable[[str], str]) -> str:
    place = place_of(hinted(named(hint[1])))
    return "" if place == "-" else f", place=[{place}]"


def insert_only(explained: str) -> frozenset[str]:
    """The tables of EXPLAIN CHANGELOG_MODE whose rows are only ever inserted, by their path."""
    scans = _scans(explained)
    return frozenset(path for path, _ in scans) - {path for path, changes in scans if changes != "I"}


def read(text: str) -> Graph:
    """The inverse of :func:`condensed`."""
    operators, sinks, places = [], [], []
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] == "sink":
            sinks.append(fields[1])
            places.append("".join(fields[2:]))
            continue
        number, parallelism, inputs, name, content = fields
        pairs = (one.split(":", 1) for one in inputs.split(",") if one)
        before = tuple((int(one), strategy) for one, strategy in pairs)
        operators.append(Operator(int(number), int(parallelism), before, json.loads(name), json.loads(content)))
    return Graph(tuple(operators), tuple(sinks), tuple(places))


def tables(graph: Graph) -> list[str]:
    """The paths of all tables that a job reads and writes."""
    read_from = (table_of(operator) for operator in graph.operators)
    return sorted({path for path in read_from if path} | set(graph.sinks))


def table_of(operator: Operator) -> str | None:
    """The path of the table that an operator reads, ``catalog.database.table``."""
    found = _TABLE.match(operator.inner)
    if found is None or operator.kind == "Sink":
        return None
    parts = found[1].partition("]")[0].split(", ")[:3]
    return path_of(parts if len(parts) == 3 else parts[0].split(".", 2))  # of a lookup, it is one text


def path_of(parts: Sequence[str]) -> str:
    """Catalog, database and table as one text; what holds a dot is quoted."""
    return ".".join(f"`{part.replace('`', '``')}`" if set(part) & set(".`") else part for part in parts)


def parts_of(path: str) -> list[str]:
    """The inverse of :func:`path_of`."""
    found = re.findall(r"`((?:[^`]|``)+)`|([^.`]+)", path)
    return [quoted.replace("``", "`") or plain for quoted, plain in found]


def _chained(operator: Operator, reader: Operator) -> bool:
    alone = len(reader.inputs) == 1 and reader.inputs[0][1] == "FORWARD"
    return alone and operator.parallelism == reader.parallelism


def _sinks(explained: str, named: Callable[[str], str]) -> Iterable[tuple[str, str]]:
    """The path of each sink, and the place that a hint says."""
    section = explained.partition("== Optimized Execution Plan ==")[2]
    for match in _SINK.finditer(section):
        hint = _OPTIONS.search(match[2])
        place = place_of(hinted(named(hint[1]))) if hint else "-"
        yield path_of(match[1].split(".", 2)), "" if place == "-" else place


def _scans(explained: str) -> list[tuple[str, str]]:
    section = explained.partition("== Optimized Physical Plan ==")[2].partition("\n== ")[0]
    return [(path_of(match[1].split(", ")[:3]), match[2]) for match in _SCAN.finditer(section)]
