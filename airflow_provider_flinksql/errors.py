"""Every error this package raises on purpose.

Our exception hierarchy::

    FlinkSqlError                      retryable?
    ├── InvalidSpec                    no     the author must edit the job file; lists every fault
    ├── InvalidQuery                   no     the planner refused the SQL
    ├── Blocked                        no     the plan needs a human's word; says which option allows it
    ├── Busy                           yes    another deploy of this job is under way
    ├── NoFreeSlots                    yes    the cluster is full at the moment; says who holds its slots
    ├── Misconfigured                  no     connection, cluster and store do not fit together
    │   ├── Unseen                     no     a state folder cannot be looked into from here
    │   │   └── UnsupportedScheme      no     it lies on a file system that we cannot read
    │   ├── UnknownJob                 no     no manifest of the store has that name
    │   ├── Unreadable                 no     what the store holds of a job is not understood
    │   └── StoreUnusable              no     the manifest store is none, or may not be written
    ├── Conflict                       loop   someone else wrote the manifest; look again
    ├── ServiceError
    │   ├── Unreachable                yes    no answer: the effect is unknown
    │   │   └── StoreUnreachable       yes    the manifest store is locked, full or does not answer
    │   └── Refused (status)           429, 5xx
    │       ├── NotFound               no
    │       ├── Unauthorized           no
    │       ├── SessionGone            yes    the gateway forgot the session; open another one
    │       └── Duplicate              no     some submit with this job id arrived before
    ├── OperationFailed                policy
    │   ├── SavepointFailed            yes    the job goes on running
    │   ├── JobFailed                  no
    │   └── StatementFailed            no
    │       └── TooLarge               no     the gateway has not the memory for it
    ├── DeadlineExceeded               yes    what was awaited, how long, last thing seen
    └── Interrupted                    no     we were told to stop; what was asked of a server goes on there

StoreUnusable and StoreUnreachable are both a StoreFailed: whoever asked something of Flink before says so.

InvalidQuery and StatementFailed are both a StatementError: they know which statement they are about.

Messages say what happened, to what, and what to do; one line of root cause, never a Java stack trace.

A message is safe to show: whatever it quotes of files, servers and users is escaped and cut when the error is made, so
nobody who raises, prints or logs one has to think of it. All else that is shown goes through :func:`shown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

Part = Literal["jars", "tables", "setup", "statements"]
"""The parts of a Spec that hold statements."""

MOST_OF_A_VALUE, MOST_OF_A_FAULT, MOST_OF_A_MESSAGE = 200, 800, 4000
"""Characters that are shown of them."""
MOST_FAULTS = 30
_LONG_WORD = re.compile(rf"\S{{{MOST_OF_A_VALUE + 1},}}")


def shown(text: object, most: int = MOST_OF_A_VALUE) -> str:
    """The text as one line of a terminal or log may hold it, in at most ``most`` characters.

    What does not print is written as an escape (``\\n``, ``\\x1b``, ``\\u202e``): controls, line ends, marks that hide
    or turn what follows, halves of a surrogate pair. What is too long loses its middle: paths and messages end in what
    matters. To show it twice changes nothing.
    """
    raw = str(text)
    raw = raw if len(raw) <= 2 * most else raw[:most] + raw[-most:]
    line = raw if raw.isprintable() else "".join(one if one.isprintable() else _escape(one) for one in raw)
    end = most // 3
    return line if len(line) <= most else f"{line[: most - end - 1]}…{line[-end:]}"


def shown_lines(text: str, most: int = 20_000) -> str:
    """Text of many lines, each as :func:`shown`; all but the first are indented, so none passes for a log's own."""
    long = len(text) > most
    lines = (text[: most // 2] + "\n…\n" + text[-most // 2 :] if long else text).split("\n")
    return "\n    ".join(shown(line.rstrip("\r").replace("\t", "    "), MOST_OF_A_MESSAGE) for line in lines)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class Said(str):
    """What a server said, rid of secrets. ``words`` are its own: to decide by, and never to be shown or kept."""

    __slots__ = ("words",)
    words: str

    def __new__(cls, words: str = "", redact: Callable[[str], str] = str) -> Said:
        """``redact`` takes the secrets out."""
        said = super().__new__(cls, redact(words))
        said.words = words
        return said

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A copy is a text like any other."""
        return str, (str(self),)


class FlinkSqlError(Exception):
    """Base of all errors; ``retryable`` says whether the same call may succeed later."""

    retryable = False

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(message, MOST_OF_A_MESSAGE))


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong in a job file: the key's path (``state.max-age``), what is wrong, and where."""

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        message = _LONG_WORD.sub(lambda word: shown(word[0]), self.message)
        return shown(f"{where}{shown(self.path)}: {message}" if self.path else where + message, MOST_OF_A_FAULT)


class InvalidSpec(FlinkSqlError):
    """A job file cannot be read as a Spec; ``faults`` holds every fault found, not just the first.

    The message has a line for each, up to a measure.
    """

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source = source
        self.faults = sorted(faults, key=lambda fault: (fault.line or 0, fault.path))
        super().__init__(f"{shown(source)}: {_count(len(faults))}")
        told, more = self.faults[:MOST_FAULTS], len(faults) - MOST_FAULTS
        lines = [str(self), *([f"  … and {more} more"] if more > 0 else [])]
        left = MOST_OF_A_MESSAGE - sum(len(line) + 1 for line in lines)
        for number, fault in enumerate(told):
            line = f"  {shown(fault, left // (len(told) - number) - 3)}"  # what one leaves is for those after it
            lines.insert(number + 1, line)
            left -= len(line) + 1
        self.args = ("\n".join(lines),)


def _count(faults: int) -> str:
    return "1 fault" if faults == 1 else f"{faults} faults"


class StatementError(FlinkSqlError):
    """One statement: ``reason`` in one line, where in it (from 1), and the path of the table that it is about."""

    def __init__(
        self, reason: str, line: int | None = None, column: int | None = None, table: str | None = None
    ) -> None:
        self.reason, self.line, self.column, self.table = reason, line, column, table
        super().__init__(f"line {line}, column {column}: {reason}" if line else reason)
        self.place: tuple[Part, int] | None = None
        self.digest: str | None = None

    def at(self, part: Part, index: int, digest: str) -> Self:
        """This error, knowing which statement it is about: ``("tables", 2)`` of the Spec of that digest."""
        self.place, self.digest = (part, index), digest
        return self


class InvalidQuery(StatementError):
    """The planner refused a statement."""


class Blocked(FlinkSqlError):
    """The plan needs a human's word; the message names the option that gives it.

    ``verdict`` is what the change would mean for the state, where that is why.
    """

    def __init__(self, message: str, verdict: str | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class Busy(FlinkSqlError):
    """Another deploy of the same job is under way."""

    retryable = True


class NoFreeSlots(FlinkSqlError):
    """Other jobs hold the slots that a job needs; nothing was touched for it."""

    retryable = True


class Misconfigured(FlinkSqlError):
    """Connection, cluster and store do not fit together."""


class Unseen(Misconfigured):
    """A place where state may lie cannot be looked into from here: what it holds is not known."""


class UnsupportedScheme(Unseen):
    """State lies on a file system that cannot be read from here; the user must name the snapshot."""


class UnknownJob(Misconfigured):
    """A name that no manifest of the store has."""


class Unreadable(Misconfigured):
    """What the store holds of one job is not understood: a newer version of this package wrote it, or it is broken."""


class Conflict(FlinkSqlError):
    """The manifest was written by someone else since it was read."""

    retryable = True


class ServiceError(FlinkSqlError):
    """A server did not do what it was asked."""


class Unreachable(ServiceError):
    """No answer came; whether the request took effect is unknown."""

    retryable = True


class StoreFailed(FlinkSqlError):
    """The manifest store did not do what it was asked. Its message claims nothing of Flink."""


class StoreUnreachable(StoreFailed, Unreachable):
    """The manifest store did not answer, or could not write for now; what was being written may be there."""


class StoreUnusable(StoreFailed, Misconfigured):
    """The manifest store is none, or may not be used so."""


class Refused(ServiceError):
    """A server answered no. ``status`` is the HTTP status, ``detail`` the whole answer (too long to be shown)."""

    def __init__(self, message: str, status: int, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail if isinstance(detail, Said) else Said(detail)
        self.retryable = status == 429 or status >= 500


class NotFound(Refused):
    """The server does not know the thing asked for."""


class Unauthorized(Refused):
    """The server wants other credentials."""


class SessionGone(Refused):
    """The gateway does not know the session any more, or it is still busy; a new one may succeed."""

    def __init__(self, message: str, status: int, detail: str = "") -> None:
        super().__init__(message, status, detail)
        self.retryable = True


class Duplicate(Refused):
    """A submit with this job id arrived before. It does not say what became of it: look."""

    def __init__(self, message: str, status: int, detail: str = "") -> None:
        super().__init__(message, status, detail)
        self.retryable = False


class OperationFailed(FlinkSqlError):
    """An operation was accepted and then failed; the message ends with its root cause in one line."""


class SavepointFailed(OperationFailed):
    """A savepoint failed; the job goes on running."""

    retryable = True


class JobFailed(OperationFailed):
    """A job failed, or proved unable to run."""


class StatementFailed(StatementError, OperationFailed):
    """A SQL statement failed while it ran, or for something that its author has no hand in."""


class TooLarge(StatementFailed):
    """A statement takes more stack or memory than the gateway has."""


class DeadlineExceeded(FlinkSqlError):
    """Something awaited did not happen in time; the message says what was last seen."""

    retryable = True


class Interrupted(FlinkSqlError):
    """We were told to stop; whatever was asked of a server goes on there."""
