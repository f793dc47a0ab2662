"""The map for newcomers: what it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "developing.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w./-]+(?:\.py|\.md|/))`", PAGE)))


@pytest.mark.parametrize("name", [name for name in NAMED if name != "sensors/"])
def test_what_the_map_names_is_there(name: str) -> None:
    package = ROOT / "airflow_provider_flinksql"
    places = (ROOT, package, package / "model" / "lifecycle", package / "targets")
    assert any((place / name).exists() for place in places)


LAWS = PAGE.partition("## Laws")[2].partition("## Where")[0]


@pytest.mark.parametrize("machine", re.findall(r"`([A-Z][a-z]+)`", LAWS))
def test_the_machines_that_hold_a_law_are_there(machine: str) -> None:
    assert f"class {machine}(" in (ROOT / "tests" / "laws" / "machines.py").read_text()


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_prose_is_at_most_120_columns_wide(page: Path) -> None:
    prose, fenced = [], False
    for line in page.read_text().splitlines():
        fenced ^= line.startswith("```")
        divisible = not line.startswith(("|", "```")) and "`" not in line[:2]  # no table, nor one long span of code
        if not fenced and divisible:
            prose.append(line)
    assert [line for line in prose if len(line) > 120] == []
