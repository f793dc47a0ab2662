"""What a changed query does with the state that is there: carries it over, leaves it behind, or is refused."""

from __future__ import annotations

from airflow_provider_flinksql.errors import Blocked
from airflow_provider_flinksql.model.lifecycle.candidates import choice
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Consent, Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import Change, judge

COSTS = {
    "fails": "Flink would refuse to restore it, or the job would fail again and again",
    "changes-meaning": "Flink would restore it, and old values would be shown for what they do not mean",
    "unknown": "it cannot be told whether the state would fit",
}
WAYS = {
    "fails": "--accept allow-non-restored restores what still has its place and drops the rest",
    "changes-meaning": "--accept changes-meaning goes on with the old values all the same",
    "unknown": "--accept unknown tries it, and goes back to what ran before if the job fails",
}


def change_since(spec: Spec, wrote: Attempt, seen: Seen) -> Change:
    """The change from the Spec that wrote the state, judged by what the planner says, if it was asked."""
    planned, before = seen.planner_on(spec.digest), seen.planner_on(wrote.spec.digest) or wrote.explained
    return judge(spec, wrote.spec, planned, before, from_checkpoint=_from_checkpoint(wrote, seen))


def _from_checkpoint(wrote: Attempt, seen: Seen) -> bool:
    """Whether the job is over and left no savepoint of its stop behind."""
    job = seen.job_of(wrote)
    if wrote.state != "ended" and job and job.live:
        return False
    left = choice(wrote, seen)
    return left is not None and left.kind == "checkpoint"


def to_be_judged(spec: Spec, manifest: Manifest | None, policy: Policy) -> tuple[Attempt, ...]:
    """The attempts whose query a changed one must be compared with: whose state counts, a look has yet to tell."""
    current, pending = (manifest.current, manifest.pending) if manifest else (None, None)
    if spec.mode == "batch" or policy.stop or not spec.enabled:
        return ()
    landed = pending if pending and pending.landed else None
    if landed and landed.spec.digest == spec.digest:
        return ()  # it was judged before it was sent
    heads = (a for a in (current, landed) if a and a.spec.statements)
    return tuple(a for a in heads if judge(spec, a.spec).kind == "query")


def carries(spec: Spec, change: Change, manifest: Manifest, policy: Policy) -> bool:
    """Whether the new query takes the state over; ``False``: it starts empty. Raises Blocked where neither may be."""
    if _accepted(change, _consents(spec, manifest, policy)):
        return True
    if spec.state.on_query_change == "fresh":
        return False
    if change.verdict in ("none", "carries"):
        return True
    if spec.state.on_query_change == "carry-or-fresh":
        return False
    raise _refused(spec, change)


def _accepted(change: Change, consents: frozenset[Consent]) -> bool:
    if change.verdict == "fails":
        return "allow-non-restored" in consents
    return change.verdict in consents or (change.verdict == "unknown" and "allow-non-restored" in consents)


def _consents(spec: Spec, manifest: Manifest, policy: Policy) -> frozenset[Consent]:
    """Those of this run, and those with which the job was stopped: what is down must not stay down for want of one."""
    current, pending = manifest.current, manifest.pending
    if not (current and pending and pending.spec.digest == spec.digest):
        return policy.accept
    begun = pending.sent or (current.stop is not None and current.stop.purpose == pending.number)
    return policy.accept | frozenset(pending.accepted) if begun else policy.accept


def _refused(spec: Spec, change: Change) -> Blocked:
    return Blocked(
        f"Job {spec.name}: {change.reason}. Verdict {change.verdict}: {COSTS[change.verdict]}. Nothing was stopped. "
        f"{WAYS[change.verdict]}. state.on-query-change: fresh in the job file, or --restore-from none, takes a "
        "savepoint and starts empty: aggregates and joins forget what they saw, and sources begin where their own "
        "options say, so what they read again is written twice, and what they skip is missing. --restore-from LOCATION "
        "names another state.",
        change.verdict,
    )
