"""What every store promises, on every store there is."""

import json
import multiprocessing
import os
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from airflow_provider_flinksql.errors import Conflict, FlinkSqlError, Misconfigured, Unreachable, Unreadable
from airflow_provider_flinksql.model.manifest import Attempt, Manifest, Stop
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.stores import Store, ended_attempt, newest_first, open_store, sqlite
from services import postgresql as started_postgresql

LINEAGE = "0b5f1d2c-93e0-4a53-9d61-6f3f6f0f6f11"
SPEC = Spec("orders", ("INSERT INTO a SELECT 1",), properties={"parallelism.default": "2"})
PINNED = Snapshot("file:///x", "savepoint", "stop 1", 1)
ATTEMPT = Attempt(1, SPEC, 1, "a" * 32, True, "me", pinned=PINNED, stops=(Stop(1, "savepoint"),))
MANIFEST = Manifest("orders", LINEAGE, pending=ATTEMPT, last_number=1)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with started_postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/not/there/yet/manifests.db"
    url: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.execute(sa.text("DROP TABLE IF EXISTS flinksql_manifest, flinksql_history"))
    engine.dispose()
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def test_what_was_never_written_is_version_0(store):
    found = store.get("orders")
    assert (found.manifest, found.version) == (None, 0)
    assert store.heads() == {}
    assert store.history("orders") == []


def test_a_history_is_read_in_pages(store):
    ended = [replace(ATTEMPT, number=number) for number in range(1, 46)]
    store.put(replace(MANIFEST, pending=None, last_number=45, closed=tuple(ended)), 0)
    assert store.history("orders") == ended
    assert store.history("orders", 3) == ended[-3:]
    assert store.history("orders", 3, before=10) == ended[6:9]
    assert store.history("orders", before=3) == ended[:2]
    assert store.history("orders", 100) == ended
    assert store.history("orders", 3, before=1) == []
    assert list(newest_first(store, "orders")) == ended[::-1]
    assert ended_attempt(store, "orders", 7) == ended[6]
    assert ended_attempt(store, "orders", 46) is None
    assert ended_attempt(store, "others", 7) is None


def test_reading_a_sqlite_store_leaves_no_trace(tmp_path):
    with closing(open_store(f"sqlite:///{tmp_path}/manifests.db")) as store:
        store.get("orders")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_comes_back_as_it_was(store):
    version = store.put(MANIFEST, 0)
    found = store.get("orders")
    assert (found.manifest, found.version) == (MANIFEST, version)


def test_only_the_expected_version_is_replaced(store):
    version = store.put(MANIFEST, 0)
    newer = replace(MANIFEST, last_number=2)
    with pytest.raises(Conflict):
        store.put(newer, version + 1)
    with pytest.raises(Conflict):
        store.put(newer, 0)
    assert store.get("orders").manifest == MANIFEST
    assert store.put(newer, version) > version


def test_a_write_whose_answer_was_lost_is_done_by_writing_it_again(store):
    version = store.put(MANIFEST, 0)
    assert store.put(MANIFEST, 0) == version


def test_closed_attempts_move_to_the_history_in_the_same_write(store):
    version = store.put(MANIFEST, 0)
    second = replace(ATTEMPT, number=2, job_id="b" * 32)
    version = store.put(replace(MANIFEST, pending=second, closed=(ATTEMPT,)), version)
    store.put(replace(MANIFEST, pending=None, closed=(second,)), version)
    assert store.history("orders") == [ATTEMPT, second]
    assert store.get("orders").manifest.closed == ()


def test_a_refused_write_leaves_no_history(store):
    store.put(MANIFEST, 0)
    with pytest.raises(Conflict):
        store.put(replace(MANIFEST, last_number=2, closed=(ATTEMPT,)), 7)
    assert store.history("orders") == []


def test_heads_are_read_by_name_or_all_at_once(store):
    names = ["orders", "o'rders", 'a"b', "orders@1f"]
    for name in names:
        store.put(replace(MANIFEST, name=name), 0)
    assert set(store.heads()) == set(names)
    assert set(store.heads(["o'rders", "unknown"])) == {"o'rders"}


def test_a_deleted_job_is_forgotten_with_its_history(store):
    version = store.put(MANIFEST, 0)
    store.put(replace(MANIFEST, last_number=2, closed=(ATTEMPT,)), version)
    store.delete("orders")
    assert store.get("orders").version == 0
    assert store.history("orders") == []


def test_a_newer_form_is_refused_not_trimmed(store, monkeypatch):
    monkeypatch.setattr("airflow_provider_flinksql.model.manifest.DOCUMENT_VERSION", 2)
    store.put(MANIFEST, 0)
    monkeypatch.undo()
    found = store.get("orders")
    assert found.version == 1
    with pytest.raises(Unreadable, match="version 2"):
        assert found.manifest


def test_a_head_that_cannot_be_read_hides_no_other(store, monkeypatch):
    store.put(replace(MANIFEST, name="fine"), 0)
    monkeypatch.setattr("airflow_provider_flinksql.model.manifest.DOCUMENT_VERSION", 2)
    store.put(MANIFEST, 0)
    monkeypatch.undo()
    found = store.heads()
    assert found["fine"].manifest == replace(MANIFEST, name="fine")
    assert isinstance(found["orders"].record, Unreadable)


def test_what_a_newer_version_added_is_kept(store):
    newer = replace(MANIFEST, more={"hold": {"until": 7}}, pending=replace(ATTEMPT, more={"queue": None}))
    store.put(newer, store.put(newer, 0))
    again = store.get("orders").manifest
    assert (again.more, again.pending.more) == (newer.more, newer.pending.more)
    store.put(replace(again, pending=None, closed=(again.pending,)), 2)
    assert store.history("orders")[0].more == {"queue": None}


def test_letters_that_are_none_are_kept_too(store):
    odd = replace(MANIFEST, adopted=("\ud800", "\x00", "größe"))
    version = store.put(odd, 0)
    store.put(replace(odd, pending=None, closed=(replace(ATTEMPT, reason="\udcff"),)), version)
    assert store.get("orders").manifest.adopted == odd.adopted
    assert store.history("orders")[0].reason == "\udcff"


def test_what_is_stored_can_be_had_as_it_is(store):
    assert store.documents("orders") is None
    version = store.put(MANIFEST, 0)
    store.put(replace(MANIFEST, pending=None, closed=(ATTEMPT,)), version)
    texts = store.documents("orders")
    assert Manifest.from_json(json.loads(texts.head)) == replace(MANIFEST, pending=None)
    assert {number: Attempt.from_json(json.loads(text)) for number, text in texts.history.items()} == {1: ATTEMPT}


def _count_up(url: str, rounds: int) -> int:
    """Raises ``last_number`` by one, ``rounds`` times, each time as what nobody else writes."""
    store, lost = open_store(url), 0
    for n in range(rounds):
        while True:
            found = store.get("orders")
            base = found.manifest or Manifest("orders", LINEAGE)
            mine = replace(base, last_number=base.last_number + 1, adopted=(f"{os.getpid()}/{n}",))
            try:
                store.put(mine, found.version)
                break
            except Conflict:
                lost += 1
    store.close()
    return lost


def test_no_write_of_eight_processes_is_lost(url):
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        pool.starmap(_count_up, [(url, 10)] * 8)
    with closing(open_store(url)) as store:
        assert store.get("orders").manifest.last_number == 80


def test_a_store_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "text.db").write_text("this is not a database, but long enough to look like one" * 20)
    with (
        closing(open_store(f"sqlite:///{tmp_path}/text.db")) as store,
        pytest.raises(Misconfigured, match=r"text\.db cannot be used"),
    ):
        store.get("orders")
    with (
        closing(open_store(f"sqlite:///{tmp_path}/text.db/below/a/file.db")) as store,
        pytest.raises(Misconfigured, match="cannot be used"),
    ):
        store.put(MANIFEST, 0)


UNUSABLE = [
    "mongo://user:hunter2@host/db",
    "hunter2",
    "postgresql+nodriver://u:hunter2@h/d",
    "postgresql+psycopg://u:p@h:hunter2@h/db",
    "postgresql+psycopg://u:p@hunter2@h/db",
    "postgresql+psycopg://u:p@hunter2/ss@h/db",
    "postgresql+psycopg://u/hunter2:p@h/db",
    "postgresql+psycopg://h:hunter2/db",
    "sqlite:////tmp/x.db?password=hunter2",
    "sqlite://u:hunter2@h/x.db",
]


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_store_that_cannot_be_used_is_refused_without_showing_its_url(url):
    with pytest.raises(Misconfigured) as refused:
        open_store(url)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
    assert "sqlite:////" in str(refused.value)


@pytest.mark.parametrize(
    "login, options",
    [
        ("user:hunter2@", ""),
        ("user:%68unter2%40%2F@", ""),
        ("", "?user=u&password=hunter2"),
        ("u:p@", "?sslpassword=hunter2&sslmode=hunter2"),
    ],
)
def test_neither_the_name_of_a_store_nor_what_it_says_holds_a_password(login, options):
    url = f"postgresql+psycopg://{login}127.0.0.1:9/db{options}"
    with closing(open_store(url)) as store, pytest.raises(FlinkSqlError) as raised:
        store.get("orders")
    assert store.name == "postgresql+psycopg://127.0.0.1:9/db"
    for text in (str(raised.value), store.name, repr(store)):
        assert "hunter2" not in text
        assert "unter2@" not in text


def test_a_database_that_does_not_answer_is_worth_another_try():
    with (
        closing(open_store("postgresql+psycopg://user:hunter2@127.0.0.1:9/db")) as store,
        pytest.raises(Unreachable, match="does not answer") as unreachable,
    ):
        store.get("orders")
    assert "hunter2" not in str(unreachable.value)


def test_a_locked_store_is_worth_another_try(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "manifests.db"
    with closing(open_store(f"sqlite:///{path}")) as store, closing(sqlite3.connect(path)) as holder:
        store.put(MANIFEST, 0)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unreachable, match="locked"):
            store.put(replace(MANIFEST, last_number=2), 1)
