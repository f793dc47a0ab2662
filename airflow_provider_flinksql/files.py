"""Reading what others put on disks: regular files only, and of each no more than fits.

A pipe or a device would hold or fill whoever opens it, and what a path names may change between two looks: so the kind
is asked before the open, which never waits, and once more of what was opened. All raise OSError, for whatever a path
holds; its ``strerror`` says why in words.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST = 16 << 20
TOO_LARGE = f"it is larger than {MOST >> 20} MB"

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_file(path: str | Path) -> bytes:
    """The whole content of a file of at most 16 MB."""
    content, _ = read_head(path, MOST + 1)
    if len(content) > MOST:
        raise OSError(errno.EFBIG, TOO_LARGE)
    return content


def read_head(path: str | Path, most: int) -> tuple[bytes, float]:
    """The first bytes of a file, and when it was last written (seconds since 1970)."""
    with _opened(path) as (file, about):
        parts: list[bytes] = []
        while most > 0 and (part := os.read(file, min(most, 1 << 20))):
            parts.append(part)
            most -= len(part)
    return b"".join(parts), about.st_mtime


def require_file(path: str | Path) -> None:
    """For those who open it themselves, such as OpenSSL."""
    with _opened(path):
        pass


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[int, os.stat_result]]:
    try:
        _refuse_others(Path(path).stat())
        file = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise OSError(errno.EINVAL, "no file can have this name") from error
    try:
        about = os.fstat(file)
        _refuse_others(about)
        yield file, about
    finally:
        os.close(file)


def _refuse_others(about: os.stat_result) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file")
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(about.st_mode), 'something else')}, not a file")
