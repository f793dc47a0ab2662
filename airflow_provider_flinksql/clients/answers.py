"""What a server's answer, or its silence, means in our errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_flinksql.clients.causes import root_cause
from airflow_provider_flinksql.errors import (
    FlinkSqlError,
    Misconfigured,
    NotFound,
    Refused,
    Said,
    Unauthorized,
    Unreachable,
    shown,
    shown_lines,
)

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

TRANSIENT = frozenset({429, 502, 503, 504})  # a plain 500 is Flink's word for "the request failed", so not one of them
_NO_SUCH_PATH = ("Not found: ", "Unable to load requested file ")


@contextmanager
def reading(server: str, what: str) -> Iterator[None]:
    """Turns the stumbling of code that reads an answer into "that is not a Flink server"."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise Misconfigured(
            f"{server}: the answer to {what} is not one that Flink gives ({type(error).__name__}: {error}). "
            "Check that the URL is the right one."
        ) from error


def decoded(response: httpx.Response, server: str, redact: Callable[[str], str] = str) -> Any:
    """The JSON of a good answer.

    :param server: what should answer there, for messages
    :param redact: takes secrets out of whatever the server said before it reaches a message or a log
    """
    where = f"{server} {_shown(response.request.url)}"
    if response.is_redirect:
        raise Misconfigured(
            f"{where} redirects to {root_cause(Said(response.headers['location'], redact))}. "
            "Redirects are not followed, since credentials would go along: give the final URL."
        )
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if response.is_success and body is not None:
        return body
    asked = f"{response.request.method} {response.request.url.path}"
    raise _refusal(response.status_code, body, where=where, asked=asked, server=server, redact=redact)


def _refusal(
    status: int, body: Any, *, where: str, asked: str, server: str, redact: Callable[[str], str]
) -> FlinkSqlError:
    errors = body.get("errors") if isinstance(body, dict) else None
    words = "\n".join(str(error) for error in errors) if isinstance(errors, list) else ""
    detail, root = Said(words, redact), Said(words.removeprefix("Internal server error.\n"), redact)
    if detail:
        log.debug("%s answered %s to %s: %s", shown(where), status, shown(asked), shown_lines(detail))
    said = root_cause(root)
    message = f"{where} answered {status} to {asked}{f': {said}' if said else ''}"
    if status in (401, 403):
        return Unauthorized(f"{message}. Check the connection's credentials.", status, detail)
    if status in TRANSIENT:
        return Refused(message, status, detail)
    if not detail or detail.words.startswith(_NO_SUCH_PATH):
        return Misconfigured(
            f"{where} answers, but not as a {server} ({status} to {asked}). "
            "Check host, port and path; the SQL gateway and the JobManager have different ports."
        )
    return (NotFound if status == 404 else Refused)(message, status, detail)


def no_answer(error: httpx.TransportError, server: str, seconds: float) -> FlinkSqlError:
    """What it means that a request ended without an answer, for which it had so many seconds."""
    import ssl

    import httpx

    from airflow_provider_flinksql.clients.bounds import TooMuch

    where = f"{server} {_shown(error.request.url)}"
    said = str(error).rstrip(".") or type(error).__name__
    reasons = [reason for reason in (error, error.__cause__, error.__context__) if reason]
    if any(isinstance(reason, ssl.SSLError) for reason in _chain(reasons)):
        return Misconfigured(
            f"{where}: no TLS connection: {said}. Check http or https, the CA in verify, the certificate."
        )
    if isinstance(error, TooMuch):
        return Misconfigured(
            f"{where} sent more than {error.most // 1024 // 1024} MB as answer to {error.request.method} "
            f"{error.request.url.path}. Check that the URL is the right one."
        )
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        when = f"within {seconds:.0f} s" if seconds >= 1 else f"in the {seconds:.1f} s that were left"
        return Unreachable(f"{where} did not finish its answer {when}. Check that it is not overloaded.")
    return Unreachable(f"{where} does not answer: {said}. Check that it is running and that host and port are right.")


def _chain(errors: list[BaseException]) -> Iterator[BaseException]:
    seen: set[int] = set()
    while errors:
        error = errors.pop()
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            errors += [reason for reason in (error.__cause__, error.__context__) if reason]


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(userinfo=b"", path="/", query=None, fragment=None)).rstrip("/")
