"""What is told decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


def tolerant(tell: Callable[P, None]) -> Callable[P, None]:
    """The same callback, of whose failure nothing comes: a log that is full or closed stops no job half-way."""

    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:  # noqa: S110 - whatever a handler of others raises; there is nobody to tell it to
            pass

    return told
