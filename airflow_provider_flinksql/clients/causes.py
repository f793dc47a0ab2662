"""What a Java stack trace says in one line, and where in the SQL it points."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_provider_flinksql.errors import Said

LONGEST = 500

# The "Caused by: " is optional: a nested RestClientException quotes another server's trace at the start of a line.
_EXCEPTION = re.compile(r"^(?:Caused by: )?(?:[\w$*]+\.)+([\w$*]*(?:Exception|Error))(?:: (.*))?$", re.MULTILINE)
_END_OF_MESSAGE = re.compile(r"^(?:\tat |\t\.\.\. |Caused by:|End of exception on server side|Was expecting one of)")
_POSITION = re.compile(r"\b(?:[Ff]rom|[Aa]t) line (\d+), column (\d+)")
_PRINTED_POSITION = re.compile(
    r"^(?:From line \d+, column \d+ to|At) line \d+, column \d+: | at line \d+, column \d+\b"
)
_OBJECT_HASH = re.compile(r"(?<=[\w$])@[0-9a-f]{5,8}\b")
_OTHER_SERVER = "<Exception on server side:"


class Cause(NamedTuple):
    """The exception at the bottom of a trace: its class without package, and its message in one line."""

    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.kind and self.message else self.kind or self.message


def causes(trace: str) -> list[Cause]:
    """Every exception a trace names, outermost first."""
    return [Cause(match[1], _message(trace, match)) for match in _EXCEPTION.finditer(trace)]


def cause(trace: Said) -> Cause:
    """The innermost exception of a trace; of text that is no trace, its first line.

    Positions in the SQL are left out (see :func:`position`), and so are Java's object hashes, which differ at each
    restart of a job and would make one cause look like many.
    """
    chain = causes(trace)
    if not chain:
        first = next((line for line in trace.splitlines() if line.strip() and _OTHER_SERVER not in line), "")
        return Cause("", _short(first))
    if len(chain) > 1 and chain[-1].kind == "NumberFormatException" and "arse" in chain[-2].message:
        return chain[-2]  # "Could not parse value 'many' for key 'parallelism.default'" says more
    return chain[-1]


def root_cause(trace: Said) -> str:
    """The innermost exception of a trace as one line of at most 500 characters."""
    return _short(str(cause(trace)))


def position(trace: Said) -> tuple[int, int] | None:
    """Line and column in the SQL, from 1. The innermost cause has often lost them, so the first mention counts."""
    if not (found := _POSITION.search(trace)):
        return None
    line, column = int(found[1]), int(found[2])
    return (line, column) if line else None


def _message(trace: str, match: re.Match[str]) -> str:
    lines = [match[2] or ""]
    for line in trace[match.end() + 1 :].splitlines():
        if _END_OF_MESSAGE.match(line) or _EXCEPTION.match(line):
            break
        lines.append(line)
    return _short(_one_line("\n".join(lines)))


def _one_line(message: str) -> str:
    """What stands line by line below a colon is a list; what follows it begins a sentence."""
    text, listed = "", False
    for paragraph in re.split(r"\n\s*\n", message.strip()):
        text += ". " if listed else " "
        listed = text.endswith(": ")
        text += (", " if listed else " ").join(paragraph.splitlines())
    return text


def _short(text: str) -> str:
    text = " ".join(_OBJECT_HASH.sub("", _PRINTED_POSITION.sub("", text)).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
