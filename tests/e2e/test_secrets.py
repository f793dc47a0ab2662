"""No secret is left anywhere: on no stream, in no document, log or store, whatever fails, in whatever form."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import canary
from e2e.commandline import Answer, Cluster

ALL = canary.all_of_them()
SOURCE = "CREATE TEMPORARY TABLE s (id BIGINT) WITH ('connector'='datagen', 'rows-per-second'='20')"
SINK = f"CREATE TEMPORARY TABLE o (id BIGINT) WITH ('connector'='print', 'print-identifier'='{ALL}')"
FAILING = f"INSERT INTO o SELECT CAST(CAST(id AS STRING) || '{ALL}' AS BIGINT) FROM s"

REFUSED: dict[str, dict[str, Any]] = {
    "jars": {"jars": [f"/nowhere/{ALL}.jar"]},
    "tables": {"tables": f"CREATE CATALOG c WITH ('type'='{ALL}')"},
    "setup": {"setup": [SINK, f"CREATE TEMPORARY FUNCTION f AS '{ALL}'"]},
    "sql": {"sql": f"INSERT INTO o SELECT id FROM s /*+ OPTIONS('rows-per-second'='{ALL}') */"},
    "odd-option": {"sql": f"INSERT INTO o SELECT id FROM s /*+ OPTIONS('oddly'='{ALL}') */"},
}
"""Where each part of a job is refused for what quotes all secrets."""


def written(folder: Path, name: str, **changes: Any) -> Path:
    path = folder / f"{name}.yaml"
    if "tables" in changes:
        (folder / f"{name}.sql").write_text(changes["tables"])
        changes |= {"tables": [f"{name}.sql"]}
    options = {"parallelism.default": "1", "execution.checkpointing.interval": "1s"} | changes.pop("options", {})
    job = {"name": name, "sql": "INSERT INTO o SELECT id FROM s", "setup": [SOURCE, SINK], **changes}
    path.write_text(json.dumps(job | {"flinkProperties": options}))
    return path


@pytest.fixture
def run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Answer]]:
    """A command with and without ``--json``, logging all there is to log; in the end no secret is left anywhere."""
    for name, value in canary.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    said: dict[str, str] = {}

    def run(*words: str | Path) -> Answer:
        plain, answer = cluster(*words), cluster.json(*words)
        assert plain.code == answer.code
        said[" ".join(map(str, words))] = plain.out + plain.err + answer.out + answer.err
        return answer

    yield run
    assert list(canary.left(said | {"log": caplog.text} | canary.files(tmp_path))) == []


def test_no_statement_that_is_refused_tells_a_secret(run, tmp_path):
    for name, changes in REFUSED.items():
        answer = run("plan", written(tmp_path, name, **changes))
        assert (answer.code, answer.job["action"]) == (1, "error"), name
        assert canary.STARS in answer.out or name == "odd-option"


def test_a_short_secret_spoils_no_answer(run, tmp_path):
    for number in range(len(canary.ALONE)):
        changes = {"setup": [f"CREATE CATALOG c WITH ('type'='${{env.CANARY_ALONE_{number}}}')"]}
        error = run("plan", written(tmp_path, f"alone-{number}", **changes)).job["error"]
        assert error["type"] == "InvalidQuery"
        assert "this Flink has no catalog '***', only generic_in_memory" in error["message"]


def test_no_job_that_fails_tells_a_secret(run, tmp_path):
    broken = {"options": {"restart-strategy.type": ALL}}
    failing = {"sql": FAILING, "options": {"restart-strategy.type": "none"}}
    for name, changes in {"broken": broken, "failing": failing}.items():
        path = written(tmp_path, name, **changes)
        for words in (("deploy", path), ("plan", path), ("status", name), ("history", name), ("snapshots", name)):
            answer = run(*words)
            assert canary.STARS in answer.out or words[0] in ("plan", "snapshots"), words


def test_no_job_that_runs_leaves_a_secret(run, tmp_path):
    compared = " AND ".join(f"CAST(id AS STRING) <> '${{env.{name}}}'" for name in canary.ENVIRONMENT)
    path = written(tmp_path, "good", sql=f"INSERT INTO o SELECT id FROM s WHERE {compared}")
    assert run("deploy", path).job["action"] == "none"  # of the second time
    changed = written(tmp_path, "good", sql=f"INSERT INTO o SELECT MAX(id) FROM s WHERE {compared} GROUP BY id")
    assert run("plan", changed).job["verdict"] is not None
    assert run("stop", "good").code == 0
    store = "".join(canary.files(tmp_path).values())
    assert "'***'" in store
    assert "${env.CANARY_0}" in store
