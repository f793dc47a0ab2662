"""The secrets of the jobs on one cluster: put into what is sent, taken out of what is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_flinksql.errors import FlinkSqlError, Misconfigured
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.sql import fill, fill_plain, placeholders, plain_placeholders
from airflow_provider_flinksql.targets import Resolve

LONG = 4
"""A value of so many letters does not stand in a plan by chance."""

_LITERAL = re.compile(r"'(?!w\$)(?:[^']|'')*+'")


class Secrets:
    """What ``${conn…}``, ``${var…}`` and ``${env…}`` stand for, each asked for once and only when it is needed."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or _unresolvable
        self._values: dict[str, str] = {}

    def fill(self, statement: str) -> str:
        """A statement as it is sent."""
        return fill(statement, {name: self._value(name) for name in placeholders(statement)})

    def filled(self, config: Mapping[str, str]) -> dict[str, str]:
        """Options as they are sent."""
        names = {name for value in config.values() for name in plain_placeholders(value)}
        values = {name: self._value(name) for name in names}
        return {key: fill_plain(value, values) for key, value in config.items()}

    def redact(self, text: str) -> str:
        """A text without any value that was asked for so far, as it is or with its quotes doubled."""
        return self._replaced(text, lambda _: "***")

    def out_of_a_plan(self, text: str) -> str:
        """The same for what the planner says. Secrets stand in literals there: outside, a short one is no secret."""
        text = _LITERAL.sub(lambda literal: self.redact(literal[0]), text)
        return self._replaced(text, lambda _: "***", LONG)

    def named(self, text: str) -> str:
        """A text with each value's placeholder in its place: ``${conn.kafka.host}``."""
        return self._replaced(text, lambda name: f"${{{name}}}")

    def _replaced(self, text: str, by: Callable[[str], str], least: int = 1) -> str:
        for name, value in sorted(self._values.items(), key=lambda pair: (-len(pair[1]), pair[0])):
            for form in (value.replace("'", "''"), value) if len(value) >= least else ():
                text = text.replace(form, by(name))
        return text

    def without(self, cause: str | None, manifest: Manifest | None) -> str | None:
        """A cause may quote an option of a table; whatever can be resolved here is taken out of it."""
        for attempt in (manifest.pending, manifest.current) if manifest and cause else ():
            statements = (*attempt.spec.tables, *attempt.spec.setup, *attempt.spec.statements) if attempt else ()
            for name in {name for statement in statements for name in placeholders(statement)}:
                try:
                    self._value(name)
                except FlinkSqlError:
                    pass  # what has no value here is not in it
        return cause and self.redact(cause)

    def _value(self, name: str) -> str:
        if name not in self._values:
            self._values[name] = self._resolve(name)
        return self._values[name]


def _unresolvable(name: str) -> str:
    raise Misconfigured(f"${{{name}}} cannot be resolved here: only ${{env.X}} works without Airflow (--conn).")
