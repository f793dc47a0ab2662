"""Looking into the state folders of jobs that ended. Only what this machine can read: ``file:`` and plain paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_flinksql.errors import Misconfigured, UnsupportedScheme

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_FILE = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/(?!/)))")
_METADATA = "_metadata"


def completed_checkpoints(folder: str) -> list[tuple[int, str]]:
    """Id and location of each completed checkpoint of a job, newest first; ``folder`` holds the job's ``chk-N``.

    A ``chk-N`` without ``_metadata`` is not complete. No folder, no checkpoints.
    """
    with _looking_into(folder) as path:
        found = [int(one.name[4:]) for one in path.glob("chk-*") if one.name[4:].isdigit() and _is_complete(one)]
        return [(number, f"{folder.rstrip('/')}/chk-{number}") for number in sorted(found, reverse=True)]


def find_savepoint(folder: str) -> str | None:
    """The one complete savepoint in a folder that was given to one stop, or None."""
    with _looking_into(folder) as path:
        found = sorted(one.name for one in path.glob("savepoint-*") if _is_complete(one))
    if len(found) > 1:
        raise Misconfigured(f"{folder} holds {len(found)} savepoints ({', '.join(found)}) where one was expected")
    return f"{folder.rstrip('/')}/{found[0]}" if found else None


def exists(location: str) -> bool:
    """Whether a complete checkpoint or savepoint lies there; ``location`` may end in ``/_metadata``."""
    with _looking_into(location) as path:
        return _is_complete(path.parent if path.name == _METADATA else path)


def same_location(one: str, other: str) -> bool:
    """Whether two spellings mean the same snapshot: ``file:/x``, ``file:///x/`` and ``/x/_metadata`` do."""
    return _canonical(one) == _canonical(other)


def _canonical(location: str) -> str:
    return _FILE.sub("", location).rstrip("/").removesuffix(f"/{_METADATA}").rstrip("/")


def _is_complete(folder: Path) -> bool:
    metadata = folder / _METADATA
    return metadata.is_file() and metadata.stat().st_size > 0


@contextmanager
def _looking_into(location: str) -> Iterator[Path]:
    path = _FILE.sub("", location)
    if scheme := _SCHEME.match(path):
        raise UnsupportedScheme(
            f"{location}: state in {scheme[1]}: cannot be looked at from here. Name the snapshot with --restore-from."
        )
    try:
        yield Path(path)
    except OSError as error:
        raise Misconfigured(f"{location} cannot be read: {error.strerror or error}") from error
