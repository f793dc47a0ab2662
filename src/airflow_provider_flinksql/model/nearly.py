"""What was meant to be a placeholder and is none: it would reach Flink as it stands, and nothing would say so.

``$`` and ``{`` are common in SQL strings (patterns, JSON), so only what looks like a name is taken for one:
``${city}``, ``${params.city}``, ``{{ ds }}``. Whoever means just that text gives it as the value of a parameter.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

_DOLLAR = re.compile(r"\$\{\s*([A-Za-z_]\w*)((?:\.[\w-]+)*)\s*\}")
_JINJA = re.compile(r"\{\{-?\s*[A-Za-z_][\w.]*\.?\b\s*(?:[|(\[]|-?\}\})")
_LAST_NAME = re.compile(r"\w+")
_KINDS = {
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("conn", "connection", "connections"), "conn"),
    **dict.fromkeys(("var", "vars", "variable", "variables"), "var"),
    **dict.fromkeys(("env", "environment"), "env"),
}


def looks_like_jinja(text: str) -> bool:
    """Whether somebody expects this to be rendered."""
    return _JINJA.search(text) is not None


def nearly(text: str) -> Iterator[tuple[int, str]]:
    """What stands where in the text, and what was probably meant."""
    for match in _DOLLAR.finditer(text):
        kind, rest = match[1], match[2]
        if kind not in set(_KINDS.values()) or not rest:
            yield match.start(), f"{match[0]} is not a placeholder; {_meant(kind, rest)}"
    for match in _JINJA.finditer(text):
        name = _LAST_NAME.findall(match[0])[-1]
        said = f"a job file is never rendered by Jinja; write ${{param.{name}}} here and give the operator"
        yield match.start(), f"{said} parameters={{'{name}': '{{{{ … }}}}'}}, or the command line --param {name}=…"


def _meant(kind: str, rest: str) -> str:
    if not rest:
        return f"did you mean ${{param.{kind}}}?"
    near = difflib.get_close_matches(kind.lower(), _KINDS, 1, 0.7)
    if near:
        return f"did you mean ${{{_KINDS[near[0]]}{rest}}}?"
    return "write ${param.name}, ${conn.id.field}, ${var.name} or ${env.NAME}"
