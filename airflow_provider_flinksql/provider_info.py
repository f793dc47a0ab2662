"""What Airflow is told about this provider. Imports nothing: every Airflow command calls it."""

from __future__ import annotations

from typing import Any

PACKAGE = "airflow_provider_flinksql"
INTEGRATION = "Flink SQL"


def get_provider_info() -> dict[str, Any]:
    """The entry point ``apache_airflow_provider``; validated against Airflow's schema by a test."""
    return {
        "package-name": "airflow-provider-flinksql",
        "name": INTEGRATION,
        "description": "Flink SQL, streaming and batch, as declared jobs inside Airflow schedules.",
        "integrations": [
            {"integration-name": INTEGRATION, "external-doc-url": "https://flink.apache.org/", "tags": ["apache"]}
        ],
        "hooks": [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.hooks.flinksql"]}],
        "operators": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [f"{PACKAGE}.operators.{name}" for name in ("deploy", "job", "upkeep")],
            }
        ],
        "triggers": [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.triggers.wait"]}],
        "extra-links": [f"{PACKAGE}.links.FlinkJobLink", f"{PACKAGE}.links.FlinkCheckpointsLink"],
        "connection-types": [
            {
                "connection-type": "flink_sql",
                "hook-class-name": f"{PACKAGE}.hooks.flinksql.FlinkSqlHook",
                "hook-name": "Flink SQL",
                "ui-field-behaviour": _FIELDS,
                "conn-fields": _EXTRAS,
            }
        ],
        "config": {"flinksql": {"description": "Flink SQL jobs.", "options": _OPTIONS}},
    }


_FIELDS = {
    "hidden-fields": [],
    "relabeling": {
        "host": "SQL gateway host",
        "port": "SQL gateway port",
        "schema": "Protocol (http or https)",
        "login": "Login (auth: basic)",
        "password": "Password (auth: basic) or token (auth: bearer)",
    },
    "placeholders": {"host": "gateway.example.com", "port": "8083", "schema": "http"},
}


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


_EXTRAS = {
    "jobmanager_url": _field(
        "JobManager URL", "The REST address of the Flink cluster that the gateway submits to: http://jobmanager:8081"
    ),
    "target": _field("Target", "How jobs run: on a session cluster.", enum=["session"], default="session"),
    "auth": _field(
        "Authentication",
        "basic uses login and password, bearer the token, mtls the two files below.",
        enum=["none", "basic", "bearer", "mtls"],
        default="none",
    ),
    "token": _field("Token", "For bearer; empty: the password.", format="password"),
    "cert": _field("Client certificate", "For mtls: path of a PEM file on the workers."),
    "key": _field("Client key", "For mtls: path of a PEM file on the workers."),
    "verify": _field("Verify", "true, false, or the path of a CA file or folder on the workers."),
    "manifest_store": _field(
        "Manifest store",
        "Where it is kept what runs: sqlite:////var/lib/flinksql/manifests.db (a place that all workers share). "
        "Empty: the connection below, else [flinksql] manifest_store.",
    ),
    "manifest_store_conn_id": _field("Manifest store connection", "An Airflow connection that names the store."),
    "flink_properties": {
        "label": "Flink properties",
        "description": 'Flink options for all jobs of this connection, as JSON: {"parallelism.default": "2"}.',
        "schema": {"type": ["object", "null"]},
    },
    "storage_options": {
        "label": "Storage options",
        "description": "What opens the object store where Flink keeps state, as JSON, where the environment of the "
        'workers (AWS_ACCESS_KEY_ID, …) does not: {"endpoint": "http://minio:9000", "access_key_id": "…", '
        '"secret_access_key": "…"}.',
        "schema": {"type": ["object", "null"]},
    },
}

_OPTIONS = {
    "manifest_store": {
        "description": "URL of the manifest store for connections that name none, for example "
        "sqlite:////var/lib/flinksql/manifests.db. All workers must reach it.",
        "version_added": "0.1.0",
        "type": "string",
        "sensitive": True,
        "example": "sqlite:////var/lib/flinksql/manifests.db",
        "default": None,
    },
    "defer_after": {
        "description": "Seconds that a deferrable task waits on its worker before it defers. Most deploys are done by "
        "then, and a deferral costs some seconds itself.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "10",
    },
    "poll_interval": {
        "description": "Seconds between two looks of the triggerer at a job that a task waits for.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "5",
    },
}
