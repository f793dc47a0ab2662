"""An address is shown everywhere, so it holds no login; whoever gives one is told so without it."""

import pytest

from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.auth import Auth, address
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.targets.connect import Settings
from airflow_provider_flinksql.targets.secrets import Secrets

LOGINS = [
    "http://me:c4n4ry@flink:8081",
    "http://c4n4ry@flink",
    "http://me:c4n4ry%40@flink",
    "http://me%3Ac4n4ry%40flink",
    "http://flink:c4n4ry@other",
    "http://flink/?token=c4n4ry",
    "http://flink#c4n4ry",
    "me:c4n4ry@flink",
    "http://[c4n4ry@flink",
    "http://flink:8081\nc4n4ry",
]
CLEAN = {"http://127.0.0.1:8081": "http://127.0.0.1:8081", "https://[::1]:80/a/b/": "https://[::1]:80/a/b"}


@pytest.mark.parametrize("url", LOGINS)
def test_an_address_with_more_than_a_place_is_refused_and_not_shown(url):
    for ask in (address, SyncIO):
        with pytest.raises(Misconfigured) as refused:
            ask(url)
        assert "c4n4ry" not in str(refused.value)


@pytest.mark.parametrize("url", CLEAN)
def test_an_address_is_taken_as_it_is(url):
    assert address(url) == CLEAN[url]


@pytest.mark.parametrize("named", ["option", "environment"])
@pytest.mark.parametrize("server", ["gateway", "jobmanager"])
@pytest.mark.parametrize("url", LOGINS[:3])
def test_the_command_line_takes_no_login_in_an_address(tmp_path, monkeypatch, capsys, url, server, named):
    job = tmp_path / "job.yaml"
    job.write_text("name: orders\nsql: INSERT INTO a SELECT 1\n")
    given = {"gateway": "http://127.0.0.1:9", "jobmanager": "http://127.0.0.1:9"} | {server: url}
    monkeypatch.setenv("FLINKSQL_STORE", f"sqlite:///{tmp_path}/m.db")
    options = [f"--{name}={value}" for name, value in given.items()]
    if named == "environment":
        options = []
        for name, value in given.items():
            monkeypatch.setenv(f"FLINKSQL_{name.upper()}", value)
    assert main(["deploy", str(job), "--json", *options]) == 1
    said = "".join(capsys.readouterr())
    assert f"--{server} (FLINKSQL_{server.upper()})" in said
    assert "c4n4ry" not in said
    assert not (tmp_path / "m.db").exists()


def test_what_settings_print_shows_no_secret():
    auth = Auth("basic", login="c4n4ry", password="c4n4ry", token="c4n4ry")
    properties = {"s3.secret-key": "c4n4ry"}
    settings = Settings("http://g", "http://j", auth, storage={"secret_access_key": "c4n4ry"}, properties=properties)
    secrets = Secrets(lambda _: "c4n4ry", auth.secrets)
    secrets.fill("SELECT '${env.X}'")
    for one in (settings, auth, secrets, secrets.redact):
        assert "c4n4ry" not in f"{one!r} {one}"
