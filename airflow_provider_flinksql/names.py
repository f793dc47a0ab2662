"""What a name, a location or an address may be, asked where each enters, so that none is a path or a URL of its own.

Each function gives the text back as it is, or raises ValueError whose text says why it cannot be one.
"""

from __future__ import annotations

import re

from airflow_provider_flinksql.errors import shown

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RUN = re.compile(rf"{JOB_NAME.pattern}(?:@[0-9a-f]{{12}})?")
_JOB_ID = re.compile(r"[0-9a-f]{32}")
_LOCATION = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:(?://(?P<authority>[^/]*))?)?(?P<path>(?:/.*)?)")
_AUTHORITY = re.compile(r"(?:[^@:]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\[\]]*?)\.?(?::(?P<port>[^@]*))?")
_PORT = re.compile(r"[0-9]{1,5}")
_LONGEST_LABEL, _LONGEST_LOCATION = 63, 2000


def text(given: str) -> str:
    """Text that can be sent and stored: any but a NUL and half a character."""
    if "\0" in given:
        raise ValueError(f"'{shown(given)}' holds a NUL")
    if not given.isascii() and given != given.encode(errors="ignore").decode():
        raise ValueError(f"'{shown(given)}' holds half a character: it is not UTF-8")
    return given


def job_name(given: str) -> str:
    """The name of a job."""
    if not JOB_NAME.fullmatch(given):
        raise ValueError(
            f"'{shown(given)}' cannot be a job's name: those are letters, digits, dots, dashes and underscores, at "
            "most 100, a letter or digit first"
        )
    return given


def recorded_name(given: str) -> str:
    """The name of a job, or of one run of a batch job."""
    return given if _RUN.fullmatch(given) else job_name(given)


def job_id(given: str) -> str:
    """Flink's id of a job."""
    if not _JOB_ID.fullmatch(given):
        raise ValueError(f"'{shown(given)}' is no job id: those are 32 hex digits")
    return given


def location(given: str) -> str:
    """A place where state lies: an absolute path, or one with its scheme and perhaps its server or bucket."""
    found = _LOCATION.fullmatch(given)
    if not given.isprintable():
        raise ValueError(f"'{shown(given)}' holds what does not print")
    if not found or not (found["path"] or found["authority"]):
        raise ValueError(f"'{shown(given)}' is no location: write scheme://…/folder, or an absolute path")
    if ".." in found["path"].split("/"):
        raise ValueError(f"'{shown(given)}' leads upwards (..): write where it is")
    if len(given) > _LONGEST_LOCATION:
        raise ValueError(f"'{shown(given)}' is longer than {_LONGEST_LOCATION:,} characters")
    if found["authority"]:
        try:
            authority(found["authority"])
        except ValueError as error:  # it may hold a secret, so nothing of it is shown
            raise ValueError(f"this is no location: {error}") from None
    return given


def authority(given: str) -> str:
    """``host``, ``host:port`` or a bucket, perhaps with a container before an ``@``; a login is none."""
    found = _AUTHORITY.fullmatch(given)
    if found is None and "@" in given:
        raise ValueError("a login stands in it, and it is shown everywhere")
    port = found["port"] if found else None
    if port is not None and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536):
        raise ValueError("its port is none: those are 1 to 65535")
    if found is None or not all(0 < len(label) <= _LONGEST_LABEL for label in found["host"].split(".")):
        raise ValueError(f"its host is none: between dots stand 1 to {_LONGEST_LABEL} characters")
    return given
