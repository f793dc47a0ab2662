"""Columns by what they mean: expressions resolved down to the columns of sources.

Names vanish: ``GROUP BY a``, where ``a`` is another name for ``k``, is ``GROUP BY k``. A meaning starts with a mark
(``§1f0c.k``) of where it comes from and of its type; :func:`shown` takes the marks away for people. An expression that
cannot be read is marked with all that it could be made of, so it equals another only where all of that is the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_flinksql.model.verdict import plantext
from airflow_provider_flinksql.model.verdict.plantext import Unreadable

_SECRET = re.compile(r"'(?:[^']|'')*\*\*\*(?:[^']|'')*'")
_MARK = re.compile(r"§\w+\.")
_CAST = re.compile(r"CAST\((.*) AS (\w+(?:\([\d, ]+\))?)\)", re.DOTALL)
_AGGREGATE = re.compile(r"(\$?\w+)\((.*)\)(?: FILTER (.+))?", re.DOTALL)
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


@dataclass(frozen=True)
class Columns:
    """What an operator gives on: its columns by name, in their order.

    ``hidden`` is the digest of what made columns that are not known; None where all are known.
    """

    known: Mapping[str, Column] = field(default_factory=dict)
    hidden: str | None = None

    @cached_property
    def digest(self) -> str:
        """The same for the same columns of the same meaning."""
        columns = (f"{name}\0{column.meaning}\0{column.type}" for name, column in self.known.items())
        return digest(self.hidden or "", *columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def of(self, text: str) -> Column:
        """What an expression means, and its type where the text tells it."""
        if text in self.known:
            return self.known[text]
        if cast := self._cast(text):
            return cast
        return Column(self.resolved(text))

    def resolved(self, text: str) -> str:
        """An expression with each column replaced by its meaning; marked as a whole where it cannot be read."""
        if text in self.known:
            return self.known[text].meaning
        try:
            read = plantext.tokens(text, self.known)
        except Unreadable:
            return self.opaque(text)
        if self.hidden or not all(self._clear(token) for token in read):
            return self.opaque(text)
        return "".join(self.known[one.text].meaning if one.kind == "name" else one.text for one in read)

    def opaque(self, text: str) -> str:
        """The meaning of a text that is not understood: it may hang on every column there is."""
        return f"§{digest(self.digest, text)}.{text}"

    def split(self, text: str) -> list[str]:
        """The parts of a list. Raises Unreadable."""
        return plantext.split(text, self.known)

    def named(self, item: str) -> tuple[str, str]:
        """``k2 AS k`` -> what it is and how it is called. Raises Unreadable."""
        return plantext.named(item, self.known)

    def _clear(self, token: plantext.Token) -> bool:
        if token.kind == "name":
            return not plantext.ambiguous(token.text, frozenset(self.known))
        return plantext.understood(token)

    def _cast(self, text: str) -> Column | None:
        cast = _CAST.fullmatch(text)
        if not cast or not _whole(cast[1]):
            return None
        inner = self.of(cast[1]).type
        nullable = " ?" if inner is None else " NOT NULL" if inner.endswith("NOT NULL") else ""
        return Column(self.resolved(text), plain_type(cast[2]) + nullable)


def shown(meaning: str) -> str:
    """A meaning as a person reads it."""
    return _MARK.sub("", meaning)


def hides(meaning: str) -> bool:
    """Whether a literal in it holds a secret, for which ``***`` stands: nobody can tell whether it changed."""
    return _SECRET.search(meaning) is not None


def digest(*texts: str) -> str:
    """A short name for some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def plain_type(name: str) -> str:
    """A type as SHOW CREATE TABLE writes it: the planner says INTEGER for INT."""
    return "INT" if name == "INTEGER" else name


def state_type(call: str, columns: Columns) -> str | None:
    """What an aggregate keeps: a count or one value of its argument's type; None for those we do not know."""
    match = _AGGREGATE.fullmatch(call)
    if not match or not (match[1] == "COUNT" or match[1] in _KEEP_ONE_VALUE) or not _whole(match[2]):
        return None
    argument = match[2].removeprefix("DISTINCT ")
    kind = columns.of(argument).type if argument != "*" else ""
    plain = None if kind is None else kind.removesuffix(" NOT NULL").removesuffix(" ?")
    if match[2] != argument:
        return plain and f"{match[1]} of DISTINCT {plain}"
    return "BIGINT" if match[1] == "COUNT" else plain


def _whole(text: str) -> bool:
    """Whether a text between brackets is one: ``a) + (b`` is not."""
    depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0
