"""All rows of the truth table on one Flink, many at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.verdict.judge import Change, judge
from awkward import renamed
from services import flink
from truth.lab import Lab, Seen, Stopped
from truth.record import Record
from truth.rows import Row

AT_ONCE = 6

FLINK = {
    "taskmanager.numberOfTaskSlots": "64",
    "taskmanager.memory.network.min": "256m",
    "taskmanager.memory.network.max": "256m",
    "taskmanager.memory.managed.size": "1024m",
}


@dataclass(frozen=True)
class Outcome:
    """What one row led to, beside what was said of it before; ``renamed``: what is said where all names are awkward."""

    row: Row
    before: Stopped
    seen: Seen
    plans: tuple[Explained, Explained]
    change: Change
    renamed: Change


def outcomes(version: str, rows: Sequence[Row], record: Record | None) -> list[Outcome]:
    """Each old job is started and stopped once, and each of its successors restored from there; each has one of its own
    where both write the same files.

    With a record, what it holds is waited for; without, whatever comes until it is quiet.
    """
    olds: dict[str, Row] = {_old(row): row for row in reversed(rows)}
    with tempfile.TemporaryDirectory() as folder, flink(version, **FLINK) as up, ThreadPoolExecutor(AT_ONCE) as pool:
        lab = Lab(up, Path(folder))

        def stopped(row: Row) -> tuple[Stopped, Explained]:
            before = lab.stopped(row.old, None if record is None or row.loose else record.before(row.change))
            return before, lab.explained(row.old)

        begun = dict(zip(olds, pool.map(stopped, olds.values()), strict=True))

        def outcome(row: Row) -> Outcome:
            before, old = begun[_old(row)]
            expected = None if record is None or row.loose else record.shows(row.change)
            spec, seen = lab.restored(row.new, before, expected)
            new = lab.explained(row.new)
            change = judge(spec, before.spec, new, old)
            return Outcome(row, before, seen, (new, old), change, _renamed(lab, row) or change)

        return list(pool.map(outcome, rows))


def _renamed(lab: Lab, row: Row) -> Change | None:
    """None where an option of a connector names a column."""
    if "numbers" in " ".join(row.old.statements):
        return None
    new, old = (renamed(lab.planned(job)) for job in (row.new, row.old))
    return judge(new, old, lab.plan(new), lab.plan(old))


def plans_anew(version: str, record: Record, rows: Sequence[Row]) -> None:
    """Ask the planner about all rows, and leave what they led to as it is on record."""
    with tempfile.TemporaryDirectory() as folder, flink(version) as up:
        lab = Lab(up, Path(folder))
        record.forget_plans()
        for row in rows:
            record.plan_anew(row.change, lab.explained(row.new), lab.explained(row.old))
    record.write()


def _old(row: Row) -> str:
    """Rows of the same have one old job together."""
    return row.change if row.new.into_files else repr(row.old)
