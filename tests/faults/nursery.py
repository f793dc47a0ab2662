"""Where workers are born: a process that has imported what ``flinksql`` imports, and forks one when it is told to.

A worker is as real a process as one from a shell, and dies as dead; it only skips the second that importing takes.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any


class Nursery:
    """Starts workers; ``born`` and ``ended`` tell of each by its number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[tuple[int, str], Future[int]] = {}
        self._count = 0
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, words: tuple[str, ...], environment: dict[str, str], out: str, err: str) -> tuple[int, Future[int]]:
        """Its pid, and its exit code once it has one; minus the signal where that ended it."""
        with self._lock:
            self._count += 1
            number = self._count
            self._told[number, "pid"], self._told[number, "code"] = Future(), Future()
            order = {"number": number, "words": words, "environment": environment, "out": out, "err": err}
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return self._told[number, "pid"].result(180), self._told[number, "code"]

    def close(self) -> None:
        """Workers that still live end with it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._listener.join()
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, word, value = json.loads(line)
            self._told[number, word].set_result(value)


def _serve() -> None:
    living: dict[int, int] = {}
    heard = b""
    while True:
        if select.select([0], [], [], 0.02 if living else None)[0]:
            chunk = os.read(0, 1 << 20)
            if not chunk:
                break
            *orders, heard = (heard + chunk).split(b"\n")
            for order in map(json.loads, orders):
                pid = os.fork() or _work(order)
                living[pid] = order["number"]
                _tell(order["number"], "pid", pid)
        for pid in list(living):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _tell(living.pop(pid), "code", os.waitstatus_to_exitcode(status))
    for pid in living:
        os.kill(pid, 9)


def _tell(*words: Any) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def _work(order: dict[str, Any]) -> int:
    from airflow_provider_flinksql.cli import main, owner

    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(order["environment"])
    _pretend(**json.loads(os.environ.get("CIRCUMSTANCES", "{}")))
    owner.STARTED = time.time_ns()
    code = 70
    try:
        code = main(order["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pretend(
    host: str | None = None, clock: float = 0.0, outage: float | None = None, locked: float | None = None
) -> None:
    """Another host, a clock that is wrong by so many seconds, less patience with servers and files that are locked."""
    from airflow_provider_flinksql.cli import place
    from airflow_provider_flinksql.deploy.reconcile import Limits
    from airflow_provider_flinksql.stores import sqlite

    right, name = time.time, host or socket.gethostname()
    socket.gethostname = lambda: name
    time.time = lambda: right() + clock
    time.time_ns = lambda: int(time.time() * 1e9)
    if outage is not None:
        place.Limits = partial(Limits, outage=outage)  # type: ignore[attr-defined]
    if locked is not None:
        sqlite.BUSY_SECONDS = locked


if __name__ == "__main__":
    import psycopg  # noqa: F401

    import airflow_provider_flinksql.cli.jobs
    import airflow_provider_flinksql.cli.running
    import airflow_provider_flinksql.stores.sql
    import airflow_provider_flinksql.stores.sqlite  # noqa: F401
    from airflow_provider_flinksql.clients.http import import_httpx

    import_httpx()
    import tenacity.asyncio  # noqa: F401

    _serve()
