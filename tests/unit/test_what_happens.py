"""Every row of the table in docs/what-happens.md, held against the plan."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_flinksql.errors import Blocked, JobFailed
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.spec import Spec
from unit.test_never_up import EXPLAINED
from unit.test_plan import (
    CANCELLED,
    FAILED,
    HARMLESS,
    LOOP,
    ME,
    NOT_UP,
    NOTHING,
    OTHER_QUERY,
    PLAIN,
    REWRITTEN,
    RUNS,
    STOPPED,
    UP,
    carrying,
    ended,
    listed,
    look,
    manifest,
    submitted,
)

Scenario = tuple[Spec, Manifest | None, Seen]

PAGE = Path(__file__).parents[2] / "docs" / "what-happens.md"
KNOWN = replace(UP, explained=EXPLAINED)
LOOKED_LONG = replace(NOT_UP, waited=1e6)
EMPTY = submitted(1, landed=True)
EMPTY_LOOPS = look(listed(EMPTY, "RESTARTING"), details={EMPTY.job_id: Detail(cause="bad", failures=LOOP)})
BATCH = replace(PLAIN, mode="batch", properties={})
RUN = replace(UP, spec=BATCH, had_state=False)


def told(seen: Seen, spec: Spec) -> Seen:
    """The look of a deploy whose planner sees the same operators in both queries."""
    return replace(seen, explained=((spec.digest, EXPLAINED),))


def either(seen: Seen, *recorded: Manifest) -> list[Scenario]:
    return [(carrying(OTHER_QUERY, way), one, seen) for way in ("fresh", "carry-or-fresh") for one in recorded]


OFF = replace(PLAIN, enabled=False)
OVER = (FAILED, CANCELLED, look(incarnation="life-2", snapshots=CANCELLED.snapshots))
NOT_FOUND = look(incarnation="life-2")
SCENARIOS: dict[tuple[str, str, str], list[Scenario]] = {
    ("none", "nothing of that name", "any"): [(PLAIN, None, NOTHING), (OTHER_QUERY, None, NOTHING)],
    ("none", "a live job of that name", "any"): [(PLAIN, None, look(Sighting("f" * 32, "orders", "RUNNING")))],
    ("confirmed", "up", "same"): [(PLAIN, manifest(UP), RUNS)],
    ("pending", "up", "same"): [(PLAIN, manifest(pending=submitted(landed=True)), RUNS)],
    ("confirmed", "up", "only harmless options"): [(HARMLESS, manifest(UP), RUNS)],
    ("confirmed", "up", "only description, `health`, `state`, comments, white space"): [
        (REWRITTEN, manifest(UP), RUNS),
        (carrying(replace(PLAIN, description="d", health_timeout=9), "fresh"), manifest(UP), RUNS),
    ],
    ("confirmed", "up", "query or other options, carries"): [(OTHER_QUERY, manifest(KNOWN), told(RUNS, OTHER_QUERY))],
    ("confirmed", "up", "query or other options, does not carry, `carry`"): [(OTHER_QUERY, manifest(UP), RUNS)],
    ("confirmed", "up", "query or other options, does not carry, `fresh` or `carry-or-fresh`"): either(
        RUNS, manifest(UP)
    ),
    ("any", "live, not up", "same"): [(PLAIN, manifest(UP), LOOKED_LONG)],
    ("any", "live, not up", "only harmless options"): [(HARMLESS, manifest(UP), NOT_UP)],
    ("any", "live, not up", "query, carries"): [(OTHER_QUERY, manifest(KNOWN), told(NOT_UP, OTHER_QUERY))],
    ("any", "live, not up", "query, does not carry, `carry`"): [(OTHER_QUERY, manifest(UP), NOT_UP)],
    ("any", "live, not up", "query, does not carry, `fresh` or `carry-or-fresh`"): either(NOT_UP, manifest(UP)),
    ("any", "began empty, not up or over, no checkpoint ever", "query"): [
        (OTHER_QUERY, manifest(replace(UP, had_state=False, checkpoint_folder=None)), EMPTY_LOOPS),
        (OTHER_QUERY, manifest(ended("failed", had_state=False)), NOTHING),
    ],
    ("any", "failed, cancelled, cluster gone", "same or only harmless options"): [
        *((spec, manifest(UP), seen) for spec in (PLAIN, HARMLESS) for seen in OVER),
        (PLAIN, manifest(ended("failed", had_state=False)), NOTHING),
    ],
    ("any", "failed, cancelled, cluster gone, and its state is not found", "same or only harmless options"): [
        (spec, manifest(UP), NOT_FOUND) for spec in (PLAIN, HARMLESS)
    ],
    ("any", "failed, cancelled, cluster gone", "query, carries"): [
        (OTHER_QUERY, manifest(KNOWN), told(seen, OTHER_QUERY)) for seen in OVER
    ],
    ("any", "failed, cancelled, cluster gone", "query, does not carry, `carry`"): [
        (OTHER_QUERY, manifest(UP), seen) for seen in OVER
    ],
    ("any", "failed, cancelled, cluster gone", "query, does not carry, `fresh` or `carry-or-fresh`"): [
        scenario for seen in OVER for scenario in either(seen, manifest(UP))
    ],
    ("stopped", "nothing", "same or only harmless options"): [
        (spec, manifest(STOPPED), NOTHING) for spec in (PLAIN, HARMLESS)
    ],
    ("stopped with `--drain`", "nothing", "same or only harmless options"): [
        (spec, manifest(ended("drained")), NOTHING) for spec in (PLAIN, HARMLESS)
    ],
    ("any", "up", "`enabled: false`"): [(OFF, manifest(UP), RUNS)],
    ("any", "live, not up", "`enabled: false`"): [(OFF, manifest(UP), NOT_UP)],
    ("streaming", "FINISHED because its sources ended", "same"): [
        (PLAIN, manifest(UP), look(listed(UP, "FINISHED"))),
        (PLAIN, manifest(ended("finished")), NOTHING),
    ],
    ("streaming", "FINISHED because its sources ended", "query"): [
        (OTHER_QUERY, manifest(KNOWN), told(look(listed(UP, "FINISHED")), OTHER_QUERY)),
    ],
    ("batch", "never ran", "any"): [(BATCH, None, NOTHING)],
    ("batch", "FINISHED", "same run key"): [(BATCH, manifest(RUN), look(listed(RUN, "FINISHED")))],
    ("batch", "failed, cancelled, cluster gone", "same run key"): [
        (BATCH, manifest(ended("failed", spec=BATCH, had_state=False)), NOTHING),
    ],
}


def rows() -> dict[tuple[str, str, str], str]:
    """What the page says is done, by manifest, cluster and file."""
    lines = PAGE.read_text().splitlines()
    begin = lines.index("| manifest | on the cluster | job file | done |") + 2
    found = {}
    for line in lines[begin : lines.index("", begin)]:
        recorded, cluster, file, done = (cell.strip() for cell in line.strip("|").split(" | "))
        found[recorded, cluster, file] = done
    return found


def done(scenario: Scenario) -> str:
    spec, recorded, seen = scenario
    try:
        return plan(spec, recorded, seen, ME).action
    except Blocked:
        return "refused"
    except JobFailed:
        return "fails"


def test_the_page_and_this_file_know_the_same_rows() -> None:
    assert set(rows()) == set(SCENARIOS)


@pytest.mark.parametrize("row", rows(), ids=" · ".join)
def test_what_the_page_says_is_what_is_planned(row: tuple[str, str, str]) -> None:
    said = re.match(r"`([\w-]+)`|(refused|fails)", rows()[row])
    assert said, rows()[row]
    assert {done(scenario) for scenario in SCENARIOS[row]} == {said[1] or said[2]}
