"""Judges from outside: Flink's own lists and log, what arrived in the files, what lies on disk. Asks nothing of us
but which savepoints are on record.
"""

from __future__ import annotations

import csv
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.snapshot import plain
from airflow_provider_flinksql.stores import Store

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

    def __init__(self, jobmanager: str, logs: Path) -> None:
        self._jobmanager = jobmanager
        self._logs = logs
        self._lives: dict[tuple[str, float], Life] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.25):
            try:
                self.poll()
            except httpx.HTTPError:
                pass  # it is down, as somebody wished it to be

    def poll(self) -> None:
        """One look now."""
        jobs = httpx.get(f"{self._jobmanager}/jobs/overview", timeout=5).raise_for_status().json()["jobs"]
        with self._lock:
            for job in jobs:
                start, end = job["start-time"] / 1000, job["end-time"] / 1000
                life = Life(job["jid"], job["name"], start, end if end > 0 else None, job["state"])
                self._lives[life.id, life.start] = life

    def jobmanager_died(self) -> None:
        """Without high availability its jobs died with it."""
        now = time.time()
        with self._lock:
            self._lives = {key: life if life.end else replace(life, end=now) for key, life in self._lives.items()}

    def of(self, name: str) -> list[Life]:
        """All jobs of this name, oldest first."""
        self.poll()
        with self._lock:
            return sorted((life for life in self._lives.values() if _of(life.name, name)), key=lambda life: life.start)

    def logged(self, name: str) -> list[Life]:
        """The same from the JobManager's log, which tells of each change when it happens."""
        told: list[Life] = []
        logs = sorted(self._logs.glob("jobmanager.log*"), key=lambda path: path.stat().st_mtime)
        for log in logs:  # one for each life of the process, whose jobs died with it
            lives: dict[str, Life] = {}
            for line in log.read_text(errors="replace").splitlines():
                if name in line and (found := _SWITCHED.match(line)) and _of(found["name"], name):
                    at = _moment(found[1])
                    life = lives.setdefault(found["id"], Life(found["id"], name, at, None, ""))
                    lives[life.id] = replace(life, end=at if found["to"] in ENDED else None, state=found["to"])
            died = None if log == logs[-1] else log.stat().st_mtime
            told += [replace(life, end=life.end or died) for life in lives.values()]
        return sorted(told, key=lambda life: life.start)


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


@dataclass(frozen=True)
class Rows:
    """What was committed to the sink of a job that writes ``id`` and a running count."""

    ids: Counter[int]
    miscounted: int

    @property
    def last(self) -> int:
        return max(self.ids, default=0)

    @property
    def lost(self) -> int:
        return self.last - len(self.ids)

    def doubled(self, times: int = 1) -> int:
        return sum(abs(count - times) for count in self.ids.values())


@lru_cache(maxsize=20_000)
def _pairs(file: Path) -> list[tuple[int, int]]:
    """A committed file does not change any more."""
    return [(int(row[0]), int(row[1])) for row in csv.reader(file.read_text().splitlines())]


def rows(folder: Path) -> Rows:
    """Reads the committed files."""
    files = [file for file in folder.rglob("*") if file.name[0] not in "._" and file.is_file()]
    pairs = [pair for file in files for pair in _pairs(file)]
    return Rows(Counter(id_ for id_, _ in pairs), sum(id_ != count for id_, count in pairs))


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
