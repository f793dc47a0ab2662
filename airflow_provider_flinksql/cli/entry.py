"""One job in the answer of ``plan``, ``deploy`` and ``stop``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_flinksql.deploy.flow import Result
from airflow_provider_flinksql.deploy.status import iso
from airflow_provider_flinksql.errors import Blocked, FlinkSqlError
from airflow_provider_flinksql.model.lifecycle.plan import Plan
from airflow_provider_flinksql.model.lifecycle.steps import Claim, Submit
from airflow_provider_flinksql.model.lifecycle.text import outline
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.verdict.judge import judge

DONE = {
    "none": "nothing to do",
    "start": "started",
    "record": "recorded, the job was not touched",
    "resume": "finished what an earlier deploy began",
    "restart": "restarted",
    "upgrade": "upgraded",
    "start-fresh": "started empty with the new query",
    "adopt": "adopted",
    "stop": "stopped",
}
TO_DO = {
    "none": "nothing to do",
    "start": "will start",
    "record": "will be recorded, the job is not touched",
    "resume": "will go on with what an earlier deploy began",
    "restart": "will restart",
    "upgrade": "will be upgraded",
    "start-fresh": "will start empty with the new query",
    "adopt": "will be adopted",
    "stop": "will stop",
}


@dataclass(frozen=True)
class Entry:
    """What ``--json`` prints of a job. Before a deploy ``job_id`` is the job on record, after it the one that runs."""

    path: str | None
    name: str | None
    action: str
    verdict: str | None
    reason: str
    job_id: str | None = None
    query_version: int | None = None
    restored_from: str | None = None
    savepoint: str | None = None
    plan_digest: str | None = None
    steps: tuple[str, ...] = ()
    error: dict[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def planned(path: str | None, name: str, made: Plan, manifest: Manifest | None) -> Entry:
    """A plan as an entry."""
    recorded = latest(manifest)
    claimed = next((step.query_version for step in made.steps if isinstance(step, Claim)), None)
    return Entry(
        path=path,
        name=name,
        action=made.action,
        verdict=made.verdict,
        reason=made.reason,
        job_id=recorded.job_id if recorded else None,
        query_version=claimed or (recorded.query_version if recorded else None),
        restored_from=made.restored_from,
        plan_digest=made.digest,
        steps=tuple(map(str, made.steps)),
    )


def done(path: str | None, made: Plan, result: Result) -> Entry:
    """What a deploy or stop did as an entry."""
    return Entry(
        path=path,
        name=result.name,
        action=result.action,
        verdict=result.verdict,
        reason=result.reason,
        job_id=result.job_id,
        query_version=result.query_version,
        restored_from=result.restored_from,
        savepoint=result.savepoint,
        plan_digest=made.digest,
        steps=tuple(map(str, made.steps)),
    )


def refused(
    path: str | None, name: str | None, error: FlinkSqlError, spec: Spec | None = None, manifest: Manifest | None = None
) -> Entry:
    """An error or a block as an entry."""
    recorded = latest(manifest)
    blocked = isinstance(error, Blocked)
    verdict = None
    if isinstance(error, Blocked):
        verdict = error.verdict or (judge(spec, recorded.spec).verdict if spec and recorded else "unknown")
    return Entry(
        path=path,
        name=name,
        action="blocked" if blocked else "error",
        verdict=verdict,
        reason=str(error),
        job_id=recorded.job_id if recorded else None,
        query_version=recorded.query_version if recorded else None,
        error={"type": type(error).__name__, "message": str(error)},
    )


def latest(manifest: Manifest | None) -> Attempt | None:
    """The attempt that was begun last."""
    return (manifest.pending or manifest.current) if manifest else None


def plan_lines(entry: Entry, made: Plan, manifest: Manifest | None) -> list[str]:
    """A plan in sentences."""
    lines = [f"{entry.name}: {TO_DO[made.action]}: {made.reason}{_since(made.action, manifest)}"]
    if made.action == "none":
        return lines
    if made.verdict != "none":
        lines.append(f"  what that means for its state: {made.verdict}")
    if any(isinstance(step, Submit) for step in made.steps):
        fresh = any(isinstance(step, Claim) and step.fresh for step in made.steps)
        source = "nothing, it starts empty" if fresh else made.restored_from or "the savepoint that its stop will take"
        lines.append(f"  restores {source}")
    return [*lines, *(f"  {phrase}" for phrase in outline(made.steps, manifest)), f"  plan {entry.plan_digest}"]


def done_line(entry: Entry, made: Plan, result: Result, manifest: Manifest | None) -> str:
    """What a deploy or stop did in one sentence."""
    line = f"{entry.name}: {DONE[made.action]}: {entry.reason}{_since(made.action, manifest)}"
    if made.action in ("none", "resume") and result.url is None and entry.savepoint:
        return f"{line}; savepoint {entry.savepoint}"
    if made.action == "none" or entry.job_id is None:
        return line
    if made.action == "stop":
        return f"{line}; savepoint {entry.savepoint}" if entry.savepoint else f"{line}; no savepoint was taken"
    line += f"; job {entry.job_id}, query version {entry.query_version}"
    line += f", restored from {entry.restored_from}" if entry.restored_from else ""
    return f"{line}; {result.url}" if result.url else line


def _since(action: str, manifest: Manifest | None) -> str:
    """Since when it is so, where there is nothing to do."""
    attempt = manifest.current if manifest else None
    if action != "none" or attempt is None:
        return ""
    if attempt.state == "ended":
        return f"; {attempt.outcome} at {iso(attempt.times[1])}"
    since = iso(attempt.settled_at / 1000) if attempt.settled_at else None
    return f"; job {attempt.job_id} runs{f' since {since}' if since else ''}"
