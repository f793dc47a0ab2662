"""Stores that cannot be used: one sentence without a password, and a document where one was asked for."""

import json
import multiprocessing
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import onejob
from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.errors import FlinkSqlError, StoreUnreachable, StoreUnusable
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.stores import open_store, sqlite
from airflow_provider_flinksql.targets import connect

URLS = {
    "a folder": "sqlite:///{folder}",
    "below a file": "sqlite:///{folder}/orders.yaml/manifests.db",
    "no database": "sqlite:///{folder}/orders.yaml",
    "a name that is too long": "sqlite:////{long}.db",
    "two slashes": "sqlite://manifests.db",
    "no URL": "{folder}/manifests.db",
    "unknown": "nothing://anna:hunter2@127.0.0.1/flinksql",
    "no driver": "mysql+pymysql://anna:hunter2@127.0.0.1/flinksql",
    "no port": "postgresql+psycopg://anna:hunter2@127.0.0.1:port/flinksql",
    "nobody there": "postgresql+psycopg://anna:hunter2@127.0.0.1:9/flinksql?connect_timeout=2",
}
COMMANDS = {
    "plan": ("plan", "{folder}/orders.yaml"),
    "deploy": ("deploy", "{folder}/orders.yaml"),
    "status": ("status",),
    "status of a job": ("status", "orders"),
    "history": ("history", "orders"),
    "snapshots": ("snapshots", "orders"),
    "stop": ("stop", "orders"),
    "restart": ("restart", "orders"),
    "rollback": ("rollback", "orders"),
    "savepoint": ("savepoint", "orders"),
    "adopt": ("adopt", "orders", "b" * 32),
    "export": ("export", "orders"),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """``run(store, *words)``: exit code, document and stderr. A file ``orders.yaml`` is there, and its job runs."""
    monkeypatch.setattr(connect, "SyncIO", SyncIO)  # what listen() changes is put back
    _, manifest = onejob.on_record(tmp_path)
    onejob.OneJob(manifest).listen()

    def run(store: str, *words: str) -> tuple[int, Any, str]:
        filled = [word.format(folder=tmp_path, long="x" * 300) for word in (*words, *onejob.WHERE, "--store", store)]
        capsys.readouterr()
        code = main([*filled, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return run


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_cannot_be_used_is_one_sentence_in_every_command(run, url, command):
    code, document, err = run(URLS[url], *COMMANDS[command])
    assert code == 1
    assert document["version"] == 1
    errors = [entry["error"] for entry in document.get("jobs") or [document]]
    assert [error["type"] for error in errors] in (["StoreUnusable"], ["StoreUnreachable"], ["Misconfigured"])
    assert "manifest store" in errors[0]["message"]
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    for text in (err, json.dumps(document)):
        assert "hunter2" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_an_empty_folder_or_a_mistyped_path_is_an_error_beside_what_is_there(run, tmp_path, command):
    (tmp_path / "empty").mkdir()
    store = f"sqlite:///{tmp_path}/manifests.db"
    for words in (("{folder}/empty",), ("{folder}/mistyped",), ("{folder}/orders.yaml", "{folder}/empty")):
        code, document, err = run(store, command, *words)
        assert code == 1
        assert err.startswith("error: ")
        assert [job["action"] for job in document["jobs"]] == ["none"] * (len(words) - 1) + ["error"]


MANIFEST = Manifest("orders", "b3c1f1de-5a2b-4a51-9e55-0f8f4a1f7f00")
LONG = replace(MANIFEST, adopted=tuple(f"{n:032x}" for n in range(3000)))


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes, as if the disk was full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_leaves_what_was_written_and_is_no_end(tmp_path):
    path = tmp_path / "manifests.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        version = store.put(MANIFEST, 0)
        with limited(path.stat().st_size), pytest.raises(StoreUnreachable, match="cannot be read or written now"):
            store.put(LONG, version)
        assert store.get("orders").manifest == MANIFEST
        assert store.put(LONG, version) == version + 1


def test_a_store_that_is_full_by_its_own_measure_is_none_for_now(tmp_path):
    with closing(sqlite.SqliteStore(f"{tmp_path}/manifests.db")) as store:
        version = store.put(MANIFEST, 0)
        store._connection().execute("PRAGMA max_page_count = 1").fetchall()
        with pytest.raises(StoreUnreachable, match="full"):
            store.put(LONG, version)
        assert store.put(LONG, version) == version + 1


def test_a_store_that_is_read_only_is_read(tmp_path):
    with closing(sqlite.SqliteStore(f"{tmp_path}/manifests.db")) as store:
        version = store.put(MANIFEST, 0)
        store._connection().execute("PRAGMA query_only = ON")
        assert store.get("orders").manifest == MANIFEST
        with pytest.raises(StoreUnusable, match="readonly"):
            store.put(LONG, version)


def _locking(path: str, locked: Any, done: Any) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        locked.set()
        done.wait(60)


def test_a_lock_of_another_process_is_waited_for_and_then_told(tmp_path, monkeypatch):
    path = f"{tmp_path}/manifests.db"
    with closing(sqlite.SqliteStore(path)) as store:
        version = store.put(MANIFEST, 0)
    context = multiprocessing.get_context("spawn")
    locked, done = context.Event(), context.Event()
    other = context.Process(target=_locking, args=(path, locked, done))
    other.start()
    assert locked.wait(60)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with closing(sqlite.SqliteStore(path)) as store:
        for use in (lambda: store.get("orders"), lambda: store.put(LONG, version), store.heads):
            with pytest.raises(StoreUnreachable, match=r"is locked by another process\.$"):
                use()
        done.set()
        other.join()
        assert store.get("orders").manifest == MANIFEST


def used(use: Callable[[], Any]) -> tuple[Any, str]:
    """What comes of it, or what is told instead."""
    try:
        return use(), ""
    except FlinkSqlError as error:
        return None, str(error)


@pytest.mark.parametrize("how", ["cut", "overwritten"])
@pytest.mark.parametrize("percent", range(0, 100, 9))
def test_a_file_that_is_broken_anywhere_is_told_or_tells_what_was_written(tmp_path, how, percent):
    path = tmp_path / "manifests.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.put(LONG, 0)
    whole = path.read_bytes()
    place = len(whole) * percent // 100
    path.write_bytes(whole[:place] if how == "cut" else whole[:place] + b"\xff" * 600 + whole[place + 600 :])
    with closing(open_store(f"sqlite:///{path}")) as store:
        found, told = used(lambda: store.get("orders").manifest)
        empty = how == "cut" and place == 0  # is a store that nothing was written to
        assert told or found == (None if empty else LONG)
        _, told = used(lambda: store.put(MANIFEST, 1))
        assert "changed" not in told  # it knows nothing of what Flink was asked
