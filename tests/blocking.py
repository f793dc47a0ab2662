"""Hears of what would block an event loop, by who calls it and not by how long it takes: so a busy machine is no fault.

Python tells its audit hooks of each connection, database and process that is begun (PEP 578), and of pauses from 3.13.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BLOCKING = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "sqlite3.connect"}
    | {"subprocess.Popen", "os.system", "http.client.connect"}
)
_listening: dict[int, list[str]] = {}


@contextmanager
def watching_the_loop() -> Iterator[list[str]]:
    """What is called in this thread that would block; a loop that is run in here has no other thread."""
    thread = threading.get_ident()
    _listening[thread] = heard = []
    sleep = time.sleep

    def asleep(seconds: float) -> None:
        if threading.get_ident() == thread:
            heard.append("time.sleep")
        sleep(seconds)

    time.sleep = asleep
    try:
        yield heard
    finally:
        time.sleep = sleep
        del _listening[thread]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _BLOCKING or (heard := _listening.get(threading.get_ident())) is None:
        return
    if event == "socket.connect" and arguments[0].gettimeout() == 0:
        return  # asyncio's own way
    heard.append(event)


sys.addaudithook(_hear)  # there is no way to take one away again
