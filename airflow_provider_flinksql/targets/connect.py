"""From settings to a cluster that can be spoken to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_flinksql.clients.auth import Auth
from airflow_provider_flinksql.clients.flink import JobManager, incarnation
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.errors import FlinkSqlError, Unreachable
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.look import Survey
from airflow_provider_flinksql.targets.session import SessionTarget

OLD_CLUSTER_SECONDS = 5.0


@dataclass(frozen=True)
class Settings:
    """Where a cluster is and how to speak to it; resolved before a flow starts. Its repr shows no secret.

    ``cluster`` is the name under which attempts remember it (default: the JobManager's URL), ``properties`` are Flink
    options for all jobs, ``storage`` what opens the object stores where state lies (obstore's options, besides those of
    the environment).
    """

    gateway: str
    jobmanager: str
    auth: Auth = field(default_factory=Auth)
    verify: bool | str = True
    cluster: str | None = None
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextmanager
def connect(
    settings: Settings,
    resolve: Resolve | None = None,
    stop: threading.Event | None = None,
    timeout: float = 30.0,
    survey: Survey | None = None,
) -> Iterator[tuple[SessionTarget, SyncIO]]:
    """The target of these settings for one thread, and the IO whose ``sleep`` its flows use.

    ``stop``, once set, ends what goes on there; ``timeout`` is how many seconds a server may take to answer.
    ``survey`` is one that was taken of this cluster already, for looks that reuse it.
    """
    with (
        SyncIO(settings.jobmanager, settings.auth, settings.verify, timeout, stop) as jobmanager,
        SyncIO(settings.gateway, settings.auth, settings.verify, timeout, stop) as gateway,
    ):
        name = settings.cluster or settings.jobmanager.rstrip("/")

        async def life_at(url: str) -> str | None:
            return await _life_at(url, settings.verify)

        yield SessionTarget(name, jobmanager, gateway, resolve, life_at, settings.storage, survey), jobmanager


async def _life_at(url: str, verify: bool | str) -> str | None:
    """Asked without credentials: they are this cluster's. Whoever refuses answers, too."""
    try:
        with SyncIO(url, verify=verify) as io:
            return incarnation(await JobManager(io, time.monotonic() + OLD_CLUSTER_SECONDS).config())
    except Unreachable:
        return None
    except FlinkSqlError:
        return "of something that answers"
