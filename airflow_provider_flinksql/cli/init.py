"""``flinksql init``: a small project that runs at once on the embedded Flink."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_flinksql import local
from airflow_provider_flinksql.cli import output
from airflow_provider_flinksql.errors import Misconfigured

ENV = ".env"


def init(arguments: argparse.Namespace) -> int:
    """Write what is not there yet; ``.env`` is written anew, since the embedded Flink may have moved."""
    folder: Path = arguments.folder.absolute()
    written = []
    try:
        for place, text in _project(files(__package__) / "project", folder):
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.name == ENV or not place.exists():
                place.write_text(text, encoding="utf-8")
                written.append(str(place.relative_to(folder)))
    except OSError as error:
        raise Misconfigured(f"{folder}: the project cannot be written: {error.strerror}.") from error
    if arguments.json:
        output.document(folder=str(folder), written=written)
    else:
        output.answer(f"{folder}: {', '.join(written)} written. Go on with its README.md.")
    return 0


def _project(template: Traversable, folder: Path) -> list[tuple[Path, str]]:
    """Every file of the project and its text."""
    found = [(folder / ENV, _env(folder))]
    for part in ("README.md", "jobs/orders.yaml", "tables/orders.sql", "dags/orders.py"):
        text = template.joinpath(part).read_text(encoding="utf-8")
        found.append((folder / part, text.replace("${output}", json.dumps((folder / "output").as_uri()))))
    return found


def _env(folder: Path) -> str:
    """Airflow's connection to the embedded Flink, for a shell to read."""
    found = local.status()
    if not (found.gateway and found.jobmanager):
        raise Misconfigured("The embedded Flink is not up, so its address is not known: flinksql local up, then again.")
    gateway = urlsplit(found.gateway)
    store = f"sqlite:///{folder / 'manifests.db'}"
    connection = {
        "conn_type": "flink_sql",
        "host": gateway.hostname,
        "port": gateway.port,
        "extra": {"jobmanager_url": found.jobmanager, "manifest_store": store},
    }
    lines = {"AIRFLOW_CONN_FLINK_SQL_DEFAULT": json.dumps(connection), "FLINKSQL_STORE": store}
    return "".join(f"{key}={shlex.quote(value)}{os.linesep}" for key, value in lines.items())
