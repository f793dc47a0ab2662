"""How a job fails: what failures have in common, and when they are a loop and no accident."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

LOOP = 3
"""So many failures of one shape may be a loop."""

_QUOTED = re.compile(r"""(?<!\w)(?:'.*?(?:'(?!\w)|$)|".*?(?:"(?!\w)|$)|`.*?(?:`|$))""")
_HOST = re.compile(r"(?<![\w.-])(?:[\w-]+\.)*[\w-]+(?::\d+|/\d+(?:\.\d+){3}(?::\d+)?)(?!\w)")
_ROW = re.compile(r"(?:\+[IU]|-[UD])\[.*\]")
_HASH = re.compile(r"@[0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_ID = re.compile(r"\b(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{6,}\b")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,:]\d+)*")


def shape(cause: str) -> str:
    """The cause without what differs from one failure to the next of the same kind.

    Quoted values, rows, hosts and ports, ids, object hashes and numbers give way to a ``#``.
    """
    for varying in (_QUOTED, _ROW, _HOST, _HASH, _ID, _NUMBER):
        cause = varying.sub("#", cause)
    return cause


@dataclass(frozen=True)
class Failures:
    """How often a job failed in the shape of its last failure, since its last checkpoint of its own completed.

    ``since`` and ``last`` are the JobManager's times of the first and the last one, ``pause`` is the longest time
    between two of them, all in milliseconds.
    """

    times: int
    since: int
    last: int
    pause: int = 0

    def loop(self, give_up_after: float) -> bool:
        """Whether this is no accident. An outage shorter than so many seconds is one, however often it struck."""
        return self.times >= LOOP and self.last - self.since >= give_up_after * 1000

    def __str__(self) -> str:
        return f"{self.times} times since {moment(self.since / 1000)}"


def failures(struck: Sequence[tuple[int, str]], began: int, most: int) -> Failures | None:
    """The failures of the newest one's shape. ``struck`` are times and causes, newest first.

    A JobManager remembers ``most`` failures of a job. Where it may have forgotten older ones, they are taken to have
    gone on since ``began``, when the job started or completed its last checkpoint: a job that restarts twice a second
    would otherwise never be seen to fail for long.
    """
    if not struck:
        return None
    alike = [time for time, cause in struck if shape(cause) == shape(struck[0][1])]
    pause = max((later - earlier for later, earlier in pairwise(alike)), default=0)
    return Failures(len(alike), min(began, alike[-1]) if len(struck) >= most else alike[-1], alike[0], pause)


def moment(seconds: float) -> str:
    """A time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
