"""What runs before the query and may change what it does, unseen in the planner's graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.flinkversion import minor
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import normal_form
from airflow_provider_flinksql.model.verdict.compare import Finding

_ONE = r"(?:[\w$]+|`(?:[^`]|``)*`)"
_NAME = rf"({_ONE}(?:\.{_ONE})*)"
_SEEN_IN_THE_PLAN = re.compile(
    r"(CREATE|DROP|ALTER)\s*(OR\s+REPLACE\s*)?(TEMPORARY\s*)?(TABLE|VIEW|DATABASE)\b|USE\b(?!\s*MODULES)", re.IGNORECASE
)
_FUNCTION = re.compile(rf"FUNCTION\s*(IF\s+(?:NOT\s+)?EXISTS\s*)?{_NAME}", re.IGNORECASE)
_CATALOG = re.compile(rf"(?:CREATE|ALTER|DROP)\s+CATALOG\s*(?:IF\s+(?:NOT\s+)?EXISTS\s*)?{_NAME}", re.IGNORECASE)
_JAVA = re.compile(r"\s*LANGUAGE\s+JAVA\b", re.IGNORECASE)
_TTL_HINT = re.compile(r"\bSTATE_TTL\s*\(", re.IGNORECASE)
_WITHIN = re.compile(r"\bWITHIN\s+(INTERVAL\s*'[^']*'\s*[^)]*?)\s*DEFINE\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Prepared:
    """The statements of a Spec that run before its query, by the text that has the same effect."""

    spec: Spec
    planned: Explained

    @property
    def statements(self) -> dict[str, str]:
        return {_effect(normal_form(one)): one for one in (*self.spec.tables, *self.spec.setup)}

    def calls(self, function: str) -> bool:
        """Whether the plan, or what is kept of a table, names it: the planner writes functions in small letters."""
        texts = (self.planned.text, *(schema for _, schema in self.planned.sources))
        return any(f"{function}(".lower() in text.lower() for text in texts)

    def uses(self, catalog: str) -> bool:
        """Whether a table lies in it, or what has no path is looked for there."""
        paths = any(path.startswith((f"{catalog}.", f"`{catalog}`.")) for path, _ in self.planned.sources)
        return paths or any(form.upper().startswith("USE") and catalog in form for form in self.statements)

    def hidden(self, pattern: re.Pattern[str]) -> list[str]:
        """What the statements say that the plan does not tell."""
        everything = (*self.spec.statements, *self.spec.tables, *self.spec.setup)
        return [" ".join(found.split()) for one in map(normal_form, everything) for found in pattern.findall(one)]


def unseen(new: Spec, old: Spec, planned: Explained, before: Explained) -> Iterator[Finding]:
    """What may change what a query does and is not seen in its plan."""
    ours, theirs = _Prepared(new, planned), _Prepared(old, before)
    if new.jars[: len(old.jars)] != old.jars:
        yield Finding("unknown", "the jars change, and with them what functions and connectors do")
    yield from _statements(ours, theirs)
    if ours.hidden(_WITHIN) != theirs.hidden(_WITHIN):
        yield Finding("unknown", "WITHIN of a MATCH_RECOGNIZE changes, and the plan does not show it")
    if minor(planned.flink_version) >= (2, 0):
        return  # takes state with another time to live for what it is
    hints, were = ([normal_form(s) for s in spec.statements if _TTL_HINT.search(s)] for spec in (new, old))
    if hints != were:
        yield Finding("unknown", "a statement with STATE_TTL changes, and the plan does not show what it holds")


def _statements(ours: _Prepared, theirs: _Prepared) -> Iterator[Finding]:
    new, old = ours.statements, theirs.statements
    for form in sorted(new.keys() ^ old.keys()):
        if _SEEN_IN_THE_PLAN.match(form):
            continue
        if function := _FUNCTION.search(form):
            name = _last(function[2])
            if ours.calls(name) or theirs.calls(name):
                yield Finding("unknown", f"the function {name} changes, and what it does is not seen in the plan")
        elif (catalog := _CATALOG.match(form)) and not any(one.uses(_last(catalog[1])) for one in (ours, theirs)):
            continue
        else:
            words = re.findall(r"[A-Z]+", (new.get(form) or old[form]).upper())[:2]
            yield Finding("unknown", f"a {' '.join(words)} statement changes, which is not seen in the plan")


def _effect(form: str) -> str:
    """What of a statement decides: whether a function may be there already does not, nor that it is Java."""
    function = _FUNCTION.search(form)
    if function is None:
        return form
    return _JAVA.sub("", form[: function.start(1)] + form[function.start(2) :] if function[1] else form)


def _last(path: str) -> str:
    """The last name of a path, without its quotes."""
    found = re.findall(r"`((?:[^`]|``)*)`|([\w$]+)", path)
    quoted, plain = found[-1]
    return str(quoted.replace("``", "`") or plain)
