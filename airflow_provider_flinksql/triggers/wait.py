"""Waiting for a job without a worker. What is seen here is a hint: the worker looks again and decides."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from typing import Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import IO, AsyncIO
from airflow_provider_flinksql.compat import TRIGGERER_CALLS_ON_KILL
from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, FlinkSqlError, NotFound, shown
from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook
from airflow_provider_flinksql.model.lifecycle.situation import STABLE_MS
from airflow_provider_flinksql.model.seen import ENDED
from airflow_provider_flinksql.on_kill import ask, ended_for_good

Awaited = Literal["running", "proof", "finished"]

OUTAGE = 120.0
"""Seconds for which a JobManager that does not answer is asked again, before the worker is told."""

FIRST_PAUSE, GROWTH = 0.5, 1.5

SETTLING = 8.0
"""Seconds before which nothing is told. A task that is queued again while its scheduler has not yet heard of the end of
the process that deferred it counts as killed there, and is failed or tried again (its ``process_executor_events``); and
a worker may notice that end only with its next heartbeat, which comes each 5 seconds (both measured)."""

KILL_SECONDS = 25.0
"""For all of ``on_kill``: the triggerer allows 30 (``on_kill_timeout``)."""


class FlinkSqlWaitTrigger(BaseTrigger):
    """Ends when there is news of a job: what was awaited, its end, its absence, or ``deadline`` (seconds since 1970).

    :param awaiting: ``running``: all its tasks run; ``finished``: it ended; ``proof``: the checkpoint ``proof_id`` that
        was asked for is decided, or, without one, the job has run undisturbed for a while
    :param earlier: what whoever waits wants back in the event
    :param withdrawal: what becomes of the job when somebody ends the task, as the fields of a Withdrawal
    """

    def __init__(
        self,
        flink_conn_id: str,
        job_id: str,
        awaiting: Awaited,
        proof_id: str | None = None,
        deadline: float | None = None,
        poll_interval: float = 5.0,
        earlier: Mapping[str, Any] | None = None,
        withdrawal: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flink_conn_id = flink_conn_id
        self.job_id = job_id
        self.awaiting = awaiting
        self.proof_id = proof_id
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.earlier = earlier
        self.withdrawal = withdrawal
        self._told = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments; no secret is among them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "flink_conn_id": self.flink_conn_id,
            "job_id": self.job_id,
            "awaiting": self.awaiting,
            "proof_id": self.proof_id,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "earlier": self.earlier,
            "withdrawal": self.withdrawal,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event. May be begun anew at any time, in another triggerer too."""
        began = time.monotonic()
        if self.withdrawal is not None:
            await self._be_ready_for_on_kill()
        news = await self._news()
        await asyncio.sleep(max(0.0, began + SETTLING - time.monotonic()))
        payload = {"job_id": self.job_id, "news": news, "earlier": self.earlier}
        self._told = True
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """End the job if so wished. It is called where a triggerer lost its triggers, too: the task's state tells.

        Where time runs out, the stop is on record and the next deploy finds out what became of it.
        """
        if self.withdrawal is None:
            return
        halt = threading.Event()
        work = asyncio.ensure_future(self._end_as_wished(halt))
        end = time.monotonic() + KILL_SECONDS
        while not work.done() and (left := end - time.monotonic()) > 0:
            try:
                await asyncio.wait({work}, timeout=left)
            except asyncio.CancelledError:
                pass  # about once a second, until it is over, the triggerer cancels what it cancelled already
        halt.set()  # a thread cannot be cancelled
        if not work.done():
            work.cancel()
            self.log.warning("Job %s: no time is left to see its end.", shown(self.job_id))
        elif error := work.exception():
            self.log.warning("Job %s was left as it is: %s", shown(self.job_id), shown(error, MOST_OF_A_MESSAGE))

    async def cleanup(self) -> None:
        """Called however it ends. Until Airflow 3.3 there is nothing else to tell that somebody ended the task."""
        if not TRIGGERER_CALLS_ON_KILL and not self._told:
            await self.on_kill()

    async def _be_ready_for_on_kill(self) -> None:
        """Ask Airflow now what ``on_kill`` asks: for the first question the triggerer builds a whole API, and neither
        answers nor gives a heartbeat meanwhile. Seconds; on a busy machine 47 were measured, and ``on_kill`` has 30.
        """
        from asgiref.sync import sync_to_async

        try:
            await sync_to_async(ask)(self.task_instance)
        except Exception as error:
            self.log.warning("Airflow does not say what became of the task: %s", shown(error, MOST_OF_A_MESSAGE))

    async def _end_as_wished(self, halt: threading.Event) -> None:
        from asgiref.sync import sync_to_async

        if await sync_to_async(ended_for_good)(self.task_instance):
            # not asyncio's own threads: only from these the hook can ask Airflow for the secrets of a job
            await sync_to_async(self._withdraw, thread_sensitive=False)(halt)

    def _withdraw(self, halt: threading.Event) -> None:
        hook, asked = FlinkSqlHook(self.flink_conn_id), Withdrawal(**self.withdrawal or {})
        settings, say = hook.settings(), self.log.info
        with closing(hook.open_store()) as store:
            withdraw(asked, settings, store, hook.resolve, self.job_id, halt=halt, total=KILL_SECONDS, say=say)

    async def _news(self) -> str:
        try:
            settings = await FlinkSqlHook(self.flink_conn_id).async_settings()
            async with AsyncIO(settings.jobmanager, settings.auth, settings.verify) as io:
                return await self._watch(JobManager(io), io)
        except FlinkSqlError as error:  # the worker will meet it too, and knows what to do
            self.log.warning("Job %s cannot be watched: %s", shown(self.job_id), error)
            return "trouble"

    async def _watch(self, jobmanager: JobManager, io: IO) -> str:
        calm: float | None = None  # since when all tasks are seen to run
        pause = FIRST_PAUSE
        heard = time.monotonic()
        while True:
            try:
                job = await jobmanager.job(self.job_id)
                heard = time.monotonic()
                running = job.all_running
                calm = (calm or heard) if running else None
                if job.state in ENDED:
                    return job.state
                if await self._as_awaited(jobmanager, running, heard - calm if calm else 0.0):
                    return self.awaiting
            except NotFound:
                return "gone"
            except FlinkSqlError as error:
                if not error.retryable or time.monotonic() - heard > OUTAGE:
                    raise
            left = float("inf") if self.deadline is None else self.deadline - time.time()
            if left <= 0:
                return "deadline"
            await io.sleep(min(pause, self.poll_interval, left))
            pause *= GROWTH

    async def _as_awaited(self, jobmanager: JobManager, running: bool, calm_seconds: float) -> bool:
        match self.awaiting:
            case "running":
                return running
            case "proof" if self.proof_id:
                return (await jobmanager.checkpoint_status(self.job_id, self.proof_id)).state != "in-progress"
            case "proof":
                return calm_seconds * 1000 >= STABLE_MS
        return False
