"""Whether what was started answers."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.errors import DeadlineExceeded, OperationFailed
from airflow_provider_flinksql.local.config import log_file, root_cause
from airflow_provider_flinksql.local.record import Record


def await_up(folder: Path, record: Record, parts: Collection[str], timeout: float = 120) -> None:
    """Return when REST answers, our TaskManager offers slots and the gateway answers; say which one died of what."""
    deadline = time.monotonic() + timeout
    waiting = list(parts)
    with httpx.Client(trust_env=False, timeout=5) as http:  # a proxy has no business on 127.0.0.1
        while waiting := [part for part in waiting if not _answers(http, part, record)]:
            living = record.living()
            for part in parts:
                if part not in living:
                    raise OperationFailed(_obituary(folder, part))
            if time.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"Flink {record.flink} is not up after {timeout:.0f} s: no answer from {', '.join(waiting)}; "
                    f"see {folder / 'logs'}, then: flinksql local down"
                )
            time.sleep(0.1)


def has_jobs(record: Record) -> bool:
    """Whether the JobManager lives and knows of a job."""
    if record.ports is None or "jobmanager" not in record.living():
        return False
    with httpx.Client(trust_env=False, timeout=5) as http:
        return bool(_get(http, f"http://127.0.0.1:{record.ports.rest}/jobs/overview").get("jobs"))


def _answers(http: httpx.Client, part: str, record: Record) -> bool:
    if record.ports is None:
        return False
    rest, gateway = (f"http://127.0.0.1:{port}" for port in (record.ports.rest, record.ports.gateway))
    if part == "taskmanager":
        known = _get(http, f"{rest}/taskmanagers").get("taskmanagers", [])
        return any(one["id"] == record.taskmanager and one["slotsNumber"] > 0 for one in known)
    return bool(_get(http, f"{rest}/overview" if part == "jobmanager" else f"{gateway}/v1/info"))


def _get(http: httpx.Client, url: str) -> dict[str, Any]:
    try:
        answer = http.get(url)
        return dict(answer.json()) if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}  # not yet


def _obituary(folder: Path, part: str) -> str:
    log = log_file(folder, part)
    said = "".join(_tail(file) for file in (log.with_suffix(".out"), log))
    return f"the {part} died while starting; its log is {log}: {root_cause(said)}"


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-100_000:] if file.exists() else ""
