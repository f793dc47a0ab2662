"""What a change of the job file means for the state of the job that runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.flinkversion import minor
from airflow_provider_flinksql.model.options import Effect, duration, effect_on_state, effective
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.compare import Finding, Settings, Verdict, compare, expires, gravest
from airflow_provider_flinksql.model.verdict.unseen import unseen

__all__ = ["Change", "Verdict", "judge"]

_BACKENDS = frozenset({"hashmap", "rocksdb"})


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
    ours, theirs = _Options(new, planned), _Options(old, before)
    findings = [*compare(planned, before, (ours.settings, theirs.settings)), *unseen(new, old, planned, before)]
    findings += [one for key in telling if (one := _option(key, ours, theirs, from_checkpoint))]
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
    if not planned.comparable(before):
        return f"and the plans are of Flink {before.flink_version} and {planned.flink_version}"
    return None


@dataclass(frozen=True)
class _Options:
    """The options of a job as they hold for it: its own, and those of the gateway that planned it."""

    spec: Spec
    planned: Explained

    def value(self, key: str) -> str | None:
        return effective(key, self.spec.properties, dict(self.planned.defaults))

    @property
    def settings(self) -> Settings:
        most = self.value("pipeline.max-parallelism") or ""
        chains = self.value("pipeline.operator-chaining.enabled") != "false"
        return Settings(chains, int(most) if most.isdecimal() and int(most) > 0 else None)

    @property
    def expire(self) -> bool | None:
        """Whether there is a time to live at all; None where Flink is left to say so."""
        seconds = duration({"ttl": self.value("table.exec.state.ttl") or ""}, "ttl", "0")
        return None if seconds is None else seconds > 0


def _option(key: str, new: _Options, old: _Options, from_checkpoint: bool) -> Finding | None:
    """What an option does that the planner's graph does not show."""
    effect: Effect = effect_on_state(key)
    same = new.value(key) == old.value(key) is not None
    match effect:
        case "none" | "planned":
            return None
        case "chaining" | "max-parallelism" if not any("${" in (one.value(key) or "") for one in (new, old)):
            return None  # compared operator by operator
        case "ttl" if minor(new.planned.flink_version) >= (2, 0) or new.expire == old.expire is not None:
            return None
        case "ttl" if None not in (new.expire, old.expire):
            why = "with or without a time to live, state has another form in Flink 1, and the job would fail"
            return Finding("fails", f"{key} changes: {why}") if expires(new.planned) else None
        case _ if same:
            return None
        case "backend" if from_checkpoint or not _canonical(old.spec):
            left = "; what is left of the job is a checkpoint" if from_checkpoint else ""
            return Finding("unknown", f"{key} changes: only a canonical savepoint can be read by another backend{left}")
        case "backend" if {new.value(key), old.value(key)} <= _BACKENDS:
            return None
    return Finding("unknown", f"{key} changes, and what it does to state is not known")


def _canonical(spec: Spec) -> bool:
    return spec.state.savepoint_format == "canonical" and spec.state.stop_with == "savepoint"


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
