"""The planner's way of writing: lists, attributes and expressions in which names stand bare, whatever their letters.

``SUM(my amount) AS EXPR$1`` can be read only by who knows that there is a column ``my amount``. So each text is read
with the names that may stand in it, the longest first. What cannot be read for sure is :class:`Unreadable`, never
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["name", "field", "literal", "call", "word", "other"]

_EXPRESSION = re.compile(r"[,()\[\]{}'.]|\s[^\w\s]+\s| AND | OR | AS ")
_DIVIDING = re.compile(r"[,()\[\]{}']")
_FIELD = re.compile(r"(?:\.[\w$]+)+")
_REST = re.compile(
    r"""
      (?P<window> 'w\$ (?= [),] ) )  # the planner's name for a window, and no quote
    | (?P<literal> (?: _UTF-16LE | u& )? ' (?: [^'] | '' )*+ ' )
    | (?P<number> [0-9]++ (?: \.{1,2} [0-9]++ )*+ (?: E-?[0-9]++ )? (?![\w$]) )
    | (?P<call> [^\W\d] [\w$]*+ (?= \( | =\[ ) | \$ [\w$]++ (?= \( ) )
    | (?P<word> [\w$]++ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLANNER_MADE = re.compile(r"\$?[a-z_]*\$[a-z]?[0-9]+(?:\$[0-9]+)?")  # $f1, distinct$0: of the operator itself
_SPOKEN = """
    AND OR NOT IS NULL TRUE FALSE UNKNOWN AS DISTINCT FILTER ASC DESC NULLS FIRST LAST LIKE SIMILAR TO BETWEEN IN
    ESCAPE BOTH LEADING TRAILING Sarg null true false ON EMPTY ERROR DEFAULT FINAL RUNNING UNBOUNDED PRECEDING FOLLOWING
    CURRENT ROWS RANGE RANG SKIP PAST NEXT
    INTERVAL YEAR QUARTER MONTH WEEK DAY HOUR MINUTE SECOND MILLISECOND MICROSECOND NANOSECOND EPOCH DOW DOY ISODOW
    ISOYEAR DECADE CENTURY MILLENNIUM
    BOOLEAN TINYINT SMALLINT INTEGER INT BIGINT FLOAT DOUBLE DECIMAL CHAR VARCHAR STRING BINARY VARBINARY BYTES DATE
    TIME TIMESTAMP TIMESTAMP_LTZ WITH WITHOUT LOCAL ZONE ROWTIME PROCTIME ARRAY MAP MULTISET ROW RAW CHARACTER SET
"""
_WORDS = frozenset(_SPOKEN.split())
"""What may stand alone in an expression and is no column: the planner's own words, types and units."""


class Unreadable(ValueError):
    """A text of the planner that cannot be read for sure."""


@dataclass(frozen=True)
class Token:
    """A piece of a text. ``name``: a column, ``field``: of the row before it, ``call``: what brackets follow."""

    kind: Kind
    text: str
    depth: int


def tokens(text: str, names: Collection[str] = ()) -> list[Token]:
    """The text in pieces, each with the number of brackets around it. Raises Unreadable where one is never closed, and
    where what divides a list may be a name.

    Brackets of any kind close each other: a range is written ``(3..9]``.
    """
    found: list[Token] = []
    depth = 0
    known = frozenset(names)
    for kind, piece in _pieces(text, known):
        if kind == "name" and _DIVIDING.search(piece) and ambiguous(piece, known):
            raise Unreadable(text)
        closes = kind == "other" and piece in ")]}"
        depth -= closes
        if depth < 0 or (kind, piece) == ("other", "'"):
            raise Unreadable(text)
        found.append(Token(kind, piece, depth))
        depth += kind == "other" and piece in "([{"
    if depth:
        raise Unreadable(text)
    return found


def split(text: str, names: Collection[str] = ()) -> list[str]:
    """The parts of a list: ``a, f(b, c) AS d`` is two."""
    if text.strip() in names:
        return [text.strip()]
    parts, current = [], ""
    for token in tokens(text, names):
        if token == Token("other", ",", 0):
            parts.append(current.strip())
            current = ""
        else:
            current += token.text
    return [*parts, current.strip()] if current.strip() else parts


def attributes(text: str, names: Collection[str] = ()) -> dict[str, str]:
    """``groupBy=[k], select=[k, COUNT(*) AS n]`` as pairs, without the brackets; none where there is no ``=[``.

    Raises Unreadable where some of it is no such pair: then a name was taken for a bracket, and something is lost.
    """
    if "=[" not in text:
        return {}
    pairs = [re.fullmatch(r"(\w+)=\[(.*)\]", part, re.DOTALL) for part in split(text, names)]
    if None in pairs:
        raise Unreadable(text)
    return {pair[1]: pair[2] for pair in pairs if pair}


def named(item: str, names: Collection[str] = ()) -> tuple[str, str]:
    """``k2 AS k`` -> what it is and how it is called: an expression has no AS outside its brackets."""
    if item in names:
        return item, item
    before = ""
    read = tokens(item, names)
    for index, token in enumerate(read):
        if token == Token("word", "AS", 0) and 0 < index < len(read) - 1:
            return before.strip(), "".join(one.text for one in read[index + 1 :]).strip()
        before += token.text
    return item, item


def conjuncts(condition: str, names: Collection[str] = ()) -> list[str]:
    """The parts of ``((a = b) AND (c < d))``, without the brackets around each. Raises Unreadable."""
    text = _bare(condition, names)
    parts = [""]
    for token in tokens(text, names):
        if token == Token("word", "AND", 0):
            parts.append("")
        elif token == Token("word", "OR", 0):
            return [text]
        else:
            parts[-1] += token.text
    parts = [part.strip() for part in parts if part.strip()]
    return parts if len(parts) < 2 else [inner for part in parts for inner in conjuncts(part, names)]


def compared(condition: str, names: Collection[str] = ()) -> list[str]:
    """The columns that ``a = b`` compares; none where it compares something else."""
    read = tokens(condition, names)
    pair = [token.text for token in read if token.kind == "name"]
    return pair if len(pair) == 2 and "".join(one.text for one in read) == " = ".join(pair) else []


def _bare(text: str, names: Collection[str]) -> str:
    """A text without the brackets around all of it."""
    text = text.strip()
    read = tokens(text, names)
    around = len(read) > 2 and read[0].text == "(" and all(one.depth > 0 for one in read[1:-1])
    return _bare(text[1:-1], names) if around and read[-1].text == ")" else text


def understood(token: Token) -> bool:
    """Whether a piece of an expression is a column, or can be none."""
    return token.kind != "word" or token.text in _WORDS or _PLANNER_MADE.fullmatch(token.text) is not None


@lru_cache(maxsize=4096)
def ambiguous(name: str, names: frozenset[str]) -> bool:
    """Whether a column of this name may be something else that the planner writes: a word, a number, a field of another
    column, an expression of other columns."""
    read = [Token(kind, piece, 0) for kind, piece in _pieces(name, names - {name}) if piece.strip()]
    return (len(read) == 1 or _EXPRESSION.search(name) is not None) and all(map(understood, read))


def _pieces(text: str, names: frozenset[str]) -> Iterator[tuple[Kind, str]]:
    """The longest name that fits at each place, else what the planner itself writes."""
    pattern = _pattern(names)
    position = 0
    while position < len(text):
        match = pattern.match(text, position) if pattern and not _within_a_word(text, position) else None
        if match:
            yield "name", match[0]
            if field := _FIELD.match(text, match.end()):
                yield "field", field[0]
                match = field
        elif match := _REST.match(text, position):
            yield _kind(match), match[0]
        position = match.end() if match else len(text)


def _kind(match: re.Match[str]) -> Kind:
    match match.lastgroup:
        case "literal":
            return "literal"
        case "call":
            return "call"
        case "word":
            return "word"
    return "other"


def _within_a_word(text: str, position: int) -> bool:
    return position > 0 and _is_word(text[position - 1]) and _is_word(text[position])


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter in "_$"


@lru_cache(maxsize=256)
def _pattern(names: frozenset[str]) -> re.Pattern[str] | None:
    """A name ends where its last letter would not go on; one that a bracket follows is a function of that name."""
    found = (
        re.escape(name) + (r"(?![\w$])(?!\()(?!=\[)" if _is_word(name[-1]) else "")
        for name in sorted(names, key=len, reverse=True)
        if name
    )
    alternatives = "|".join(found)
    return re.compile(alternatives) if alternatives else None
