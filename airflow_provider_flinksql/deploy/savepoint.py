"""A savepoint of a job that goes on. It is written down before it is asked for, so whoever comes next finds it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airflow_provider_flinksql.clients.http import IO
from airflow_provider_flinksql.deploy.onrecord import streaming_spec, unknown_job
from airflow_provider_flinksql.deploy.outcome import where_to
from airflow_provider_flinksql.deploy.perform import patience
from airflow_provider_flinksql.deploy.tell import asked_before, line_by_line
from airflow_provider_flinksql.errors import Blocked, Conflict, DeadlineExceeded, SavepointFailed, StoreFailed
from airflow_provider_flinksql.model.lifecycle.folders import next_savepoint_folder
from airflow_provider_flinksql.model.lifecycle.situation import situation
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Savepoint, remembered
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.stores import Store, Stored
from airflow_provider_flinksql.targets import Target

log = logging.getLogger(__name__)

STALE_SECONDS = 4.0
"""So long the JobManager may show a history that does not know of a savepoint yet (it keeps one for 3 s)."""

SAY_EVERY = 10.0


@dataclass(frozen=True)
class SavepointResult:
    """A savepoint that was taken, small enough for an XCom. ``size`` in bytes; it and ``seconds`` are Flink's."""

    name: str
    job_id: str
    attempt: int
    number: int
    savepoint: str
    size: int | None
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass
class TakeSavepoint:
    """One savepoint for one owner. What an earlier try asked for is waited for; no second one is taken then."""

    target: Target
    store: Store
    io: IO
    clock: Callable[[], float]
    say: Callable[[str], None] = log.info
    _asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.say = line_by_line(self.say)

    async def run(self, name: str, policy: Policy) -> SavepointResult:
        """Take it. Raises SavepointFailed if the job is not up or Flink fails; the job goes on."""
        try:
            return await self._run(name, policy)
        except StoreFailed as error:
            raise type(error)(f"{error} {asked_before(self._asked)}") from error

    async def _run(self, name: str, policy: Policy) -> SavepointResult:
        asked: int | None = None
        while True:
            stored = self.store.get(name)
            if stored.manifest is None:
                raise unknown_job(self.store, name)
            streaming_spec(stored.manifest)
            attempt = stored.manifest.current
            last = attempt.savepoints[-1] if attempt and attempt.savepoints else None
            try:
                if attempt and last and last.state == "requested":
                    await self._finish(stored, stored.manifest, attempt, last)
                elif attempt and last and last.owner == policy.owner and last.location:
                    return SavepointResult(
                        name, attempt.job_id, attempt.number, last.number, last.location, last.size, last.seconds
                    )
                elif last and last.number == asked:
                    raise SavepointFailed(
                        f"Job {name} goes on, but its savepoint failed: {last.cause}. {where_to(last.folder)}"
                    )
                else:
                    asked = await self._ask(stored, stored.manifest, policy)
            except Conflict:
                continue  # somebody else wrote; look again

    async def _ask(self, stored: Stored, manifest: Manifest, policy: Policy) -> int:
        """Write the next one down. It is sent by whoever finds it on record and not at the JobManager."""
        attempt, base = await self._up(manifest, policy)
        if base is None:
            raise Blocked(
                f"Job {manifest.name} has no folder for savepoints. Set execution.checkpointing.savepoint-dir (or "
                "execution.checkpointing.dir) in the connection, the defaults file or the cluster; what the "
                "cluster says is used at once, the rest from the next start on."
            )
        number = attempt.savepoints[-1].number + 1 if attempt.savepoints else 1
        folder = f"{base}/{manifest.id('savepoint', attempt.number, number)}"
        self.say(f"Asking job {attempt.job_id} for savepoint {number}; the job goes on.")
        self._put(stored, manifest, attempt, Savepoint(number, folder, policy.owner, stored.now))
        return number

    async def _up(self, manifest: Manifest, policy: Policy) -> tuple[Attempt, str | None]:
        """The attempt that is up, and the folder for its savepoints."""
        current = manifest.current
        seen = await self.target.look(manifest.name, manifest)
        now = situation(current, seen, policy) if current else None
        if current is None or now is None or now.status != "up":
            why = now.reason if now else "it never came up"
            raise SavepointFailed(f"Job {manifest.name} is not up, so it can take no savepoint: {why}.")
        return current, next_savepoint_folder(current.spec, current, seen)

    async def _finish(self, stored: Stored, manifest: Manifest, attempt: Attempt, asked: Savepoint) -> None:
        """Wait for one that is on record, whoever asked for it, and write down what became of it."""
        self._put(stored, manifest, attempt, await self._await(manifest, attempt, asked))

    async def _await(self, manifest: Manifest, attempt: Attempt, asked: Savepoint) -> Savepoint:
        trigger_id = manifest.id("savepoint", attempt.number, asked.number)
        self._asked = [f"write savepoint {asked.number} of job {attempt.job_id} below {asked.folder}"]
        limit = patience(attempt.spec)
        start = told = self.clock()
        done: float | None = None
        pause = 0.05
        while True:
            taken = await self.target.take_savepoint(attempt, asked, trigger_id)
            now = self.clock()
            done = now if taken and done is None else done
            if taken and (taken.cause or taken.checkpoint_id is not None or now - (done or now) > STALE_SECONDS):
                return taken
            if now - start > limit:
                raise DeadlineExceeded(
                    f"The savepoint of job {manifest.name} ({attempt.job_id}) did not complete within {limit:.0f} s. "
                    "It is on record: the same command waits on for it."
                )
            if now - told > SAY_EVERY:
                told = now
                self.say(f"Job {attempt.job_id} is writing savepoint {asked.number}, for {now - start:.0f} s by now.")
            await self.io.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _put(self, stored: Stored, manifest: Manifest, attempt: Attempt, savepoint: Savepoint) -> None:
        others = tuple(one for one in attempt.savepoints if one.number != savepoint.number)
        changed = replace(attempt, savepoints=remembered((*others, savepoint)))
        self.store.put(replace(manifest, current=changed), stored.version)
