"""What the planner of a cluster says of a Spec, in a gateway session that stays open for its submit."""

from __future__ import annotations

import time
from collections.abc import Mapping

from airflow_provider_flinksql.clients.gateway import Gateway, Session
from airflow_provider_flinksql.errors import Interrupted, InvalidQuery, Part, StatementFailed, TooLarge
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.options import hidden_defaults
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement, session_statements
from airflow_provider_flinksql.model.submission import CHECKED, check_config
from airflow_provider_flinksql.model.verdict.graph import condensed, insert_only, parts_of, read, tables
from airflow_provider_flinksql.model.verdict.schema import known_of
from airflow_provider_flinksql.targets.secrets import Secrets

FIRST_LOOK_SECONDS = 12.0
"""Whoever named the wrong address, or one that takes connections and never answers, is to hear of it soon."""

STATEMENT_SECONDS = 180.0
"""A statement that prepares a session or plans a query answers in seconds, or something is wrong."""


class Planner:
    """The planner behind one gateway, asked in one session at a time."""

    def __init__(self, gateway: Gateway, secrets: Secrets) -> None:
        self._gateway = gateway
        self._secrets = secrets
        self._session: Session | None = None
        self._prepared: str | None = None

    async def prepared(self, spec: Spec, flink_version: str) -> Session:
        """A session in which the Spec's jars, tables and setup ran: the open one if it is, else a fresh one."""
        if self._session and self._prepared == spec.digest:
            return self._session
        return await self._prepare(spec, flink_version)

    async def explain(self, spec: Spec, flink_version: str) -> Explained:
        """Run jars, tables and setup in a fresh session and plan the statement; the session stays open."""
        session = await self._prepare(spec, flink_version)
        config = self._secrets.filled(check_config(spec, flink_version))
        statement = final_statement(spec, **CHECKED)
        try:
            text = await self._planned(session, statement, config)
        except (InvalidQuery, StatementFailed) as error:
            told = error.line is not None or isinstance(error, TooLarge)  # that is no fault of one of them
            index = 0 if told else await self._refused_one(session, spec, config)
            raise error.at("statements", index, spec.digest) from None
        graph = condensed(text, self._secrets.out_of_a_plan, self._secrets.named)
        known = await self._known_tables(session, text, graph)
        hidden = hidden_defaults(await session.configuration())
        return Explained(flink_version, graph, known, tuple(hidden.items()))

    async def release(self) -> None:
        """Close the session; never raises."""
        session, self._session, self._prepared = self._session, None, None
        if session:
            try:
                await session.close()
            except Interrupted:
                pass  # whoever is told to stop leaves the session to its time-out

    async def _planned(self, session: Session, statement: str, config: Mapping[str, str]) -> str:
        return await session.explain(self._secrets.fill(statement), config, deadline=deadline(STATEMENT_SECONDS))

    async def _refused_one(self, session: Session, spec: Spec, config: Mapping[str, str]) -> int:
        """Which INSERT of a statement set is refused, where Flink does not say it: each is planned alone."""
        for index, statement in enumerate(spec.statements if len(spec.statements) > 1 else ()):
            try:
                await self._planned(session, statement, config)
            except (InvalidQuery, StatementFailed):
                return index
        return 0

    async def _known_tables(self, session: Session, explained: str, graph: str) -> tuple[tuple[str, str], ...]:
        inserts, known = insert_only(explained), []
        for path in tables(read(graph)):
            if created := await session.show_create_table(*parts_of(path)):
                known.append((path, known_of(self._secrets.named(created), insert_only=path in inserts)))
        return tuple(known)

    async def _prepare(self, spec: Spec, flink_version: str) -> Session:
        await self.release()
        self._secrets.about(spec)
        properties = self._secrets.filled(check_config(spec, flink_version))
        session = self._session = await self._gateway.open_session(deadline=deadline(FIRST_LOOK_SECONDS))
        parts: tuple[Part, ...] = ("jars", "tables", "setup")
        places = [(part, index) for part in parts for index in range(len(getattr(spec, part)))]
        for (part, index), statement in zip(places, session_statements(spec), strict=True):
            try:
                filled = self._secrets.fill(statement)
                await session.execute(filled, properties, deadline=deadline(STATEMENT_SECONDS))
            except (InvalidQuery, StatementFailed) as error:
                raise error.at(part, index, spec.digest) from None
        self._prepared = spec.digest
        return session


def deadline(seconds: float) -> float:
    """So many seconds from now, on ``time.monotonic()``."""
    return time.monotonic() + seconds
