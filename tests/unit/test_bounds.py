"""What a server that means harm can cost: so many seconds and bytes, whatever it does."""

import gzip
import socket
import threading
import time
from contextlib import contextmanager
from functools import cache, partial

import httpx
import pytest

from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import LONGEST, SyncIO, request, run_sync
from airflow_provider_flinksql.errors import DeadlineExceeded, FlinkSqlError, Misconfigured, Unreachable
from airflow_provider_flinksql.targets.session import SessionTarget
from onejob import JOBMANAGER, OneJob, on_record
from talking import SPEAKERS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECONDS = 0.3


def slowly(start, piece):
    yield start
    while True:
        yield piece
        time.sleep(0.02)


def for_ever(start, piece):
    yield start
    while True:
        yield piece


@cache
def bomb(times):
    content = b"[" + b" " * (LONGEST + 1)
    for _ in range(times):
        content = gzip.compress(content)
    return content


def packed(times, how=b"gzip"):
    content = bomb(times)
    yield HEAD + b"Content-Encoding: " + b", ".join([how] * times) + b"\r\nContent-Length: %d\r\n\r\n" % len(content)
    yield content


def once(*pieces):
    yield from pieces


LATE = (Unreachable, r"did not finish its answer (within|in the) ")
LONG = (Misconfigured, r"sent more than 16 MB as answer to GET /jobs\. Check that the URL is the right one\.")
OTHER = (Misconfigured, "answers, but not as a Flink JobManager")
BROKEN = (Unreachable, "does not answer: ")
HARM = {
    "silence": (lambda: slowly(b"", b""), *LATE),
    "half a line, a byte at a time": (lambda: slowly(b"", b"H"), *LATE),
    "headers, a byte at a time": (lambda: slowly(HEAD + b"X: ", b"x"), *LATE),
    "header after header": (lambda: slowly(HEAD, b"X: x\r\n"), *LATE),
    "headers as fast as it can": (lambda: for_ever(HEAD, b"X: x\r\n" * 100), *BROKEN),
    "interim answers": (lambda: slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), *LATE),
    "interim answers as fast as it can": (lambda: for_ever(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100), *LATE),
    "a body, a byte at a time": (lambda: slowly(HEAD + b"Content-Length: 9999\r\n\r\n", b" "), *LATE),
    "a body until it closes, and it does not": (lambda: slowly(HEAD + b"\r\n", b" "), *LATE),
    "chunks, a byte at a time": (lambda: slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), *LATE),
    "the size of a chunk, a digit at a time": (
        lambda: slowly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        Unreachable,
        None,
    ),
    "a body without end": (lambda: for_ever(HEAD + b"\r\n", b" " * 65536), *LONG),
    "a body as long as it says": (
        lambda: for_ever(HEAD + b"Content-Length: %d\r\n\r\n" % (LONGEST * 99), b" " * 65536),
        *LONG,
    ),
    "a bomb": (lambda: packed(1), *LONG),
    "a bomb in a bomb": (lambda: packed(2), *OTHER),
    "a packing of which nobody knows": (lambda: packed(1, b"br"), *OTHER),
    "gzip that is none": (
        lambda: once(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        *OTHER,
    ),
    "half of gzip": (
        lambda: once(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + gzip.compress(b"{}")[:12]),
        *OTHER,
    ),
    "an end in the middle": (lambda: once(HEAD + b"Content-Length: 9\r\n\r\n[1"), *BROKEN),
    "no word at all": (lambda: once(b""), *BROKEN),
    "another protocol": (lambda: once(b"SSH-2.0-OpenSSH_9.6\r\n"), *BROKEN),
    "a switch of protocols": (
        lambda: once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        FlinkSqlError,
        None,
    ),
    "a redirect to itself": (
        lambda: once(b"HTTP/1.1 302 Found\r\nLocation: /jobs\r\nContent-Length: 0\r\n\r\n"),
        Misconfigured,
        "redirects to /jobs",
    ),
    "brackets": (
        lambda: once(HEAD + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000),
        *OTHER,
    ),
}


@contextmanager
def listening(answer):
    """A server on a free port that answers every connection so, as long as the other side listens."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve(connection):
        with connection:
            try:
                connection.recv(65536)
                for piece in answer():
                    if stop.is_set():
                        return
                    connection.sendall(piece)
            except OSError:
                pass  # the other side has hung up

    def accept():
        threads = []
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("harm", HARM)
def test_no_server_takes_more_than_its_time_and_its_bytes(speaker, harm):
    answer, kind, said = HARM[harm]
    get = partial(request, method="GET", path="/jobs", server="Flink JobManager")
    with listening(answer) as url, pytest.raises(kind, match=said) as caught:
        SPEAKERS[speaker](get, url, timeout=10 if kind is Misconfigured else SECONDS)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_what_a_proxy_packs_is_unpacked(speaker):
    content = gzip.compress(b'{"fine": true}')

    def answer():
        yield HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content) + content

    with listening(answer) as url:
        assert SPEAKERS[speaker](partial(request, method="GET", path="/jobs"), url) == {"fine": True}


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_server_that_reads_nothing_takes_no_more_than_its_time(speaker):
    server = socket.create_server(("127.0.0.1", 0))
    post = partial(request, method="POST", path="/x", json="x" * 10_000_000, server="Flink SQL gateway")
    with server, pytest.raises(Unreachable, match="did not finish its answer"):
        SPEAKERS[speaker](post, f"http://127.0.0.1:{server.getsockname()[1]}", timeout=SECONDS)


def test_each_address_of_a_host_gets_its_share_of_the_time(monkeypatch):
    quiet = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = quiet.getsockname()[1]
    waiting = [socket.socket() for _ in range(3)]
    for one in waiting:  # fill the queue of connections, so that no further one is answered
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    get = partial(request, method="GET", path="/jobs")
    with quiet, pytest.raises(Unreachable, match="does not answer"):
        SPEAKERS["worker"](get, f"http://flink.example:{port}", timeout=SECONDS)
    for one in waiting:
        one.close()


def test_the_whole_of_the_first_look_has_one_deadline_but_for_what_we_let_pass(tmp_path, monkeypatch):
    """However many requests it takes: here each is answered in time, and no end is in sight."""
    _, manifest = on_record(tmp_path, settled_at=1)
    flink, now = OneJob(manifest), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(asked):
        now[0] += 5
        return flink(asked)

    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(slow)) as io:
        target = SessionTarget(JOBMANAGER, io, io)
        with pytest.raises(DeadlineExceeded, match="no time is left for GET /jobs/"):
            run_sync(target.look("orders", manifest, closely=True))
        assert now[0] == 15
        assert run_sync(target.look("orders", manifest, closely=True)).jobs


def test_time_that_we_let_pass_is_not_the_servers(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with SyncIO(JOBMANAGER, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"jobs": []}))) as io:
        jobmanager = JobManager(io, 12.0)
        now[0] = 60.0
        with pytest.raises(DeadlineExceeded):
            run_sync(jobmanager.overview())
        jobmanager.grant(60.0)
        assert run_sync(jobmanager.overview()) == ()
