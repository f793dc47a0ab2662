"""What the planner says of a query: enough to judge what a change of it means for its state."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_flinksql.model.document import ABSENT, Document
from airflow_provider_flinksql.model.flinkversion import minor

FORM = 1
"""The way in which the planner's text is kept; only texts of one form can be compared."""

LONGEST = 200_000
"""Characters of a planner's text that a manifest keeps; a longer one is asked for again when it is needed."""


@dataclass(frozen=True)
class Explained(Document):
    """The planner's own text for one Spec, with what it leaves open: the schemas and connectors of the sources.

    ``text`` is the graph of operators that EXPLAIN tells (see :mod:`.graph`). ``sources`` are pairs of the path of a
    table that is read or written and what is known of it (see :mod:`.schema`). ``defaults`` are options of the gateway
    itself that no plan shows (see :func:`.options.hidden_default`). Holds no option of a table but its connector:
    options may be secret.
    """

    flink_version: str
    text: str
    sources: tuple[tuple[str, str], ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    form: int = field(default=FORM, metadata={ABSENT: 0})  # kept before there were forms

    def comparable(self, other: Explained) -> bool:
        """Whether both were told by one minor version of Flink, and are kept in one form."""
        return self.form == other.form and minor(self.flink_version) == minor(other.flink_version)

    @property
    def short_enough(self) -> bool:
        """Whether a manifest keeps it."""
        return len(self.text) + sum(len(schema) for _, schema in self.sources) <= LONGEST
