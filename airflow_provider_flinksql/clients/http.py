"""One way to call a server, for the worker (blocking) and the triggerer (awaited).

Every outside call is written once, as ``async def`` over the two methods of :class:`IO`. The triggerer awaits it on an
:class:`AsyncIO`; worker and command line drive it with :func:`run_sync` on a :class:`SyncIO`, whose methods never
suspend. Deadlines are points on ``time.monotonic()``, so that one deadline can be shared by many calls. An answer has a
greatest length, and the time for it is that of the whole request, whatever a server does meanwhile.

httpx, tenacity and asyncio are imported when first needed: ``flinksql`` must start fast.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from airflow_provider_flinksql.clients.answers import TRANSIENT, decoded, no_answer
from airflow_provider_flinksql.clients.auth import Auth, address
from airflow_provider_flinksql.errors import DeadlineExceeded, Interrupted, Misconfigured, Refused, Unreachable, shown
from airflow_provider_flinksql.files import require_file

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    import httpx

T = TypeVar("T")

_PATH = re.compile(r"/|(?:/[A-Za-z0-9_-]+)+")
ATTEMPTS = 3  # with pauses of 0.2 and 0.4 s: for a hiccup, not for an outage
CONNECT_TIMEOUT = 4.0  # so that three attempts at a host that swallows packets end within 15 s
LONGEST = 16 * 1024 * 1024  # of an answer: a list of 40,000 jobs


class IO(Protocol):
    """The only things a flow may wait for. A request may take ``timeout`` seconds where nothing else is said.

    ``secrets`` are what we prove ourselves by to whoever answers.
    """

    timeout: float
    secrets: tuple[str, ...]

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float,
        most: int = LONGEST,
    ) -> httpx.Response:
        """One request, and its whole answer within so many seconds and bytes; raises httpx's transport errors."""

    async def sleep(self, seconds: float) -> None:
        """Lets time pass."""


class SyncIO:
    """Blocks, never suspends: for worker and command line, with :func:`run_sync`. One per thread.

    ``stop``, once set, ends the next request or pause with :class:`Interrupted`. ``requests`` counts what was sent.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        verify: bool | str = True,
        timeout: float = 30.0,
        stop: threading.Event | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.requests = 0
        self.timeout = timeout
        self.secrets = auth.secrets if auth else ()
        self._stop = stop
        import_httpx()
        import httpx

        from airflow_provider_flinksql.clients.bounds import bound

        with _readable_settings(base_url):
            self._http = httpx.Client(transport=transport, **_settings(base_url, auth or Auth(), verify))
        self._patience = bound(self._http)

    async def send(
        self, method: str, path: str, *, timeout: float, most: int = LONGEST, **content: Any
    ) -> httpx.Response:
        """See :class:`IO`."""
        from airflow_provider_flinksql.clients.bounds import Body, asking

        _check(self._stop)
        self.requests += 1
        asked = self._http.build_request(method, path, timeout=_timeout(timeout), **content)
        self._patience.ends = time.monotonic() + timeout
        with asking(asked), closing(self._http.send(asked, stream=True)) as response:
            body = Body(response, most)
            for chunk in response.stream:  # type: ignore[union-attr]  # each client has its own kind
                body.add(chunk)
        return body.whole()

    async def sleep(self, seconds: float) -> None:
        """See :class:`IO`."""
        if self._stop is None:
            time.sleep(seconds)
        else:
            self._stop.wait(seconds)
            _check(self._stop)

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncIO:
    """For the triggerer's event loop; the twin of :class:`SyncIO`."""

    def __init__(
        self,
        base_url: str,
        auth: Auth | None = None,
        verify: bool | str = True,
        timeout: float = 30.0,
        stop: threading.Event | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.requests = 0
        self.timeout = timeout
        self.secrets = auth.secrets if auth else ()
        self._stop = stop
        import_httpx()
        import httpx

        with _readable_settings(base_url):
            self._http = httpx.AsyncClient(transport=transport, **_settings(base_url, auth or Auth(), verify))

    async def send(
        self, method: str, path: str, *, timeout: float, most: int = LONGEST, **content: Any
    ) -> httpx.Response:
        """See :class:`IO`."""
        import asyncio

        from airflow_provider_flinksql.clients.bounds import Body, asking

        _check(self._stop)
        self.requests += 1
        asked = self._http.build_request(method, path, timeout=_timeout(timeout), **content)
        with asking(asked):
            async with asyncio.timeout(timeout), aclosing(await self._http.send(asked, stream=True)) as response:
                body = Body(response, most)
                async for chunk in response.stream:  # type: ignore[union-attr]
                    body.add(chunk)
        return body.whole()

    async def sleep(self, seconds: float) -> None:
        """See :class:`IO`."""
        import asyncio

        await asyncio.sleep(seconds)
        _check(self._stop)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends: one step, without event loop or thread.

    :raises RuntimeError: if it awaited anything but a :class:`SyncIO`
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        coroutine.close()
    raise RuntimeError("a flow suspended under run_sync: it awaited something other than its SyncIO")


async def request(
    io: IO,
    method: str,
    path: str,
    *,
    kind: Any = Any,
    json: Any = None,
    params: Mapping[str, str] | None = None,
    server: str = "server",
    retries: bool | None = None,
    deadline: float | None = None,
    timeout: float | None = None,
    most: int = LONGEST,
    redact: Callable[[str], str] = str,
) -> Any:
    """The answer of a Flink server, or one of our errors.

    :param kind: what the answer is read as
    :param server: what should answer there, for messages (``Flink JobManager``)
    :param retries: whether sending it twice is harmless; not given, only a GET is
    :param deadline: no retry starts after it, and no answer is waited for beyond it
    :param timeout: so many seconds it may take, retries and all; not given, as many as the IO says
    :param most: the length of the longest answer, in bytes
    :param redact: takes secrets out of whatever the server said before it reaches a message or a log
    """
    import httpx
    from tenacity import AsyncRetrying, retry_if_exception, wait_exponential, wait_random

    ends = time.monotonic() + (io.timeout if timeout is None else timeout)
    ends = ends if deadline is None else min(ends, deadline)

    if not _PATH.fullmatch(path):  # or an id that is none would ask for something else
        raise Misconfigured(f"{server}: {method} {shown(path)} is not asked, since an id in it cannot be one.")

    async def attempt() -> Any:
        left = ends - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"no time is left for {method} {path} of the {server}")
        try:
            response = await io.send(method, path, json=json, params=params, timeout=left, most=most)
        except httpx.TransportError as error:
            raise no_answer(error, server, left) from error
        return decoded(response, kind, server, redact)

    if not (method == "GET" if retries is None else retries):
        return await attempt()
    retrying = AsyncRetrying(
        sleep=io.sleep,
        wait=wait_exponential(multiplier=0.2, max=2) + wait_random(0, 0.1),
        stop=lambda state: state.attempt_number >= ATTEMPTS or time.monotonic() + 0.5 >= ends,
        retry=retry_if_exception(_is_transient),
        reraise=True,
    )
    return await retrying(attempt)


def import_httpx() -> None:
    """Imports httpx without its command line program: rich, pygments and click are 0.18 of its 0.3 seconds."""
    if "httpx" not in sys.modules:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # httpx is made to live without it
        try:
            import httpx  # noqa: F401
        finally:
            del sys.modules["httpx._main"]


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.status in TRANSIENT)


def _check(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Interrupted("told to stop; what was asked of a server goes on there")


@contextmanager
def _readable_settings(base_url: str) -> Iterator[None]:
    import httpx

    host = urlsplit(address(base_url)).hostname
    try:
        yield
    except (httpx.InvalidURL, ValueError) as error:
        raise Misconfigured(f"the URL of {host} cannot be read: {error}") from error
    except OSError as error:
        raise Misconfigured(f"certificate, key or CA for {host} cannot be read: {error}") from error


def _settings(base_url: str, auth: Auth, verify: bool | str) -> dict[str, Any]:
    """The arguments both httpx clients take. Proxies of the environment count, but not for our own machine."""
    secure = urlsplit(base_url).scheme == "https"
    return {
        "base_url": base_url,
        "headers": auth.headers() | {"Accept": "application/json", "Accept-Encoding": "identity"},
        "verify": _ssl_context(verify, auth.cert, auth.key) if secure else _no_tls(),
        "follow_redirects": False,
        "trust_env": urlsplit(base_url).hostname not in ("localhost", "127.0.0.1", "::1"),
    }


def _timeout(seconds: float) -> httpx.Timeout:
    import httpx

    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT))


@lru_cache
def _ssl_context(verify: bool | str, cert: str, key: str) -> ssl.SSLContext:
    """One per process and kind: building one reads all CAs and would block the triggerer's loop for 15 ms each time."""
    import httpx

    if isinstance(verify, str):
        import ssl

        folder = Path(verify).is_dir()
        if not folder:
            require_file(verify)
        context = ssl.create_default_context(capath=verify if folder else None, cafile=None if folder else verify)
    else:
        context = httpx.create_ssl_context(verify=verify)
    for file in filter(None, (cert, key)):
        require_file(file)
    if cert:
        context.load_cert_chain(cert, key or None)
    return context


@lru_cache
def _no_tls() -> ssl.SSLContext:
    """For plain http: holds no CA, so it is cheap, and trusts nobody should it be used after all."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
