"""From an Airflow connection of type ``flink_sql`` to what the engine needs: addresses, secrets, the manifest store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import (
    AirflowNotFoundException,
    BaseHook,
    Variable,
    conf,
    mask_secret,
)

from airflow_provider_flinksql.clients.auth import Auth, address
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.gateway import Gateway
from airflow_provider_flinksql.clients.http import SyncIO, run_sync
from airflow_provider_flinksql.clients.statefiles import require_endpoints, secret_options
from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, FlinkSqlError, Misconfigured, Unreadable, shown
from airflow_provider_flinksql.provider_info import get_provider_info
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets.connect import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

GATEWAY_PORT = 8083
PLAIN_FIELDS = ("host", "port", "schema", "login")
"""What ``${conn.ID.FIELD}`` may name beside ``password`` and the extras; none of it is a secret."""


class FlinkSqlHook(BaseHook):
    """One Flink cluster and its SQL gateway, as the connection ``flink_conn_id`` describes them.

    Further keyword arguments are taken and left alone: Airflow's SQL operators give a hook every extra of a connection.
    """

    conn_name_attr = "flink_conn_id"
    default_conn_name = "flink_sql_default"
    conn_type = "flink_sql"
    hook_name = "Flink SQL"

    def __init__(self, flink_conn_id: str = default_conn_name, **_: Any) -> None:
        super().__init__()
        self.flink_conn_id = flink_conn_id

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """What the form calls the fields of a connection, for Airflow before 3.2; then provider_info tells."""
        described = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in described.items()}

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """The form's further fields, for Airflow before 3.2, which puts something of its own under these imports."""
        fields, validators = import_module("wtforms"), import_module("wtforms.validators")
        described = get_provider_info()["connection-types"][0]["conn-fields"]
        return {name: _widget(fields, validators, **field) for name, field in described.items()}

    def settings(self) -> Settings:
        """Where the cluster is and how to speak to it."""
        connection = self.get_connection(self.flink_conn_id)
        return settings_of(connection, connection.extra_dejson)

    async def async_settings(self) -> Settings:
        """The same in the triggerer, whose event loop must not be blocked."""
        connection = await get_async_connection(self.flink_conn_id)
        return settings_of(connection, await get_async_extra_dejson(connection))

    def resolve(self, name: str) -> str:
        """The value of a placeholder: ``conn.ID.FIELD``, ``var.KEY`` or ``env.NAME``; masked in logs from now on."""
        kind, _, rest = name.partition(".")
        look_up: Mapping[str, Callable[[str], str | None]] = {
            "conn": self._of_connection,
            "var": _of_variable,
            "env": os.environ.get,
        }
        value = look_up[kind](rest)
        if value is None:
            raise Misconfigured(f"${{{name}}} has no value: {_missing(kind, rest)}.")
        if not (kind == "conn" and rest.rpartition(".")[2] in PLAIN_FIELDS):
            mask_secret(value)
        return value

    def open_store(self) -> Store:
        """The manifest store at :meth:`store_url`."""
        return open_store(self.store_url())

    def store_url(self) -> str:
        """What the connection names as manifest store, or else ``[flinksql] manifest_store``. It must be named."""
        connection = self.get_connection(self.flink_conn_id)
        extra = connection.extra_dejson
        url = extra.get("manifest_store") or self._store_of(extra.get("manifest_store_conn_id"))
        url = url or conf.get("flinksql", "manifest_store", fallback=None)
        if not url:
            raise Misconfigured(
                f"Connection {self.flink_conn_id} names no manifest store, so nobody would remember what runs. Name "
                "one that all workers reach: in the extra of the connection, "
                '{"manifest_store": "sqlite:////mnt/flinksql.db"}; or there, '
                '{"manifest_store_conn_id": "an_airflow_connection"}; or for all connections in airflow.cfg, '
                "[flinksql] manifest_store = sqlite:////mnt/flinksql.db."
            )
        if str(url).startswith("sqlite:///") and not str(url).startswith("sqlite:////"):
            raise Misconfigured(
                f"Connection {self.flink_conn_id}: the manifest store is a relative path, which each process of "
                "Airflow finds somewhere else. Write it out, with four slashes: sqlite:////mnt/flinksql.db."
            )
        return str(url)

    def test_connection(self) -> tuple[bool, str]:
        """Whether gateway, JobManager and store answer, one line each, and the first two belong together."""
        try:
            settings = self.settings()
        except (FlinkSqlError, AirflowNotFoundException) as error:
            return False, shown(error, MOST_OF_A_MESSAGE)
        with (
            SyncIO(settings.gateway, settings.auth, settings.verify) as gateway,
            SyncIO(settings.jobmanager, settings.auth, settings.verify) as jobmanager,
        ):
            answers = [
                _try("SQL gateway", lambda: f"Flink {run_sync(Gateway(gateway).info())} at {settings.gateway}"),
                _try("JobManager", lambda: _cluster(JobManager(jobmanager), settings.jobmanager)),
            ]
            if all(ok for ok, _ in answers):
                answers.append(_try("Together", lambda: _one_cluster(Gateway(gateway), JobManager(jobmanager))))
            answers.append(_try("Manifest store", self._store_answer))
        return all(ok for ok, _ in answers), "\n".join(line for _, line in answers)

    def _store_answer(self) -> str:
        store = self.open_store()
        try:
            heads = store.heads()
            unread = [str(stored.record) for stored in heads.values() if isinstance(stored.record, Unreadable)]
            return "\n".join([f"{store.name} answers, {len(heads)} jobs on record", *unread])
        finally:
            store.close()

    def _store_of(self, conn_id: str | None) -> str | None:
        if not conn_id:
            return None
        connection = self.get_connection(conn_id)
        if connection.conn_type == "sqlite":
            return f"sqlite:///{connection.host}"
        return str(connection.get_uri()).replace("postgres://", "postgresql+psycopg://", 1)

    def _of_connection(self, rest: str) -> str | None:
        conn_id, _, field = rest.rpartition(".")
        try:
            connection = self.get_connection(conn_id)
        except AirflowNotFoundException:
            return None
        plain = field in (*PLAIN_FIELDS, "password")
        value = getattr(connection, field) if plain else connection.extra_dejson.get(field)
        return None if value is None else str(value)


def settings_of(connection: Connection, extra: Mapping[str, Any]) -> Settings:
    """What a connection and its decoded extra say; Misconfigured where that is not enough."""
    name = connection.conn_id
    if not connection.host:
        raise Misconfigured(f"Connection {name} names no host: it is that of the SQL gateway.")
    if not extra.get("jobmanager_url"):
        raise Misconfigured(
            f"Connection {name} names no JobManager. Set jobmanager_url in its extra to the REST address of the "
            'cluster that the SQL gateway submits to: {"jobmanager_url": "http://jobmanager:8081"}.'
        )
    if (target := extra.get("target") or "session") != "session":
        raise Misconfigured(f"Connection {name}: target {target!r} is not known; it may be session.")
    try:
        auth = Auth.from_settings(
            {
                "login": connection.login,
                "password": connection.password,
                "token": connection.password,
                **{key: value for key, value in extra.items() if value},
            }
        )
    except Misconfigured as error:
        raise Misconfigured(f"Connection {name}: {error}") from None
    return Settings(
        gateway=address(_gateway_url(connection), f"Connection {name}: host"),
        jobmanager=address(str(extra["jobmanager_url"]), f"Connection {name}: jobmanager_url"),
        auth=auth,
        verify=_verify(extra.get("verify")),
        properties=_texts(name, "flink_properties", extra, {"parallelism.default": "2"}),
        storage=_storage(name, extra),
    )


def _widget(fields: Any, validators: Any, label: str, description: str, schema: Mapping[str, Any]) -> Any:
    kind = fields.PasswordField if schema.get("format") == "password" else fields.StringField
    checks = [validators.any_of(schema["enum"])] if "enum" in schema else []
    checks.append(validators.Optional())
    return kind(label, validators=checks, description=description, default=schema.get("default"))


def _gateway_url(connection: Connection) -> str:
    host = str(connection.host)
    if "://" in host:
        return host
    return f"{connection.schema or 'http'}://{host}:{connection.port or GATEWAY_PORT}"


def _verify(value: Any) -> bool | str:
    """A flag or a path; a connection given as a URI knows texts only."""
    match str(value if value is not None else "").strip():
        case "":
            return True
        case "true" | "True" | "false" | "False" as flag:
            return flag.lower() == "true"
        case path:
            return path


def _storage(name: str, extra: Mapping[str, Any]) -> dict[str, str]:
    options = _texts(name, "storage_options", extra, {"region": "eu-central-1"})
    for value in secret_options(options):
        mask_secret(value)
    require_endpoints(options, f"Connection {name}: {{}} of storage_options")
    return options


def _texts(name: str, field: str, extra: Mapping[str, Any], example: Mapping[str, str]) -> dict[str, str]:
    given = extra.get(field)
    try:
        found = json.loads(given) if isinstance(given, str) and given.strip() else given or {}
    except ValueError as error:
        raise Misconfigured(f"Connection {name}: {field} is not JSON: {error}.") from None
    if not isinstance(found, Mapping):
        raise Misconfigured(f"Connection {name}: {field} must be a mapping such as {json.dumps(example)}.")
    return {str(key): json.dumps(value) if isinstance(value, bool) else str(value) for key, value in found.items()}


def _of_variable(key: str) -> str | None:
    value = Variable.get(key, default=None)
    return None if value is None else str(value)


def _missing(kind: str, rest: str) -> str:
    match kind:
        case "conn":
            conn_id, _, field = rest.rpartition(".")
            return f"there is no Airflow connection {conn_id}, or it has no {field}"
        case "var":
            return f"there is no Airflow variable {rest}"
    return f"the environment of the worker has no {rest}"


def _try(what: str, ask: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, f"{what}: {shown(ask())}"
    except (FlinkSqlError, AirflowNotFoundException) as error:
        return False, f"{what}: {shown(error, MOST_OF_A_MESSAGE)}"


def _cluster(jobmanager: JobManager, url: str) -> str:
    cluster = run_sync(jobmanager.cluster())
    return f"Flink {cluster.flink_version} at {url}, {cluster.slots_available} of {cluster.slots_total} slots free"


def _one_cluster(gateway: Gateway, jobmanager: JobManager) -> str:
    """Both lists are taken twice before they are found different: a job may start or be forgotten in between."""
    for _ in range(2):
        through, listed = run_sync(_jobs_of(gateway)), {job.id for job in run_sync(jobmanager.overview())}
        if through & listed:
            return "the gateway submits to this JobManager"
        if not through and not listed:
            return "neither knows a job yet, so whether they are one cluster shows at the first deploy"
    raise Misconfigured(
        "the gateway submits to another cluster: its SHOW JOBS and the JobManager's list have no job in common. Make "
        "the gateway's rest.address and jobmanager_url name one cluster."
    )


async def _jobs_of(gateway: Gateway) -> set[str]:
    async with await gateway.open_session() as session:
        return await session.show_jobs()
