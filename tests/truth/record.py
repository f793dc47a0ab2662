"""What came out of each row on each version of Flink, and what its planner said: read, compared, written anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_flinksql.model.explained import Explained

RECORDED = Path(__file__).parent / "recorded"


class Record:
    """One version's. Plans stand once each, since many rows begin with the same query."""

    def __init__(self, version: str) -> None:
        self._path = RECORDED / f"{version}.json"
        known = json.loads(self._path.read_text()) if self._path.exists() else {"plans": [], "rows": {}}
        self._plans: list[dict[str, Any]] = known["plans"]
        self._rows: dict[str, dict[str, Any]] = known["rows"]

    def before(self, change: str) -> tuple[str, ...] | None:
        """What the old job showed."""
        return tuple(self._rows[change]["before"]) if change in self._rows else None

    def shows(self, change: str) -> tuple[str, ...] | None:
        """What the restored job added and took back."""
        return tuple(self._rows[change]["shows"]) if change in self._rows else None

    def plans(self, change: str) -> tuple[Explained, Explained]:
        """What the planner said of the new and of the old query."""
        row = self._rows[change]
        return Explained.from_json(self._plans[row["new"]]), Explained.from_json(self._plans[row["old"]])

    def add(self, change: str, before: tuple[str, ...], shows: tuple[str, ...], new: Explained, old: Explained) -> None:
        """One row more, or one anew."""
        plans = {"new": self._number(new), "old": self._number(old)}
        self._rows[change] = {"before": list(before), "shows": list(shows), **plans}

    def plan_anew(self, change: str, new: Explained, old: Explained) -> None:
        """What the planner says of a row that is on record, in the place of what it said."""
        self._rows[change] |= {"new": self._number(new), "old": self._number(old)}

    def forget_plans(self) -> None:
        """All plans; each row is then to be planned anew."""
        self._plans = []

    def write(self) -> None:
        """One plan and one row a line."""
        plans = ",\n".join(json.dumps(plan) for plan in self._plans)
        rows = ",\n".join(f"{json.dumps(change)}: {json.dumps(row)}" for change, row in self._rows.items())
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(f'{{"plans": [\n{plans}\n], "rows": {{\n{rows}\n}}}}\n')

    def _number(self, plan: Explained) -> int:
        value = json.loads(json.dumps(plan.to_json()))
        if value not in self._plans:
            self._plans.append(value)
        return self._plans.index(value)
