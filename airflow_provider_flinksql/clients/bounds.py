"""What a server may cost us: so many bytes, and so many seconds for the whole of an answer.

httpx's own time-outs begin anew with each byte, and with each of any number of interim answers. This module imports
httpx, so it is imported when that is.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

_CHUNK = 64 * 1024


class TooMuch(httpx.TransportError):
    """An answer is longer than ``most`` bytes."""

    def __init__(self, most: int, request: httpx.Request) -> None:
        super().__init__(f"more than {most} bytes", request=request)
        self.most = most


@contextmanager
def asking(request: httpx.Request) -> Iterator[None]:
    """Makes one kind of error of every way in which an answer can fail to come; each knows its request."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("timed out", request=request) from error
    except httpx.TransportError as error:
        error.request = request
        raise


class Body:
    """The content of an answer as it comes in, unpacked; never more than ``most`` bytes of it are held.

    We ask for nothing packed. A proxy may pack all the same, as gzip; anything else is no content that we can read.
    """

    def __init__(self, response: httpx.Response, most: int) -> None:
        self._response = response
        self._most = most
        self._content = bytearray()
        packing = response.headers.get("content-encoding", "").strip().lower()
        self._readable = packing in ("", "identity", "gzip", "x-gzip", "deflate")
        self._unpack = None if packing in ("", "identity") else zlib.decompressobj(zlib.MAX_WBITS | 32)

    def add(self, chunk: bytes) -> None:
        """Takes a piece of the answer in.

        :raises TooMuch: that was one too many
        """
        if not self._readable:
            return
        if self._unpack:
            try:
                chunk = self._unpack.decompress(chunk, self._most + 1 - len(self._content))
            except zlib.error:
                self._readable = False
                return
        self._content += chunk
        if len(self._content) > self._most:
            raise TooMuch(self._most, self._response.request)

    def whole(self) -> httpx.Response:
        """The answer, which is all here; without content where that cannot be unpacked."""
        answer = self._response
        content = bytes(self._content) if self._readable and (self._unpack is None or self._unpack.eof) else b""
        location = {"location": answer.headers["location"]} if "location" in answer.headers else {}
        return httpx.Response(answer.status_code, headers=location, content=content, request=answer.request)


class Patience:
    """Until when the one request of a client that is under way may take, on ``time.monotonic()``."""

    ends = float("inf")

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """How long to wait now.

        :raises Exception: ``late``, where no time is left
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise late("timed out")
        return left if timeout is None else min(left, timeout)


def bound(client: httpx.Client) -> Patience:
    """What holds for all connections of a client, those through a proxy included."""
    patience = Patience()
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # httpx has no door for it
            pool._network_backend = _Backend(pool._network_backend, patience)
    return patience


class _Backend(httpcore.NetworkBackend):
    """Connections whose every wait ends with the request's time."""

    def __init__(self, inner: httpcore.NetworkBackend, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """One after another of a host's addresses, each with its share of the time."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(error) from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        ends = time.monotonic() + self._patience.left(timeout, httpcore.ConnectTimeout)
        for number, address in enumerate(addresses, 1):
            share = max(0.001, ends - time.monotonic()) / (len(addresses) - number + 1)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _Stream(stream, self._patience)
        raise httpcore.ConnectError(f"{host} has no address")

    def sleep(self, seconds: float) -> None:
        """See httpcore."""
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends with the request's time."""

    def __init__(self, inner: httpcore.NetworkStream, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        return self._inner.read(max_bytes, self._patience.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore; piece by piece, since each piece gets the time that is left then."""
        for start in range(0, len(buffer), _CHUNK):
            left = self._patience.left(timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + _CHUNK], left)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        left = self._patience.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._patience)

    def close(self) -> None:
        """See httpcore."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._inner.get_extra_info(info)
