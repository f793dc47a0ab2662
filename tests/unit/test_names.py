"""Names, locations, ids and addresses are refused where they enter, and never are a path or a URL of their own."""

import contextlib
import re
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_flinksql import names
from airflow_provider_flinksql.cli import USAGE, main
from airflow_provider_flinksql.clients.auth import address
from airflow_provider_flinksql.clients.flink import JobManager
from airflow_provider_flinksql.clients.http import SyncIO, request, run_sync
from airflow_provider_flinksql.deploy.flow import job_page
from airflow_provider_flinksql.errors import FlinkSqlError, InvalidSpec, Misconfigured
from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.stores import open_store

ID = "0123456789abcdef" * 2
LOCATIONS = [
    "s3://b/../x",
    "s3://b/a/..",
    "/..",
    "file:///a/../../etc",
    "../x",
    "a/b",
    "",
    "s3:",
    "s3://",
    "s3://b/a\nb",
    "s3://b/a\0b",
    "s3://b/\x1b[2J",
    "s3://b/\u202egpj",
    "s3://b/\ud800",
    f"s3://{'b' * 64}/x",
    f"hdfs://{'n' * 64}.org:8020/x",
    "hdfs://a..b/x",
    "hdfs://nn:0/x",
    "hdfs://nn:70000/x",
    "hdfs://nn:80a/x",
    "hdfs://nn:/x",
    "hdfs://nn:٨/x",
    "s3://key:secret@bucket/x",
    "s3://[::1/x",
    "file:x",
    f"/{'x' * 2000}",
]
GOOD_LOCATIONS = [
    "/tmp/sp",
    "file:/tmp/sp",
    "file:///tmp/with space %20/sp",
    "s3://b/flink/savepoint-1-2/_metadata",
    "s3a://my.bucket/..hidden/a..b",
    "hdfs://nn:8020/flink",
    "hdfs:///flink",
    "abfss://box@account.dfs.core.windows.net/flink",
    f"gs://{'b' * 63}.{'c' * 63}/x",
    "s3://b/检查点/é",
    "http://[::1]:9000/x",
]
IDS = ["", ID[1:], f"{ID}0", f"{ID}\n", f"\n{ID}", ID.upper(), f"../{ID[3:]}", "g" * 32, f"{ID[:-1]}\0", "\u0661" * 32]
NAMES = ["", "a\nb", "a b", "-a", ".", "..", "a/b", "a\0b", "\ud800", "é", "x" * 101, "a\n", "a@b", "a@" + "g" * 12]
ADDRESSES = [
    "http://h:0",
    "http://h:65536",
    "http://h:70000",
    "http://h:80a",
    "http://h:٨٠",
    f"http://{'h' * 64}",
    f"http://a.{'h' * 64}.org:8081",
    "http://a..b",
    "http://.",
    "http://h h",
    "http://h\n",
    "http://h/\x1b[2J",
    "http://h/\u202e",
    f"http://{'ü' * 60}:80",
    "http://\ud800",
    "http://h/a/../b",
    "http://h/..",
    "http://[::1]:70000",
    "http://[::g]",
    "javascript:alert(1)",
    "ftp://h",
    "//h",
    "h:8081",
    "",
]
GOOD_ADDRESSES = [
    "http://h",
    "https://h.example.org:443/flink/a..b",
    "http://[::1]:8081",
    "http://127.0.0.1:1",
    "http://bücher.example:65535",
    "http://my_host.",
]


def refused(reader, given):
    with pytest.raises(ValueError, match=r"\w") as why:
        reader(given)
    assert str(why.value).isprintable()
    assert len(str(why.value)) < 500
    return True


@pytest.mark.parametrize("given", LOCATIONS)
def test_a_location_is_a_place(given):
    assert refused(names.location, given)


@pytest.mark.parametrize("given", GOOD_LOCATIONS)
def test_places_are_taken_as_they_are(given):
    assert names.location(given) == given


def test_a_login_in_a_location_is_not_shown():
    with pytest.raises(ValueError, match="login") as why:
        names.location("s3://key:c4n4ry@bucket/x")
    assert "c4n4ry" not in str(why.value)


@pytest.mark.parametrize("given", IDS)
def test_a_job_id_is_32_hex_digits(given):
    assert refused(names.job_id, given)
    assert names.job_id(ID) == ID


@pytest.mark.parametrize("given", NAMES)
def test_a_job_name_is_a_word(given):
    assert refused(names.job_name, given)
    assert refused(names.recorded_name, given)
    assert names.recorded_name("a.b-c_1@0123456789ab") == "a.b-c_1@0123456789ab"
    assert refused(names.job_name, "a@0123456789ab")


PLACES = (
    ["deploy", "job.yaml", "--restore-from={}"],
    ["plan", "job.yaml", "--restore-from={}"],
    ["restart", "a", "--from={}"],
)
COMMANDS = [
    *((place, given) for place in PLACES for given in LOCATIONS),
    *((["adopt", "a", "{}"], given) for given in IDS),
    *((["adopt", "{}", ID], given) for given in NAMES),
    *((["stop", "good", "{}"], given) for given in NAMES),
    *(([command, "{}"], given) for command in ("status", "history", "snapshots", "export", "restart", "rollback",
                                               "savepoint") for given in NAMES),
    *((["plan", "job.yaml", "--run={}"], given) for given in ("\ud800", "\udcff")),
    *((["plan", "job.yaml", "--param", "k={}"], given) for given in ("\ud800", "a\0b")),
]  # fmt: skip


@pytest.mark.parametrize(("command", "given"), COMMANDS)
def test_the_command_line_refuses_it_before_anything_is_done(tmp_path, capsys, command, given):
    command = [given if part == "{}" else part.replace("{}", given) for part in command]
    store = f"sqlite:///{tmp_path}/none/m.db"
    assert main([*command, "--json", "--store", store]) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert all(line.isprintable() for line in said.err.splitlines())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("option", ["execution.checkpointing.dir", "state.savepoints.dir"])
@pytest.mark.parametrize("given", LOCATIONS)
def test_a_job_file_names_places_for_its_state(option, given):
    job = {"name": "a", "sql": "INSERT INTO a SELECT 1"}
    layers = {
        "job": lambda: read_job({**job, "flinkProperties": {option: given}}),
        "connection": lambda: read_job(job, connection_properties={option: given}),
        "operator": lambda: read_job(job, operator_properties={option: given}),
        "SET": lambda: read_job({**job, "setup": [f"SET '{option}' = '{given}'"]}),
    }
    for layer, read in layers.items():
        if layer == "SET" and not given.strip():
            continue  # nothing is set by it
        with pytest.raises(InvalidSpec, match=option):
            read()


@pytest.mark.parametrize("given", GOOD_LOCATIONS)
def test_a_job_file_may_name_any_place(given):
    properties = {"execution.checkpointing.dir": given}
    job = read_job({"name": "a", "sql": "INSERT INTO a SELECT 1", "flinkProperties": properties})
    assert job.spec.properties == properties


@pytest.mark.parametrize("given", ADDRESSES)
def test_an_address_is_a_place_that_can_be_asked(given):
    for ask in (address, SyncIO):
        with pytest.raises(Misconfigured):
            ask(given)


@pytest.mark.parametrize("given", GOOD_ADDRESSES)
def test_what_can_be_asked_is_taken(given):
    assert address(given) == given
    SyncIO(given).close()


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30) | st.from_regex(r"[a-z0-9.:\[\]-]{1,70}(:[0-9]{1,6})?(/[a-z.%]*)*", fullmatch=True))
def test_no_address_makes_a_trace(place):
    with contextlib.suppress(Misconfigured):
        SyncIO(f"http://{place}").close()


def asked_for(ask):
    """The paths that a server was asked for."""
    paths = []

    def answer(asked):
        paths.append(asked.url.raw_path.decode())
        return httpx.Response(404, json={"errors": ["no"]})

    io = SyncIO("http://127.0.0.1:1", transport=httpx.MockTransport(answer))
    with pytest.raises(FlinkSqlError):
        run_sync(ask(io))
    return paths


WITH_AN_ID = {
    "job": ("/jobs/{}", lambda io, given: JobManager(io).job(given)),
    "tags": ("/jobs/{}/config", lambda io, given: JobManager(io).job_config(given)),
    "cancel": ("/jobs/{}?mode=cancel", lambda io, given: JobManager(io).cancel(given)),
    "stop": ("/jobs/{}/stop", lambda io, given: JobManager(io).stop(given, ID)),
    "savepoint": ("/jobs/a/savepoints/{}", lambda io, given: JobManager(io).savepoint_status("a", given)),
    "session": ("/v4/sessions/{}/heartbeat", lambda io, given: request(io, "GET", f"/v4/sessions/{given}/heartbeat")),
}
NO_IDS = [
    "",
    ".",
    "..",
    "../../v4",
    "a/../b",
    "a?b=c",
    "a#b",
    "a%2fb",
    "a b",
    "a\n",
    "a\0",
    "\ud800",
    "é",
    "//evil",
    "@evil",
]


@pytest.mark.parametrize("ask", WITH_AN_ID)
@settings(deadline=None, max_examples=60)
@given(given=st.sampled_from(NO_IDS) | st.text(max_size=20))
def test_no_id_leads_away_from_what_a_server_is_asked_for(ask, given):
    path, call = WITH_AN_ID[ask]
    words = re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", given)
    assert asked_for(lambda io: call(io, given)) == ([path.format(given)] if words else [])


@settings(deadline=None)
@given(st.sampled_from(NO_IDS) | st.text())
def test_a_link_leads_to_the_cluster_whatever_a_job_is_called(job_id):
    given = job_id.encode(errors="ignore").decode()
    link = urlsplit(job_page("http://flink:8081/", given))
    assert (link.scheme, link.netloc, link.path) == ("http", "flink:8081", "/")
    assert link.fragment.startswith("/job/running/")
    assert link.fragment.count("/") == 4
    assert link.geturl().isascii()


@pytest.mark.parametrize("url", ["sqlite:////tmp/a\0b", "sqlite:////tmp/a\nb", "sqlite:////tmp/\ud800", "\x1b://x", ""])
def test_a_store_is_named_in_letters(url):
    with pytest.raises(Misconfigured, match="manifest store"):
        open_store(url)
