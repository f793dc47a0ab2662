import os
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_provider_flinksql.clients.statefiles import Kept, StateFiles, same_location
from airflow_provider_flinksql.errors import Misconfigured, Unreachable, UnsupportedScheme

FILES = StateFiles()


def complete(folder, checkpoint_id=7, time=1000):
    folder.mkdir(parents=True)
    (folder / "_metadata").write_bytes(struct.pack(">iiq", 0x4960672D, 6, checkpoint_id) + b"state")
    os.utime(folder / "_metadata", (time, time))
    return folder


@pytest.mark.parametrize("spelling", ["{}", "{}/", "file:{}", "file://{}", "file://localhost{}"])
def test_completed_checkpoints_come_newest_first_in_the_callers_spelling(tmp_path, spelling):
    for number in (9, 10, 2):
        complete(tmp_path / f"chk-{number}", number)
    for other in ("chk-11", "shared", "taskowned", "chk-x"):
        (tmp_path / other).mkdir()
    complete(tmp_path / "other-12", 12)
    folder = spelling.format(tmp_path)
    found = [Kept(f"{folder.rstrip('/')}/chk-{n}", n, 1000) for n in (10, 9, 2)]
    assert FILES.completed_checkpoints(folder) == found


@pytest.mark.parametrize("content", [b"", b"\x49\x60\x67\x2d", b"not of Flink, but long enough"])
def test_metadata_that_flink_did_not_write_whole_is_no_checkpoint(tmp_path, content):
    (complete(tmp_path / "chk-1") / "_metadata").write_bytes(content)
    assert FILES.completed_checkpoints(str(tmp_path)) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    nowhere = f"file://{tmp_path}/nowhere"
    assert FILES.completed_checkpoints(nowhere) == []
    assert FILES.find_savepoint(nowhere) is None
    assert FILES.find(nowhere) is None
    assert FILES.read(nowhere) is None


def test_a_savepoint_is_found_with_its_checkpoint_id_once_it_is_complete(tmp_path):
    (tmp_path / "savepoint-abc-1").mkdir()
    assert FILES.find_savepoint(f"file:{tmp_path}") is None
    complete(tmp_path / "savepoint-abc-2", 12)
    assert FILES.find_savepoint(f"file:{tmp_path}") == Kept(f"file:{tmp_path}/savepoint-abc-2", 12, 1000)


def test_two_savepoints_where_one_is_expected_are_not_guessed_between(tmp_path):
    complete(tmp_path / "savepoint-a")
    complete(tmp_path / "savepoint-b")
    with pytest.raises(Misconfigured, match="2 savepoints"):
        FILES.find_savepoint(str(tmp_path))


def test_a_location_is_found_by_its_folder_or_its_metadata_file(tmp_path):
    folder = complete(tmp_path / "chk-1")
    assert FILES.find(f"{folder}/") == Kept(str(folder), 7, 1000)
    assert FILES.find(f"file://{folder}/_metadata") == Kept(f"file://{folder}", 7, 1000)
    assert FILES.find(str(tmp_path)) is None


def test_a_snapshot_is_missing_only_where_its_folder_is_seen_without_it(tmp_path):
    folder = complete(tmp_path / "job" / "chk-1")
    assert FILES.look_for(f"file://{folder}") == "there"
    assert FILES.look_for(f"file:{tmp_path}/job/chk-2/_metadata") == "missing"
    assert FILES.look_for(f"file://{tmp_path}/not-mounted-here/job/chk-1") == "unchecked"
    assert FILES.look_for("hdfs://nn/job/chk-1") == "unchecked"


def test_names_are_taken_as_written(tmp_path):
    assert FILES.find(f"file:{complete(tmp_path / 'with space %20')}")


@pytest.mark.parametrize("look", [FILES.completed_checkpoints, FILES.find_savepoint, FILES.find, FILES.read])
@pytest.mark.parametrize("location", ["hdfs://nn/x", "oss://bucket/x", "file://otherhost/x", "s3:///no/bucket"])
def test_what_cannot_be_looked_at_from_here_says_what_to_do(look, location):
    with pytest.raises(UnsupportedScheme, match="--restore-from"):
        look(location)


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_one(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    too_long = f"{tmp_path}/{'x' * (os.pathconf(tmp_path, 'PC_NAME_MAX') + 1)}"
    for location in (str(loop), too_long):
        with pytest.raises(Misconfigured, match="cannot be read"):
            FILES.find(location)


@pytest.mark.parametrize("other", ["file:/x/chk-1", "file:///x/chk-1", "/x/chk-1/", "file:/x/chk-1/_metadata"])
def test_spellings_of_one_location(other):
    assert same_location("/x/chk-1", other)
    assert not same_location("/x/chk-2", other)
    assert not same_location("s3://x/chk-1", other)
    assert same_location("s3://x/chk-1", "s3a://x/chk-1/")


@pytest.fixture
def refusing(monkeypatch):
    """An object store that answers 403; the environment has no credentials for another."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(403)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"access_key_id": "somebody", "secret_access_key": "c4n4ry", "region": "us-east-1"}
    yield options | {"endpoint": f"http://127.0.0.1:{server.server_port}"}
    server.shutdown()
    server.server_close()


def test_an_object_store_that_refuses_says_where_credentials_come_from(refusing):
    for look in (StateFiles(refusing).find, StateFiles(refusing).completed_checkpoints):
        with pytest.raises(Misconfigured, match="storage_options") as refused:
            look("s3://bucket/chk-1")
        assert "s3://bucket/chk-1" in str(refused.value)
        assert "c4n4ry" not in str(refused.value)
        assert "\n" not in str(refused.value)
    assert StateFiles(refusing).look_for("s3://bucket/job/chk-1") == "unchecked"
    assert not StateFiles(refusing).sees("s3://bucket/job")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize(
    "value", ["127.0.0.1:9000", "http://", "http://127.0.0.1:90000", "s3://x", "http://u:pw@127.0.0.1:9"]
)
def test_an_endpoint_of_the_environment_that_is_none_is_refused(monkeypatch, variable, value, capfd):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured, match=variable) as refused:
        StateFiles({"region": "us-east-1"}).find("s3://bucket/chk-1")
    assert "pw" not in str(refused.value)
    assert "panicked" not in capfd.readouterr().err


def test_an_object_store_that_does_not_answer_may_answer_later(refusing):
    with pytest.raises(Unreachable):
        StateFiles(refusing | {"endpoint": "http://127.0.0.1:1"}).find("s3://bucket/chk-1")


def test_an_option_that_obstore_does_not_know_is_told(refusing):
    with pytest.raises(Misconfigured, match="nonsense"):
        StateFiles(refusing | {"nonsense": "1"}).find("s3://bucket/chk-1")


def test_obstore_is_imported_only_for_an_object_store(tmp_path):
    code = (
        "import sys; from airflow_provider_flinksql.clients.statefiles import StateFiles; files = StateFiles();"
        f"files.find({str(complete(tmp_path / 'chk-1'))!r}); files.completed_checkpoints({str(tmp_path)!r});"
        "sys.exit('obstore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_an_object_store_says_holds_no_key_that_opens_it():
    options = {"endpoint": "http://127.0.0.1:9", "region": "x", "access_key_id": "c4n4ry", "secret_access_key": "s"}
    with pytest.raises(Unreachable) as silent:
        StateFiles(options).find("s3://c4n4ry/x")
    assert "HEAD http://127.0.0.1:9/***/x/_metadata" in str(silent.value)
