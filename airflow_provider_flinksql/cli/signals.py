"""Interrupt and termination end a command with one line, whenever they come. Imports little, since it comes first."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)

INTERRUPTED = (
    "Interrupted. What was asked of Flink goes on there, and the manifest says how far it got: the same command again "
    "goes on from there."
)


class Ended(KeyboardInterrupt):
    """A signal told us to end; ``code`` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


def heed() -> None:
    """The first signal raises Ended, a second one ends at once; what was ignored when we began stays so.

    A terminal that hangs up does nothing: what was begun is finished.
    """
    _set(_raise)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.unraisablehook = _unraisable


def ignore() -> None:
    """All is done and said: only the exit code is left to tell."""
    _set(signal.SIG_IGN)


def say_interrupted(stop: KeyboardInterrupt) -> int:
    """Say it, behind the ^C where there is a terminal; returns the exit code."""
    from airflow_provider_flinksql.cli.output import Stream

    if sys.stderr is not None:
        err = Stream(sys.stderr)
        err.write(f"\n{INTERRUPTED}\n" if err.isatty() else f"{INTERRUPTED}\n")
        err.flush()
    return stop.code if isinstance(stop, Ended) else 128 + signal.SIGINT


def _set(handler: Any) -> None:
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _raise(number: int, _: object) -> None:
    _set(lambda again, _: _end(128 + again))
    raise Ended(number)


def _unraisable(lost: Any) -> None:
    """Python drops what is raised in a destructor or callback, even this."""
    if isinstance(lost.exc_value, Ended):
        _end(lost.exc_value.code)
    sys.__unraisablehook__(lost)


def _end(code: int) -> None:
    """At once; nothing that may have been interrupted is used."""
    try:
        os.write(2, f"{INTERRUPTED}\n".encode())
    except OSError:
        pass
    os._exit(code)
