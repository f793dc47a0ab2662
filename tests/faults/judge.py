"""Judges from outside: Flink's own lists and log, what arrived in the files, what lies on disk. Asks nothing of us
but which savepoints are on record.
"""

from __future__ import annotations

import csv
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.snapshot import plain
from airflow_provider_flinksql.stores import Store

Switch = tuple[float, str, str, str]
"""When which job, by name and id, came into which state."""
ENDED = ("FINISHED", "FAILED", "CANCELED")
_SWITCHED = re.compile(
    r"^(\S+ \S+) \S+ .*Job (?P<name>\S+) \((?P<id>[0-9a-f]{32})\) switched from state (\w+) to (?P<to>\w+)"
)


@dataclass(frozen=True)
class Life:
    """One job in one life of the JobManager; times in seconds, ``end`` is ``None`` while it lives."""

    id: str
    name: str
    start: float
    end: float | None
    state: str

    @property
    def live(self) -> bool:
        return self.end is None


class Watch:
    """Polls the job list, and keeps what it saw of jobs that the JobManager has forgotten or died with."""

    def __init__(self, jobmanager: Callable[[], str], logs: Path) -> None:
        self._jobmanager = jobmanager
        self._logs = logs
        self._lives: dict[tuple[str, float], Life] = {}
        self._polled = time.time()
        self._read: dict[int, tuple[int, list[Switch]]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._http = httpx.Client(timeout=5, trust_env=False)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        while not self._over.wait(0.25):
            try:
                self.poll()
            except httpx.HTTPError:
                pass  # it is down, as somebody wished it to be

    def poll(self) -> None:
        """One look now."""
        jobs = self._http.get(f"{self._jobmanager()}/jobs/overview").raise_for_status().json()["jobs"]
        with self._lock:
            told = {}
            for job in jobs:
                start, end = job["start-time"] / 1000, job["end-time"] / 1000
                told[job["jid"], start] = Life(job["jid"], job["name"], start, end if end > 0 else None, job["state"])
            # What is told no more has ended, or begins anew under the same id in a JobManager that took it over.
            gone = {key: replace(life, end=self._polled) for key, life in self._lives.items() if life.live}
            self._lives |= {**gone, **told}
            self._polled = time.time()

    def jobmanager_died(self) -> None:
        """Without high availability its jobs died with it."""
        now = time.time()
        with self._lock:
            self._lives = {key: life if life.end else replace(life, end=now) for key, life in self._lives.items()}

    def of(self, name: str) -> list[Life]:
        """All jobs of this name, oldest first."""
        self.poll()
        with self._lock:
            lives = sorted((life for life in self._lives.values() if _of(life.name, name)), key=lambda life: life.start)
        began: dict[str, Life] = {}
        for life in lives:  # one that another JobManager took over is one job
            began[life.id] = replace(life, start=began.get(life.id, life).start)
        return list(began.values())

    def logged(self, name: str) -> list[Life]:
        """The same from the JobManager's log, which tells of each change when it happens."""
        told: list[Life] = []
        logs = sorted(self._logs.rglob("jobmanager.log*"), key=lambda path: path.stat().st_mtime)
        for log in logs:  # one for each life of the process, whose jobs died with it
            lives: dict[str, Life] = {}
            for at, job, id_, to in self._switches(log):
                if _of(job, name):
                    life = lives.setdefault(id_, Life(id_, name, at, None, ""))
                    lives[id_] = replace(life, end=at if to in ENDED else None, state=to)
            died = None if log == logs[-1] else log.stat().st_mtime
            told += [replace(life, end=life.end or died) for life in lives.values()]
        return sorted(told, key=lambda life: life.start)

    def _switches(self, log: Path) -> list[Switch]:
        """Each change of state in a log, of which only what is new is read; a log that is rolled keeps its inode."""
        with log.open("rb") as file, self._lock:
            inode = os.fstat(file.fileno()).st_ino
            offset, switches = self._read.get(inode, (0, []))
            file.seek(offset)
            whole = file.read().rpartition(b"\n")[0]
            for line in whole.decode(errors="replace").splitlines() if whole else ():
                if "switched from state" in line and (found := _SWITCHED.match(line)):
                    switches.append((_moment(found[1]), found["name"], found["id"], found["to"]))
            self._read[inode] = (offset + len(whole), switches)
            return switches


def _of(job: str, name: str) -> bool:
    """Runs of a batch job are named ``name@key``."""
    return job.split("@")[0] == name


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").astimezone(UTC).timestamp()


def overlaps(lives: Iterable[Life]) -> list[str]:
    """Pairs of jobs that ran at one time, as sentences."""
    lives = list(lives)
    return [
        f"{one.id} ran from {one.start:.3f} to {one.end}, {other.id} began at {other.start:.3f}"
        for index, one in enumerate(lives)
        for other in lives[index + 1 :]
        if one.id != other.id and (one.end is None or other.start < one.end)
    ]


@dataclass
class Rows:
    """What was committed to the sink of a job that writes ``id`` and a running count."""

    ids: Counter[int] = field(default_factory=Counter)
    miscounted: int = 0
    last: int = 0
    files: set[str] = field(default_factory=set)

    @property
    def lost(self) -> int:
        return self.last - len(self.ids)

    @property
    def doubled(self) -> int:
        return self.ids.total() - len(self.ids)

    def read(self, folder: Path) -> Rows:
        """Adds what was committed since: a committed file does not change any more."""
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name[0] not in "._"]  # what a batch job has not committed yet
            for name in names:
                path = f"{parent}/{name}"
                if name[0] not in "._" and path not in self.files:
                    self.files.add(path)
                    for row in csv.reader(Path(path).read_text().splitlines()):
                        self.ids[int(row[0])] += 1
                        self.miscounted += row[0] != row[1]
                        self.last = max(self.last, int(row[0]))
        return self


def attempts(store: Store, name: str) -> list[Attempt]:
    """Every attempt of head and history."""
    manifest: Manifest | None = store.get(name).manifest
    heads = [manifest.current, manifest.pending] if manifest else []
    return [*store.history(name), *(attempt for attempt in heads if attempt)]


def unrecorded_savepoints(store: Store, name: str, folder: Path) -> list[str]:
    """Complete savepoints on disk that no attempt knows of."""
    known = {
        plain(where)
        for attempt in attempts(store, name)
        for where in (
            *(stop.location for stop in attempt.stops),
            attempt.pinned and attempt.pinned.location,
            attempt.snapshot and attempt.snapshot.location,
        )
        if where
    }
    found = {str(metadata.parent) for metadata in (folder / name).rglob("_metadata")}
    return sorted(found - known)


def wrongly_restored(jobmanager: str, before: str, after: str) -> list[str]:
    """Whether a job was not restored from the newest state of its predecessor, as far as the JobManager knows both."""
    old, new = (_checkpoints(jobmanager, job_id) for job_id in (before, after))
    if not old or not new:
        return []  # of another life of the JobManager: what arrived in the files tells
    left = _location(old["savepoint"] or old["completed"] or old["restored"])
    got = _location(new["restored"])
    return [] if left == got else [f"{after} restored {got}, its predecessor {before} left {left}"]


def _checkpoints(jobmanager: str, job_id: str) -> dict[str, Any]:
    """Nothing for a job of another life, whose id may have been used up in this one."""
    answer = httpx.get(f"{jobmanager}/jobs/{job_id}/checkpoints", timeout=10)
    latest = {} if answer.status_code == 404 else answer.raise_for_status().json()["latest"]
    return dict(latest) if any(latest.values()) else {}


def _location(snapshot: dict[str, Any] | None) -> str | None:
    return plain(snapshot["external_path"]) if snapshot else None
