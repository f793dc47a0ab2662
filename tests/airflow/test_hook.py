import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection

from airflow_provider_flinksql.clients.auth import Auth
from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook, settings_of
from airflow_provider_flinksql.local import LocalStatus
from airflow_provider_flinksql.model.manifest import Manifest

JOBMANAGER = "http://jm:8081"
LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"
HOOK = FlinkSqlHook()


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def define(conn_id: str = "flink_sql_default", **given: Any) -> None:
        given = {"conn_type": "flink_sql", "host": "gw"} | given if conn_id == "flink_sql_default" else given
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    return define


def test_it_takes_the_connection_id_as_other_sql_hooks_do():
    assert FlinkSqlHook("mine").flink_conn_id == "mine"
    assert FlinkSqlHook(flink_conn_id="mine", jobmanager_url="x", log_sql=False).flink_conn_id == "mine"
    assert getattr(FlinkSqlHook(), FlinkSqlHook.conn_name_attr) == FlinkSqlHook.default_conn_name


def test_settings_come_from_a_connection_in_json(connection):
    connection(port=8084, schema="https", extra={"jobmanager_url": JOBMANAGER + "/", "flink_properties": {"a": 1}})
    settings = HOOK.settings()
    assert (settings.gateway, settings.jobmanager) == ("https://gw:8084", JOBMANAGER)
    assert (settings.auth, settings.verify, settings.properties) == (Auth(), True, {"a": "1"})


@pytest.mark.parametrize("spelled", [lambda options: options, json.dumps])
def test_storage_options_open_the_object_store_and_are_not_shown(connection, monkeypatch, spelled):
    masked = []
    monkeypatch.setattr("airflow_provider_flinksql.hooks.flinksql.mask_secret", masked.append)
    options = {"endpoint": "http://s3:9000", "secret_access_key": "c4n4ry"}
    connection(extra={"jobmanager_url": JOBMANAGER, "storage_options": spelled(options)})
    settings = HOOK.settings()
    assert settings.storage == options
    assert "c4n4ry" not in repr(settings)
    assert masked == ["c4n4ry"]


def test_settings_come_from_a_connection_as_uri(monkeypatch):
    properties = quote(json.dumps({"parallelism.default": "2"}), safe="")
    extra = f"jobmanager_url={quote(JOBMANAGER, safe='')}&verify=false&flink_properties={properties}"
    monkeypatch.setenv("AIRFLOW_CONN_FLINK_SQL_DEFAULT", f"flink-sql://me:pw@gw:8084/https?auth=basic&{extra}")
    settings = HOOK.settings()
    assert (settings.gateway, settings.jobmanager) == ("https://gw:8084", JOBMANAGER)
    assert (settings.auth, settings.verify) == (Auth("basic", "me", "pw"), False)
    assert settings.properties == {"parallelism.default": "2"}


def test_settings_survive_the_way_to_a_worker_as_uri(monkeypatch):
    extra = {"jobmanager_url": JOBMANAGER, "verify": "/ca.pem", "flink_properties": {"a.b": "c d", "e": True}}
    given = Connection(conn_id="c", conn_type="flink_sql", host="gw", port=1, extra=json.dumps(extra))
    monkeypatch.setenv("AIRFLOW_CONN_C", given.get_uri())
    arrived = FlinkSqlHook.get_connection("c")
    assert settings_of(arrived, arrived.extra_dejson) == settings_of(given, extra)
    assert settings_of(given, extra).properties == {"a.b": "c d", "e": "true"}


@pytest.mark.parametrize(
    "given, auth",
    [
        ({"password": "t0", "extra": {"auth": "bearer"}}, Auth("bearer", token="t0")),
        ({"password": "t0", "extra": {"auth": "bearer", "token": "t1"}}, Auth("bearer", token="t1")),
        ({"extra": {"auth": "mtls", "cert": "/c.pem", "key": "/k.pem"}}, Auth("mtls", cert="/c.pem", key="/k.pem")),
    ],
)
def test_it_knows_the_ways_to_prove_who_we_are(connection, given, auth):
    connection(**given | {"extra": {"jobmanager_url": JOBMANAGER} | given["extra"]})
    assert HOOK.settings().auth == auth


@pytest.mark.parametrize(
    "given, said",
    [
        ({"host": None, "extra": {"jobmanager_url": JOBMANAGER}}, "names no host"),
        ({"extra": {}}, "jobmanager_url"),
        ({"extra": {"jobmanager_url": "http://me:pw@jm:8081"}}, "jobmanager_url holds a login"),
        ({"host": "http://me:pw@gw", "extra": {"jobmanager_url": JOBMANAGER}}, "host holds a login"),
        ({"extra": {"jobmanager_url": JOBMANAGER, "target": "yarn"}}, "target 'yarn'"),
        (
            {"extra": {"jobmanager_url": JOBMANAGER, "storage_options": {"endpoint": "http://me:pw@minio"}}},
            "endpoint of storage_options holds a login",
        ),
        (
            {"extra": {"jobmanager_url": JOBMANAGER, "storage_options": {"aws_endpoint_url": "minio:9000"}}},
            "aws_endpoint_url of storage_options must look like",
        ),
        ({"extra": {"jobmanager_url": JOBMANAGER, "auth": "basic"}}, "auth: basic needs login and password"),
        ({"extra": {"jobmanager_url": JOBMANAGER, "flink_properties": "{"}}, "flink_properties is not JSON"),
        ({"extra": {"jobmanager_url": JOBMANAGER, "flink_properties": "[1]"}}, "must be a mapping"),
        ({"extra": {"jobmanager_url": JOBMANAGER, "storage_options": "c4n4ry"}}, "storage_options is not JSON"),
    ],
)
def test_what_a_connection_lacks_is_said_with_its_name(connection, given, said):
    connection(**given)
    with pytest.raises(Misconfigured, match="flink_sql_default") as raised:
        HOOK.settings()
    assert said in str(raised.value)
    assert ":pw@" not in str(raised.value)


def test_settings_are_the_same_in_the_triggerer(connection):
    connection(password="pw-canary", login="me", extra={"jobmanager_url": JOBMANAGER, "auth": "basic"})
    assert asyncio.run(FlinkSqlHook().async_settings()) == HOOK.settings()
    assert "pw-canary" not in repr(HOOK.settings())


def test_placeholders_are_resolved_and_masked(connection, monkeypatch):
    from airflow.sdk.log import redact

    connection("kafka.prod", conn_type="kafka", host="broker.example", password="canary-1", extra={"sasl": "canary-2"})
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "canary-3")
    monkeypatch.setenv("CANARY", "canary-4")
    names = ("conn.kafka.prod.password", "conn.kafka.prod.sasl", "var.TOKEN", "env.CANARY")
    values = [HOOK.resolve(name) for name in names]
    assert values == ["canary-1", "canary-2", "canary-3", "canary-4"]
    assert HOOK.resolve("conn.kafka.prod.host") == "broker.example"
    assert "canary" not in str(redact(f"all of {values}"))
    assert redact("broker.example") == "broker.example"


@pytest.mark.parametrize("name", ["conn.nobody.password", "conn.known.nothing", "var.nothing", "env.NOTHING_HERE"])
def test_a_placeholder_without_value_is_named(connection, airflow_database, name):
    connection("known", conn_type="http", host="h")
    with pytest.raises(Misconfigured) as raised:
        HOOK.resolve(name)
    assert f"${{{name}}} has no value" in str(raised.value)


def test_a_store_must_be_named(connection):
    connection(extra={"jobmanager_url": JOBMANAGER})
    with pytest.raises(Misconfigured) as raised:
        HOOK.open_store()
    for example in ('{"manifest_store": "sqlite:////', '{"manifest_store_conn_id": ', "[flinksql] manifest_store = "):
        assert example in str(raised.value)


def test_a_store_at_a_relative_path_is_refused(connection):
    connection(extra={"jobmanager_url": JOBMANAGER, "manifest_store": "sqlite:///flinksql.db?password=hunter2"})
    with pytest.raises(Misconfigured, match="with four slashes") as raised:
        HOOK.open_store()
    assert "hunter2" not in str(raised.value)


def test_a_record_that_cannot_be_read_is_told_beside_the_others(connection, tmp_path, monkeypatch):
    connection(extra={"jobmanager_url": JOBMANAGER, "manifest_store": f"sqlite:///{tmp_path}/m.db"})
    with closing(HOOK.open_store()) as store:
        store.put(Manifest("fine", LINEAGE), 0)
        with monkeypatch.context() as later:
            later.setattr("airflow_provider_flinksql.model.manifest.DOCUMENT_VERSION", 2)
            store.put(Manifest("newer", LINEAGE), 0)
    told = HOOK._store_answer()
    assert "answers, 2 jobs on record\n" in told
    assert "The record of job newer cannot be read: it is of version 2" in told


@pytest.mark.parametrize("way", ["extra", "connection", "config"])
def test_a_store_is_found_where_it_is_named(connection, monkeypatch, tmp_path, way):
    url = f"sqlite:///{tmp_path}/m.db"
    connection("store", conn_type="sqlite", host=f"{tmp_path}/m.db")
    if way == "config":
        monkeypatch.setenv("AIRFLOW__FLINKSQL__MANIFEST_STORE", url)
    named = {"extra": {"manifest_store": url}, "connection": {"manifest_store_conn_id": "store"}, "config": {}}[way]
    connection(extra={"jobmanager_url": JOBMANAGER} | named)
    store = HOOK.open_store()
    assert store.name == url
    store.close()


def test_a_good_connection_is_told_with_versions(flink: LocalStatus, connect):
    connect(flink)
    ok, said = HOOK.test_connection()
    assert ok, said
    lines = said.splitlines()
    assert lines[0].startswith(f"SQL gateway: Flink 2.3.0 at {flink.gateway}")
    assert lines[1].startswith(f"JobManager: Flink 2.3.0 at {flink.jobmanager}")
    assert lines[2].startswith("Together: ")
    assert lines[3].startswith("Manifest store: sqlite:///")


def test_each_server_that_does_not_answer_is_told(flink: LocalStatus, connect):
    connect(flink, jobmanager_url="http://127.0.0.1:9", manifest_store="nothing")
    ok, said = HOOK.test_connection()
    assert not ok
    gateway, jobmanager, store = said.splitlines()
    assert gateway.startswith("SQL gateway: Flink 2.3.0")
    assert jobmanager.startswith("JobManager: ")
    assert "127.0.0.1:9" in jobmanager
    assert store.startswith("Manifest store: The manifest store must be a URL")


def test_an_unusable_connection_is_told(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FLINK_SQL_DEFAULT", json.dumps({"conn_type": "flink_sql", "host": "gw"}))
    ok, said = HOOK.test_connection()
    assert (ok, "jobmanager_url" in said) == (False, True)


def test_gateway_and_jobmanager_of_different_clusters_are_told(flink, other_flink, connect, running_job):
    running_job(flink)
    connect(flink, jobmanager_url=other_flink.jobmanager)
    ok, said = HOOK.test_connection()
    assert not ok
    assert "the gateway submits to another cluster" in said
    connect(flink)
    assert "the gateway submits to this JobManager" in HOOK.test_connection()[1]
