"""What an operator of a job means: its columns told in those of the sources, and in what form it keeps state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count

from airflow_provider_flinksql.model.verdict import plantext
from airflow_provider_flinksql.model.verdict.columns import Column, Columns, digest
from airflow_provider_flinksql.model.verdict.graph import Operator, table_of
from airflow_provider_flinksql.model.verdict.plantext import Unreadable
from airflow_provider_flinksql.model.verdict.schema import Schema


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
    columns: Columns
    aspects: tuple[Aspect, ...] | None = None
    understood: bool = True
    insert_only: bool = False
    filters: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Asked:
    """An operator that is to be told, with all that is known of what it reads. Raises Unreadable for its text."""

    operator: Operator
    inputs: list[Described]
    identity: str
    schemas: Mapping[str, Schema]

    @cached_property
    def columns(self) -> Columns:
        """Those of the one input; of a union, whose inputs have the same, all their meanings in one."""
        if len(self.inputs) == 1:
            return self.inputs[0].columns
        if not self.inputs:
            return Columns()
        if any(one.columns.hidden for one in self.inputs):
            return Columns(hidden=digest(*(one.columns.digest for one in self.inputs)))
        merged = {}
        for position, name in enumerate(self.inputs[0].columns):
            columns = [list(one.columns.known.values())[position : position + 1] for one in self.inputs]
            meanings = [column[0].meaning if column else "?" for column in columns]
            types = {column[0].type if column else None for column in columns}
            merged[name] = Column(" or ".join(meanings), types.pop() if len(types) == 1 else None)
        return Columns(merged)

    @cached_property
    def joined(self) -> Columns:
        """The columns of both sides; where the left has the name of one, it carries a number, as in Flink."""
        if any(one.columns.hidden for one in self.inputs):
            return self.hidden()
        both: dict[str, Column] = {}
        for one in self.inputs:
            for name, column in one.columns.known.items():
                free = chain((name,), (f"{name}{number}" for number in count()))
                both[next(other for other in free if other not in both)] = column
        return Columns(both)

    @cached_property
    def names(self) -> frozenset[str]:
        """All names that may stand in the operator's text."""
        return frozenset(self.joined).union(*(one.columns for one in self.inputs))

    @cached_property
    def attributes(self) -> dict[str, str]:
        """``groupBy=[k], select=[k, COUNT(*) AS n]`` as pairs, without the brackets."""
        return plantext.attributes(self.operator.inner, self.names)

    @property
    def insert_only(self) -> bool:
        """Whether rows that come in are never taken back."""
        return all(one.insert_only for one in self.inputs)

    @property
    def filters(self) -> frozenset[str]:
        """What decides which rows come in."""
        return frozenset().union(*(one.filters for one in self.inputs))

    def attribute(self, name: str) -> str:
        """One attribute, empty where it is not there."""
        return self.attributes.get(name, "")

    def items(self, name: str) -> list[str]:
        """The parts of an attribute that is a list."""
        return plantext.split(self.attribute(name), self.names)

    def named(self, name: str) -> list[tuple[str, str]]:
        """The parts of a list of columns: what each is and how it is called. Raises Unreadable where there is none."""
        if not self.attribute(name):
            raise Unreadable(self.operator.text)
        return [plantext.named(item, self.names) for item in self.items(name)]

    def resolved(self, text: str) -> str:
        """An expression in source columns."""
        return self.columns.resolved(text)

    def made(self, meaning: str, kind: str | None = None) -> Column:
        """A column that this operator makes out of its state."""
        return Column(f"§{digest(self.identity, kind or '')}.{meaning}", kind)

    @property
    def everything(self) -> tuple[str, ...]:
        """All that an operator could mean: its own text, the table that it reads, and what comes in."""
        schema = self.schemas.get(table_of(self.operator) or "")
        return self.operator.text, schema.text if schema else "", *(one.columns.digest for one in self.inputs)

    def hidden(self) -> Columns:
        """The columns of an operator that we do not look into."""
        return Columns(hidden=digest(self.identity, *self.everything))

    def told(self, columns: Columns, filters: frozenset[str] | None = None) -> Described:
        """Without state: filters and changes pass through."""
        filters = self.filters if filters is None else filters
        return Described(self.operator, columns, insert_only=self.insert_only, filters=filters)

    def keeps(
        self, columns: Columns, aspects: Iterable[Aspect], known: set[str], insert_only: bool = False
    ) -> Described:
        """With state, told by ``aspects``; attributes that we do not know are one more of them."""
        rest = {name: value for name, value in self.attributes.items() if name not in known}
        others = (Aspect(name, (self.resolved(value),), (None,)) for name, value in sorted(rest.items()))
        return Described(self.operator, columns, (*aspects, *others), insert_only=insert_only)

    def opaque(self) -> Described:
        """What we do not know may keep state: judged by its whole text, and all that it reads."""
        aspect = Aspect("definition", self.everything, (None,) * len(self.everything))
        return Described(self.operator, self.hidden(), (aspect,), understood=False)

    def listed(self, word: str, names: Iterable[str]) -> Aspect:
        """Columns that are kept one by one, such as keys."""
        found = [self.columns.of(name) for name in names]
        return Aspect(word, tuple(c.meaning for c in found), tuple(c.form for c in found))

    def rows(self, word: str, columns: Columns) -> Aspect:
        """Rows that are kept whole."""
        if columns.hidden:
            return Aspect(word, (columns.opaque("columns that are not known"),), (None,))
        kept = columns.known.values()
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


