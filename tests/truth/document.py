"""The table in docs/state.md: what was measured, and what the judge says to it."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_flinksql.model.verdict.judge import judge
from truth.record import Record
from truth.table import GROUPS

PAGE = Path(__file__).parents[2] / "docs" / "state.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
VERSIONS = ("2.3.0", "1.20.3")
WORDS = {
    "right": "goes on",
    "else": "restores, means something else",
    "refused": "refused at the submit",
    "dies": "fails after the start",
}


def measured() -> str:
    """One table for each group of rows."""
    records = [Record(version) for version in VERSIONS]
    lines: list[str] = []
    for title, rows in GROUPS.items():
        lines += [f"### {title}", "", "| change | what Flink does | verdict |", "|---|---|---|"]
        for row in rows:
            specs = (row.new.spec(Path("/f"), "j", {}), row.old.spec(Path("/f"), "j", {}))
            verdicts = [judge(*specs, *record.plans(row.change)).verdict for record in records]
            truths = [WORDS[row.in_version(version)] for version in VERSIONS]
            lines.append(f"| {row.change.replace('|', '¦')} | {_both(truths)} | {_both(verdicts)} |")
        lines.append("")
    return "\n".join(lines) + "\n"


def _both(values: list[str]) -> str:
    new, old = values
    return new if new == old else f"{new}; in 1.20 {old}"


def documented() -> str:
    """What the page says now."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Put the table into the page."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(head + BEGIN + measured() + END + rest.partition(END)[2])
