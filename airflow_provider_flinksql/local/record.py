"""The one file that says what was started: ``local.json`` in the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.files import read_file
from airflow_provider_flinksql.local.config import DEFAULT_FLINK, Ports
from airflow_provider_flinksql.local.processes import Process

_VERSION = 1


@dataclass(frozen=True)
class Record:
    """What runs, or ran last, in a folder. It outlives ``down``, so that the next ``up`` has the same addresses."""

    flink: str = DEFAULT_FLINK
    ports: Ports | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    taskmanager: str = ""
    processes: Mapping[str, Process] = field(default_factory=dict)

    def living(self) -> dict[str, Process]:
        """The processes that still run."""
        return {part: process for part, process in self.processes.items() if process.alive}


def read(folder: Path) -> Record:
    """The folder's record; an empty one where nothing was ever started."""
    file = folder / "local.json"
    try:
        known = json.loads(read_file(file))
        if known.pop("version") != _VERSION:
            raise Misconfigured(f"{file} was written by a newer flinksql; use that one, or another FLINKSQL_HOME")
        return Record(
            flink=known["flink"],
            ports=Ports(**known["ports"]) if known["ports"] else None,
            properties=known["properties"],
            taskmanager=known["taskmanager"],
            processes={part: Process(**process) for part, process in known["processes"].items()},
        )
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Misconfigured(
            f"{file} cannot be read ({type(error).__name__}: {error}); end the Flink processes of that folder by hand, "
            "if there are any, and delete the file"
        ) from error


def write(folder: Path, record: Record) -> None:
    """Replace the record; a reader sees the old or the new one, never half of one."""
    file = folder / "local.json"
    draft = file.with_suffix(".json.new")
    draft.write_text(json.dumps({"version": _VERSION, **asdict(record)}, indent=2) + "\n")
    os.replace(draft, file)  # noqa: PTH105
