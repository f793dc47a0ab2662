"""What the planner of a cluster says of a Spec, in a gateway session that stays open for its submit."""

from __future__ import annotations

import time

from airflow_provider_flinksql.clients.gateway import Gateway, Session
from airflow_provider_flinksql.errors import Interrupted, InvalidQuery
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.graph import condensed, insert_only, read, tables
from airflow_provider_flinksql.model.schema import known_of
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement, session_statements
from airflow_provider_flinksql.model.submission import CHECKED, check_config
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
        statement = self._secrets.fill(final_statement(spec, **CHECKED))
        config = self._secrets.filled(check_config(spec, flink_version))
        try:
            text = await session.explain(statement, config, deadline=deadline(STATEMENT_SECONDS))
        except InvalidQuery as error:
            raise error.at("statements", 0) from None
        graph = condensed(self._secrets.redact(text))
        return Explained(flink_version, graph, await self._known_tables(session, text, graph))

    async def release(self) -> None:
        """Close the session; never raises."""
        session, self._session, self._prepared = self._session, None, None
        if session:
            try:
                await session.close()
            except Interrupted:
                pass  # whoever is told to stop leaves the session to its time-out

    async def _known_tables(self, session: Session, explained: str, graph: str) -> tuple[tuple[str, str], ...]:
        inserts, known = insert_only(explained), []
        for path in tables(read(graph)):
            if created := await session.show_create_table(path):
                known.append((path, self._secrets.redact(known_of(created, insert_only=path in inserts))))
        return tuple(known)

    async def _prepare(self, spec: Spec, flink_version: str) -> Session:
        await self.release()
        properties = self._secrets.filled(check_config(spec, flink_version))
        redact, soon = self._secrets.redact, deadline(FIRST_LOOK_SECONDS)
        session = self._session = await self._gateway.open_session(redact=redact, deadline=soon)
        jars = len(spec.jars)
        for index, statement in enumerate(session_statements(spec)):
            try:
                filled = self._secrets.fill(statement)
                await session.execute(filled, properties, deadline=deadline(STATEMENT_SECONDS))
            except InvalidQuery as error:
                if index < jars:
                    raise error.at("jars", index) from None
                setup = index - jars - len(spec.tables)
                raise (error.at("tables", index - jars) if setup < 0 else error.at("setup", setup)) from None
        self._prepared = spec.digest
        return session


def deadline(seconds: float) -> float:
    """So many seconds from now, on ``time.monotonic()``."""
    return time.monotonic() + seconds
