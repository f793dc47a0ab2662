"""What a flow tells: it decides nothing, is text, and claims nothing that is not so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ParamSpec

from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, shown

P = ParamSpec("P")


def line_by_line(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same for a callback that is told text: it gets one line each time, whatever of others that quotes."""

    def told(text: str) -> None:
        say(shown(text, MOST_OF_A_MESSAGE))

    return tolerant(told)


def tolerant(tell: Callable[P, None]) -> Callable[P, None]:
    """The same callback, of whose failure nothing comes: a log that is full or closed stops no job half-way."""

    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:  # noqa: S110 - whatever a handler of others raises; there is nobody to tell it to
            pass

    return told


def asked_before(asked: Sequence[str]) -> str:
    """What Flink was asked before a store failed, which is going on there."""
    if not asked:
        return "Flink was asked nothing before that."
    return (
        f"Before that Flink was asked to {', to '.join(dict.fromkeys(asked))}; that goes on there. Once the store "
        "works, the same again looks what became of it and goes on from there."
    )
