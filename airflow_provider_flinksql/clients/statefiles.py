"""Looking into the folders where Flink keeps the state of jobs, on this machine's disks and in object stores.

Only ``_metadata`` makes a checkpoint or savepoint complete: a folder alone is one under way, or what is left of one.
Folders are listed by one level, so what lies in ``shared/`` costs nothing. obstore is imported when first needed.

What is not there and what cannot be seen from here are two things: on a disk that is not mounted here nothing is there.
So a snapshot is missing only where the folder that should hold it is seen, and does not hold it.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

from airflow_provider_flinksql.clients.auth import address
from airflow_provider_flinksql.clients.redactor import Redactor
from airflow_provider_flinksql.errors import Misconfigured, Unreachable, Unseen, UnsupportedScheme, shown
from airflow_provider_flinksql.files import MOST, TOO_LARGE, read_head

_ROOT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/]*))?")
_FILE = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/(?!/)))")
_S3 = re.compile(r"s3[apn]?://")
_REMOTE = {"s3": "s3", "s3a": "s3", "s3p": "s3", "s3n": "s3", "gs": "gs", "abfs": "abfs", "abfss": "abfss", "az": "az"}
_VARIABLES = {"s3": "AWS_", "gs": "GOOGLE_"}  # else AZURE_
_ENDPOINT = re.compile(r"endpoint(?:_url)?(?:_s3)?$", re.IGNORECASE)
_METADATA = "_metadata"
_CHECKPOINT = re.compile(r"chk-(?:0|[1-9][0-9]{0,18})")
_HEAD = struct.Struct(">iiq")  # magic, version, checkpoint id: alike in every version (measured: 1.20.3, 2.3.0)
_MAGIC = 0x4960672D
_PATIENCE = {"timeout": "30s", "connect_timeout": "4s"}
_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}
_CLIENT = {
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "timeout", "user_agent"),
    *("proxy_url", "proxy_ca_certificate", "proxy_excludes"),
}
"""Options of the HTTP client; all others are the object store's own."""
_NO = ("status code: 4", "//169.254.169.254/")
"""What no second try mends: a refusal, and that no credentials were found (the cloud's own machines are asked last)."""


Found = Literal["there", "missing", "unchecked"]
"""Whether a complete snapshot lies at a location; ``unchecked``: that cannot be told from here."""


@dataclass(frozen=True)
class Kept:
    """A complete checkpoint or savepoint: where, its checkpoint id, and when it was written (seconds)."""

    location: str
    checkpoint_id: int
    time: float


class Files(Protocol):
    """A file system, by what is asked of it. Paths are without scheme and bucket."""

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder; none if it is not there."""

    def sees(self, path: str) -> bool:
        """Whether a folder is there; an object store has none, so all of one that answers is."""

    def read(self, path: str, most: int | None = None) -> tuple[bytes, float] | None:
        """The content of a file, or its first bytes, and when it was written; None if it is not there."""


class StateFiles:
    """Every place where state may lie. ``options`` are obstore's, for object stores; the environment's hold besides.

    Raises Unseen where a place cannot be looked into: another kind of file system, no right to read.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = options or {}
        self._buckets: dict[str, Files] = {}

    def completed_checkpoints(self, folder: str, most: int | None = None) -> list[Kept]:
        """The completed checkpoints of a job, newest first, and no more than ``most``; ``folder`` holds its ``chk-N``.

        N is the id of the checkpoint, so they are opened from the highest one down, until none below can be newer.
        """
        found: list[Kept] = []
        with self._looking_into(folder.rstrip("/")) as (files, path):
            numbered = {int(name[4:]): name for name in files.folders(path) if _CHECKPOINT.fullmatch(name)}
            for number in sorted(numbered, reverse=True):
                if most is not None and sum(kept.checkpoint_id >= number for kept in found) >= most:
                    break
                if kept := _kept(files, f"{path}/{numbered[number]}", f"{folder.rstrip('/')}/{numbered[number]}"):
                    found.append(kept)
        return sorted(found, key=lambda kept: kept.checkpoint_id, reverse=True)[:most]

    def find_savepoint(self, folder: str) -> Kept | None:
        """The one complete savepoint in a folder that was given to one stop, or None."""
        base = folder.rstrip("/")
        with self._looking_into(base) as (files, path):
            names = (name for name in sorted(files.folders(path)) if name.startswith("savepoint-"))
            complete = filter(None, (_kept(files, f"{path}/{name}", f"{base}/{name}") for name in names))
            found = list(islice(complete, 2))  # a second one is one too many
        if len(found) > 1:
            names = (kept.location.rpartition("/")[2] for kept in found)
            raise Misconfigured(f"{folder} holds at least 2 savepoints ({', '.join(names)}) where one was expected")
        return found[0] if found else None

    def find(self, location: str) -> Kept | None:
        """The complete checkpoint or savepoint that lies there; ``location`` may end in ``/_metadata``."""
        folder = location.rstrip("/").removesuffix(f"/{_METADATA}")
        with self._looking_into(folder) as (files, path):
            return _kept(files, path, folder)

    def look_for(self, location: str) -> Found:
        """Whether a complete snapshot lies there; never raises Unseen."""
        try:
            if self.find(location):
                return "there"
        except Unseen:
            return "unchecked"
        folder = location.rstrip("/").removesuffix(f"/{_METADATA}").rpartition("/")[0]
        return "missing" if self.sees(folder) else "unchecked"

    def sees(self, folder: str) -> bool:
        """Whether a folder can be looked into from here and now; never raises."""
        try:
            with self._looking_into(folder) as (files, path):
                return files.sees(path)
        except (Unseen, Unreachable):
            return False

    def read(self, location: str) -> bytes | None:
        """The whole content of a file, None if there is none."""
        with self._looking_into(location) as (files, path):
            found = files.read(path)
        return found and found[0]

    @contextmanager
    def _looking_into(self, location: str) -> Iterator[tuple[Files, str]]:
        path = _FILE.sub("", location)
        root = _ROOT.match(path)
        try:
            if root is None:
                yield _Disk(), path
            elif root[1] in _REMOTE and root[2]:
                yield self._bucket(f"{_REMOTE[root[1]]}://{root[2]}", location), path[root.end() :].strip("/")
            else:
                raise UnsupportedScheme(
                    f"{location}: state in {root[1]}: cannot be looked at from here. Name the snapshot with "
                    "--restore-from."
                )
        except (OSError, ValueError) as error:  # ValueError: no file can have such a name
            why = getattr(error, "strerror", None) or error
            raise Unseen(f"{shown(location)} cannot be read: {why}") from error

    def _bucket(self, url: str, location: str) -> Files:
        if url not in self._buckets:
            self._buckets[url] = _Bucket(url, self._options, location)
        return self._buckets[url]


def secret_options(options: Mapping[str, str]) -> list[str]:
    """The values among obstore's options that nobody is to read."""
    words = ("secret", "key", "token", "sas", "password")
    return [value for key, value in options.items() if any(word in key.lower() for word in words)]


def require_endpoints(options: Mapping[str, str], what: str) -> None:
    """Misconfigured where an endpoint among these options is no address: obstore does not refuse it, it panics.

    :param what: names an option by its key, ``{}``
    """
    for key, value in options.items():
        if _ENDPOINT.search(key) and value not in ("true", "false", ""):
            address(value, what.format(key))


def same_location(one: str, other: str) -> bool:
    """Whether two spellings mean the same snapshot: ``file:/x``, ``file:///x/`` and ``/x/_metadata`` do."""
    return _canonical(one) == _canonical(other)


def _canonical(location: str) -> str:
    path = _S3.sub("s3://", _FILE.sub("", location))
    return path.rstrip("/").removesuffix(f"/{_METADATA}").rstrip("/")


def _kept(files: Files, path: str, location: str) -> Kept | None:
    found = files.read(f"{path}/{_METADATA}", _HEAD.size)
    if found is None or len(found[0]) < _HEAD.size:
        return None
    magic, _, checkpoint_id = _HEAD.unpack(found[0])
    return Kept(location, checkpoint_id, found[1]) if magic == _MAGIC else None


class _Disk:
    """What this machine sees; names are taken as written."""

    def folders(self, path: str) -> list[str]:
        try:
            return [one.name for one in Path(path).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def sees(self, path: str) -> bool:
        return bool(path.strip("/")) and Path(path).is_dir()  # the root of a disk is everywhere, and tells nothing

    def read(self, path: str, most: int | None = None) -> tuple[bytes, float] | None:
        try:
            content, written = read_head(path, MOST + 1 if most is None else most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if most is None and len(content) > MOST:
            raise OSError(errno.EFBIG, TOO_LARGE)
        return content, written


class _Bucket:
    """A bucket or container of an object store. Its credentials are the environment's, unless the options name some."""

    def __init__(self, url: str, options: Mapping[str, str], location: str) -> None:
        from obstore.store import from_url

        self._url = url
        self._options = options
        client = {key: value for key, value in options.items() if key in _CLIENT}
        config = {key: value for key, value in options.items() if key not in _CLIENT}
        begin = _VARIABLES.get(url.partition(":")[0], "AZURE_")
        given = {key: value for key, value in os.environ.items() if key.startswith(begin)}
        require_endpoints(given, "The environment variable {}")
        with self._asking(location, Misconfigured):
            # Whether it is http or https is what the endpoint says, and no option beside it.
            settings: dict[str, Any] = {"client_options": {"allow_http": True, **_PATIENCE, **client}}
            self._store = from_url(url, config=config or None, retry_config=_RETRIES, **settings)  # type: ignore[call-overload]

    def folders(self, path: str) -> list[str]:
        import obstore

        with self._asking(path):
            found = obstore.list_with_delimiter(self._store, f"{path}/")
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]]

    def sees(self, path: str) -> bool:
        import obstore

        with self._asking(path):
            next(iter(obstore.list(self._store, f"{path}/", chunk_size=1)), None)  # one request, whatever lies there
        return True

    def read(self, path: str, most: int | None = None) -> tuple[bytes, float] | None:
        import obstore

        with self._asking(path):
            try:
                about = obstore.head(self._store, path)
                if most is None and about["size"] > MOST:
                    raise OSError(errno.EFBIG, TOO_LARGE)
                size = about["size"] if most is None else min(most, about["size"])
                content = bytes(obstore.get_range(self._store, path, start=0, length=size)) if size else b""
            except FileNotFoundError:
                return None
        return content, about["last_modified"].timestamp()

    @contextmanager
    def _asking(self, path: str, refused: type[Misconfigured] = Unseen) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except exceptions.BaseError as error:
            said = Redactor(secret_options(self._options))(str(error)).partition("\n")[0]
            where = path if "://" in path else f"{self._url}/{path}"
            told_no = type(error) is not exceptions.GenericError or any(word in said for word in _NO)
            raise (refused if told_no else Unreachable)(
                f"{where} cannot be read: {said.rstrip('.')}. Credentials and endpoint come from storage_options "
                "of the connection, else from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …)."
            ) from error
