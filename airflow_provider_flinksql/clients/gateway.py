"""The SQL Gateway: sessions, statements and what their errors mean.

Manners, since a busy session blocks one of the gateway's few threads: one session per deploy, never a second statement
before the first has ended, always closed. What concerns one job goes into ``config`` of its statement, never into SET.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_provider_flinksql.clients.answers import read
from airflow_provider_flinksql.clients.causes import Cause, cause, causes, position
from airflow_provider_flinksql.clients.http import IO, request
from airflow_provider_flinksql.clients.redactor import Redactor
from airflow_provider_flinksql.clients.refusals import refusal
from airflow_provider_flinksql.clients.shapes import (
    Begun,
    Id,
    Info,
    LastPage,
    NotReady,
    Opened,
    Page,
    ResultKind,
)
from airflow_provider_flinksql.errors import (
    DeadlineExceeded,
    Duplicate,
    FlinkSqlError,
    InvalidQuery,
    Misconfigured,
    Refused,
    ServiceError,
    SessionGone,
    StatementFailed,
    TooLarge,
    Unreachable,
    shown,
)

log = logging.getLogger(__name__)

SERVER = "Flink SQL gateway"
API = "/v2"  # the oldest that answers in JSON rows; 1.20 and 2.x both speak it
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.005, 0.2, 1.25  # adds about a tenth to what a statement takes
CLEAN_UP_TIMEOUT = 5.0
PATIENCE = 300.0
LONGEST_PAGE = 64 * 1024 * 1024  # the plan of a job is one row
MOST_PAGES = 1000

_DUPLICATE = re.compile(r"Duplicate(Application|Job)SubmissionException")
_GONE = re.compile(r"Session '[^']*' does not exist|Can not find the submitted operation")
_NO_JAR = re.compile(r"jar (?:or artifact )?resource \[(.*?)\] not found")
_PLANNER = re.compile(r"SqlValidat|SqlParse|Calcite|^Validation|^Catalog")
_OUTSIDE = re.compile(r"IOException|Connect|Socket|Host|Timeout|FileNotFound|SQL\w*Exception|Interrupted|OutOfMemory")
_JOBMANAGER_SAID = re.compile(r"JobInitialization|JobExecution|JobMaster")
_SPENT = {"StackOverflowError": "stack (-Xss)", "OutOfMemoryError": "memory (-Xmx)"}
_NO_WORD_FROM_JOBMANAGER = re.compile(r"Number of retries has been exhausted|Couldn't retrieve standalone cluster")
_EXECUTE_SET = re.compile(r"\A((?:\s|--[^\n]*\n|/\*.*?\*/)*)EXECUTE\s+(?=STATEMENT\s+SET\b)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Result:
    """What a statement answered. ``job_id`` is set when it started a job; that job's fate is not known here.

    Rows are JSON values: a DECIMAL has lost its scale.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    job_id: str | None = None
    kind: ResultKind = "SUCCESS"


@dataclass
class _Pages:
    """The result of one statement, page by page."""

    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    job_id: str | None = None
    kind: ResultKind = "SUCCESS"
    token: int = 0
    ended: bool = False
    size: int = 0

    @property
    def endless(self) -> bool:
        """Whether more came than any statement of ours brings."""
        return self.size > LONGEST_PAGE or self.token > MOST_PAGES

    def add(self, page: Page | NotReady) -> bool:
        """Takes one answer in; whether it brought rows. Many pages are empty: only the last one is the end."""
        if isinstance(page, NotReady):
            return False
        self.columns = tuple(column.name for column in page.results.columns)
        self.rows += [row.fields for row in page.results.data]
        self.size += sum(len(str(value)) for row in page.results.data for value in row.fields)
        self.job_id, self.kind = page.job_id or self.job_id, page.kind
        self.token += 1
        # DDL and the id of a job come in one page; asking for the end as well would be one more request
        in_one = self.kind == "SUCCESS" or (self.job_id is not None and not page.is_query)
        self.ended = in_one or isinstance(page, LastPage)
        return bool(page.results.data)


class Gateway:
    """One SQL gateway. ``redact`` takes secrets out of whatever it says; not given, those we prove ourselves by."""

    def __init__(self, io: IO, deadline: float | None = None, redact: Callable[[str], str] | None = None) -> None:
        self._io = io
        self._deadline = deadline
        self._redact = redact or Redactor(io.secrets)

    async def info(self) -> str:
        """The Flink version of the gateway."""
        info: Info = await request(
            self._io, "GET", f"{API}/info", kind=Info, server=SERVER, deadline=self._deadline, redact=self._redact
        )
        return info.version

    async def open_session(
        self,
        properties: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Session:
        """A fresh session: ``async with await gateway.open_session() as session``, or :meth:`Session.close` it.

        Its properties hold for each of its statements. A session whose answer was lost times out by itself.
        """
        body = {"properties": dict(properties or {})}
        opened: Opened = await request(
            self._io,
            "POST",
            f"{API}/sessions",
            kind=Opened,
            json=body,
            server=SERVER,
            retries=True,
            deadline=self._deadline if deadline is None else deadline,
            redact=self._redact,
        )
        return Session(self._io, opened.handle, self._redact, self._deadline)


class Session:
    """A session of the gateway, one statement at a time.

    ``redact`` takes secrets out of whatever the gateway says before it reaches a message or a log; statements
    themselves are never shown.
    """

    def __init__(
        self, io: IO, handle: str, redact: Callable[[str], str] | None = None, deadline: float | None = None
    ) -> None:
        self._io = io
        self._path = f"{API}/sessions/{handle}"
        self._redact = redact or Redactor(io.secrets)
        self._deadline = deadline
        self._running = False  # a statement whose end was not seen

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(
        self, statement: str, config: Mapping[str, str] | None = None, *, deadline: float | None = None
    ) -> Result:
        """Runs one statement and waits for its whole result; an INSERT is answered with the id of its job.

        :param config: Flink options for this statement alone
        :param deadline: on ``time.monotonic()``, 300 s from now where none is given; then the statement is cancelled
        :raises SessionGone: also when an earlier statement of this session has not ended
        :raises Duplicate: a job of this id was submitted before
        """
        if self._running:
            raise SessionGone(
                f"{SERVER}: an earlier statement of this session has not ended; open a new session", status=409
            )
        given = self._deadline if deadline is None else deadline
        deadline = time.monotonic() + PATIENCE if given is None else given
        body = {"statement": statement, "executionConfig": dict(config or {})}
        self._running = True
        begun: Begun = await self._ask("POST", "/statements", Begun, json=body, deadline=deadline)
        pages = await self._fetch(f"/operations/{begun.handle}", deadline, statement)
        self._running = False
        return Result(pages.columns, tuple(pages.rows), pages.job_id, pages.kind)

    async def explain(
        self, statement: str, config: Mapping[str, str] | None = None, *, deadline: float | None = None
    ) -> str:
        """The planner's text for an INSERT, SELECT or statement set; nothing is started.

        It tells how rows change from operator to operator, and as JSON the graph that would be started.
        """
        # Flink 1.20 does not know EXPLAIN of an EXECUTE STATEMENT SET; the line break keeps positions countable
        explained = "EXPLAIN CHANGELOG_MODE, JSON_EXECUTION_PLAN\n" + _EXECUTE_SET.sub(r"\1", statement)
        try:
            result = await self.execute(explained, config, deadline=deadline)
        except InvalidQuery as error:
            line = error.line - 1 if error.line else None
            raise InvalidQuery(error.reason, line, error.column, error.table) from None
        return _only(result, "EXPLAIN")

    async def show_create_table(self, *path: str) -> str | None:
        """The DDL of a table, options and all; None for what has none. ``path`` is catalog, database and table."""
        name = ".".join("`" + part.replace("`", "``") + "`" for part in path)
        try:
            return _only(await self.execute(f"SHOW CREATE TABLE {name}"), "SHOW CREATE TABLE")
        except (InvalidQuery, StatementFailed):
            return None

    async def show_jobs(self) -> set[str]:
        """The ids of all jobs on the cluster this gateway submits to."""
        listed = (await self.execute("SHOW JOBS")).rows
        rows: tuple[tuple[str], ...] = read([row[:1] for row in listed], tuple[tuple[Id], ...], SERVER, "SHOW JOBS")
        return {job_id for (job_id,) in rows}

    async def configuration(self) -> dict[str, str]:
        """The options that hold in this session."""
        rows = (await self.execute("SET")).rows
        return dict(read(rows, tuple[tuple[str, str], ...], SERVER, "SET"))

    async def close(self) -> None:
        """Lets go of the session and of a statement still running in it; a job it started goes on. Never fails."""
        await self._clean_up("DELETE", "")

    async def _fetch(self, operation: str, deadline: float, statement: str) -> _Pages:
        pages, pause, started = _Pages(), FIRST_PAUSE, time.monotonic()
        patience = deadline + CLEAN_UP_TIMEOUT  # the look at the deadline below is first
        while True:
            path = f"{operation}/result/{pages.token}"
            params = {"rowFormat": "JSON"}
            answer = await self._ask(
                "GET", path, LastPage | Page | NotReady, params=params, deadline=patience, most=LONGEST_PAGE
            )
            news = pages.add(answer)
            if pages.ended:
                return pages
            if pages.endless:
                raise Misconfigured(f"{SERVER}: the result of the {_verb(statement)} is too long, or has no end.")
            if time.monotonic() >= deadline:
                raise await self._too_late(operation, statement, time.monotonic() - started)
            if not news:
                await self._io.sleep(pause)
                pause = min(pause * GROWTH, LONGEST_PAUSE)

    async def _too_late(self, operation: str, statement: str, seconds: float) -> DeadlineExceeded:
        # an operation left running would hold the session, and the next statement a thread of the gateway
        self._running = not (
            await self._clean_up("POST", f"{operation}/cancel")  # refused for a SELECT whose rows have begun:
            or await self._clean_up("DELETE", f"{operation}/close")  # this ends it, and its job
        )
        return DeadlineExceeded(
            f"{SERVER}: the {_verb(statement)} did not end within {seconds:.0f} s; "
            f"it was {'not ' if self._running else ''}cancelled. {_long(statement)}"
            "Check that the JobManager and the sources answer."
        )

    async def _clean_up(self, method: str, path: str) -> bool:
        try:
            await self._ask(method, path, dict[str, Any], timeout=CLEAN_UP_TIMEOUT)
        except (ServiceError, StatementFailed, Misconfigured, InvalidQuery) as error:
            log.debug("%s: %s: %s", SERVER, shown(f"{method} {self._path}{path}"), error)
            return False
        return True

    async def _ask(self, method: str, path: str, kind: Any, **content: Any) -> Any:
        content |= {"kind": kind, "server": SERVER, "redact": self._redact}
        try:
            return await request(self._io, method, self._path + path, **content)
        except Unreachable as silent:
            statement = (content.get("json") or {}).get("statement", "")
            raise Unreachable(f"{silent} {_long(statement)}".rstrip()) from silent
        except Refused as refused:
            if refused.status != 500:
                raise
            self._running = False  # the gateway answers so only when the statement has ended
            raise _classified(refused) from None


def _only(result: Result, asked: str) -> str:
    """The one text that a statement brings."""
    rows: tuple[tuple[str]] = read(result.rows, tuple[tuple[str]], SERVER, asked)
    return rows[0][0]


def _classified(refused: Refused) -> FlinkSqlError:
    """The gateway answers 500 to everything from a missing table to a missing session: only the text tells."""
    said, status = refused.detail, refused.status
    words, last = said.words, cause(said)
    chain = causes(words)
    kinds = " ".join(one.kind for one in chain)
    if _DUPLICATE.search(words):
        return Duplicate("a job with this id was submitted before; look what became of it", status, said)
    if _GONE.search(words):
        return SessionGone(f"{SERVER}: {last.message}. It restarted, or the session was idle too long.", status, said)
    if jar := _NO_JAR.search(said):
        return Misconfigured(f"{SERVER}: the jar {jar[1]} is not found. Its path is read on the gateway's machine.")
    late = "TimeoutException" in kinds and not any(_PLANNER.search(one.kind) for one in chain)  # not of a catalog
    if not _JOBMANAGER_SAID.search(kinds) and (_NO_WORD_FROM_JOBMANAGER.search(words) or late):
        return Unreachable(
            f"{SERVER} got no answer from its JobManager: {last}. "
            "Check that the JobManager runs, and rest.address and rest.port in the gateway's configuration."
        )
    if spent := _SPENT.get(last.kind):
        return TooLarge(
            f"{SERVER} ran out of {spent} over this statement ({last.kind}). Divide the job into several, or start the "
            "gateway with more."
        )
    if _refused_by_planner(chain):
        reason, table = refusal(said)
        line, column = position(said) or (None, None)
        return InvalidQuery(reason, line, column, table)
    return StatementFailed(f"{SERVER}: {last}")


def _refused_by_planner(chain: list[Cause]) -> bool:
    """Whether the statement itself is at fault: it was taken up, sent to no JobManager, and asked nothing outside.

    Flink wraps whatever fails after planning in one and the same words, and what it could not do at a JobManager in a
    further SqlExecutionException. A catalog or a file that does not answer is no fault of the statement.
    """
    taken_up = [one.message for one in chain if one.kind == "SqlExecutionException"]
    later = len(taken_up) > 1 or any(one.message == "Failed to execute sql" for one in chain)
    if later or any(_JOBMANAGER_SAID.search(one.kind) or _OUTSIDE.search(one.kind) for one in chain):
        return False
    return any(_PLANNER.search(one.kind) for one in chain) or bool(taken_up and chain[-1].message != taken_up[0])


def _long(statement: str) -> str:
    """That a statement is so long that this may be why; a sentence and a blank, or nothing."""
    size = len(statement.encode()) / 1_000_000
    return f"The statement is {size:.1f} MB long. " if size >= 1 else ""


def _verb(statement: str) -> str:
    """What kind of statement it is, and not a letter more: the rest may hold secrets."""
    words = re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL).split()
    verb = words[0].upper() if words and words[0].isalpha() else ""
    return f"{verb} statement".lstrip()
