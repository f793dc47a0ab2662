"""Which files a pattern of ``tables:`` names."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
from collections.abc import Iterator
from pathlib import Path

MOST_LOOKED_AT = 100_000


def matching(folder: Path, pattern: str) -> list[Path]:
    """What it matches but folders, in the order of names; a relative pattern begins in ``folder``.

    ``**`` follows no symbolic link to a folder, so it ends where links lead in circles. A hidden name is matched only
    by what begins with a dot. OSError where a folder cannot be read, or where far too much lies.
    """
    named = Path(pattern)
    base, parts = (named.anchor, named.parts[1:]) if named.is_absolute() else (str(folder), named.parts)
    return [Path(match) for match in sorted(_walk(base, parts)) if not os.path.isdir(match)]  # noqa: PTH112 - no raise


def _walk(base: str, pattern: tuple[str, ...]) -> set[str]:
    """Step by step through what is still to be matched, and where: a pattern may be longer than Python's stack."""
    found: set[str] = set()
    todo = [(base, pattern)]
    known = set(todo)
    looked = 0
    while todo:
        folder, parts = todo.pop()
        for path, rest in _steps(folder, parts):
            looked += 1
            if looked > MOST_LOOKED_AT:
                raise OSError(errno.EFBIG, f"more than {MOST_LOOKED_AT:,} files lie where it looks")
            if not rest:
                found.add(path)
            elif (path, rest) not in known:
                known.add((path, rest))
                todo.append((path, rest))
    return found


def _steps(folder: str, parts: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where the first part of a pattern leads, and what of it is left to be matched there."""
    part, rest = parts[0], parts[1:]
    if not glob.has_magic(part):
        path = os.path.join(folder, part)  # noqa: PTH118
        if os.path.lexists(path):
            yield path, rest
        return
    if part == "**" and rest:
        yield folder, rest
    for entry in _entries(folder):
        hidden = entry.name[0] == "." and part[0] != "."
        if part == "**" and not hidden and entry.is_dir(follow_symlinks=False):
            yield entry.path, parts
        elif not hidden and fnmatch.fnmatchcase(entry.name, part) and (not rest or (part != "**" and entry.is_dir())):
            yield entry.path, rest


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
