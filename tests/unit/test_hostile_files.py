"""Every kind of thing that a path may name, for everything that is read: a fault that says so, and nobody hangs."""

import contextlib
import json
import os
import signal
import socket
import struct
from pathlib import Path

import pytest

from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.archives import ARCHIVES, find_archive
from airflow_provider_flinksql.clients.auth import Auth
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.clients.statefiles import StateFiles, _Bucket
from airflow_provider_flinksql.errors import FlinkSqlError, InvalidSpec, Misconfigured, Unseen
from airflow_provider_flinksql.files import MOST, read_file
from airflow_provider_flinksql.jobfile import globs
from airflow_provider_flinksql.jobfile.globs import matching
from airflow_provider_flinksql.jobfile.read import job_files, read_job
from airflow_provider_flinksql.local import record

GUARD_SECONDS = 60


@pytest.fixture(autouse=True)
def nobody_hangs():
    """Whoever would hang is interrupted; what it is measured by is not how fast it is."""

    def give_up(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(GUARD_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def a_socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have a hundred letters
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def of_size(path, size):
    with path.open("wb") as file:
        file.truncate(size)


KINDS = {
    "a pipe": (os.mkfifo, "it is a named pipe, not a file"),
    "a socket": (a_socket, "it is a socket, not a file"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "17 MB": (lambda path: of_size(path, 17 << 20), "it is larger than 16 MB"),
    "16 MB and a byte": (lambda path: of_size(path, MOST + 1), "it is larger than 16 MB"),
    "zeros": (lambda path: of_size(path, 1000), "it holds a NUL"),
    "UTF-16": (lambda path: path.write_bytes("sql: a\n".encode("utf-16")), "not UTF-8 text: byte 0xff"),
    "half a character": (lambda path: path.write_bytes(b"\n\nsql: \xf0\x9f"), "not UTF-8 text: byte 0xf0"),
}
MORE_KINDS = KINDS | {
    "a folder": (Path.mkdir, "this is a folder, not a file"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "this is a symbolic link to nothing"),
    "a link to a pipe": (
        lambda path: (os.mkfifo(path.parent / ".pipe"), path.symlink_to(".pipe")),
        "it is a named pipe, not a file",
    ),
}
JOB = """\
name: orders
sql: INSERT INTO a SELECT * FROM b
"""


def faults_of(path, **given):
    with pytest.raises(InvalidSpec) as caught:
        read_job(path, **given)
    return [(fault.path, fault.line, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize("kind", MORE_KINDS)
def test_as_a_job_file(tmp_path, kind):
    make, why = MORE_KINDS[kind]
    make(tmp_path / "job.yaml")
    [(path, _, message)] = faults_of(tmp_path / "job.yaml")
    assert path == ""
    assert why in message


@pytest.mark.parametrize("named", [False, True], ids=["beside the job", "named"])
@pytest.mark.parametrize("kind", MORE_KINDS)
def test_as_a_defaults_file_it_is_never_left_out(tmp_path, kind, named):
    make, why = MORE_KINDS[kind]
    file = tmp_path / ("other.yaml" if named else "job-template.yaml")
    make(file)
    (tmp_path / "job.yaml").write_text(JOB)
    [(_, _, message)] = faults_of(tmp_path / "job.yaml", defaults=file if named else None)
    assert why in message
    assert file.name in message


@pytest.mark.parametrize("kind", MORE_KINDS)
def test_as_a_file_of_tables_the_line_that_names_it_is_told(tmp_path, kind):
    make, why = MORE_KINDS[kind]
    make(tmp_path / "t.sql")
    (tmp_path / "job.yaml").write_text(f"{JOB}tables:\n  - t.sql\n")
    [(path, line, message)] = faults_of(tmp_path / "job.yaml")
    assert (path, line) == ("tables", 4)
    assert why in message
    assert message.startswith(f"{tmp_path}/t.sql")


@pytest.mark.parametrize("pattern", ["*.sql", "**/*.sql", "**", "*/*.sql"])
@pytest.mark.parametrize("kind", KINDS | {"a link to nothing": MORE_KINDS["a link to nothing"]})
def test_as_what_a_pattern_of_tables_matches(tmp_path, kind, pattern):
    make, why = MORE_KINDS[kind]
    folder = tmp_path / ("tables/deep" if pattern != "*.sql" else "tables")
    folder.mkdir(parents=True)
    make(folder / "t.sql")
    (tmp_path / "job.yaml").write_text(f"{JOB}tables:\n  - tables/{pattern}\n")
    [(path, line, message)] = faults_of(tmp_path / "job.yaml")
    assert (path, line) == ("tables", 4)
    assert why in message


@pytest.mark.parametrize("kind", KINDS)
def test_as_one_of_a_folder_of_job_files_the_others_go_on(tmp_path, kind, capsys):
    make, why = KINDS[kind]
    make(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(JOB)
    nowhere = ["--gateway", "http://127.0.0.1:1", "--jobmanager", "http://127.0.0.1:1"]
    store = ["--store", f"sqlite:///{tmp_path}/m.db"]
    assert main(["plan", str(tmp_path), *nowhere, *store, "--json"]) == 1
    entries = {Path(job["path"]).name: job["error"] for job in json.loads(capsys.readouterr().out)["jobs"]}
    assert entries["a.yaml"]["type"] == "InvalidSpec"
    assert why in entries["a.yaml"]["message"]
    assert entries["b.yaml"]["type"] == "Unreachable"


UNREADABLE = ("a pipe", "a socket", "an endless device", "a link to itself", "17 MB")


@pytest.mark.parametrize("kind", [kind for kind in UNREADABLE if kind != "17 MB"])
def test_as_metadata_of_a_checkpoint_it_is_unseen_and_not_missing(tmp_path, kind):
    folder = tmp_path / "job" / "chk-7"
    folder.mkdir(parents=True)
    KINDS[kind][0](folder / "_metadata")
    files = StateFiles()
    for ask in (files.find, files.completed_checkpoints):
        with pytest.raises(Unseen):
            ask(str(folder if ask == files.find else folder.parent))
    assert files.look_for(str(folder)) == "unchecked"


def test_of_metadata_only_the_head_is_read(tmp_path):
    (tmp_path / "chk-7").mkdir()
    of_size(tmp_path / "chk-7" / "_metadata", 3 << 30)
    with (tmp_path / "chk-7" / "_metadata").open("r+b") as file:
        file.write(struct.pack(">iiq", 0x4960672D, 6, 7))
    assert StateFiles().find(f"{tmp_path}/chk-7").checkpoint_id == 7


@pytest.mark.parametrize("size", [MOST, MOST + 1])
def test_of_an_object_store_no_more_is_read_than_of_a_disk(size):
    from obstore.store import MemoryStore

    bucket = _Bucket.__new__(_Bucket)
    bucket._store, bucket._url = MemoryStore(), "s3://b"
    bucket._store.put("a/archive", bytes(size))
    assert bucket.read("a/archive", 16)[0] == bytes(16)
    if size > MOST:
        with pytest.raises(OSError, match="larger than 16 MB"):
            bucket.read("a/archive")
    else:
        assert len(bucket.read("a/archive")[0]) == size


def written_as(text):
    return lambda path: path.write_text(text)


BROKEN_ARCHIVES = {
    "an answer that is no JSON": '{"archive": [{"path": "/jobs", "json": "{"}]}',
    "an answer that is no text": '{"archive": [{"path": "/jobs", "json": {}}]}',
    "no list": '{"archive": 7}',
    "nested": "[" * 100_000,
    "an answer that is nested": json.dumps({"archive": [{"path": "/jobs", "json": "[" * 100_000}]}),
    "a list": "[]",
}


@pytest.mark.parametrize("kind", [*UNREADABLE, *BROKEN_ARCHIVES])
def test_as_an_archive_it_tells_nothing(tmp_path, kind):
    make = written_as(BROKEN_ARCHIVES[kind]) if kind in BROKEN_ARCHIVES else KINDS[kind][0]
    make(tmp_path / ("a" * 32))
    assert find_archive(StateFiles(), {ARCHIVES: str(tmp_path)}, "a" * 32) is None


@pytest.mark.parametrize("kind", UNREADABLE)
def test_as_the_record_of_the_embedded_flink(tmp_path, kind):
    KINDS[kind][0](tmp_path / "local.json")
    with pytest.raises(Misconfigured, match="cannot be read"):
        record.read(tmp_path)


@pytest.mark.parametrize("role", ["verify", "cert", "key"])
@pytest.mark.parametrize("kind", [kind for kind in UNREADABLE if kind != "17 MB"])
def test_as_certificate_key_or_ca(tmp_path, kind, role):
    KINDS[kind][0](tmp_path / "file.pem")
    paths = {name: str(tmp_path / "file.pem") for name in ("cert", "key") if name == role}
    auth = Auth("mtls", cert=paths.get("cert", __file__), key=paths.get("key", __file__))
    with pytest.raises(Misconfigured, match=r"certificate, key or CA for 127\.0\.0\.1 cannot be read"):
        SyncIO("https://127.0.0.1:1", auth, str(tmp_path / "file.pem") if role == "verify" else True)


NO_NAMES = ["a\0b", "x" * 5000, "y/" * 3000, "x" * 300, "\ud800", "\n", "a/../" * 2000]


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: f"{name[:4]!a} {len(name)}")
def test_names_that_no_file_has_are_faults_wherever_they_stand(tmp_path, name):
    assert faults_of(tmp_path / f"{name}.yaml")
    assert faults_of({"name": "a", "sql": "INSERT INTO a SELECT 1"}, defaults=tmp_path / f"{name}.yaml")
    for pattern in (name, f"*/{name}", f"{name}/*.sql", f"**/{name}/*"):
        faults = faults_of({"name": "a", "sql": "INSERT INTO a SELECT 1", "tables": [pattern]}, folder=tmp_path)
        assert {path for path, _, _ in faults} <= {"tables", "tables[0]"}
    assert job_files([tmp_path / name], tmp_path / name) == [tmp_path / name]
    with contextlib.suppress(Unseen):
        assert StateFiles().find(f"{tmp_path}/{name}") is None
    assert StateFiles().look_for(f"{tmp_path}/{name}") in ("missing", "unchecked")


def circles(folder):
    """Two links to the folder that they are in: a walk that follows them has 2**40 ways."""
    (folder / "one").symlink_to(".")
    (folder / "two").symlink_to(".")
    (folder / "t.sql").write_text("CREATE TABLE a (i INT)")
    (folder / "t.yaml").write_text(JOB)


def test_links_that_lead_in_circles_are_not_followed_below_a_folder(tmp_path):
    circles(tmp_path)
    assert matching(tmp_path, "**/*.sql") == [tmp_path / "t.sql"]
    assert matching(tmp_path, "**/**/*.sql") == [tmp_path / "t.sql"]
    assert job_files([tmp_path]) == [tmp_path / "t.yaml"]
    assert matching(tmp_path, "*/t.sql") == [tmp_path / "one" / "t.sql", tmp_path / "two" / "t.sql"]


@pytest.mark.parametrize("pattern", ["*/" * 40 + "t.sql", "*/../" * 40 + "**/t.sql"])
def test_a_pattern_with_too_many_ways_is_a_fault(tmp_path, monkeypatch, pattern):
    monkeypatch.setattr(globs, "MOST_LOOKED_AT", 5000)
    circles(tmp_path)
    job = {"name": "a", "sql": "INSERT INTO a SELECT 1", "tables": [pattern]}
    [(path, _, message)] = faults_of(job, folder=tmp_path)
    assert path == "tables[0]"
    assert "more than 5,000 files" in message


def test_a_mounted_config_map_is_read_once(tmp_path):
    """Kubernetes: files are links into a hidden folder, which is a link to another hidden one."""
    real = tmp_path / "..2026_11_26" / "sub"
    real.mkdir(parents=True)
    for name in ("job.yaml", "t.sql"):
        (real.parent / name).write_text(JOB if name == "job.yaml" else "CREATE TABLE a (i INT)")
        (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / "..data").symlink_to("..2026_11_26")
    assert job_files([tmp_path]) == [tmp_path / "job.yaml"]
    for pattern in ("*.sql", "**/*.sql", "**"):
        assert tmp_path / "t.sql" in matching(tmp_path, pattern)
    assert matching(tmp_path, "**/*.sql") == [tmp_path / "t.sql"]
    assert matching(tmp_path, "..data/*.sql") == [tmp_path / "..data" / "t.sql"]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.sql",
        "**/*.sql",
        "**",
        "a/**",
        "*/b/*.sql",
        "[ab]/x.sql",
        "a/*/../x.sql",
        "?/**/x*",
        ".hid/*",
        "**/b",
        "a/**/b/**/*.sql",
        "a/none/*",
    ],
)
def test_a_pattern_matches_what_it_matches_for_python(tmp_path, pattern):
    import glob

    for name in ("x.sql", "a/x.sql", "a/b/x.sql", "a/b/c/x1.sql", "b/x.sql", "b/b/y.sql", ".hid/x.sql", "a/.h.sql"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = glob.glob(str(tmp_path / pattern), recursive=True)
    assert matching(tmp_path, pattern) == [Path(name) for name in sorted(set(found)) if not Path(name).is_dir()]
    assert matching(Path("/nowhere"), str(tmp_path / pattern)) == matching(tmp_path, pattern)


def as_nobody(work):
    """What is said by somebody who is not root, whom no permission stops."""
    come, go = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            try:
                work()
            except FlinkSqlError as error:
                os.write(go, str(error).encode())
        os._exit(0)
    os.close(go)
    os.waitpid(child, 0)
    with os.fdopen(come) as said:
        return said.read()


@pytest.mark.parametrize("what", ["job.yaml", "job-template.yaml", "t.sql", "tables", "jobs"])
def test_without_the_right_to_read(what):
    import tempfile

    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is root's alone
        folder = Path(name)
        folder.chmod(0o755)
        for sub in ("tables", "jobs"):
            (folder / sub).mkdir()
        (folder / "t.sql").write_text("CREATE TABLE t (i INT)")
        (folder / "tables" / "u.sql").write_text("CREATE TABLE u (i INT)")
        (folder / "job-template.yaml").write_text("parameters: {}\n")
        (folder / "job.yaml").write_text(f"{JOB}tables:\n  - t.sql\n  - tables/*.sql\n")

        def work():
            for path in job_files([folder]):
                read_job(path)

        assert as_nobody(work) == ""
        (folder / what).chmod(0)
        said = as_nobody(work)
        (folder / what).chmod(0o755)
    assert "Permission denied" in said
    assert what in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sql: &a [x]\n" + "".join(f"k{n}: &k{n} [*a, *a]\n" for n in range(30_000)), "more than 20,000 values"),
        ("- " * 100 + "x", "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("- x\n" * 4_000_000, "more than 20,000 values"),
        ("{a: " * 60 + "}" * 60, "nested too deeply"),
        ("x" * (MOST + 1), "larger than 16 MB"),
        ("a: &a0 [z, z]\n" + "".join(f"k{n}: &a{n + 1} [{f'*a{n}, ' * 9}]\n" for n in range(9)), "far too much"),
        ("name: \ud800", "half a character"),
    ],
    ids=["many", "deep list", "brackets", "4 million items", "braces", "too long", "nine times nine", "surrogate"],
)
def test_yaml_that_would_eat_the_machine_is_refused(text, why):
    assert any(why in message for _, _, message in faults_of(text))


def test_jobs_as_mappings_are_bounded_too():
    endless: dict = {"name": "a"}
    endless["state"] = endless
    assert "nested too deeply" in faults_of(endless)[0][2]


@pytest.mark.parametrize("key", ["name", "sql", "target-table", "mode", "description", "enabled", "x"])
def test_a_value_of_10_mb_is_no_burden_to_its_faults(key):
    long = "y" * 10_000_000
    with pytest.raises(InvalidSpec) as caught:
        read_job({"name": "a", "sql": "SELECT", "state": {"max-age": long}, key: long, long: long})
    assert len(str(caught.value)) <= 4000
    assert "state.max-age" in str(caught.value)


def test_400_faults_are_30_and_how_many_more():
    text = "name: a\nsql: INSERT INTO a SELECT 1\n" + "".join(f"wrong{n}: 1\n" for n in range(400))
    with pytest.raises(InvalidSpec) as caught:
        read_job(text)
    assert len(caught.value.faults) == 400
    *lines, last = str(caught.value).splitlines()
    assert len(lines) == 31
    assert last == "  … and 370 more"


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x\udfff"])
@pytest.mark.parametrize(
    "key", ["sql", "description", "target-table", "setup", "jars", "flinkProperties", "parameters"]
)
def test_what_cannot_be_sent_or_kept_is_a_fault(key, value):
    job = {"name": "a", "sql": "INSERT INTO a SELECT '${param.k}'", "parameters": {"k": "v"}}
    given = {"setup": [f"USE `{value}`"], "jars": [value], "flinkProperties": {"k": value}, "parameters": {"k": value}}
    faults = faults_of({**job, key: given.get(key, f"INSERT INTO a SELECT '{value}'")})
    of_key = [message for path, _, message in faults if path.startswith(key)]
    assert any("NUL" in message or "half a character" in message for message in of_key)


def test_a_file_that_is_swapped_for_a_pipe_behind_the_look_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    regular = Path(__file__).stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: regular)
    with pytest.raises(OSError, match="named pipe"):
        read_file(tmp_path / "pipe")
