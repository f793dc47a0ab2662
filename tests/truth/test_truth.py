"""What the judge says against what a real Flink then does: old job, savepoint, new job, and the rows that come out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from truth.record import Record
from truth.rows import Row
from truth.run import Outcome, outcomes
from truth.table import IN_1_20, ROWS

ENDS = {"right": "runs", "else": "runs", "refused": "refused", "dies": "dies"}

CHOSEN: dict[str, list[Row]] = {
    "2.3.0": ROWS,
    "1.20.3": ROWS if os.environ.get("FLINKSQL_ALL_TRUTH") else [row for row in ROWS if row.change in IN_1_20],
}


@pytest.fixture(scope="module", params=CHOSEN)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def seen(version: str) -> dict[str, Outcome]:
    return {one.row.change: one for one in outcomes(version, CHOSEN[version], Record(version))}


def test_each_restored_job_ends_as_its_row_says(version: str, seen: dict[str, Outcome]) -> None:
    wrong = {name: one.seen for name, one in seen.items() if one.seen.end != ENDS[one.row.in_version(version)]}
    assert not wrong


def test_each_restored_job_shows_the_values_of_its_row(version: str, seen: dict[str, Outcome]) -> None:
    record = Record(version)
    shown = {name: (one.seen.rows, record.shows(name)) for name, one in seen.items() if not one.row.loose}
    assert {name: rows for name, rows in shown.items() if rows[0] != rows[1]} == {}


def test_carries_is_said_only_where_the_values_go_on(version: str, seen: dict[str, Outcome]) -> None:
    said = [name for name, one in seen.items() if one.change.verdict == "carries"]
    assert [name for name in said if seen[name].row.in_version(version) != "right"] == []


def test_fails_is_said_only_where_flink_refuses_or_the_job_dies(version: str, seen: dict[str, Outcome]) -> None:
    said = [name for name, one in seen.items() if one.change.verdict == "fails"]
    assert [name for name in said if seen[name].row.in_version(version) not in ("refused", "dies")] == []


def test_the_recorded_plans_are_what_the_planner_says(version: str, seen: dict[str, Outcome]) -> None:
    record = Record(version)
    assert {name: one.plans for name, one in seen.items()} == {name: record.plans(name) for name in seen}


def test_no_verdict_hangs_on_how_things_are_called(version: str, seen: dict[str, Outcome]) -> None:
    wrong = {name: one.renamed for name, one in seen.items() if _safe(one.renamed.verdict) != _safe(one.change.verdict)}
    assert wrong == {}


def _safe(verdict: str) -> str:
    """A row that changes nothing has two names for its jobs where it is run, and one where it is only planned."""
    return "carries" if verdict == "none" else verdict


@pytest.fixture(scope="module", autouse=True)
def figures(version: str, seen: dict[str, Outcome]) -> Iterator[None]:
    yield
    safe = [one for one in seen.values() if one.row.in_version(version) == "right"]
    needless = [f"{one.row.change} ({one.change.verdict})" for one in safe if one.change.verdict != "carries"]
    print(f"\nFlink {version}: {len(seen)} rows, {len(safe)} safe; needlessly refused {len(needless)}: {needless}")
