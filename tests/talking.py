"""Running one flow as the worker does (blocking) and as the triggerer does (awaited)."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.clients.http import IO, AsyncIO, SyncIO, run_sync

URL = "http://flink.example:8081"
RECORDED = Path(__file__).parent / "unit" / "recorded"

Flow = Callable[[IO], Coroutine[Any, Any, Any]]
Reply = httpx.Response | Exception


def as_worker(flow: Flow, url: str = URL, **options: Any) -> Any:
    with SyncIO(url, **options) as io:
        return run_sync(flow(io))


def as_triggerer(flow: Flow, url: str = URL, **options: Any) -> Any:
    async def on_a_loop() -> Any:
        async with AsyncIO(url, **options) as io:
            return await flow(io)

    return asyncio.run(on_a_loop())


SPEAKERS = {"worker": as_worker, "triggerer": as_triggerer}


class Server:
    """Gives its replies in order, the last one for ever; remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.asked]

    def body(self, number: int = 0) -> Any:
        return json.loads(self.asked[number].content)


class Recorded:
    """What one version of Flink really answered, by the names that record.py gave."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._replies = json.loads((RECORDED / f"flink-{version}.json").read_text())

    def __getitem__(self, name: str) -> httpx.Response:
        return httpx.Response(self._replies[name]["status"], json=self._replies[name]["body"])

    def __contains__(self, name: str) -> bool:
        return name in self._replies

    def names(self, *, status: int) -> list[str]:
        return [name for name, reply in self._replies.items() if reply["status"] == status]
