"""Why a task was killed. Airflow tells neither operator nor trigger: only the task's state does.

``on_kill`` of an operator is called for a worker that shuts down, too, and that of a trigger when a triggerer was slow;
then the task goes on, here or elsewhere, and its job must as well.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, shown
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

log = logging.getLogger(__name__)

OnKill = Literal["none", "cancel", "stop-with-savepoint"]

ENDED_FOR_GOOD = frozenset({"failed", "skipped", "upstream_failed", "removed"})
"""Not ``success``, by which a person says that the job is fine; nor what a clear or a retry leaves."""

CLEARED = "restarting"
"""What Airflow calls a running task that somebody cleared. To its next try that may look like any retry."""

HANDLER_SECONDS = 4.0
"""Airflow kills the process 5 seconds after the signal."""

ANSWER_SECONDS = 1.0
"""To be told a task's state takes some hundredths of a second, unless what was interrupted holds Airflow's own lock."""


def ended_for_good(ti: Any) -> bool:
    """Whether Airflow now says that this task instance has ended, and not well. Asks Airflow, so it blocks."""
    return state_of(ti) in ENDED_FOR_GOOD


def state_of(ti: Any) -> str | None:
    """What Airflow now says of this task instance, which the log is told, too. Blocks."""
    state = ask(ti)
    log.info("Task %s of run %s is %s.", shown(_key(ti)), shown(ti.run_id), shown(state or "waiting to run"))
    return state


def ask(ti: Any) -> str | None:
    """The question itself."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    state: str | None = (states.get(ti.run_id) or {}).get(_key(ti))
    return state


def _key(ti: Any) -> str:
    return str(ti.task_id if ti.map_index is None or ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}")


@dataclass
class WorkerKilled:
    """What ``on_kill`` of an operator needs, gathered while there is time; ``halt`` ends the deploy under way.

    ``withdrawal`` is for a task that ended for good, ``if_cleared`` for one that is to run once more. Whoever it
    interrupted calls :meth:`wait` before it ends, or the process might end half-way.
    """

    ti: RuntimeTaskInstanceProtocol
    settings: Settings
    store_url: str = field(repr=False)
    resolve: Resolve
    withdrawal: Withdrawal | None
    if_cleared: Withdrawal | None = None
    halt: threading.Event = field(default_factory=threading.Event)
    _told: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(default_factory=threading.Thread)
    _ends: float = 0.0

    def __call__(self) -> None:
        """Inside a signal handler: where what was interrupted holds a lock that is needed here, it has to go on."""
        if self._thread.is_alive():
            return
        self._told.clear()
        self._ends = time.monotonic() + HANDLER_SECONDS
        self._thread = threading.Thread(target=self._act, daemon=True)
        self._thread.start()
        if self._told.wait(ANSWER_SECONDS):
            self.wait()

    def wait(self) -> None:
        """Until what was begun is over, or Airflow's patience."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, self._ends - time.monotonic()))

    def _act(self) -> None:
        try:
            state = self._state()
            asked = self.if_cleared if state == CLEARED else self.withdrawal
            if state not in ENDED_FOR_GOOD and not (state == CLEARED and asked):
                return
            self.halt.set()  # or it would go on to start what was just ended
            if asked:
                store = open_store(self.store_url)
                try:
                    withdraw(
                        asked, self.settings, store, self.resolve, patience=3.0, total=HANDLER_SECONDS, say=log.info
                    )
                finally:
                    store.close()
        except Exception as error:
            log.warning("What the killed task began was left as it is: %s", shown(error, MOST_OF_A_MESSAGE))

    def _state(self) -> str | None:
        try:
            return state_of(self.ti)
        finally:
            self._told.set()
