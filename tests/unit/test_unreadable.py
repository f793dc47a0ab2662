"""A record that cannot be read concerns its own job: nothing is done about that one, and the others go on."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import onejob
from airflow_provider_flinksql.cli import main
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.errors import Unreadable
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets import connect

BROKEN: dict[str, Any] = {
    "newer": {"version": 2},
    "no version": {"version": None},
    "wrong type": {"adopted": 7},
    "wrong type below": {"current": {"stops": [{"number": []}]}},
    "field missing": {"current": {"number": 1}},
    "word unknown": {"pending": {"state": "paused"}},
    "other name": {"name": "orders"},
    "no lineage": {"lineage": ""},
    "broken": '{"version": 1, "name": "bro',
    "empty": "",
    "null": "null",
    "list": "[]",
    "not a number": "NaN",
    "deep": "[" * 100_000,
    "long number": "1" * 5000,
}


class World:
    """``orders`` runs, ``idle`` was never begun, and what is on record of ``broken`` cannot be read."""

    def __init__(self, folder: Path, broken: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.folder = folder
        self.url = f"sqlite:///{folder}/manifests.db"
        _, manifest = onejob.on_record(folder)
        (folder / "broken.yaml").write_text(json.dumps({**onejob.JOB, "name": "broken"}))
        self.server = onejob.OneJob(manifest)
        self.server.listen()
        store = self.open()
        store.put(Manifest("idle", manifest.lineage), 0)
        store.put(replace(manifest, name="broken"), 0)
        store.close()
        self.text = broken
        if isinstance(broken, dict):
            whole = replace(manifest, name="broken").to_json()
            for key in ("current", "pending"):
                if isinstance(broken.get(key), dict) and len(broken[key]) == 1 and "number" not in broken[key]:
                    broken = {**broken, key: {**whole["current"], **broken[key]}}
            self.text = json.dumps({**whole, **broken})
        self.write("UPDATE flinksql_manifest SET document = ? WHERE name = 'broken'", self.text)

    def open(self) -> Store:
        return open_store(self.url)

    def write(self, statement: str, *values: Any) -> None:
        with sqlite3.connect(f"{self.folder}/manifests.db") as db:
            db.execute(statement, values)
        db.close()

    def run(self, *words: str | Path) -> tuple[int, Any, str]:
        """Exit code, document and stderr."""
        self._capsys.readouterr()
        code = main([str(word) for word in (*words, *onejob.WHERE, "--store", self.url, "--json")])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out), err


@pytest.fixture(params=list(BROKEN))
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> World:
    monkeypatch.setattr(connect, "SyncIO", SyncIO)  # what listen() changes is put back
    return World(tmp_path, BROKEN[request.param], capsys)


def test_the_other_jobs_go_on(world):
    code, told, err = world.run("status")
    assert code == 1
    states = {job["name"]: (job["state"], job["healthy"]) for job in told["jobs"]}
    assert states == {"broken": ("UNREADABLE", False), "idle": ("STOPPED", True), "orders": ("RUNNING", True)}
    assert [job["error"] and job["error"]["type"] for job in told["jobs"]] == ["Unreadable", None, None]

    code, told, err = world.run("stop", "broken", "idle")
    assert code == 1
    assert [(job["name"], job["action"]) for job in told["jobs"]] == [("broken", "error"), ("idle", "none")]

    for command in ("plan", "deploy"):
        code, told, err = world.run(command, world.folder)
        assert code == 1
        assert [(job["name"], job["action"]) for job in told["jobs"]] == [("broken", "error"), ("orders", "none")]
        assert "cannot be read" in err


@pytest.mark.parametrize("world", ["newer", "wrong type", "other name", "broken"], indirect=True)
@pytest.mark.parametrize(
    "words",
    [
        *((name, "broken") for name in ("status", "history", "snapshots", "stop", "restart", "savepoint", "rollback")),
        ("adopt", "broken", "b" * 32),
        ("plan", "broken.yaml"),
        ("deploy", "broken.yaml"),
        ("deploy", "broken.yaml", "--adopt", "--again", "--restore-from", "none"),
    ],
)
def test_nothing_is_done_about_it(world, words):
    code, told, err = world.run(*(world.folder / word if word.endswith(".yaml") else word for word in words))
    assert code == 1
    assert "cannot be read: " in (err + json.dumps(told))
    assert "flinksql export broken shows it" in (err + json.dumps(told))
    assert [line for line in world.server.asked if not line.startswith("GET")] == []
    assert sqlite3.connect(f"{world.folder}/manifests.db").execute(
        "SELECT version, document FROM flinksql_manifest WHERE name = 'broken'"
    ).fetchall() == [(1, world.text)]


def test_it_is_never_taken_for_one_that_was_never_written(world):
    store = world.open()
    for found in (store.get("broken"), store.heads()["broken"], store.heads(["broken"])["broken"]):
        assert found.version == 1
        with pytest.raises(Unreadable, match="record of job broken cannot be read: "):
            assert found.manifest is not None
    store.close()


def test_export_shows_what_is_stored(world):
    code, told, _ = world.run("export", "broken", "orders")
    assert code == 0
    broken, orders = told["jobs"]
    assert broken["name"] == "broken"
    assert broken["head"] == world.text or broken["head"] == json.loads(world.text)
    assert orders["head"]["current"]["spec"]["name"] == "orders"
    assert orders["history"] == []


@pytest.mark.parametrize("text", ["{", "null", '{"number": 1}'])
def test_so_it_is_with_an_attempt_of_its_history(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(connect, "SyncIO", SyncIO)
    world = World(tmp_path, {"last_number": 2, "current": None}, capsys)
    world.write("INSERT INTO flinksql_history VALUES ('broken', 2, ?)", text)
    code, told, _ = world.run("status")
    assert code == 1
    assert {job["name"]: job["state"] for job in told["jobs"]} == {
        "broken": "UNREADABLE",
        "idle": "STOPPED",
        "orders": "RUNNING",
    }
    code, told, err = world.run("history", "broken")
    assert (code, told["attempts"]) == (1, [])
    assert "The attempt 2 of job broken cannot be read" in err
    code, told, _ = world.run("export", "broken")
    assert (code, told["jobs"][0]["history"][0]["number"]) == (0, 2)


def test_export_of_a_name_that_nothing_is_stored_of_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(connect, "SyncIO", SyncIO)
    world = World(tmp_path, "null", capsys)
    code, told, err = world.run("export", "unknown", "idle")
    assert code == 1
    assert [job["name"] for job in told["jobs"]] == ["idle"]
    assert "No job named unknown is on record" in err
