"""What passes between one worker and its servers, and the one fault that strikes it there.

The product knows nothing of this: a request that acts is recognised by what it says.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Moment = Literal["before", "during", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "during", "after")

_BURNT = re.compile(r"INSERT\s+INTO\s+flinksql_burnt", re.IGNORECASE)
_SUBMIT = re.compile(r"\s*(INSERT|EXECUTE|BEGIN)\b", re.IGNORECASE)
_EXPLAIN = re.compile(r"\s*EXPLAIN\b", re.IGNORECASE)


class Cut(Exception):
    """Nothing passes any more: whoever sends this is dead, or is to believe that the others are."""


@dataclass(frozen=True)
class Fault:
    """``act`` happens when ``step`` is met, and ``cut`` lets nothing pass from then on.

    ``before``: it has not arrived. ``during``: it had its effect, the answer is never heard. ``after``: it is heard.
    """

    step: str
    moment: Moment
    act: Callable[[], object]
    cut: bool = True


class Wire:
    """Shared by the proxies of one worker. ``passed`` are the acting steps, in order: ``submit``, ``write: pinned``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.jobmanager_hidden = False
        """Whether the JobManager can be reached by everybody but this worker."""
        self.unproved = False
        """Whether a checkpoint that was asked for as a proof takes as long as this says."""
        self.requests = 0
        """To gateway and JobManager, so far."""
        self.begin()

    def begin(self, fault: Fault | None = None) -> None:
        """Another worker takes the line; what the one before may still have sent does not pass."""
        with self._lock:
            self.fault = fault
            self.passed: list[str] = []
            self.struck = threading.Event()
            self.struck_at = 0.0
            self.life = object()
            self._cut = False

    def mend(self) -> None:
        """All passes again."""
        self._cut = False

    def require(self, life: object) -> None:
        """Raises Cut for requests of a worker that is no more."""
        if self._cut or life is not self.life:
            raise Cut

    def meet(self, kind: str, life: object) -> Fault | None:
        """One acting request; the fault that it meets, if any. The second of a kind is ``kind 2``."""
        with self._lock:
            self.require(life)
            seen = Counter(step.rsplit("#")[0] for step in self.passed)[kind]
            step = f"{kind}#{seen + 1}" if seen else kind
            self.passed.append(step)
            fault = self.fault if self.fault and self.fault.step == step else None
            return fault

    def strike(self, fault: Fault) -> None:
        """The fault happens."""
        self.struck_at = time.monotonic()
        self._cut = fault.cut
        fault.act()
        self.struck.set()


def request_kind(method: str, path: str, body: bytes) -> str | None:
    """What a request to gateway or JobManager does, ``None`` if it only looks."""
    parts = path.split("?")[0].strip("/").split("/")
    match method, parts:
        case "POST", [_, "sessions"]:
            return "open session"
        case "POST", [_, "sessions", _, "statements"]:
            return _statement_kind(json.loads(body)["statement"])
        case "POST", ["jobs", _, "stop"]:
            return "stop"
        case "POST", ["jobs", _, "checkpoints"]:
            return "proof"
        case "PATCH", ["jobs", _]:
            return "cancel"
    return None


def _statement_kind(statement: str) -> str | None:
    if _BURNT.match(statement):
        return "burn"
    if _EXPLAIN.match(statement):
        return "explain"
    return "submit" if _SUBMIT.match(statement) else None


def server_of(step: str) -> str:
    """Who is spoken to in a step."""
    if step.startswith("write"):
        return "store"
    return "JobManager" if step.rsplit("#")[0] in ("stop", "proof", "cancel") else "gateway"


def write_kind(document: dict[str, Any]) -> str:
    """What a store write says: how far the pending attempt is, and what of the current one."""
    pending, current = document["pending"], document["current"]
    words = []
    if pending:
        how = "proof" if pending["proofs"] else "landed" if pending["landed"] else pending["state"]
        words.append(how)
    if current:
        stop = current["stops"][-1]["state"] if current["stops"] and current["state"] != "ended" else None
        words.append(f"stop {stop}" if stop else f"current {current['state']}" if pending else current["state"])
    return f"write: {', '.join(words) or 'none'}"
