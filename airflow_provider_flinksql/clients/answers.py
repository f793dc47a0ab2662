"""What a server's answer, or its silence, means in our errors."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
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
_MISSING = re.compile(r"Object missing required field `(.*)`")
_GOT = re.compile(r", got `(\w+)`")
_CANNOT_BE = re.compile(r"Expected `|Invalid |'utf-8'")
_JSON_WORDS = {
    **{"array": "a list", "list": "a list", "object": "an object", "dict": "an object", "str": "a text"},
    **{"int": "a number", "float": "a number with a point", "bool": "true or false", "null": "null"},
}
_NO_SUCH_PATH = ("Not found: ", "Unable to load requested file ")


def decoded(response: httpx.Response, kind: Any, server: str, redact: Callable[[str], str] = str) -> Any:
    """A good answer, read as a value of ``kind`` (see :mod:`.shapes`).

    :param server: what should answer there, for messages
    :param redact: takes secrets out of whatever the server said before it reaches a message or a log
    """
    where = f"{server} {_shown(response.request.url)}"
    if response.is_redirect:
        raise Misconfigured(
            f"{where} redirects to {root_cause(Said(response.headers['location'], redact))}. "
            "Redirects are not followed, since credentials would go along: give the final URL."
        )
    asked = f"{response.request.method} {response.request.url.path}"
    body = _json(response.content)
    if response.is_success and body is not None:
        return read(body, kind, where, asked)
    raise _refusal(response.status_code, body, where=where, asked=asked, server=server, redact=redact)


def read(value: Any, kind: Any, where: str, asked: str) -> Any:
    """What a server said, as a value of ``kind``: the one place where its words become ours.

    :raises Misconfigured: it is no such value, so this is not Flink
    """
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Misconfigured(
            f"{where}: the answer to {asked} is not what Flink answers ({_unlike(str(error))}). "
            "Check that the URL is the right one."
        ) from error


def _unlike(said: str) -> str:
    """What msgspec has against a value, in our words and without quoting it: ``jobs[3].state is a list``."""
    said, _, path = said.partition(" - at `$")
    path = path.strip("`.") or "it"
    if missing := _MISSING.match(said):
        return f"{path} has no {missing[1]}"
    if got := _GOT.search(said):
        return f"{path} is {_JSON_WORDS.get(got[1], 'something else')}"
    if _CANNOT_BE.match(said):
        return f"{path} is nothing that it can be"
    return f"{path}: {said}"


def _json(content: bytes) -> Any:
    """JSON as Flink writes it; None of anything else, as text that is none, or in which a key stands twice."""
    try:
        body = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        if b"\\ud" in content.lower():
            json.dumps(body, ensure_ascii=False).encode()  # half of a character cannot be written anywhere
    except (ValueError, RecursionError):
        return None
    return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _refusal(
    status: int, body: Any, *, where: str, asked: str, server: str, redact: Callable[[str], str]
) -> FlinkSqlError:
    errors = body.get("errors") if isinstance(body, dict) else None
    words = [error for error in errors if isinstance(error, str)] if isinstance(errors, list) else []
    said = "\n".join(words)
    detail, root = Said(said, redact), root_cause(Said(said.removeprefix("Internal server error.\n"), redact))
    if detail:
        log.debug("%s answered %s to %s: %s", shown(where), status, shown(asked), shown_lines(detail))
    message = f"{where} answered {status} to {asked}{f': {root}' if root else ''}"
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
