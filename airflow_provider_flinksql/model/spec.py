"""What should run: the value a job file is read into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

from airflow_provider_flinksql.model.document import Document
from airflow_provider_flinksql.model.settings import without_settings
from airflow_provider_flinksql.model.sql import normal_form

Mode = Literal["streaming", "batch"]


@dataclass(frozen=True)
class StatePolicy(Document):
    """The ``state:`` section of a job file: what may happen to a job's state. ``max_age`` is in seconds."""

    on_query_change: Literal["carry", "carry-or-fresh", "fresh"] = "carry"
    stop_with: Literal["savepoint", "checkpoint"] = "savepoint"
    savepoint_format: Literal["canonical", "native"] = "canonical"
    on_savepoint_failure: Literal["keep-running", "checkpoint"] = "keep-running"
    on_failure: Literal["rollback", "hold"] = "rollback"
    max_age: float | None = None


@dataclass(frozen=True)
class Spec(Document):
    """One job as its author wants it. ``${conn…}``, ``${var…}`` and ``${env…}`` are still placeholders.

    ``tables`` and ``setup`` are single statements in the order they run; ``statements`` are the INSERTs of the job
    (one Flink job; several become a statement set). ``properties`` are the effective Flink options of connection,
    defaults file, job file and operator, SET statements among them, under their present names (see :mod:`.options`).
    ``health_timeout``, ``give_up_after`` (how long a job fails alike until that is a loop) and ``stable_for`` (how long
    it must run undisturbed to count as up) are in seconds.
    """

    name: str
    statements: tuple[str, ...]
    tables: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    target_table: str | None = None
    description: str = ""
    mode: Mode = "streaming"
    enabled: bool = True
    query_metadata: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    state: StatePolicy = StatePolicy()
    health_timeout: float = 300.0
    give_up_after: float = 15.0
    stable_for: float = 0.0

    @property
    def time_to_prove(self) -> float:
        """Seconds within which a start must have proved itself: what the file asks for besides takes its own time."""
        return self.health_timeout + self.stable_for

    @cached_property
    def query_digest(self) -> str:
        """Changes when what the job computes changes; not for comments, white space or options."""
        return _digest(self._query())

    @cached_property
    def digest(self) -> str:
        """Changes when what runs changes: the query or any effective Flink option."""
        return _digest([self._query(), sorted(self.properties.items())])

    def _query(self) -> list[Any]:
        return [
            [normal_form(statement) for statement in self.statements],
            [normal_form(statement) for statement in self.tables],
            [normal_form(statement) for statement in self.setup],
            list(self.jars),
            normal_form(self.target_table or ""),
            self.mode,
            self.query_metadata,
        ]

    def as_today(self) -> Self:
        """The same without SET, RESET and SHOW among its statements, as files are read today."""
        parts = without_settings(self.tables, self.setup, self.properties)
        same = all(getattr(self, name) == part for name, part in parts.items())
        return self if same else replace(self, **parts)  # type: ignore[arg-type]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
