"""What a change of the job file means for the state of the job that runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.flinkversion import minor
from airflow_provider_flinksql.model.judge import Finding, Verdict, compare, expires, gravest
from airflow_provider_flinksql.model.options import Effect, duration, effect_on_state
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import normal_form

__all__ = ["Change", "Verdict", "judge"]

_SEEN_IN_THE_PLAN = re.compile(
    r"(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMPORARY\s+)?(TABLE|VIEW|DATABASE)\b|USE\b(?!\s*MODULES)", re.IGNORECASE
)
_TABLE = re.compile(
    r"CREATE\s+(?:TEMPORARY\s+)?TABLE\s*(?:IF\s+NOT\s+EXISTS\s*)?((?:\.|[\w$]+|`[^`]*`)+)", re.IGNORECASE
)
_OPTION = re.compile(r"'((?:[^']|'')*)'\s*=\s*'((?:[^']|'')*)'")
_PLACE = re.compile(
    r"(?:.*[.-])?(path|topics?|pattern|ur[il]s?|hosts?|hostnames?|ports?|servers?|nodes|database|table|schema|name|"
    r"collection|index|warehouse|bucket|streams?|queue|subscription|project|dataset|arn|endpoint|file)",
    re.IGNORECASE,
)
_FUNCTION = re.compile(r"FUNCTION\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?([\w`.$]+)", re.IGNORECASE)
_BACKENDS = frozenset({"hashmap", "rocksdb"})
_LIKE = re.compile(r"\bLIKE\s*((?:\.|[\w$]+|`[^`]*`)+)", re.IGNORECASE)
_HINT = re.compile(r"\bOPTIONS\s*\((.*?)\)\s*(?:,|\*/)", re.IGNORECASE | re.DOTALL)
_TTL_HINT = re.compile(r"\bSTATE_TTL\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Change:
    """The difference between two Specs, by what follows from it.

    ``same``: nothing that runs changed; ``harmless``: options without effect on state; ``query``: anything else.
    """

    kind: Literal["same", "harmless", "query"]
    verdict: Verdict
    reason: str


def judge(
    new: Spec,
    old: Spec,
    planned: Explained | None = None,
    before: Explained | None = None,
    *,
    from_checkpoint: bool = False,
) -> Change:
    """Compare a Spec with the one that wrote the state. Names options, never their values: those may be secret.

    ``planned`` and ``before`` are what the planner says of the new and of the old Spec, asked of one Flink; without
    both, a changed query is ``unknown``. ``from_checkpoint``: no savepoint is left to restore, and none can be taken.
    """
    keys = sorted(k for k in {*new.properties, *old.properties} if new.properties.get(k) != old.properties.get(k))
    telling = [key for key in keys if effect_on_state(key) != "none"]
    if new.query_digest == old.query_digest and not telling:
        if not keys:
            return Change("same", "none", "nothing changed")
        return Change("harmless", "carries", f"{_list(keys)} changed, which does not touch the state")
    parts = [*_changed_parts(new, old), *telling]
    why_not = _cannot_compare(new, old, planned, before)
    if why_not or planned is None or before is None:
        return Change("query", "unknown", f"{_list(parts)} changed, {why_not}")
    chaining = (_chains(new), _chains(old))
    moved = _moved(new, old, [path for path, _ in planned.sources])
    findings = [*compare(planned, before, moved=moved, chaining=chaining), *_setup(new, old, planned, before)]
    findings += [one for key in telling if (one := _option(key, new, old, planned, from_checkpoint))]
    if findings:
        worst = gravest(findings)
        return Change("query", worst.verdict, worst.reason)
    return Change("query", "carries", f"{_list(parts)} changed; all state finds its place and keeps its meaning")


def _cannot_compare(new: Spec, old: Spec, planned: Explained | None, before: Explained | None) -> str | None:
    if new.mode == "batch":
        return "and a batch job has no state"
    if not old.statements:
        return "and what runs was adopted without a file: --adopt says that this file is what runs"
    if planned is None or before is None:
        return "which cannot be judged before the planner was asked for the old and the new query"
    if not planned.text or not before.text:
        return "and the planner did not tell the operators of both"
    if minor(planned.flink_version) != minor(before.flink_version):
        return f"and the plans are of Flink {before.flink_version} and {planned.flink_version}"
    return None


def _option(key: str, new: Spec, old: Spec, planned: Explained, from_checkpoint: bool) -> Finding | None:
    """What an option does that the planner's graph does not show."""
    effect: Effect = effect_on_state(key)
    match effect:
        case "none" | "planned" | "chaining":
            return None
        case "max-parallelism":
            return Finding("fails", f"{key} changes: Flink would refuse to restore")
        case "ttl" if minor(planned.flink_version) >= (2, 0) or _lives(key, new) == _lives(key, old):
            return None
        case "ttl":
            why = "with or without a time to live, state has another form in Flink 1, and the job would fail"
            return Finding("fails", f"{key} changes: {why}") if expires(planned) else None
        case "backend" if from_checkpoint or not _canonical(old):
            left = "; what is left of the job is a checkpoint" if from_checkpoint else ""
            return Finding("unknown", f"{key} changes: only a canonical savepoint can be read by another backend{left}")
        case "backend" if {spec.properties.get(key, "hashmap") for spec in (new, old)} <= _BACKENDS:
            return None
    return Finding("unknown", f"{key} changes, and what it does to state is not known")


def _canonical(spec: Spec) -> bool:
    return spec.state.savepoint_format == "canonical" and spec.state.stop_with == "savepoint"


def _lives(key: str, spec: Spec) -> bool | None:
    """Whether there is a time to live at all; None where Flink is left to say so."""
    seconds = duration(spec.properties, key, "0")
    return None if seconds is None else seconds > 0


def _setup(new: Spec, old: Spec, planned: Explained, before: Explained) -> Iterator[Finding]:
    """What runs before the query and may change what it does, unseen in the plan."""
    if new.jars[: len(old.jars)] != old.jars:
        yield Finding("unknown", "the jars change, and with them what functions and connectors do")
    ours, theirs = ({normal_form(one): one for one in (*spec.tables, *spec.setup)} for spec in (new, old))
    for form in sorted(ours.keys() ^ theirs.keys()):
        statement = ours.get(form) or theirs[form]
        if _SEEN_IN_THE_PLAN.match(form):
            continue
        if function := _FUNCTION.search(statement):
            name = _last(function[1])
            used = re.compile(rf"(?<![\w$]){re.escape(name)}\(", re.IGNORECASE)
            if used.search(planned.text) or used.search(before.text):
                yield Finding("unknown", f"the function {name} changes, and what it does is not seen in the plan")
            continue
        yield Finding("unknown", f"a {' '.join(form.split()[:2])} statement changes, which is not seen in the plan")
    if minor(planned.flink_version) >= (2, 0):
        return  # takes state with another time to live for what it is
    hints, were = ([one for one in spec.statements if _TTL_HINT.search(one)] for spec in (new, old))
    if [normal_form(one) for one in hints] != [normal_form(one) for one in were]:
        yield Finding("unknown", "a statement with STATE_TTL changes, and the plan does not show what it holds")


def _moved(new: Spec, old: Spec, paths: Iterable[str]) -> set[str]:
    """Those of the tables, by their path, whose DDL now says that their rows are elsewhere; all if a hint does."""
    if _placed(_HINT.findall(" ".join(new.statements))) != _placed(_HINT.findall(" ".join(old.statements))):
        return set(paths)
    ours, theirs = _places(new), _places(old)
    changed = {table for table in ours.keys() & theirs.keys() if ours[table] != theirs[table]}
    return {path for path in paths if path.rpartition(".")[2] in changed}


def _places(spec: Spec) -> dict[str, set[tuple[str, str]]]:
    """What the DDL of each table says of where its rows are; secrets are still placeholders."""
    found: dict[str, set[tuple[str, str]]] = {}
    for statement in map(normal_form, (*spec.tables, *spec.setup)):
        if table := _TABLE.match(statement):
            bases = (_last(base) for base in _LIKE.findall(statement))
            found[_last(table[1])] = _placed([statement]).union(*(found.get(base, set()) for base in bases))
    return found


def _placed(texts: Iterable[str]) -> set[tuple[str, str]]:
    return {(key, value) for text in texts for key, value in _OPTION.findall(text) if _PLACE.fullmatch(key)}


def _last(path: str) -> str:
    return path.rpartition(".")[2].strip("`")


def _chains(spec: Spec) -> bool:
    return spec.properties.get("pipeline.operator-chaining.enabled", "true").strip().lower() != "false"


def _changed_parts(new: Spec, old: Spec) -> list[str]:
    if new.query_digest == old.query_digest:
        return []
    parts = {"statements": "query", "tables": "tables", "setup": "setup", "jars": "jars", "mode": "mode"}
    named = [word for field, word in parts.items() if _differs(new, old, field)]
    return [f"the {_list(named or ['target table or metadata columns'])}"]


def _differs(new: Spec, old: Spec, field: str) -> bool:
    return new.query_digest != replace(new, **{field: getattr(old, field)}).query_digest


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
