"""Whether the places where a job keeps its state can be seen from here."""

from __future__ import annotations

import re

from airflow_provider_flinksql.clients.statefiles import StateFiles
from airflow_provider_flinksql.model.manifest import Attempt
from airflow_provider_flinksql.model.snapshot import plain

_STORE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://[^/]*")


def unseen(files: StateFiles, attempt: Attempt, *, told: bool) -> str | None:
    """The folder for the savepoints of a job that runs, if it cannot be seen from here.

    Flink makes a job's own folder when it starts, and its path holds the job's id: where that is seen, so is the disk.
    ``told``: the JobManager tells of checkpoints there, so a folder that is not seen lies on another disk. Else its
    root, which somebody made, tells.
    """
    folder, own = attempt.savepoint_folder, attempt.checkpoint_folder
    if folder is None:
        return None
    beside = own is not None and _store(own) == _store(folder)
    if beside and files.sees(own or ""):
        return None
    if beside and told:
        return folder
    return None if files.sees(root_of(folder, attempt)) else folder


def searchable(files: StateFiles, attempt: Attempt, folder: str) -> bool:
    """Whether a folder of a job that holds nothing, or is not there, would be seen if it were."""
    return any(files.sees(place) for place in (folder, root_of(folder, attempt), attempt.checkpoint_folder) if place)


def deleted(files: StateFiles, attempt: Attempt | None, location: str) -> bool:
    """Whether a snapshot that the JobManager tells of was deleted since its job ended.

    A checkpoint may be gone with all folders of its job: there the root tells that it would be seen if it were there.
    """
    found = files.look_for(location)
    folder = attempt.checkpoint_folder if attempt else None
    if found != "unchecked" or attempt is None or folder is None or not plain(location).startswith(plain(folder)):
        return found == "missing"
    return files.sees(root_of(folder, attempt))


def root_of(folder: str, attempt: Attempt) -> str:
    """The folder that options name and all jobs share; of an adopted job's folder the one above it."""
    before, found, _ = folder.partition(f"/{attempt.spec.name}/{attempt.query_version}")
    return before if found else folder.rpartition("/")[0]


def _store(location: str) -> str:
    found = _STORE.match(location)
    return found[0] if found else "file"
