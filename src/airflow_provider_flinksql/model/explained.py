"""What the planner says of a query: enough to judge what a change of it means for its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 200_000
"""Characters of a planner's text that a manifest keeps; a longer one is asked for again when it is needed."""


@dataclass(frozen=True)
class Explained:
    """The planner's own text for one Spec, with what it leaves open: the schemas and connectors of the sources.

    ``text`` is the graph of operators that EXPLAIN tells (see :mod:`.graph`). ``sources`` are pairs of the path of a
    table that is read or written and what is known of it (see :mod:`.schema`). Holds no option of a table but its
    connector: options may be secret.
    """

    flink_version: str
    text: str
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def short_enough(self) -> bool:
        """Whether a manifest keeps it."""
        return len(self.text) + sum(len(schema) for _, schema in self.sources) <= LONGEST

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return vars(self) | {"sources": [list(source) for source in self.sources]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Explained:
        """The inverse of :meth:`to_json`."""
        return cls(data["flink_version"], data["text"], tuple((path, schema) for path, schema in data["sources"]))
