"""Processes that outlive us: started, recognised again and ended by pid and start time; locks between our own."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process as the kernel knows it: pids are used again, a pid with its start time is not."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return _started(self.pid) == self.started


def _started(pid: int) -> str | None:
    try:
        # What follows the command's name, which is in parentheses and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    state, threads, started = fields[0], int(fields[17]), fields[19]
    # While the other threads of a zombie are still ending, its ports are still taken.
    return None if state in "ZX" and threads <= 1 else started


def _started_by_ps(pid: int) -> str | None:
    """Where there is no /proc (macOS)."""
    answer = subprocess.run(  # noqa: S603
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def spawn(command: Collection[str], *, output: Path, folder: Path, environment: Mapping[str, str]) -> Process:
    """Start ``command`` in a session of its own, as nobody's child: it outlives us and leaves us no zombie."""
    shell = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", '"$@" </dev/null >"$OUTPUT" 2>&1 & echo $!', "sh", *command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=folder,
        start_new_session=True,
        env={**environment, "OUTPUT": str(output)},
    )
    pid = int(shell.stdout)
    return Process(pid, _started(pid) or "gone before it was seen")


def stop(processes: Collection[Process], patience: float = 10) -> bool:
    """End them all: politely, and those that have not gone after ``patience`` seconds by force; whether none was."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for process in processes:
            _send(process, number)
        deadline = time.monotonic() + seconds
        while any(process.alive for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return number == signal.SIGTERM
    return False


def _send(process: Process, number: signal.Signals) -> None:
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            pass  # it went by itself


@contextmanager
def exclusive(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold ``lock`` among all processes of this machine; the kernel lets go of it when the holder dies."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another flinksql process ({lock})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int]) -> int:
    """A free port below the range outgoing connections are given: one from that range may be taken when we restart."""
    candidates = random.sample(range(20_000, 32_768), 500)
    return next(port for port in candidates if port not in taken and is_free(port))
