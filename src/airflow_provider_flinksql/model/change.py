"""What a change of the job file means for the state of the job that runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.options import is_harmless
from airflow_provider_flinksql.model.spec import Spec

Verdict = Literal["none", "carries", "changes-meaning", "fails", "unknown"]


@dataclass(frozen=True)
class Change:
    """The difference between two Specs, by what follows from it.

    ``same``: nothing that runs changed; ``harmless``: options without effect on state; ``query``: anything else.
    """

    kind: Literal["same", "harmless", "query"]
    verdict: Verdict
    reason: str


def judge(new: Spec, old: Spec, planned: Explained | None = None, before: Explained | None = None) -> Change:
    """Compare a Spec with the one that wrote the state. Names options, never their values: those may be secret.

    ``planned`` and ``before`` are what the planner says of the new and of the old Spec; without both, a changed query
    is ``unknown``.
    """
    if new.query_digest != old.query_digest:
        return Change("query", "unknown", f"the {_changed_part(new, old)} changed")
    keys = sorted(k for k in {*new.properties, *old.properties} if new.properties.get(k) != old.properties.get(k))
    if not keys:
        return Change("same", "none", "nothing changed")
    telling = [key for key in keys if not is_harmless(key)]
    if telling:
        return Change("query", "unknown", f"{_list(telling)} changed, which may change the state's form")
    return Change("harmless", "carries", f"{_list(keys)} changed, which does not touch the state")


def _changed_part(new: Spec, old: Spec) -> str:
    parts = {"statements": "query", "tables": "tables", "setup": "setup", "jars": "jars", "mode": "mode"}
    named = [word for field, word in parts.items() if _differs(new, old, field)]
    return _list(named or ["target table or metadata columns"])


def _differs(new: Spec, old: Spec, field: str) -> bool:
    return new.query_digest != replace(new, **{field: getattr(old, field)}).query_digest


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
