"""Who this process is to the manifest, and whether the owner of a pending attempt still lives."""

from __future__ import annotations

import getpass
import os
import socket
import time
from typing import Any

from airflow_provider_flinksql.deploy.flow import new_lineage
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy

STARTED = time.time_ns()
"""Tells this process from an earlier one of the same pid: in a container that is always the same."""


def policy_of(manifest: Manifest | None, **asked: Any) -> Policy:
    """This process's policy for one job; a pending attempt whose owner is a dead process of this host is nobody's."""
    host = socket.gethostname()
    owner = f"cli:{host}:{os.getpid()}:{STARTED}"
    pending = manifest.pending if manifest else None
    dead = pending.owner if pending and pending.owner != owner and _died(pending, host) else None
    return Policy(owner=owner, lineage=new_lineage(), by=f"{_user()}@{host}", dead_owner=dead, **asked)


def _died(pending: Attempt, host: str) -> bool:
    match pending.owner.split(":"):
        case ["cli", of, pid, _] if of == host and pid.isdigit():
            return int(pid) == os.getpid() or not _lives(int(pid))
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, but alive
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under an id that has no name
        return str(os.getuid())
