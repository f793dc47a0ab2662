"""A fault proxy in front of gateway and JobManager (HTTP) and of the store (PostgreSQL)."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from faults.wire import Cut, Fault, Wire, request_kind, write_kind

WRITES = (b"UPDATE flinksql_manifest", b"INSERT INTO flinksql_manifest")
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
PROOF = re.compile(r"/jobs/\w+/checkpoints/[0-9a-f]{32}$")
IN_PROGRESS = json.dumps({"status": {"id": "IN_PROGRESS"}}).encode()


@contextmanager
def http_proxy(wire: Wire, upstream: Callable[[], str]) -> Iterator[str]:
    """The URL of a proxy before the server that ``upstream`` says: it may come back elsewhere."""

    class Handler(_Forward):
        pass

    Handler.wire, Handler.upstream, Handler.submits = wire, staticmethod(upstream), set()
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A worker that is killed hangs up as it dies."""


class _Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: TCP would hold the second back for 40 ms
    wire: Wire
    upstream: Callable[[], str]
    submits: set[str]
    """Operations of INSERT statements: their first answer that is one tells the job's id."""

    def setup(self) -> None:
        self.life = self.wire.life
        super().setup()

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.wire.require(self.life)
            kind = request_kind(self.command, self.path, body)
            fault = self.wire.meet(kind, self.life) if kind else None
            if fault and fault.moment == "before":
                self.wire.strike(fault)
                self.wire.require(self.life)
            self.wire.requests += 1
            status, answer = self._ask(body)
            if self.wire.unproved and PROOF.search(self.path):
                answer = IN_PROGRESS
            fault = self._told(kind, answer) or fault
            if fault and fault.moment == "during":
                self.wire.strike(fault)
                self.close_connection = True
                return
            self.wire.require(self.life)
            self._deliver(status, answer)
            if fault and fault.moment == "after":
                self.wire.strike(fault)
        except (Cut, OSError, http.client.HTTPException):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = forward

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.upstream())
        with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)) as connection:
            headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.read()

    def _told(self, kind: str | None, answer: bytes) -> Fault | None:
        """The answer with which a worker learns the fate of its submit is a step of its own."""
        if kind == "submit":
            self.submits.add(str(json.loads(answer).get("operationHandle")))
        ours = "/result/" in self.path and self.path.split("/operations/")[-1].split("/")[0] in self.submits
        if not ours or json.loads(answer).get("resultType") == "NOT_READY":
            return None
        return self.wire.meet("job id", self.life)

    def _deliver(self, status: int, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def postgresql_proxy(wire: Wire, upstream: str) -> Iterator[int]:
    """The port of a proxy before the PostgreSQL that listens on the unix socket ``upstream``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            threading.Thread(target=_Talk(wire, client, upstream).run, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@dataclass
class _Talk:
    """One connection. A COMMIT after a write to the manifests is a step, named by what was written."""

    wire: Wire
    client: socket.socket
    upstream: str
    written: str | None = None
    statements: dict[bytes, bytes] = field(default_factory=dict)
    awaited: Fault | None = None
    """Strikes when the server has answered the COMMIT on its way."""

    def run(self) -> None:
        life = self.wire.life
        with closing(self.client), closing(socket.socket(socket.AF_UNIX)) as server:
            try:
                server.connect(self.upstream)
                server.sendall(self._startup())
                threading.Thread(target=self._answers, args=(server,), daemon=True).start()
                for kind, payload in _frames(self.client):
                    self.wire.require(life)
                    if self._commits(kind, payload):
                        self._meet(life)
                    server.sendall(kind + struct.pack(">i", len(payload) + 4) + payload)
            except (Cut, OSError):
                pass
            finally:
                _hang_up(self.client)
                _hang_up(server)

    def _startup(self) -> bytes:
        while True:
            size = _exactly(self.client, 4)
            rest = _exactly(self.client, struct.unpack(">i", size)[0] - 4)
            if struct.unpack(">i", rest[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):
                return size + rest
            self.client.sendall(b"N")

    def _commits(self, kind: bytes, payload: bytes) -> bool:
        if kind == b"P":
            name, text, _ = payload.split(b"\0", 2)
            self.statements[name] = text
        elif kind == b"B":
            _, name, values = payload.split(b"\0", 2)
            if self.statements.get(name, b"").startswith(WRITES):
                start = values.index(b'{"adopted"')
                document, _ = json.JSONDecoder().raw_decode(values[start:].decode(errors="replace"))
                self.written = write_kind(document)
        elif kind == b"Q" and payload.startswith(b"ROLLBACK\0"):
            self.written = None
        return kind == b"Q" and payload.startswith(b"COMMIT") and self.written is not None

    def _meet(self, life: object) -> None:
        step, self.written = str(self.written), None
        fault = self.wire.meet(step, life)
        if fault and fault.moment == "before":
            self.wire.strike(fault)
            self.wire.require(life)
        else:
            self.awaited = fault

    def _answers(self, server: socket.socket) -> None:
        held = b""
        try:
            for kind, payload in _frames(server):
                frame = kind + struct.pack(">i", len(payload) + 4) + payload
                if self.awaited is None:
                    self.client.sendall(frame)
                    continue
                held += frame
                if kind == b"Z":  # the server is ready for the next: the COMMIT holds
                    fault, self.awaited = self.awaited, None
                    if fault.moment == "after":
                        self.client.sendall(held)
                    self.wire.strike(fault)
                    if fault.moment == "during":
                        break
                    held = b""
        except (Cut, OSError):
            pass
        finally:
            _hang_up(self.client)
            _hang_up(server)


def _frames(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head = _exactly(source, 5)
        yield head[:1], _exactly(source, struct.unpack(">i", head[1:])[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        chunk = source.recv(size - len(got))
        if not chunk:
            raise Cut
        got += chunk
    return got


def _hang_up(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was first
