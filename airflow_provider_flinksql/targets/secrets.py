"""The secrets of the jobs on one cluster: put into what is sent, taken out of what is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_provider_flinksql.clients.redactor import Redactor
from airflow_provider_flinksql.errors import FlinkSqlError, Misconfigured
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.sql import fill, fill_plain, placeholders, plain_placeholders, well_formed
from airflow_provider_flinksql.targets import Resolve


class Secrets:
    """What ``${conn…}``, ``${var…}`` and ``${env…}`` stand for, each asked for once and only when it is needed.

    :param own: what we prove ourselves by to the servers, which is to be told as little
    """

    def __init__(self, resolve: Resolve | None = None, own: Iterable[str] = ()) -> None:
        self._resolve = resolve or _unresolvable
        self._values: dict[str, str] = {}
        self._owed: set[str] = set()
        self._plans, self._words = Redactor(folds=False), Redactor(own)  # an operator's name may differ by a capital

    def fill(self, statement: str) -> str:
        """A statement as it is sent."""
        return fill(statement, {name: self._value(name) for name in placeholders(statement)})

    def filled(self, config: Mapping[str, str]) -> dict[str, str]:
        """Options as they are sent."""
        names = {name for value in config.values() for name in plain_placeholders(value)}
        values = {name: self._value(name) for name in names}
        return {key: fill_plain(value, values) for key, value in config.items()}

    def about(self, *subjects: Spec | Manifest | None) -> None:
        """Whatever servers say from now on may quote these Specs, or any that the head of these manifests holds."""
        for subject in subjects:
            for spec in _specs(subject):
                texts = (*spec.statements, *spec.tables, *spec.setup, *spec.jars, *spec.properties.values())
                names = {name for text in texts for name in plain_placeholders(text)}
                self._owed |= {name for name in names - self._values.keys() if well_formed(name)}

    def redact(self, text: str) -> str:
        """What a server said without any value that was sent, or that can be resolved here and stands in those Specs.

        Only now are they asked for; what has no value here, nothing can be said of.
        """
        while text and self._owed:
            try:
                self._value(self._owed.pop())
            except FlinkSqlError:
                pass
        return self._words(text)

    def out_of_a_plan(self, text: str) -> str:
        """What the planner says without any value that was sent."""
        return self._plans(text)

    def named(self, text: str) -> str:
        """The same with each value's placeholder in its place: ``${conn.kafka.host}``."""
        return self._plans.named(text)

    def _value(self, name: str) -> str:
        if name not in self._values:
            self._values[name] = value = self._resolve(name)
            self._plans.add(value, name)
            self._words.add(value)
        return self._values[name]


def _specs(subject: Spec | Manifest | None) -> Iterable[Spec]:
    if isinstance(subject, Spec):
        return (subject,)
    heads = subject.heads if subject else ()
    return (spec for attempt in heads for spec in (attempt.spec, *attempt.replaced))


def _unresolvable(name: str) -> str:
    raise Misconfigured(f"${{{name}}} cannot be resolved here: only ${{env.X}} works without Airflow (--conn).")
