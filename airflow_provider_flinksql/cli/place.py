"""Where a command works: which cluster, which store, and who resolves secrets."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_flinksql.cli.output import Progress
from airflow_provider_flinksql.clients.auth import address
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.deploy.flow import Flow
from airflow_provider_flinksql.deploy.reconcile import Limits
from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.jobfile.read import JobFile
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings, connect
from airflow_provider_flinksql.targets.session import SessionTarget


@dataclass(frozen=True)
class Place:
    """A cluster, what resolves placeholders there, and the store that belongs to it, if it names one."""

    settings: Settings
    resolve: Resolve
    open_store: Callable[[], Store] | None = None


@dataclass(frozen=True)
class Site:
    """A place with its doors open, for one command."""

    jobmanager: str
    target: SessionTarget
    io: SyncIO
    store: Store
    progress: Progress

    def flow(self, wanted: Spec, file: JobFile | None = None, run_key: str | None = None, prefix: str = "") -> Flow:
        """One job's way through this cluster. A batch job takes the time it takes."""
        limits = Limits(total=float("inf")) if wanted.mode == "batch" else Limits()

        def say(line: str) -> None:
            self.progress.say(prefix + line)

        def warn(line: str) -> None:
            say(f"warning: {line}")

        return Flow(wanted, self.target, self.store, self.io, self.jobmanager, file, run_key, say, limits, warn=warn)


@contextmanager
def opened(place: Place, store: Store) -> Iterator[Site]:
    """Connections, for as long as a command needs them."""
    with connect(place.settings, place.resolve) as (target, io), Progress() as progress:
        yield Site(place.settings.jobmanager, target, io, store, progress)


def find_cluster(arguments: argparse.Namespace) -> Place:
    """An Airflow connection, two addresses, or the embedded Flink."""
    if arguments.conn:
        if arguments.gateway or arguments.jobmanager:
            arguments.usage_error("--conn names a cluster already: leave out --gateway and --jobmanager")
        return _connection(arguments.conn)
    gateway = arguments.gateway or os.environ.get("FLINKSQL_GATEWAY")
    jobmanager = arguments.jobmanager or os.environ.get("FLINKSQL_JOBMANAGER")
    if gateway and jobmanager:
        where = address(gateway, _said("gateway")), address(jobmanager, _said("jobmanager"))
        return Place(Settings(*where), resolve_env)
    if gateway or jobmanager:
        missing = _said("jobmanager" if gateway else "gateway")
        arguments.usage_error(f"a cluster has two addresses: {missing} is missing")
    return _embedded()


def _said(server: str) -> str:
    return f"--{server} (FLINKSQL_{server.upper()})"


def find_store(arguments: argparse.Namespace, place: Callable[[], Place]) -> Store:
    """The store that was named, else the connection's, else the environment's or a SQLite file of the user.

    A connection stands before the environment, as its addresses do: its DAGs must find the same manifests.
    """
    named = None if arguments.store or not arguments.conn else place().open_store
    if named:
        return named()
    return open_store(arguments.store or os.environ.get("FLINKSQL_STORE") or f"sqlite:///{_home() / 'manifests.db'}")


def resolve_env(name: str) -> str:
    """The value of ``${env.X}``; connections and variables are Airflow's."""
    kind, _, key = name.partition(".")
    if kind != "env":
        raise Misconfigured(
            f"${{{name}}} is Airflow's to resolve: name an Airflow connection with --conn ID, or use ${{env.NAME}}."
        )
    if key not in os.environ:
        raise Misconfigured(f"The environment variable {key} is not set, and ${{{name}}} stands in the job file.")
    return os.environ[key]


def _connection(conn_id: str) -> Place:
    with redirect_stdout(sys.stderr):  # Airflow may have something to say; stdout is for our answer
        try:
            from airflow.providers.common.compat.sdk import AirflowNotFoundException

            from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook
        except ImportError as error:
            raise Misconfigured(f"--conn needs Apache Airflow, which cannot be imported here: {error}.") from error
        hook = FlinkSqlHook(conn_id)
        try:
            return Place(hook.settings(), hook.resolve, hook.open_store)
        except AirflowNotFoundException as error:
            raise Misconfigured(f"Airflow knows no connection {conn_id}: airflow connections list.") from error


def _embedded() -> Place:
    from airflow_provider_flinksql import local

    found = local.status()
    if found.gateway and found.jobmanager:
        # Its addresses may change with a restart; its folder is what it is.
        return Place(Settings(found.gateway, found.jobmanager, cluster=f"local:{found.folder}"), resolve_env)
    how = "is not up" if found.flink is None else "is not whole"
    raise Misconfigured(
        f"No cluster: the embedded Flink {how} (flinksql local up). For another one give --gateway URL and "
        "--jobmanager URL, or --conn ID."
    )


def _home() -> Path:
    from airflow_provider_flinksql import local

    return local.default_folder().parent
