"""How each kind of operator is told: its columns, what its state hangs on, and what it lets through.

A kind that is not listed in ``_TELLERS`` is opaque: it may keep state, and nobody knows what it means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_flinksql.model.verdict import plantext
from airflow_provider_flinksql.model.verdict.columns import Column, Columns, digest, plain_type, state_type
from airflow_provider_flinksql.model.verdict.graph import Graph, parts_of, table_of
from airflow_provider_flinksql.model.verdict.meaning import Asked, Aspect, Described
from airflow_provider_flinksql.model.verdict.plantext import Unreadable
from airflow_provider_flinksql.model.verdict.schema import Schema

_BOUNDED = re.compile(r"(ROWS|RANGE?) BETWEEN \d+ PRECEDING AND CURRENT ROW")
_WINDOW_COLUMN = re.compile(r"(time_col|slice_end|win_start|win_end|partition keys)=\[([^\]]*)\]")
_CORRELATED = re.compile(r"\$cor\d+\.")
_VARIABLE = re.compile(r"_UTF-16LE'(\w+)'")

FURTHER = "further conditions"

Teller = Callable[[Asked], Described]


def describe(graph: Graph, identities: Mapping[int, str], schemas: Mapping[str, Schema]) -> dict[int, Described]:
    """Every operator, its columns resolved down to those of the sources."""
    result: dict[int, Described] = {}
    writing = graph.connectors_own
    for operator in graph.operators:
        inputs = [result[number] for number, _ in operator.inputs]
        asked = Asked(operator, inputs, identities[operator.number], schemas)
        teller = _passing if operator.number in writing else _TELLERS.get(operator.kind, Asked.opaque)
        try:
            result[operator.number] = teller(asked)
        except ValueError:  # Unreadable, or two lists of one length that are not: a name was taken for a comma
            keeps_nothing = teller in _WITHOUT_STATE
            result[operator.number] = asked.told(asked.hidden()) if keeps_nothing else asked.opaque()
    return result


def _passing(asked: Asked) -> Described:
    return asked.told(asked.columns)


def _scan(asked: Asked) -> Described:
    """A column whose type is not known may be any of those that the table has."""
    schema = asked.schemas.get(table_of(asked.operator) or "")
    names = frozenset(schema.columns if schema else ())
    attributes = plantext.attributes(asked.operator.inner, names)
    known = {}
    for name in plantext.split(attributes.get("fields", ""), names):
        kind = schema.type_of(name) if schema else None
        form = kind or (schema.text if schema else "?")
        column = schema.metadata.get(name) if schema else None
        known[name] = Column(f"§{digest(asked.identity, form)}.{column or name}", kind)
    columns = Columns(known)
    table = plantext.split(attributes.get("table", "").removeprefix("[").removesuffix("]"), names)
    pushed = [item for item in table[3:] if not item.startswith(("project=", "metadata=", "watermark="))]
    changes = bool(schema and schema.insert_only)
    filters = frozenset(columns.resolved(item) for item in pushed)
    return Described(asked.operator, columns, (), insert_only=changes, filters=filters)


def _calc(asked: Asked) -> Described:
    columns = Columns({name: asked.columns.of(expression) for expression, name in asked.named("select")})
    where = asked.attribute("where")
    return asked.told(columns, asked.filters | ({asked.resolved(where)} if where else set()))


def _expand(asked: Asked) -> Described:
    """Each row becomes one of each of ``projects``: a column is what it is in any of them."""
    rows = [[asked.columns.named(item) for item in asked.columns.split(one[1:-1])] for one in asked.items("projects")]
    known = {}
    for each in zip(*rows, strict=True):
        found = [asked.columns.of(expression) for expression, _ in each]
        types = {one.type and one.type.removesuffix(" NOT NULL") for one in found if one.meaning != "null"}
        if all(expression.isdecimal() for expression, _ in each):  # which of the projects it is
            types = {"BIGINT NOT NULL"}
        known[each[0][1]] = Column(" or ".join(one.meaning for one in found), types.pop() if len(types) == 1 else None)
    return asked.told(Columns(known))


def _correlate(asked: Asked) -> Described:
    """The columns that come in, and behind them those that a table function makes for each row."""
    columns, select = asked.columns, asked.attribute("select")
    before = ",".join(columns)
    if columns.hidden or not select.startswith(f"{before},"):
        raise Unreadable(select)
    names = plantext.split(select[len(before) + 1 :])
    invocation, condition, kind = (asked.attribute(name) for name in ("invocation", "condition", "joinType"))
    called = columns.resolved(_CORRELATED.sub("", invocation))
    row = asked.attribute("rowType")
    types = plantext.split(row.removeprefix("RecordType(").removesuffix(")"), {*columns, *names})[-len(names) :]
    made = {
        name: Column(f"{called}#{place}", _row_type(of, name))
        for place, (name, of) in enumerate(zip(names, types, strict=True))
    }
    after = Columns({**columns.known, **made})
    through = f"{kind} {called} {after.resolved(condition) if condition else ''}"
    return asked.told(after, asked.filters | {through})


def _row_type(text: str, name: str) -> str | None:
    """``INTEGER f0`` -> ``INT ?``: the planner does not say whether it may be NULL."""
    kind = text.removesuffix(name).strip()
    return f"{plain_type(kind)} ?" if re.fullmatch(r"\w+(\([\d, ]+\))?", kind) else None


def _window(asked: Asked) -> str:
    """The window of an operator, its time column resolved."""

    def one(match: re.Match[str]) -> str:
        return f"{match[1]}=[{asked.columns.of(match[2]).meaning}]"

    text = asked.attribute("window")
    return _WINDOW_COLUMN.sub(one, text) if "=[" in text else asked.resolved(text)


def _window_aspect(asked: Asked) -> Aspect:
    """Windows of a fixed size keep state by where a slice ends, those that grow by start and end."""
    text = _window(asked)
    old = asked.attribute("window").partition("(")[0] if asked.operator.kind == "GroupWindowAggregate" else None
    return Aspect("window", (text,), (old or ("session" if "SESSION" in text else "slices"),))


def _window_columns(asked: Asked) -> Described:
    window = _window(asked)
    if "SESSION" in window:
        return asked.opaque()
    if asked.columns.hidden:
        return asked.told(asked.hidden())
    names = ("window_start", "window_end", "window_time")
    made = {name: Column(f"{name} of {window}", "TIMESTAMP(3)") for name in names}
    return asked.told(Columns({**asked.columns.known, **made}))


def _aggregates(asked: Asked, *, local: bool = False) -> tuple[Columns, Aspect]:
    """The columns that leave an aggregation, and what it keeps for them."""
    calls: list[Column] = []
    known: dict[str, Column] = {}
    for expression, name in asked.named("select"):
        if name == expression and name in asked.names:
            known[name] = asked.columns.of(name)
        elif bound := re.fullmatch(r"(\w+)\('w\$\)", expression):
            known[name] = Column(f"{bound[1]} of {_window(asked)}", "TIMESTAMP(3)")
        else:
            call = Column(asked.resolved(expression), state_type(expression, asked.columns))
            calls.append(call)
            for place, one in enumerate(name.removeprefix("(").removesuffix(")").split(", ")):
                meaning = call.meaning if place == 0 else f"{call.meaning}#{place}"
                known[one] = Column(meaning, call.type) if local else asked.made(meaning, call.type)
    return Columns(known), Aspect("aggregates", tuple(c.meaning for c in calls), tuple(c.type for c in calls))


def _aggregate(asked: Asked) -> Described:
    columns, aggregates = _aggregates(asked)
    aspects = [asked.listed("GROUP BY", asked.items("groupBy")), aggregates]
    return asked.keeps(columns, aspects, {"groupBy", "select"})


def _incremental_aggregate(asked: Asked) -> Described:
    """The part of a split aggregation that remembers which values were there."""
    columns, aggregates = _aggregates(asked)
    grouping = ("finalAggGrouping", "partialAggGrouping")
    aspects = [*(asked.listed("GROUP BY", asked.items(name)) for name in grouping), aggregates]
    return asked.keeps(columns, aspects, {*grouping, "select"})


def _window_aggregate(asked: Asked) -> Described:
    columns, aggregates = _aggregates(asked)
    aspects = [asked.listed("GROUP BY", asked.items("groupBy")), _window_aspect(asked), aggregates]
    return asked.keeps(columns, aspects, {"groupBy", "select", "window"}, insert_only=True)


def _local_aggregate(asked: Asked) -> Described:
    """Gives on all it holds before each checkpoint."""
    return asked.told(_aggregates(asked, local=True)[0])


def _over(asked: Asked) -> Described:
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


def _join(*known: str) -> Teller:
    def tell(asked: Asked) -> Described:
        if len(asked.inputs) != 2:
            return asked.opaque()
        ways = [way for _, way in asked.operator.inputs]
        aspects = [
            (asked.free if asked.operator.kind == "TemporalJoin" else asked.fixed)("kind of join", "joinType"),
            *(asked.bounds("time bounds", name) for name in known if name == "windowBounds"),
            *(asked.fixed(name, name) for name in known if name != "windowBounds"),
            asked.rows("columns of the left side", asked.inputs[0].columns),
            asked.rows("columns of the right side", asked.inputs[1].columns),
            Aspect("distribution", tuple(ways), tuple(ways)),
            *_conditions(asked),
        ]
        inner = asked.attribute("joinType") == "InnerJoin" or asked.operator.kind == "IntervalJoin"
        attributes = {"joinType", "where", "select", *known}
        return asked.keeps(asked.joined, aspects, attributes, insert_only=inner and asked.insert_only)

    return tell


def _conditions(asked: Asked) -> tuple[Aspect, Aspect]:
    """What finds the rows of the other side, and what is asked of a pair of rows that has met.

    All that says that something is equal or NULL may be a key: ``IS NOT DISTINCT FROM`` is one, too.
    """
    columns, parts = asked.joined, plantext.conjuncts(asked.attribute("where"), asked.names)
    keys = [one for one in parts if " = " in one or "NULL" in one or columns.hidden]
    further = sorted(columns.resolved(one) for one in parts if one not in keys)
    form = [columns.of(name).form for one in keys for name in plantext.compared(one, asked.names)]
    found = Aspect("ON", tuple(sorted(map(columns.resolved, keys))), tuple(form))
    return found, Aspect(FURTHER, tuple(further), ("",))


def _lookup(asked: Asked) -> Described:
    """Keeps nothing, unless it waits for answers or remembers them: then there are more attributes than these."""
    if not asked.attributes.keys() <= {"table", "joinType", "lookup", "where", "select"}:
        return asked.opaque()
    path, left, kind = table_of(asked.operator) or "", asked.columns, asked.attribute("joinType")
    schema = asked.schemas.get(path)
    names = plantext.split(asked.attribute("select"), asked.names.union(schema.columns if schema else ()))
    if left.hidden or names[: len(left.known)] != list(left):
        return asked.told(asked.hidden())
    pairs = (item.partition("=") for item in asked.items("lookup"))
    key = " AND ".join(f"{name} = {left.of(value).meaning}" for name, _, value in pairs)
    found = {}
    for name in names[len(left.known) :]:
        of = schema.type_of(name) if schema else None
        of = of if of is None or kind == "InnerJoin" else of.removesuffix(" NOT NULL")
        known = "" if of else digest(schema.text if schema else "?")
        found[name] = Column(f"§{digest(path, known)}.{parts_of(path)[-1]}.{name} where {key}", of)
    columns = Columns({**found, **left.known})
    through = f"{kind} {path} where {key} and {columns.resolved(asked.attribute('where'))}"
    return asked.told(columns, asked.filters | {through})


def _rank(*windows: str) -> Teller:
    def tell(asked: Asked) -> Described:
        names = asked.items("select")
        known = {name: asked.columns.of(name) if name in asked.names else asked.made(name) for name in names}
        order = asked.items("orderBy")
        aspects = [
            asked.listed("PARTITION BY", asked.items("partitionBy")),
            *(_window_aspect(asked) for _ in windows),
            Aspect(
                "ORDER BY",
                tuple(asked.resolved(one) for one in order),
                tuple(asked.columns.of(one.rpartition(" ")[0]).form for one in order),
            ),
            *(asked.free(word, word) for word in ("rankRange", "offset", "fetch") if asked.attribute(word)),
            *(asked.fixed(word, word) for word in ("strategy", "rankType") if asked.attribute(word)),
            asked.rows("columns kept", asked.columns),
        ]
        told = {*windows, "partitionBy", "orderBy", "select", "rankRange", "strategy", "rankType", "offset", "fetch"}
        columns = asked.hidden() if asked.columns.hidden else Columns(known) if known else asked.columns
        return asked.keeps(columns, aspects, told, insert_only=bool(windows))

    return tell


def _deduplicate(asked: Asked) -> Described:
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


def _window_deduplicate(asked: Asked) -> Described:
    aspects = [
        asked.listed("PARTITION BY", asked.items("partitionKeys")),
        _window_aspect(asked),
        asked.listed("ORDER BY", asked.items("orderKey")),
        asked.fixed("which row is kept", "keep"),
        asked.fixed("kind of time", "order"),
        asked.rows("columns kept", asked.columns),
    ]
    known = {"window", "partitionKeys", "orderKey", "keep", "order"}
    return asked.keeps(asked.columns, aspects, known, insert_only=True)


def _match(asked: Asked) -> Described:
    """Keeps rows, and for each pattern that has begun which of its variables they are; measures come out at its end."""
    if asked.columns.hidden:
        raise Unreadable(asked.operator.text)
    order = list(asked.columns.known.items())
    names = "|".join(re.escape(name) for name in sorted(asked.columns, key=len, reverse=True))
    variable = re.compile(rf"(?<![\w$])(\w+)\.(?:\$(\d+)|({names}))(?![\w$])")
    bare = re.compile(rf"(?<![\w$])({'|'.join(_VARIABLE.findall(asked.attribute('pattern')))})\.(?!§)")

    def resolved(text: str) -> str:
        """``B.$3`` and ``B.amount`` in source columns: what is asked of the rows of variable B."""

        def one(match: re.Match[str]) -> str:
            column = order[int(match[2])][1] if match[2] else asked.columns.known[match[3]]
            return f"{match[1]}.{column.meaning}"

        found = variable.sub(one, text)
        return asked.columns.opaque(text) if bare.search(found) else found

    keys = asked.items("partitionBy")
    aspects = [
        asked.listed("PARTITION BY", keys),
        asked.free("ORDER BY", "orderBy"),
        asked.fixed("PATTERN", "pattern"),
        Aspect("DEFINE", (resolved(asked.attribute("define")),), ("",)),
        asked.free("AFTER MATCH", "after"),
        asked.rows("columns kept", asked.columns),
    ]
    measures = {name: asked.made(resolved(expression)) for expression, name in asked.named("measures")}
    known = {"partitionBy", "orderBy", "measures", "pattern", "define", "after"}
    after = Columns({**{key: asked.columns.of(key) for key in keys}, **measures})
    return asked.keeps(after, aspects, known, insert_only=True)


def _keyed_rows(key: str) -> Teller:
    def tell(asked: Asked) -> Described:
        aspects = [asked.listed("key", asked.items(key)), asked.rows("columns kept", asked.columns)]
        return asked.keeps(asked.columns, aspects, {key})

    return tell


_TELLERS: dict[str, Teller] = {
    "TableSourceScan": _scan,
    "Calc": _calc,
    **dict.fromkeys(
        (
            *("WatermarkAssigner", "MiniBatchAssigner", "DropUpdateBefore", "StreamRecordTimestampInserter"),
            *("ConstraintEnforcer", "Sink"),
        ),
        _passing,
    ),
    "Correlate": _correlate,
    "Expand": _expand,
    "WindowTableFunction": _window_columns,
    "GroupAggregate": _aggregate,
    "GlobalGroupAggregate": _aggregate,
    "IncrementalGroupAggregate": _incremental_aggregate,
    **dict.fromkeys(("LocalGroupAggregate", "LocalWindowAggregate"), _local_aggregate),
    **dict.fromkeys(("WindowAggregate", "GlobalWindowAggregate", "GroupWindowAggregate"), _window_aggregate),
    "OverAggregate": _over,
    "Join": _join("leftInputSpec", "rightInputSpec"),
    "IntervalJoin": _join("windowBounds"),
    "WindowJoin": _join("leftWindow", "rightWindow"),
    "TemporalJoin": _join(),
    "LookupJoin": _lookup,
    **dict.fromkeys(("Rank", "SortLimit", "Limit"), _rank()),
    "WindowRank": _rank("window"),
    "Deduplicate": _deduplicate,
    "WindowDeduplicate": _window_deduplicate,
    "Match": _match,
    "ChangelogNormalize": _keyed_rows("key"),
    "SinkMaterializer": _keyed_rows("pk"),
}

_WITHOUT_STATE = (_passing, _calc, _expand, _correlate, _window_columns, _local_aggregate, _lookup)
