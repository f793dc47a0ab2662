import asyncio
import subprocess
import sys
import threading
import time
from functools import partial

import httpx
import pytest

from airflow_provider_flinksql.clients.auth import Auth
from airflow_provider_flinksql.clients.http import ATTEMPTS, AsyncIO, SyncIO, _ssl_context, request, run_sync
from airflow_provider_flinksql.errors import (
    DeadlineExceeded,
    Interrupted,
    Misconfigured,
    NotFound,
    Refused,
    Unauthorized,
    Unreachable,
)
from talking import Server

GOOD = httpx.Response(200, json={"fine": True})
REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


def get(io, **options):
    return request(io, "GET", "/jobs", server="Flink JobManager", **options)


def post(io, **options):
    return request(io, "POST", "/jobs", json={"a": 1}, server="Flink JobManager", **options)


def test_a_good_answer_is_decoded(speak):
    server = Server(GOOD)
    assert speak(get, server) == {"fine": True}
    assert server.lines == ["GET /jobs"]


def test_silence_names_url_and_cause_after_a_few_short_tries(speak):
    server, naps = Server(REFUSED), []
    with pytest.raises(
        Unreachable, match=r"http://flink\.example:8081 does not answer: \[Errno 111\] Connection refused"
    ):
        speak(get, server, naps)
    assert len(server.asked) == ATTEMPTS
    assert 0 < sum(naps) < 1.5


def test_a_hiccup_is_not_noticed(speak):
    assert speak(get, Server(REFUSED, httpx.Response(503, text="leader election"), GOOD)) == {"fine": True}


def test_a_post_is_sent_once(speak):
    server = Server(httpx.ReadTimeout("timed out"), GOOD)
    with pytest.raises(Unreachable, match="did not finish its answer within 30 s"):
        speak(post, server)
    assert server.lines == ["POST /jobs"]


def test_a_post_is_repeated_when_the_caller_says_it_is_harmless(speak):
    assert speak(partial(post, retries=True), Server(httpx.ReadTimeout("timed out"), GOOD)) == {"fine": True}


def test_a_plain_500_is_an_answer_and_not_asked_for_again(speak):
    server = Server(
        httpx.Response(500, json={"errors": ["Internal server error.", "java.lang.IllegalStateException: no"]})
    )
    with pytest.raises(Refused, match=r"answered 500 to GET /jobs: IllegalStateException: no$") as caught:
        speak(get, server)
    assert len(server.asked) == 1
    assert caught.value.status == 500
    assert caught.value.retryable


def test_nothing_is_sent_after_the_deadline(speak):
    server = Server(GOOD)
    with pytest.raises(DeadlineExceeded, match="GET /jobs"):
        speak(partial(get, deadline=time.monotonic() - 1), server)
    assert server.asked == []


def test_no_retry_begins_near_the_deadline(speak):
    server = Server(REFUSED)
    with pytest.raises(Unreachable):
        speak(partial(get, deadline=time.monotonic() + 0.4), server)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, html="<html>It works!</html>"),
        httpx.Response(404, html="<h1>nginx</h1>"),
        httpx.Response(404, json={"message": "no"}),
        httpx.Response(404, json={"errors": ["Not found: /jobs"]}),
        httpx.Response(404, json={"errors": ["Unable to load requested file /jobs."]}),
    ],
)
def test_another_server_is_a_wrong_setting(speak, reply):
    with pytest.raises(Misconfigured, match=r"answers, but not as a Flink JobManager .* Check host, port"):
        speak(get, Server(reply))


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_named_so_even_by_a_proxy_that_speaks_html(speak, status):
    with pytest.raises(Unauthorized, match="credentials"):
        speak(get, Server(httpx.Response(status, html="<h1>Denied</h1>")))


def test_what_flink_does_not_know_is_not_found(speak):
    missing = "org.apache.flink.runtime.rest.NotFoundException: Job x not found\n\tat Y.z(Y.java:1)\n"
    with pytest.raises(NotFound, match=r"NotFoundException: Job x not found$") as caught:
        speak(get, Server(httpx.Response(404, json={"errors": [missing]})))
    assert "\tat " in caught.value.detail
    assert not caught.value.retryable


def test_redirects_are_not_followed_so_credentials_stay_here(speak):
    server = Server(httpx.Response(302, headers={"location": "http://elsewhere/"}))
    with pytest.raises(Misconfigured, match="redirects to http://elsewhere/"):
        speak(get, server, auth=Auth(kind="bearer", token="s3cret"))
    assert len(server.asked) == 1


def test_what_the_server_says_is_redacted_in_messages_and_logs(speak, caplog):
    caplog.set_level("DEBUG", logger="airflow_provider_flinksql")
    server = Server(
        httpx.Response(500, json={"errors": ["java.lang.Exception: password hunter2 is wrong\n\tat A.b(A.java:1)"]})
    )
    with pytest.raises(Refused) as caught:
        speak(partial(get, redact=lambda text: text.replace("hunter2", "***")), server)
    assert "password *** is wrong" in str(caught.value)
    assert "hunter2" not in caught.value.detail + caplog.text
    assert "at A.b" in caplog.text


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"auth": "none"}, None),
        ({"auth": "basic", "login": "me", "password": "s3cret"}, "Basic bWU6czNjcmV0"),
        ({"auth": "Bearer", "token": "abc"}, "Bearer abc"),
    ],
)
def test_credentials_are_sent_as_configured(speak, settings, header):
    server = Server(GOOD)
    speak(get, server, auth=Auth.from_settings(settings))
    assert server.asked[0].headers.get("authorization") == header


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"auth": "kerberos"}, "'kerberos' is not known; it may be none, basic, bearer, mtls"),
        ({"auth": "basic"}, "basic needs login and password"),
        ({"auth": "mtls", "cert": "/c.pem"}, "mtls needs key"),
        ({"auth": "bearer", "token": "abc\n"}, "line break"),
    ],
)
def test_credentials_that_cannot_work_are_told_apart_before_any_call(settings, said):
    with pytest.raises(Misconfigured, match=said):
        Auth.from_settings(settings)


def test_printing_credentials_shows_no_secret():
    auth = Auth(kind="basic", login="me", password="s3cret", token="t0ken")
    assert "s3cret" not in repr(auth)
    assert "t0ken" not in repr(auth)


@pytest.mark.parametrize("url", ["flink:8081", "ftp://flink", "http://", "", "http://[::1"])
def test_a_url_that_is_none_is_a_wrong_setting(url):
    with pytest.raises(Misconfigured, match="URL"):
        SyncIO(url)


def test_a_missing_ca_file_is_a_wrong_setting(tmp_path):
    with pytest.raises(Misconfigured, match="certificate, key or CA for flink"):
        SyncIO("https://flink", verify=str(tmp_path / "none.pem"))


def test_there_is_one_ssl_context_for_all_clients_of_a_kind():
    _ssl_context.cache_clear()
    for _ in range(3):
        SyncIO("https://flink").close()
    SyncIO("https://flink", verify=False).close()
    assert _ssl_context.cache_info().misses == 2


def test_requests_are_counted():
    with SyncIO("http://flink", transport=httpx.MockTransport(Server(GOOD))) as io:
        run_sync(get(io))
        run_sync(get(io))
        assert io.requests == 2


def test_the_stop_flag_ends_the_next_request(speak):
    stop, server = threading.Event(), Server(GOOD)
    stop.set()
    with pytest.raises(Interrupted):
        speak(get, server, stop=stop)
    assert server.asked == []


def test_the_stop_flag_ends_a_pause_of_the_worker():
    stop = threading.Event()
    with SyncIO("http://flink", stop=stop) as io:
        threading.Timer(0.05, stop.set).start()
        started = time.monotonic()
        with pytest.raises(Interrupted):
            run_sync(io.sleep(30))
        assert time.monotonic() - started < 5


def test_run_sync_works_inside_a_running_loop():
    async def on_a_loop():
        with SyncIO("http://flink", transport=httpx.MockTransport(Server(GOOD))) as io:
            return run_sync(get(io))

    assert asyncio.run(on_a_loop()) == {"fine": True}


def test_run_sync_refuses_what_suspends():
    async def on_a_loop():
        async with AsyncIO("http://flink") as io:
            with pytest.raises(RuntimeError, match="suspended"):
                run_sync(io.sleep(0.01))

    asyncio.run(on_a_loop())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import airflow_provider_flinksql.clients.http", {"httpx", "tenacity", "asyncio", "ssl"}),
        (
            "from airflow_provider_flinksql.clients.http import SyncIO; SyncIO('http://flink').close()",
            {"rich", "click"},
        ),
    ],
)
def test_imports_stay_light(code, absent):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert absent & set(done.stdout.split()) == set()


def test_httpx_is_whole_for_others_after_our_light_import():
    code = "from airflow_provider_flinksql.clients.http import import_httpx; import_httpx(); import httpx._main, httpx"
    subprocess.run([sys.executable, "-c", f"{code}; httpx.Client"], check=True)
