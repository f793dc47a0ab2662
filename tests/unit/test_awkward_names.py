"""The judge on plans of the truth table in which every column has another name, of any letters."""

import functools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_flinksql.model.verdict.judge import judge
from airflow_provider_flinksql.model.verdict.plantext import ambiguous
from awkward import COLUMNS, NAMES, plan_renamed
from unit.test_judge import BY_CHANGE, judged, recorded, specs

SAFE = "abzAZ09_-.#@ §/+*?!~^%&|<>:;éß金额订单Ωж"
ANY = SAFE + "`\"'()[]{},=\\"
RESERVED = ("select", "order", "group", "value", "timestamp", "user", "date", "table", "FROM", "SELECT", "Sum")
JUDGED = [change for change in BY_CHANGE if "awkward" not in change and "name" not in change and "MATCH" not in change]


def names(letters: str) -> st.SearchStrategy[dict[str, str]]:
    """A name for each column."""
    any_text = st.text(letters, min_size=1, max_size=12).filter(lambda name: name.strip() == name)
    found = st.lists(any_text | st.sampled_from(RESERVED), min_size=len(COLUMNS), max_size=len(COLUMNS), unique=True)
    return found.map(lambda those: dict(zip(COLUMNS, those, strict=True)))


def readable(called: dict[str, str]) -> bool:
    """Whether no name can be taken for what the planner writes itself: ``0``, ``<`` and ``k + v`` can."""
    return not any(ambiguous(name, frozenset(called.values())) for name in called.values())


@functools.cache
def said(change: str) -> str:
    return judged(change).verdict


def verdict(change: str, called: dict[str, str]) -> str:
    plans = [plan_renamed(plan, called) for plan in recorded("2.3.0").plans(change)]
    return judge(*specs(BY_CHANGE[change]), *plans).verdict


@pytest.mark.parametrize("change", JUDGED)
def test_a_verdict_does_not_hang_on_how_columns_are_called(change: str) -> None:
    assert verdict(change, NAMES) == said(change)


@settings(deadline=None, max_examples=300)
@given(change=st.sampled_from(JUDGED), called=names(SAFE).filter(readable))
def test_nor_on_the_letters_of_their_names(change: str, called: dict[str, str]) -> None:
    assert verdict(change, called) == said(change)


@settings(deadline=None, max_examples=300)
@given(change=st.sampled_from(JUDGED), called=names(ANY))
@example(
    change="UNNEST: a source column more, unused",
    called=dict(zip(COLUMNS, [*map(str, range(len(COLUMNS) - 1)), "('[[}}"], strict=True)),
)
def test_names_that_imitate_the_planners_own_text_make_no_verdict_safer(change: str, called: dict[str, str]) -> None:
    found = verdict(change, called)
    assert found == said(change) or found not in ("carries", "none")


def test_a_plan_in_which_nothing_is_renamed_is_as_it_was() -> None:
    for change in JUDGED:
        for plan in recorded("2.3.0").plans(change):
            same = plan_renamed(plan, {"k": "k"})
            assert [json.loads(line.rpartition("\t")[2]) for line in same.text.splitlines() if line[0] != "s"] == [
                json.loads(line.rpartition("\t")[2]) for line in plan.text.splitlines() if line[0] != "s"
            ]
