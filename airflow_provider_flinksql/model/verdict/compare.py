"""Two graphs of operators -> what becomes of the state that the first one left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.verdict.columns import hides, shown
from airflow_provider_flinksql.model.verdict.graph import Graph, Operator, parts_of, read, table_of
from airflow_provider_flinksql.model.verdict.meaning import Aspect, Described
from airflow_provider_flinksql.model.verdict.operators import FURTHER, describe
from airflow_provider_flinksql.model.verdict.schema import Schema, read_schema

Verdict = Literal["none", "carries", "changes-meaning", "fails", "unknown"]

_GRAVEST: tuple[Verdict, ...] = ("fails", "unknown", "changes-meaning", "carries", "none")
"""Of several verdicts the first in this order holds."""

STATELESS_SINKS = frozenset({"print", "blackhole"})
"""Connectors that leave nothing unfinished (measured)."""

NOTHING_MORE = "end: Writer"
"""What Flink puts behind a connector's last operator; it has no state."""

MOVABLE_SOURCES = frozenset({"filesystem", "datagen"})
"""Connectors that, at another place, read what is there (measured). Others may go on at the old place."""


@dataclass(frozen=True)
class Finding:
    """One difference and what follows from it."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Settings:
    """What of a job's options decides by what Flink finds its state.

    ``chaining``: whether operators may share a task. ``max_parallelism``: what the job says, None where Flink chooses.
    """

    chaining: bool = True
    max_parallelism: int | None = None


class _Job:
    """One job as the planner tells it."""

    def __init__(self, explained: Explained, settings: Settings) -> None:
        self.settings = settings
        self.schemas: dict[str, Schema] = {path: read_schema(known) for path, known in explained.sources}
        self.graph: Graph = read(explained.text)
        self.identities = self.graph.identities(settings.chaining)
        self.described = describe(self.graph, self.identities, self.schemas)
        self.by_identity = {self.identities[number]: one for number, one in self.described.items()}

    @property
    def stateful(self) -> Iterator[tuple[str, Described]]:
        for number, one in self.described.items():
            if one.aspects is not None:
                yield self.identities[number], one

    def inputs(self, one: Described) -> list[Described]:
        return [self.described[number] for number, _ in one.operator.inputs]

    def place(self, path: str, hint: str) -> str | None:
        """Where the rows of a table are, by its DDL and a hint; None where its DDL is not known."""
        schema = self.schemas.get(path)
        return f"{schema.place} {hint}" if schema else None

    @cached_property
    def sinks(self) -> list[tuple[str, str, str | None]]:
        """The path of each sink, its connector and its place."""
        hints = dict(enumerate(self.graph.places))
        schemas = [(index, path, self.schemas.get(path)) for index, path in enumerate(self.graph.sinks)]
        return [(path, kind.connector if kind else "?", self.place(path, hints[at])) for at, path, kind in schemas]

    def max_parallelism(self, operator: Operator) -> int:
        """Of the tasks of an operator: as the job says, else as Flink chooses (KeyGroupRangeAssignment)."""
        parallelism = operator.parallelism
        chosen = min(max(128, 1 << (parallelism + parallelism // 2 - 1).bit_length()), 1 << 15)
        return self.settings.max_parallelism or chosen

    def writers(self, index: int) -> list[str]:
        """The identities of the operators of one sink's connector; of all where it cannot be told whose they are."""
        last = self.graph.last
        behind = [one.number for one in (last if len(last) != len(self.graph.sinks) else last[index : index + 1])]
        found: list[str] = []
        while behind:
            number = behind.pop()
            if self.described[number].operator.text != NOTHING_MORE:
                found.append(self.identities[number])
            own = self.graph.connectors_own
            behind += [one for one, _ in self.described[number].operator.inputs if number in own and one in own]
        return found


def compare(new: Explained, old: Explained, settings: tuple[Settings, Settings]) -> list[Finding]:
    """All differences that touch state; none where all state finds its place and means the same.

    ``settings`` are those of the new and of the old job.
    """
    after, before = _Job(new, settings[0]), _Job(old, settings[1])
    findings = [*_sources(after, before), *_matches(after, before), *_started(after, before)]
    findings += [*_sinks(after, before), *_rescaled(after, before)]
    return list(dict.fromkeys(findings))


def gravest(findings: Iterable[Finding]) -> Finding:
    """The first of the findings that decide."""
    return min(findings, key=lambda one: _GRAVEST.index(one.verdict))


def expires(explained: Explained) -> bool:
    """Whether any state of a job is under ``table.exec.state.ttl``; that of windows and sources is not."""
    own = {"TableSourceScan", "WindowAggregate", "GlobalWindowAggregate", "GroupWindowAggregate"}
    return any(one.operator.kind not in own for _, one in _Job(explained, Settings()).stateful)


def _matches(after: _Job, before: _Job) -> Iterator[Finding]:
    """Each operator that has state against the one that Flink would give it to."""
    for identity, old in before.stateful:
        new = after.by_identity.get(identity)
        if new is None:
            yield Finding("fails", f"{_named(old)} {_lost(after.graph, before.graph)}; Flink would refuse to restore")
        elif new.aspects is None:
            yield Finding("changes-meaning", f"{_named(old)} is no longer there; what it kept would be dropped")
        elif new.operator.kind != old.operator.kind:
            yield Finding("fails", f"{_named(old)} becomes {_named(new)}, which cannot read its state")
        else:
            yield from _aspects(new, old, after, before)
            yield from _filters(new, old, after, before)


def _aspects(new: Described, old: Described, after: _Job, before: _Job) -> Iterator[Finding]:
    if [a.word for a in new.aspects or ()] != [a.word for a in old.aspects or ()]:
        yield Finding("unknown", f"{_named(old)} changes in a way that cannot be judged")
        return
    for ours, theirs in zip(new.aspects or (), old.aspects or (), strict=True):
        if _harmless(ours, new, after, before):
            continue
        if (ours.values, ours.form) != (theirs.values, theirs.form):
            yield _finding(ours, theirs, old)
        elif secret := next((value for value in ours.values if hides(value)), None):
            what = f"{_word(old, ours)} holds a secret, {_readable(secret)}"
            yield Finding("unknown", f"{what}: nobody can tell whether it is the one that the state was written with")


def _finding(new: Aspect, old: Aspect, operator: Described) -> Finding:
    if not operator.understood:
        return Finding("unknown", f"{_named(operator)} changes, and what its old state then means cannot be judged")
    what, was, now = f"{_word(operator, old)} changes", _list(old.values), _list(new.values)
    if was == now and new.form == old.form:
        return Finding("unknown", f"{what}: what {was} is made of is not understood, and not the same any more")
    types = was == now
    if types:
        was, now = _types(old), _types(new)
    change = f"{what}{' in its types' if types else ''} from {was} to {now}"
    if new.form == old.form and None not in old.form:
        return Finding(
            "changes-meaning",
            f"{change}: the types fit, so Flink would restore, but what was kept for {was} would be shown for {now}",
        )
    if len(new.form) != len(old.form) or any(
        a is not None and b is not None and a != b for a, b in zip(new.form, old.form, strict=True)
    ):
        return Finding("fails", f"{change}: the state has another form, and the job would fail after its start")
    return Finding("unknown", f"{change}: whether the state has the same form cannot be judged")


def _types(aspect: Aspect) -> str:
    return _list(kind or "a type that is not known" for kind in aspect.form)


def _harmless(aspect: Aspect, operator: Described, after: _Job, before: _Job) -> bool:
    """An inner join keeps whole rows and asks its further conditions only when rows meet; so does a temporal one."""
    if aspect.word == "kind of join" and operator.operator.kind == "TemporalJoin":
        return True
    if aspect.word != FURTHER or operator.operator.kind != "Join":
        return False
    inner = "joinType=[InnerJoin]" in operator.operator.inner
    return inner and all(one.insert_only for one in after.inputs(operator))


def _filters(new: Described, old: Described, after: _Job, before: _Job) -> Iterator[Finding]:
    """Where rows are also taken back, a filter that changes lets only one of the two through."""
    for ours, theirs in zip(after.inputs(new), before.inputs(old), strict=False):
        if ours.insert_only and theirs.insert_only:
            continue
        if ours.filters != theirs.filters:
            changed = _list(sorted(ours.filters ^ theirs.filters))
            why = "rows that were let through could no longer be taken back"
            yield Finding("changes-meaning", f"the filter {changed} before {_named(old)} changes: {why}")
        elif secrets := sorted(filter(hides, ours.filters)):
            why = "nobody can tell whether it is the one by which rows were let through"
            yield Finding("unknown", f"the filter {_list(secrets)} before {_named(old)} holds a secret: {why}")


def _started(after: _Job, before: _Job) -> Iterator[Finding]:
    for identity, new in after.stateful:
        old = before.by_identity.get(identity)
        if old is None or old.aspects is None:
            lacking = f"{_named(new)} is new and would start empty, without the rows that were read so far"
            yield Finding("changes-meaning", lacking)


def _sources(after: _Job, before: _Job) -> Iterator[Finding]:
    old_paths = {table_of(one.operator) for _, one in before.stateful}
    new_paths = {table_of(one.operator) for _, one in after.stateful}
    for identity, new in after.stateful:
        old = before.by_identity.get(identity)
        if new.operator.kind != "TableSourceScan" or old is None or old.operator.kind != "TableSourceScan":
            continue
        path, was = table_of(new.operator) or "", table_of(old.operator) or ""
        ours, theirs = after.schemas.get(path), before.schemas.get(was)
        moves = after.place(path, _hint(new)) != before.place(was, _hint(old))
        change = f"the source {was} becomes {path}" if path != was else f"the source {was} moves"
        if ours is None or theirs is None:
            yield Finding("unknown", f"the columns of {path} are not known")
        elif ours.connector != theirs.connector:
            yield Finding("unknown", f"{change}, from {theirs.connector} to {ours.connector}")
        elif path != was and (was in new_paths or path in old_paths):
            yield Finding("changes-meaning", f"{change}: it would go on from the position in the other table")
        elif (path != was or moves) and ours.connector not in MOVABLE_SOURCES:
            yield Finding("unknown", f"{change}: whether {ours.connector} then goes on with the old rows is not known")


def _hint(scan: Described) -> str:
    found = re.search(r"\], place=\[(\w+)\]$", scan.operator.inner)
    return found[1] if found else ""


def _sinks(after: _Job, before: _Job) -> Iterator[Finding]:
    """What a sink has not finished is state, too: files under way, transactions that are open."""
    for index, (was, theirs, there) in enumerate(before.sinks):
        if theirs in STATELESS_SINKS:
            continue
        path, ours, here = after.sinks[index] if index < len(after.sinks) else ("nothing", "?", None)
        change = f"the sink {was} ({theirs}) becomes {path} ({ours})" if path != was else f"the sink {was} stays"
        places = [(before.by_identity[one], after.by_identity.get(one)) for one in before.writers(index)]
        astray = [one for writer, one in places if one is None or one.operator.text != writer.operator.text]
        if astray:
            lost: Verdict = "fails" if None in astray else "changes-meaning"
            why = "what it has not finished would be lost, or Flink would refuse to restore"
            yield Finding(lost if theirs == "filesystem" else "unknown", f"{change}, but not in its place: {why}")
        elif path == was and ours == theirs and here == there is not None:
            continue
        elif ours == theirs == "filesystem" and None not in (here, there):
            moved = change if path != was else f"the sink {was} moves"
            yield Finding("changes-meaning", f"{moved}: the file under way would get the new rows, where it is")
        else:
            yield Finding("unknown", f"{change}: what becomes of what is not finished cannot be judged")


def _rescaled(after: _Job, before: _Job) -> Iterator[Finding]:
    """Where the new job does not say its max parallelism, it takes over that of the state."""
    for identity, old in before.stateful:
        new = after.by_identity.get(identity)
        if new is None:
            continue
        most, now, said = before.max_parallelism(old.operator), new.operator.parallelism, after.settings.max_parallelism
        if said and said != most:
            yield Finding("fails", f"pipeline.max-parallelism {said} is not that of the state, {most}")
        elif now > most:
            yield Finding("fails", f"the parallelism {now} is above the most that the state allows, {most}")


def _lost(after: Graph, before: Graph) -> str:
    """Why an operator is not found."""
    if len(after.sinks) != len(before.sinks):
        return (
            f"loses its place, since the number of INSERTs changes from {len(before.sinks)} to {len(after.sinks)}: "
            "Flink finds state by the place of an operator in the whole job"
        )
    kinds, were = (Counter(one.kind for one in graph.operators) for graph in (after, before))
    added, gone = sorted((kinds - were).elements()), sorted((were - kinds).elements())
    if not added and not gone:
        return "loses its place: the order of the operators, or which of them run in one task, changes"
    changes = [f"{_list(words)} {verb}" for words, verb in ((added, "added"), (gone, "removed")) if words]
    return f"loses its place in the job by what the plan has {' and '.join(changes)}"


_WORDS = {
    "GroupAggregate": "the aggregation",
    "GlobalGroupAggregate": "the aggregation",
    "WindowAggregate": "the windowed aggregation",
    "GlobalWindowAggregate": "the windowed aggregation",
    "GroupWindowAggregate": "the windowed aggregation",
    "OverAggregate": "the OVER aggregation",
    "Join": "the join",
    "IntervalJoin": "the interval join",
    "TemporalJoin": "the temporal join",
    "WindowJoin": "the window join",
    "Rank": "the Top-N",
    "SortLimit": "ORDER BY with LIMIT",
    "Limit": "LIMIT",
    "Deduplicate": "the deduplication",
    "Match": "MATCH_RECOGNIZE",
}
_TELLING = ("GROUP BY", "PARTITION BY", "ON", "key")


def _named(one: Described) -> str:
    """An operator as its author knows it."""
    operator: Operator = one.operator
    if path := table_of(operator):
        return f"the source {parts_of(path)[-1]}"
    name = _WORDS.get(operator.kind, operator.kind)
    for aspect in one.aspects or ():
        if aspect.word in _TELLING and any(aspect.values):
            return f"{name} {aspect.word} {_list(aspect.values)}"
    return name


def _word(operator: Described, aspect: Aspect) -> str:
    if operator.operator.kind in ("GroupAggregate", "GlobalGroupAggregate") and aspect.word == "GROUP BY":
        return "GROUP BY"
    return f"{aspect.word} of {_named(operator)}" if aspect.word not in _TELLING else f"{_named(operator)}"


def _list(values: Iterable[str]) -> str:
    words = [_readable(value) for value in values]
    return ", ".join(words) or "nothing"


def _readable(meaning: str) -> str:
    """``COUNT(COUNT(*))``, in two steps, is ``COUNT(*)`` to its author; windows are made in two steps, too."""
    meaning = re.sub(r"^\w+\(slice_end=\[slice_end of (\w+\(.*?\]\))\], .*", r"\1", shown(meaning))
    return re.sub(r"(\w+)\(\1\((.*)\)\)", r"\1(\2)", meaning)

