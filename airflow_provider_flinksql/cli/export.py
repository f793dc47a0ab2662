"""``flinksql export``: what is stored of jobs, unread."""

from __future__ import annotations

import argparse
import json
from typing import Any, NoReturn

from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.cli.place import find_cluster, find_store
from airflow_provider_flinksql.cli.running import no_store
from airflow_provider_flinksql.deploy.onrecord import of_name, unknown_job
from airflow_provider_flinksql.errors import FlinkSqlError, UnknownJob


def export(arguments: argparse.Namespace) -> int:
    """Print head and history of each job, batch runs under the name of their job, too."""
    try:
        store = find_store(arguments, lambda: find_cluster(arguments))
        heads = store.heads()
        jobs: list[dict[str, Any]] = []
        unknown: list[UnknownJob] = []
        for asked in arguments.names:
            found = [(name, store.documents(name)) for name in [*of_name(heads, asked)] or [asked]]
            jobs += [
                {
                    "name": name,
                    "head": _content(texts.head),
                    "history": [{"number": n, "document": _content(text)} for n, text in texts.history.items()],
                }
                for name, texts in found
                if texts
            ]
            unknown += [unknown_job(store, name) for name, texts in found if texts is None]
    except FlinkSqlError as error:
        return no_store(arguments, error, jobs=[])
    for why in unknown:
        output.complain(why)
    output.document(jobs=jobs)
    return 1 if unknown else 0


def _content(text: str | None) -> Any:
    """A document as what it holds; as its text where it is no JSON."""
    try:
        return None if text is None else json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
