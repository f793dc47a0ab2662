"""What people and programs get to see: one document or table on stdout, all else on stderr.

Nothing else in this package prints, so that nothing reaches a terminal that was not escaped: here each text is one
line, whatever it holds. And nothing that is printed decides: a stream that is closed or full takes everything.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, Blocked, FlinkSqlError, shown

if TYPE_CHECKING:
    from rich.status import Status

SEVERITY = (1, 3, 4, 2, 0)
LONGEST_ID = 32
PATIENCE = 5.0
MOST_OF_A_CELL = 1000


class Stream:
    """A standard stream that takes everything. From its first failure on what is written to it is dropped.

    Its file is then the null device, also for what is left in its buffer when the process ends.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: Exception | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a letter that a terminal does not have is no failure

    def write(self, text: str) -> int:
        """Write or drop it."""
        if self.failure is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Write or drop what is in the buffer."""
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._drop(error)

    def isatty(self) -> bool:
        """Whether somebody still sits before it."""
        return self.failure is None and not self._stream.closed and self._stream.isatty()

    def _drop(self, error: Exception) -> None:
        self.failure = error
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        except (OSError, ValueError):
            pass  # it has no file, as in a test

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """For as long as this lasts a closed or full stdout or stderr stops nobody. Why stdout failed is said on stderr."""
    before, complains = (sys.stdout, sys.stderr), logging.raiseExceptions
    out, err = (Stream(stream or open(os.devnull, "w")) for stream in before)  # noqa: SIM115, PTH123
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    logging.raiseExceptions = False  # a handler that cannot write says nothing about it
    try:
        yield
    finally:
        out.flush()
        if out.failure and getattr(out.failure, "errno", None) != errno.EPIPE:  # who reads no further knows that
            why = getattr(out.failure, "strerror", None) or out.failure
            err.write(f"The answer could not be written: {why}. The exit code tells what became of the jobs.\n")
        err.flush()
        (sys.stdout, sys.stderr), logging.raiseExceptions = before, complains


def worst(codes: Iterable[int]) -> int:
    """The exit code of many jobs: an error is worse than a block, a block than something to do."""
    return min(codes, key=SEVERITY.index, default=0)


def document(**content: Any) -> None:
    """The one document of ``--json``: true values, in letters that no terminal and no encoding is harmed by."""
    bare_document({"version": 1, **content})


def bare_document(content: Mapping[str, Any]) -> None:
    """The same, of a version that never was anything else."""
    print(json.dumps(content, indent=2).replace("\x7f", "\\u007f"))


def answer(*lines: str) -> None:
    """A result, on stdout."""
    print("\n".join(map(_line, lines)), flush=True)


def _line(text: str) -> str:
    return shown(text, MOST_OF_A_MESSAGE)


COLOURS = {
    **dict.fromkeys(("RUNNING", "confirmed"), "green"),
    **dict.fromkeys(("FAILED", "LOST", "INTERRUPTED", "UNREADABLE", "UNREACHABLE", "CANCELED"), "red"),
    **dict.fromkeys(("STOPPED", "FINISHED", "ended"), "dim"),
}
"""The colour of a state, yellow where it is on its way to another."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns; drawn by rich on a terminal, with the states in colour; plain for pipes and logs."""
    texts = [["-" if cell is None else shown(cell, MOST_OF_A_CELL) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=None, pad_edge=False)
        for title, *cells in zip(head, *texts, strict=True):  # ids and locations are there to be copied
            drawn.add_column(title, overflow="fold", no_wrap=all(len(cell) <= LONGEST_ID for cell in cells))
        for row in texts:
            drawn.add_row(*(Text(cell, _colour(title, cell)) for title, cell in zip(head, row, strict=True)))
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    for row in [list(head), *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def paragraphs(head: Sequence[str], rows: Iterable[tuple[Sequence[object], Sequence[str]]]) -> None:
    """Columns as in :func:`table`, and below each row its own lines, which are as long as they are."""
    found = [([shown(cell, MOST_OF_A_CELL) for cell in row], [_line(line) for line in below]) for row, below in rows]
    widths = [max(map(len, column)) for column in zip(head, *(row for row, _ in found), strict=True)]
    for row, below in [(list(head), []), *found]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        _print_row([(cell, _colour(title, cell.strip())) for title, cell in zip(head, cells, strict=True)])
        for line in below:
            print(f"    {line}")


def _print_row(cells: Sequence[tuple[str, str]]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console().print(Text("  ").join(Text(cell, style) for cell, style in cells), soft_wrap=True)
    else:
        print("  ".join(cell for cell, _ in cells).rstrip())


def _colour(title: str, cell: str) -> str:
    return COLOURS.get(cell, "yellow") if title == "STATE" and cell != title else ""


def complain(error: FlinkSqlError, name: str | None = None) -> None:
    """An error or a block, on stderr."""
    kind = "blocked" if isinstance(error, Blocked) else "error"
    about = f"{kind}: {shown(name)}" if name else kind
    print(f"{about}: {error}", file=sys.stderr)  # escaped already: a list of faults has lines of its own


def note(line: str) -> None:
    """What is to be known beside the answer, on stderr."""
    print(_line(line), file=sys.stderr)


class Progress:
    """Says on stderr what is being done; silent as long as nothing is. On a terminal the last line is in motion.

    Where nothing was said for five seconds, it says what is waited for: a gateway may plan a large file for long.
    """

    def __init__(self) -> None:
        self._spinner: Status | None = None
        self._last = ""
        self._doing = "This"
        self._silence = Timer(PATIENCE, self._say_what_is_awaited)
        self._silence.daemon = True

    def expect(self, doing: str) -> None:
        """What begins now without a word: ``Planning orders``."""
        self._doing = doing

    def _say_what_is_awaited(self) -> None:
        self.say(f"{self._doing} takes longer than {PATIENCE:.0f} s; waiting for the cluster.")

    def say(self, line: str) -> None:
        """What is done now."""
        self._silence.cancel()
        line = _line(line)
        if not sys.stderr.isatty():
            print(line, file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.text import Text

        if self._spinner is None:
            self._spinner = Console(stderr=True).status(Text(line))
            self._spinner.start()
        else:
            self._spinner.console.print(Text(self._last, style="dim"))
            self._spinner.update(Text(line))
        self._last = line

    def answer(self, *lines: str) -> None:
        """A result, on stdout; rich takes stdout over while something is in motion."""
        self._rest()
        answer(*lines)

    def _rest(self) -> None:
        if self._spinner is not None:
            from rich.text import Text

            self._spinner.stop()
            self._spinner.console.print(Text(self._last, style="dim"))
            self._spinner = None

    def __enter__(self) -> Self:
        self._silence.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._silence.cancel()
        self._rest()
