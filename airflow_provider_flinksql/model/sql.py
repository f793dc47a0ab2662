"""Flink SQL as text: cutting scripts into statements, comparing, quoting, filling placeholders.

The lexer follows Flink's own (Calcite's, back-tick quoting): ``--``, ``//`` and ``/* */`` are comments, ``/*+ */`` is a
hint and therefore text, ``''`` is a quote inside a string, ``E'…'`` knows backslashes. A SET without quotes Flink reads
before its lexer does, up to the next space or ``;``: ``//`` is no comment in it. All passes are linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import Literal

Kind = Literal["insert", "statement-set", "query", "create-table-as", "dml", "set", "show", "ddl", "other"]

_TOKEN = re.compile(
    r"""
      (?P<space> [ \t\n\r\f]++ )
    | (?P<comment> (?: -- | // ) [^\n\r]*+ | /\*(?!\+) .*? \*/ )
    | (?P<quoted> [eE]' (?: [^'\\]++ | \\. | '' )*+ '
                | ' (?: [^']++ | '' )*+ '
                | ` (?: [^`]++ | `` )*+ `
                | " (?: [^"]++ | "" )*+ " )
    | (?P<unclosed> (?: [eE]?' | ` | " | /\*(?!\+) ) .* )
    | (?P<word> (?: \w++ | \$(?!\{) | \$\{ [^{}'"`;\s]*+ \} )++ )
    | (?P<other> /\*\+ | \*/ | <> | <= | >= | != | \|\| | => | -> | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE_SET = re.compile(r"(?P<setting>SET\s+[^'\s;]+?\s*=\s*[^'\s;][^\s;]*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"""\$\{(\s*(?:param|conn|var|env)\.[^{}'"`]*)\}""")
_WELL_FORMED = re.compile(r"(?:param|var)\.[\w.-]+|conn\.[\w.-]+\.[\w-]+|env\.[A-Za-z_]\w*", re.ASCII)
_BARE_VALUE = re.compile(r"[A-Za-z0-9_.:]+(?:-[A-Za-z0-9_.:]+)*|-?[0-9]+(?:\.[0-9]+)?")

_CREATE_TABLE = re.compile(r"(?:CREATE(?: OR REPLACE)?|REPLACE)(?: TEMPORARY)? TABLE\b")
_CREATED = "(TABLE|VIEW|FUNCTION|DATABASE|CATALOG|MODEL)"
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("statement-set", "EXECUTE STATEMENT SET|BEGIN STATEMENT SET"),
    ("insert", "(EXECUTE )?INSERT"),
    ("query", "SELECT|WITH|VALUES|TABLE"),
    ("dml", "EXECUTE|COMPILE|DELETE|UPDATE|MERGE|UPSERT|TRUNCATE"),
    ("set", "SET|RESET"),
    ("show", "SHOW|DESCRIBE|DESC|EXPLAIN"),
    ("ddl", f"(CREATE( OR REPLACE)?|ALTER|DROP)( TEMPORARY( SYSTEM)?)? {_CREATED}|REPLACE TABLE"),
    ("ddl", "USE|LOAD MODULE|UNLOAD MODULE|ADD JAR"),
)
"""What a statement does, by its first words. ``ddl`` prepares a session or a catalog and acts on no job and no data."""


class SqlFault(ValueError):
    """Text that cannot be SQL; ``line`` and ``column`` (from 1) say where in it."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.line, self.column = position(text, offset)


@dataclass(frozen=True)
class Statement:
    """One statement: an exact slice of its script without ``;`` and surrounding comments, and where it begins."""

    text: str
    line: int
    column: int
    kind: Kind


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def offset_of(text: str, line: int, column: int) -> int:
    """The inverse of :func:`position`; a place beyond the text is its end."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
        if not start:
            return len(text)
    return min(start + column - 1, len(text))


def _lexed(text: str, begin: int = 0, end: int | None = None) -> Iterator[re.Match[str]]:
    """All tokens, space and comments among them; a SET without quotes is one token."""
    at, end, starts = begin, len(text) if end is None else end, True
    while at < end:
        token = (_BARE_SET.match(text, at, end) if starts else None) or _TOKEN.match(text, at, end)
        assert token, "unreachable: any character is a token"
        yield token
        at = token.end()
        if token.lastgroup not in ("space", "comment"):
            starts = token.group() == ";"


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return (token for token in _lexed(text) if token.lastgroup not in ("space", "comment"))


class _Block:
    """Follows words to tell whether a ``;`` ends the statement or stands inside a statement set.

    ``STATEMENT SET BEGIN … END`` is today's form, ``BEGIN STATEMENT SET; … END`` the one before; a CASE has an END too.
    """

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        self.cases = 0
        self.open = False

    def feed(self, token: re.Match[str]) -> None:
        if token.lastgroup != "word":
            return
        word = token.group().upper()
        if not self.open:
            self.words = (*self.words[-2:], word)
            self.open = self.words in (("STATEMENT", "SET", "BEGIN"), ("BEGIN", "STATEMENT", "SET"))
        elif word == "CASE":
            self.cases += 1
        elif word == "END":
            self.open = self.cases > 0
            self.cases = max(0, self.cases - 1)
            self.words = ()


def split(script: str) -> list[Statement]:
    """The statements of a script without the empty ones; SqlFault for a quote, comment or set that is never closed."""
    return list(_statements(script, 0, len(script)))


def _statements(script: str, begin: int, end: int) -> Iterator[Statement]:
    line, line_break, before = 1, -1, 0
    for start, stop in _spans(script, begin, end):
        line += script.count("\n", before, start)
        line_break = max(line_break, script.rfind("\n", before, start))
        before = start
        text = script[start:stop]
        yield Statement(text, line, start - line_break, kind_of(text))


def inserts(statement: Statement) -> tuple[Statement, ...]:
    """The INSERTs that a statement is made of, without the word EXECUTE, placed in the same script."""
    if statement.kind != "statement-set":
        first, *following = islice(_tokens(statement.text), 2)
        body = following[0].start() if first.group().upper() == "EXECUTE" else 0
        return tuple(_placed(part, statement) for part in _statements(statement.text, body, len(statement.text)))
    words: list[str] = []
    body = end = 0
    for token in _tokens(statement.text):
        text = token.group().upper()
        if not body:
            words.append(text)
            if words[-3:] == ["STATEMENT", "SET", "BEGIN"] or words[-4:] == ["BEGIN", "STATEMENT", "SET", ";"]:
                body = token.end()
        elif text == "END":
            end = token.start()  # the last one closes the set
    return tuple(_placed(part, statement) for part in _statements(statement.text, body, end))


def _placed(part: Statement, whole: Statement) -> Statement:
    """A part that was found in the text of another statement, placed as that is."""
    column = part.column + (whole.column - 1 if part.line == 1 else 0)
    return replace(part, line=whole.line + part.line - 1, column=column)


def _spans(script: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    block, first, last = _Block(), -1, -1
    for token in _lexed(script, begin, end):
        if token.lastgroup in ("space", "comment"):
            continue
        if token.lastgroup == "unclosed":
            what = "comment" if token.group().startswith("/*") else "quote"
            raise SqlFault(f"the {what} that begins here is never closed", script, token.start())
        if token.group() == ";" and not block.open:
            if first >= 0:
                yield first, last
            block, first = _Block(), -1
            continue
        block.feed(token)
        first, last = (first if first >= 0 else token.start()), token.end()
    if block.open:
        raise SqlFault("this statement set has no END", script, first)
    if first >= 0:
        yield first, last


def kind_of(text: str) -> Kind:
    """What a single statement does."""
    tokens = dropwhile(lambda token: token.group() == "(", _tokens(text))  # a query may stand in brackets
    words = " ".join(token.group().upper() for token in islice(tokens, 6))
    if _CREATE_TABLE.match(words) and _has_outer_as(text):
        return "create-table-as"
    return next((kind for kind, first in _KINDS if re.match(rf"(?:{first})\b", words)), "other")


def created_table(text: str) -> str | None:
    """The name of the table that a statement creates, without catalog and database."""
    words = [token.group() for token in islice(_tokens(text), 14)]
    if not _CREATE_TABLE.match(" ".join(words).upper()):
        return None
    names = words[[word.upper() for word in words].index("TABLE") + 1 :]
    if [word.upper() for word in names[:3]] == ["IF", "NOT", "EXISTS"]:
        names = names[3:]
    while names[1:2] == ["."]:
        names = names[2:]
    return names[0].strip("`").replace("``", "`") if names else None


def _has_outer_as(text: str) -> bool:
    """Whether AS stands outside all brackets; inside them it begins a computed column."""
    depth = 0
    for token in _tokens(text):
        word = token.group()
        depth += (word == "(") - (word == ")")
        if depth == 0 and word.upper() == "AS":
            return True
    return False


def normal_form(sql: str) -> str:
    """The shortest text with the same tokens: comments and layout gone, strings, hints and letter case as they are."""
    parts: list[str] = []
    before: re.Match[str] | None = None
    for token in _tokens(sql):
        if before and _run_together(before, token):
            parts.append(" ")
        parts.append(token.group())
        before = token
    while parts and parts[-1] in (";", " "):
        parts.pop()
    return "".join(parts)


def _run_together(left: re.Match[str], right: re.Match[str]) -> bool:
    """Whether the lexer would not find the end of ``left`` if ``right`` followed without a space."""
    text, following = left.group(), right.group()
    if left.lastgroup == "quoted":
        return following[0] == text[-1]
    if left.lastgroup == "setting" or left.lastgroup == right.lastgroup == "word":
        return True
    match = _TOKEN.match(text + following[:2])
    return match is None or match.end() != len(text)


def has_line_comment(sql: str) -> bool:
    """Whether joining the lines of this text would hide some of it behind a comment."""
    return any(token.lastgroup == "comment" and token.group()[:2] != "/*" for token in _lexed(sql))


def without_comments(sql: str) -> str:
    """The same text with spaces in the place of comments: whatever stays is where it was."""
    blank = re.compile(r"[^\n]")
    return "".join(
        blank.sub(" ", token.group()) if token.lastgroup == "comment" else token.group() for token in _lexed(sql)
    )


def quote_literal(value: str) -> str:
    """The value as a SQL string."""
    return "'" + value.replace("'", "''") + "'"


def quote_identifier(name: str) -> str:
    """The name as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def placeholders(text: str) -> dict[str, int]:
    """The names of all ``${param.x}``, ``${conn.id.field}``, ``${var.x}`` and ``${env.X}`` outside comments, each with
    the offset of its first use. Badly formed ones are among them: see :func:`well_formed`."""
    found: dict[str, int] = {}
    for _, match in _placeholders(text):
        found.setdefault(match[1], match.start())
    return found


def well_formed(name: str) -> bool:
    """Whether a placeholder can be resolved at all: ``conn`` needs an id and a field, nothing has spaces."""
    return _WELL_FORMED.fullmatch(name) is not None


def misplaced(text: str) -> dict[str, int]:
    """The late-bound placeholders that do not stand in a string, each with the offset of its first such use."""
    found: dict[str, int] = {}
    for quote, match in _placeholders(text):
        if not quote.endswith("'") and not match[1].lstrip().startswith("param."):
            found.setdefault(match[1], match.start())
    return found


def _placeholders(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each placeholder with how what is around it begins: a quote character, ``E'``, or nothing."""
    if "${" not in text:
        return
    for token in _lexed(text):
        if token.lastgroup == "comment":
            continue
        quoted = token.group() if token.lastgroup == "quoted" else ""
        quote = "E'" if quoted[:1] in ("e", "E") else quoted[:1]
        for match in _PLACEHOLDER.finditer(text, token.start(), token.end()):
            yield quote, match


def fill(text: str, values: Mapping[str, str]) -> str:
    """The SQL with the named placeholders replaced; others stay.

    Inside quotes the value's own quotes are doubled, and its backslashes where they mean something, so that it cannot
    leave them. Outside, where nothing protects it, only a bare word or number is let in (SqlFault); comments are left
    alone.
    """
    parts: list[str] = []
    end = 0
    for start, stop, value in _fillings(text, values):
        parts += (text[end:start], value)
        end = stop
    return "".join([*parts, text[end:]])


def unfilled(text: str, values: Mapping[str, str], offset: int) -> int:
    """Where in ``text`` that character stands which is at ``offset`` after :func:`fill`."""
    shift = 0
    for start, stop, value in _fillings(text, values):
        if offset < start + shift:
            break
        if offset < start + shift + len(value):
            return start
        shift += len(value) - (stop - start)
    return offset - shift


def _fillings(text: str, values: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    for quote, match in _placeholders(text):
        value = values.get(match[1])
        if value is None:
            continue
        if quote:
            value = (value.replace("\\", "\\\\") if quote == "E'" else value).replace(quote[-1], quote[-1] * 2)
        elif not _BARE_VALUE.fullmatch(value) or (value[0] == "-" == text[match.start() - 1 : match.start()]):
            problem = f"the value of {match[0]} is not a plain word or number; put it in quotes: '{match[0]}'"
            raise SqlFault(problem, text, match.start())
        yield match.start(), match.end(), value


def fill_plain(text: str, values: Mapping[str, str]) -> str:
    """Text that is not SQL with the named placeholders replaced; others stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def plain_placeholders(text: str) -> set[str]:
    """The names of the placeholders in text that is not SQL."""
    return {match[1] for match in _PLACEHOLDER.finditer(text)}
