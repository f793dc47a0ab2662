"""What each operator of a job means, told in source columns, and in what form it keeps state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from airflow_provider_flinksql.model.columns import AnyColumns, Column, column_of, named, resolved, state_type
from airflow_provider_flinksql.model.graph import Graph, Operator, digest, split, table_of
from airflow_provider_flinksql.model.schema import Schema

_BOUNDED = re.compile(r"(ROWS|RANGE?) BETWEEN \d+ PRECEDING AND CURRENT ROW")
_WINDOW_COLUMN = re.compile(r"(time_col|slice_end|win_start|win_end)=\[([^\]]*)\]")


@dataclass(frozen=True)
class Aspect:
    """One thing that the meaning of an operator's state hangs on.

    ``word`` is the user's, ``values`` what it is, ``form`` the types by which Flink would take old state for new;
    None in it is a type we do not know.
    """

    word: str
    values: tuple[str, ...]
    form: tuple[str | None, ...]


@dataclass(frozen=True)
class Described:
    """One operator as the judge sees it. ``aspects`` is None for one that keeps no state."""

    operator: Operator
    columns: Mapping[str, Column]
    aspects: tuple[Aspect, ...] | None = None
    understood: bool = True
    insert_only: bool = False
    filters: frozenset[str] = field(default_factory=frozenset)


def describe(graph: Graph, identities: Mapping[int, str], schemas: Mapping[str, Schema]) -> dict[int, Described]:
    """Every operator, its columns resolved down to those of the sources."""
    result: dict[int, Described] = {}
    writing = graph.connectors_own
    for operator in graph.operators:
        inputs = [result[number] for number, _ in operator.inputs]
        teller = _passing if operator.number in writing else _TELLERS.get(operator.kind, _opaque)
        result[operator.number] = teller(_Asked(operator, inputs, identities[operator.number], schemas))
    return result


@dataclass(frozen=True)
class _Asked:
    operator: Operator
    inputs: list[Described]
    identity: str
    schemas: Mapping[str, Schema]

    @property
    def columns(self) -> Mapping[str, Column]:
        """Those of the one input; of a union, whose inputs have the same, all their meanings in one."""
        if len(self.inputs) == 1:
            return self.inputs[0].columns
        merged = {}
        for position, name in enumerate(self.inputs[0].columns):
            columns = [list(one.columns.values())[position : position + 1] for one in self.inputs]
            meanings = [column[0].meaning if column else "?" for column in columns]
            types = {column[0].type if column else None for column in columns}
            merged[name] = Column(" or ".join(meanings), types.pop() if len(types) == 1 else None)
        return merged

    @property
    def insert_only(self) -> bool:
        return all(one.insert_only for one in self.inputs)

    @property
    def filters(self) -> frozenset[str]:
        return frozenset().union(*(one.filters for one in self.inputs))

    def attribute(self, name: str) -> str:
        return self.operator.attributes.get(name, "")

    def items(self, name: str) -> list[str]:
        return split(self.attribute(name))

    def resolved(self, text: str) -> str:
        return resolved(text, self.columns)

    def made(self, meaning: str, kind: str | None = None) -> Column:
        """A column that this operator makes out of its state."""
        return Column(f"§{digest(self.identity, kind or '')}.{meaning}", kind)

    def told(self, columns: Mapping[str, Column], **more: object) -> Described:
        """Without state: filters and changes pass through."""
        plain = Described(self.operator, columns, insert_only=self.insert_only, filters=self.filters)
        return replace(plain, **more)  # type: ignore[arg-type]

    def keeps(
        self, columns: Mapping[str, Column], aspects: Iterable[Aspect], known: set[str], insert_only: bool = False
    ) -> Described:
        """With state, told by ``aspects``; attributes that we do not know are one more of them."""
        rest = {name: value for name, value in self.operator.attributes.items() if name not in known}
        others = (Aspect(name, (self.resolved(value),), (None,)) for name, value in sorted(rest.items()))
        return Described(self.operator, columns, (*aspects, *others), insert_only=insert_only)

    def listed(self, word: str, names: Iterable[str]) -> Aspect:
        """Columns that are kept one by one, such as keys."""
        found = [column_of(name, self.columns) for name in names]
        return Aspect(word, tuple(c.meaning for c in found), tuple(c.form for c in found))

    def rows(self, word: str, columns: Mapping[str, Column]) -> Aspect:
        """Rows that are kept whole."""
        if isinstance(columns, AnyColumns):
            return Aspect(word, (columns["*"].meaning,), (None,))
        kept = columns.values()
        return Aspect(word, tuple(c.meaning for c in kept), tuple(c.form for c in kept))

    def fixed(self, word: str, attribute: str) -> Aspect:
        """Something that decides the form of the state by itself."""
        value = self.attribute(attribute)
        return Aspect(word, (value,), (value,))

    def bounds(self, word: str, attribute: str) -> Aspect:
        """Something whose numbers leave the form of the state as it is."""
        value = self.attribute(attribute)
        return Aspect(word, (value,), (re.sub(r"-?\d+", "n", value),))

    def free(self, word: str, attribute: str) -> Aspect:
        """Something that leaves the form of the state as it is."""
        return Aspect(word, (self.resolved(self.attribute(attribute)),), ("",))


def _opaque(asked: _Asked) -> Described:
    """What we do not know may keep state: judged by its whole text."""
    texts = [asked.operator.text, *(str(list(one.columns.items())) for one in asked.inputs)]
    aspect = Aspect("definition", tuple(texts), (None,))
    return Described(asked.operator, AnyColumns(digest(asked.identity, *texts)), (aspect,), understood=False)


def _passing(asked: _Asked) -> Described:
    return asked.told(asked.columns)


def _made_up(asked: _Asked) -> Described:
    """No state, but columns that we do not look into."""
    texts = [asked.operator.text, *(str(list(one.columns.items())) for one in asked.inputs)]
    return asked.told(AnyColumns(digest(*texts)))


def _scan(asked: _Asked) -> Described:
    path = table_of(asked.operator) or ""
    schema = asked.schemas.get(path)
    columns = {}
    for name in asked.items("fields"):
        kind = schema.type_of(name) if schema else None
        columns[name] = Column(f"§{digest(asked.identity, kind or '?')}.{name}", kind)
    pushed = [item for item in split(asked.attribute("table").removeprefix("[").removesuffix("]")) if "=" in item]
    filters = frozenset(
        resolved(one, columns) for one in pushed if not one.startswith(("project=", "metadata=", "watermark="))
    )
    changes = bool(schema and schema.insert_only)
    return Described(asked.operator, columns, (), insert_only=changes, filters=filters)


def _calc(asked: _Asked) -> Described:
    columns = {}
    for expression, name in map(named, asked.items("select")):
        columns[name] = column_of(expression, asked.columns)
    where = asked.attribute("where")
    filters = asked.filters | ({asked.resolved(where)} if where else set())
    return asked.told(columns, filters=filters)


def _window(asked: _Asked) -> str:
    """The window of an operator, its time column resolved."""

    def one(match: re.Match[str]) -> str:
        return f"{match[1]}=[{column_of(match[2], asked.columns).meaning}]"

    text = asked.attribute("window")
    return _WINDOW_COLUMN.sub(one, text) if "=[" in text else asked.resolved(text)


def _window_aspect(asked: _Asked) -> Aspect:
    """Windows of a fixed size keep state by where a slice ends, those that grow by start and end."""
    text = _window(asked)
    old = text.partition("(")[0] if asked.operator.kind == "GroupWindowAggregate" else None
    return Aspect("window", (text,), (old or ("session" if "SESSION" in text else "slices"),))


def _window_columns(asked: _Asked) -> Described:
    window = _window(asked)
    if "SESSION" in window:
        return _opaque(asked)
    names = ("window_start", "window_end", "window_time")
    made = {name: Column(f"{name} of {window}", "TIMESTAMP(3)") for name in names}
    return asked.told({**asked.columns, **made})


def _aggregates(asked: _Asked, *, local: bool = False) -> tuple[dict[str, Column], Aspect]:
    """The columns that leave an aggregation, and what it keeps for them."""
    calls: list[Column] = []
    columns: dict[str, Column] = {}
    for expression, name in map(named, asked.items("select")):
        if name == expression and name in asked.columns:
            columns[name] = asked.columns[name]
        elif bound := re.fullmatch(r"(\w+)\('w\$\)", expression):
            columns[name] = Column(f"{bound[1]} of {_window(asked)}", "TIMESTAMP(3)")
        else:
            call = Column(asked.resolved(expression), state_type(expression, asked.columns))
            calls.append(call)
            for place, one in enumerate(name.removeprefix("(").removesuffix(")").split(", ")):
                meaning = call.meaning if place == 0 else f"{call.meaning}#{place}"
                columns[one] = Column(meaning, call.type) if local else asked.made(meaning, call.type)
    return columns, Aspect("aggregates", tuple(c.meaning for c in calls), tuple(c.type for c in calls))


def _aggregate(asked: _Asked) -> Described:
    columns, aggregates = _aggregates(asked)
    aspects = [asked.listed("GROUP BY", asked.items("groupBy")), aggregates]
    return asked.keeps(columns, aspects, {"groupBy", "select"})


def _window_aggregate(asked: _Asked) -> Described:
    columns, aggregates = _aggregates(asked)
    aspects = [asked.listed("GROUP BY", asked.items("groupBy")), _window_aspect(asked), aggregates]
    return asked.keeps(columns, aspects, {"groupBy", "select", "window"}, insert_only=True)


def _local_aggregate(asked: _Asked) -> Described:
    """Gives on all it holds before each checkpoint."""
    return asked.told(_aggregates(asked, local=True)[0])


def _over(asked: _Asked) -> Described:
    window = asked.attribute("window").strip()
    columns, aggregates = _aggregates(asked)
    aspects = [
        asked.listed("PARTITION BY", asked.items("partitionBy")),
        asked.free("ORDER BY", "orderBy"),
        Aspect("window", (window,), ("bounded" if _BOUNDED.fullmatch(window) else None,)),
        aggregates,
        asked.rows("columns kept", asked.columns),
    ]
    known = {"partitionBy", "orderBy", "window", "select"}
    return asked.keeps(columns, aspects, known, insert_only=asked.insert_only)


def _joined(asked: _Asked) -> Mapping[str, Column]:
    """The columns of both sides; those of the right one carry a number where the left has their name, as in Flink."""
    left, right = (one.columns for one in asked.inputs)
    if isinstance(left, AnyColumns) or isinstance(right, AnyColumns):
        return AnyColumns(digest(asked.identity, *(one.columns["*"].meaning for one in asked.inputs)))
    both = dict(left)
    for name, column in right.items():
        free = (name, *(f"{name}{number}" for number in range(len(both) + 1)))
        both[next(one for one in free if one not in both)] = column
    return both


def _join(*known: str) -> Callable[[_Asked], Described]:
    def tell(asked: _Asked) -> Described:
        if len(asked.inputs) != 2:
            return _opaque(asked)
        columns = _joined(asked)
        ways = [way for _, way in asked.operator.inputs]
        aspects = [
            (asked.free if asked.operator.kind == "TemporalJoin" else asked.fixed)("kind of join", "joinType"),
            *(asked.bounds("time bounds", name) for name in known if name == "windowBounds"),
            *(asked.fixed(name, name) for name in known if name != "windowBounds"),
            asked.rows("columns of the left side", asked.inputs[0].columns),
            asked.rows("columns of the right side", asked.inputs[1].columns),
            Aspect("distribution", tuple(ways), tuple(ways)),
            Aspect("ON", (resolved(asked.attribute("where"), columns),), ("",)),
        ]
        inner = asked.attribute("joinType") == "InnerJoin" or asked.operator.kind == "IntervalJoin"
        attributes = {"joinType", "where", "select", *known}
        return asked.keeps(columns, aspects, attributes, insert_only=inner and asked.insert_only)

    return tell


def _lookup(asked: _Asked) -> Described:
    """Keeps nothing, unless it waits for answers or remembers them: then there are more attributes than these."""
    path, left, names = table_of(asked.operator) or "", asked.columns, asked.items("select")
    if not asked.operator.attributes.keys() <= {"table", "joinType", "lookup", "where", "select"}:
        return _opaque(asked)
    if isinstance(left, AnyColumns) or names[: len(left)] != list(left):
        return _made_up(asked)
    schema, kind = asked.schemas.get(path), asked.attribute("joinType")
    pairs = (item.partition("=") for item in asked.items("lookup"))
    key = " AND ".join(f"{name} = {column_of(value, left).meaning}" for name, _, value in pairs)
    found = {}
    for name in names[len(left) :]:
        of = schema.type_of(name) if schema else None
        of = of if of is None or kind == "InnerJoin" else of.removesuffix(" NOT NULL")
        found[name] = Column(f"§{digest(path)}.{path.rpartition('.')[2]}.{name} where {key}", of)
    columns = {**found, **left}
    through = f"{kind} {path} where {key} and {resolved(asked.attribute('where'), columns)}"
    return asked.told(columns, filters=asked.filters | {through})


def _rank(asked: _Asked) -> Described:
    names = asked.items("select")
    columns = {name: asked.columns[name] if name in asked.columns else asked.made(name) for name in names}
    order = asked.items("orderBy")
    aspects = [
        asked.listed("PARTITION BY", asked.items("partitionBy")),
        Aspect(
            "ORDER BY",
            tuple(asked.resolved(one) for one in order),
            tuple(column_of(one.rpartition(" ")[0], asked.columns).form for one in order),
        ),
        *(asked.free(word, word) for word in ("rankRange", "offset", "fetch") if asked.attribute(word)),
        *(asked.fixed(word, word) for word in ("strategy", "rankType") if asked.attribute(word)),
        asked.rows("columns kept", asked.columns),
    ]
    known = {"partitionBy", "orderBy", "select", "rankRange", "strategy", "rankType", "offset", "fetch"}
    return asked.keeps(columns or asked.columns, aspects, known)


def _deduplicate(asked: _Asked) -> Described:
    keep, order = asked.attribute("keep"), asked.attribute("order")
    first = keep == "FirstRow" and order == "PROCTIME"  # only remembers that there was one
    aspects = [
        asked.listed("PARTITION BY", asked.items("key")),
        asked.fixed("which row is kept", "keep"),
        asked.fixed("ORDER BY", "order"),
    ]
    if not first:
        aspects.append(asked.rows("columns kept", asked.columns))
    known = {"key", "keep", "order"}
    return asked.keeps(asked.columns, aspects, known, insert_only=first and asked.insert_only)


def _keyed_rows(key: str) -> Callable[[_Asked], Described]:
    def tell(asked: _Asked) -> Described:
        aspects = [asked.listed("key", asked.items(key)), asked.rows("columns kept", asked.columns)]
        return asked.keeps(asked.columns, aspects, {key})

    return tell


_TELLERS: dict[str, Callable[[_Asked], Described]] = {
    "TableSourceScan": _scan,
    "Calc": _calc,
    **dict.fromkeys(
        (
            *("WatermarkAssigner", "MiniBatchAssigner", "DropUpdateBefore", "StreamRecordTimestampInserter"),
            *("ConstraintEnforcer", "Sink"),
        ),
        _passing,
    ),
    **dict.fromkeys(("Correlate", "Expand"), _made_up),
    "WindowTableFunction": _window_columns,
    "GroupAggregate": _aggregate,
    "GlobalGroupAggregate": _aggregate,
    **dict.fromkeys(("LocalGroupAggregate", "LocalWindowAggregate"), _local_aggregate),
    **dict.fromkeys(("WindowAggregate", "GlobalWindowAggregate", "GroupWindowAggregate"), _window_aggregate),
    "OverAggregate": _over,
    "Join": _join("leftInputSpec", "rightInputSpec"),
    "IntervalJoin": _join("windowBounds"),
    "WindowJoin": _join("leftWindow", "rightWindow"),
    "TemporalJoin": _join(),
    "LookupJoin": _lookup,
    **dict.fromkeys(("Rank", "SortLimit", "Limit"), _rank),
    "Deduplicate": _deduplicate,
    "ChangelogNormalize": _keyed_rows("key"),
    "SinkMaterializer": _keyed_rows("pk"),
}
