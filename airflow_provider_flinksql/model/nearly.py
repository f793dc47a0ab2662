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
_LATE = re.compile(r"\{\{-?\s*(?:var\.value\.(\w+)|conn\.([\w.-]+))\s*-?\}\}")
_NAME = re.compile(r"\w+")
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
        yield match.start(), f"a job file is never rendered by Jinja; {_instead(text, match)}"


def _instead(text: str, jinja: re.Match[str]) -> str:
    late = _LATE.match(text, jinja.start())
    if late:
        return f"write ${{var.{late[1]}}}" if late[1] else f"write ${{conn.{late[2]}}}"
    name = _NAME.findall(jinja[0])[-1]
    whole = "".join(text[jinja.start() :].partition("}}")[:2])
    return f"write ${{param.{name}}} here and give the operator parameters={{'{name}': {whole!r}}}"


def _meant(kind: str, rest: str) -> str:
    if not rest and kind.isupper():
        return f"did you mean ${{env.{kind}}} or ${{param.{kind}}}?"
    if not rest:
        return f"did you mean ${{param.{kind}}}?"
    near = difflib.get_close_matches(kind.lower(), _KINDS, 1, 0.7)
    if near:
        return f"did you mean ${{{_KINDS[near[0]]}{rest}}}?"
    return "write ${param.name}, ${conn.id.field}, ${var.name} or ${env.NAME}"
