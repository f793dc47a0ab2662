"""Writes down what a real Flink answers, for the client tests.

    python record.py JOBMANAGER_URL GATEWAY_URL /folder/flink/may/write/to > flink-2.3.0.json

Stack frames are thinned, serialised throwables emptied and the folder's name is replaced; nothing else is changed.
"""

import json
import re
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

SOURCE = "CREATE TABLE src (id BIGINT, k INT) WITH ('connector'='datagen','rows-per-second'='20')"
SINK = "CREATE TABLE bh (k BIGINT, n BIGINT) WITH ('connector'='blackhole')"
COUNT = "INSERT INTO bh SELECT k, COUNT(*) FROM src GROUP BY k"
COUNT_BY_TEXT = "INSERT INTO bh SELECT CAST(k AS BIGINT), n FROM (SELECT CAST(k AS STRING) AS k, COUNT(*) AS n FROM src GROUP BY CAST(k AS STRING))"  # noqa: E501
BROKEN = "INSERT INTO bh SELECT CAST('no' || CAST(k AS STRING) AS BIGINT), id FROM src"
TABLES = {
    "fi": "'connector'='filesystem', 'path'='file:///fi', 'format'='csv'",
    "av": "'connector'='filesystem', 'path'='file:///av', 'format'='avro'",
    "uo": "'connector'='datagen', 'rows-per-secon'='5', 'password'='hunter2'",
}
NOT_THERE = "00000000000000000000000000000000"
PENDING = ("INITIALIZED", "PENDING", "RUNNING")


class Recorder:
    def __init__(self, jobmanager: str, gateway: str, folder: str) -> None:
        self.servers = {"jm": httpx.Client(base_url=jobmanager), "gw": httpx.Client(base_url=gateway)}
        self.folder = folder
        self.replies: dict[str, Any] = {}
        self.session = ""

    def ask(self, name: str | None, server: str, request: str, body: Any = None) -> Any:
        method, path = request.split(" ")
        reply = self.servers[server].request(method, path, json=body, timeout=90)
        if name:
            self.replies[name] = {"request": request, "status": reply.status_code, "body": reply.json()}
        return reply.json()

    def statement(self, name: str | None, sql: str, **config: str) -> str:
        path = f"/v2/sessions/{self.session}"
        body = {"statement": sql, "executionConfig": {key.replace("__", "-"): value for key, value in config.items()}}
        operation = self.ask(None, "gw", f"POST {path}/statements", body).get("operationHandle")
        path += f"/operations/{operation}"
        while self.ask(name and f"{name}/status", "gw", f"GET {path}/status")["status"] in PENDING:
            time.sleep(0.05)
        self.ask(name and f"{name}/result", "gw", f"GET {path}/result/0?rowFormat=JSON")
        return path

    def until(self, request: str, good: Callable[[Any], bool], name: str | None = None) -> Any:
        for _ in range(300):
            if good(answer := self.ask(name, "jm", request)):
                return answer
            time.sleep(0.1)
        raise SystemExit(f"never: {request}: {answer}")

    def printed(self) -> str:
        lines = (f"{json.dumps(name)}: {json.dumps(reply)}" for name, reply in self.thinned(self.replies).items())
        return "{\n" + ",\n".join(lines) + "\n}"

    def thinned(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: "..." if key == "serialized-throwable" else self.thinned(v) for key, v in value.items()}
            case list():
                return [self.thinned(item) for item in value]
            case str():
                value = re.sub(r"((?:\n\tat .*){2})(?:\n\tat .*)+", r"\1", value.replace(self.folder, "/flink"))
                # what the parser was expecting, of words: <IDENTIFIER> tells that the word it met is reserved
                return re.sub(r'((?:\n    ".*){3})(?:\n    ".*)+', r"\1", value)
        return value


def session_and_errors(lab: Recorder) -> None:
    lab.ask("info", "gw", "GET /v2/info")
    lab.session = lab.ask("open session", "gw", "POST /v2/sessions", {"properties": {}})["sessionHandle"]
    lab.statement("ddl", SOURCE)
    lab.statement(None, SINK)
    for name, options in TABLES.items():
        lab.statement(None, f"CREATE TABLE {name} (k INT) WITH ({options})")
    for name, sql in {
        "explain": f"EXPLAIN PLAN FOR {COUNT}",
        "unknown table": "INSERT INTO bh SELECT k, 1 FROM nope",
        "unknown column": "INSERT INTO bh\nSELECT k,\n zzz FROM src",
        "unknown function": "INSERT INTO bh SELECT k, FOO(k) FROM src",
        "parse error": "SELECT 1 FROM FOR",
        "long parse error": "SELECT 1 FOR",
        "no position": "INSERT INTO bh SELEC k",
        "sink types": "INSERT INTO bh SELECT 'a', 1 FROM src",
        "unknown connector": "CREATE TABLE ka (k INT) WITH ('connector'='kafkaa', 'password'='hunter2')",
        "unknown connector used": "INSERT INTO bh SELECT k, 1 FROM ka",
        "missing jar": "ADD JAR '/not/there.jar'",
        "missing class": "CREATE TEMPORARY FUNCTION foo AS 'com.example.Foo'",
        "two statements": "SELECT 1; SELECT 2",
        "no catalog": "USE CATALOG nosuch",
        "enforced key": "CREATE TABLE z (k INT PRIMARY KEY) WITH ('connector'='blackhole')",
        "overwrite": "EXPLAIN INSERT OVERWRITE fi SELECT k FROM src",
        "no format": "EXPLAIN INSERT INTO av SELECT k FROM src",
        "no such option": "EXPLAIN INSERT INTO bh SELECT k, 1 FROM uo",
        "reserved word": "CREATE TABLE rw (k INT, timestamp STRING) WITH ('connector'='datagen')",
        "reserved word and more": "SELECT k, date, 1 FROM src",
        "reserved word after a dot": "SELECT s.date FROM src s",
        "one word too many": "SELECT k v n FROM src",
        "bracket": "SELECT k) FROM src",
        "end": "SELECT k FROM src WHERE",
        "double quote": 'SELECT "k" FROM src',
        "odd letter": "SELECT k # 1 FROM src",
        "open quote": "SELECT `k FROM src",
        "not grouped": "SELECT k, id FROM src GROUP BY k",
        "stop unknown job": f"STOP JOB '{NOT_THERE}'",
        "no database": "USE nowhere",
        "show jobs, none": "SHOW JOBS",
    }.items():
        lab.statement(name, sql)
    lab.statement("mini batch", COUNT, **{"table.exec.mini-batch.enabled": "true"})
    lab.statement("bad job id", COUNT, **{"$internal.pipeline.job-id": "xyz"})
    lab.statement(
        "jobmanager down",
        "SHOW JOBS",
        **{"rest.address": "127.0.0.1", "rest.port": "9", "rest.retry.max-attempts": "1"},
    )
    lab.statement("jobmanager unknown host", "SHOW JOBS", **{"rest.address": "no.such.host"})
    lab.statement(
        "submit, jobmanager down",
        COUNT,
        **{"rest.address": "127.0.0.1", "rest.port": "9", "rest.retry.max-attempts": "1"},
    )
    lab.statement("unknown option", COUNT, **{"parallelism.default": "many"})
    path = lab.statement(
        "select",
        "SELECT * FROM (VALUES (1, 'a'), (2, CAST(NULL AS STRING))) AS t(n, s)",
        **{"execution.runtime-mode": "batch"},
    )
    token = 1
    while lab.ask(f"select/result/{token}", "gw", f"GET {path}/result/{token}?rowFormat=JSON")["resultType"] != "EOS":
        time.sleep(0.05)
        token += 1 if lab.replies[f"select/result/{token}"]["body"]["resultType"] == "PAYLOAD" else 0
    gone = f"/v2/sessions/{uuid.UUID(int=7)}"
    lab.ask("unknown session", "gw", f"POST {gone}/statements", {"statement": "SELECT 1"})
    lab.ask("close unknown session", "gw", f"DELETE {gone}")
    lab.ask("unknown operation", "gw", f"GET /v2/sessions/{lab.session}/operations/{uuid.UUID(int=7)}/status")


def one_life(lab: Recorder) -> str:
    """A job that runs, answers requests, is stopped; returns its savepoint."""
    job, trigger = uuid.uuid4().hex, uuid.uuid4().hex
    tags = {"pipeline.global-job-parameters": "flinksql.lineage:abc,flinksql.attempt:7"}
    lab.statement("insert", COUNT, **{"$internal.pipeline.job-id": job, "pipeline.name": "counted", **tags})
    lab.ask("checkpoints, early", "jm", f"GET /jobs/{job}/checkpoints")
    lab.until(f"GET /jobs/{job}/checkpoints", lambda a: a["counts"]["completed"] > 0, "checkpoints, running")
    lab.ask("job", "jm", f"GET /jobs/{job}")
    for what in ("config", "checkpoints/config", "exceptions"):
        lab.ask(f"job/{what}", "jm", f"GET /jobs/{job}/{what}")
    lab.statement("duplicate", COUNT, **{"$internal.pipeline.job-id": job})
    lab.statement("show jobs", "SHOW JOBS")
    lab.ask(
        "request checkpoint",
        "jm",
        f"POST /jobs/{job}/checkpoints",
        {"checkpointType": "CONFIGURED", "triggerId": trigger},
    )
    lab.ask("checkpoint in progress", "jm", f"GET /jobs/{job}/checkpoints/{trigger}")
    lab.until(f"GET /jobs/{job}/checkpoints/{trigger}", lambda a: a["status"]["id"] == "COMPLETED", "checkpoint done")
    for name, folder in {"savepoint": f"{lab.folder}/sp", "savepoint failed": "/proc/nowhere"}.items():
        trigger = uuid.uuid4().hex
        body = {
            "target-directory": f"file://{folder}",
            "cancel-job": False,
            "formatType": "CANONICAL",
            "triggerId": trigger,
        }
        lab.ask(f"request {name}", "jm", f"POST /jobs/{job}/savepoints", body)
        lab.until(f"GET /jobs/{job}/savepoints/{trigger}", lambda a: a["status"]["id"] == "COMPLETED", name)
    lab.ask("savepoint unknown", "jm", f"GET /jobs/{job}/savepoints/{NOT_THERE}")
    lab.ask("checkpoint unknown", "jm", f"GET /jobs/{job}/checkpoints/{NOT_THERE}")
    lab.ask("stop without folder", "jm", f"POST /jobs/{job}/stop", {"targetDirectory": "nowhere://x", "drain": False})
    trigger = uuid.uuid4().hex
    body = {
        "targetDirectory": f"file://{lab.folder}/sp/own",
        "drain": False,
        "formatType": "CANONICAL",
        "triggerId": trigger,
    }
    lab.ask("request stop", "jm", f"POST /jobs/{job}/stop", body)
    lab.ask("stop in progress", "jm", f"GET /jobs/{job}/savepoints/{trigger}")
    done = lab.until(f"GET /jobs/{job}/savepoints/{trigger}", lambda a: a["status"]["id"] == "COMPLETED", "stop done")
    lab.until(f"GET /jobs/{job}", lambda a: a["state"] == "FINISHED", "job, stopped")
    lab.ask("checkpoints, stopped", "jm", f"GET /jobs/{job}/checkpoints")
    trigger = uuid.uuid4().hex
    lab.ask("request stop of ended", "jm", f"POST /jobs/{job}/stop", {**body, "triggerId": trigger})
    time.sleep(0.5)
    lab.ask("stop of ended", "jm", f"GET /jobs/{job}/savepoints/{trigger}")
    lab.ask(
        "request checkpoint of ended",
        "jm",
        f"POST /jobs/{job}/checkpoints",
        {"checkpointType": "CONFIGURED", "triggerId": trigger},
    )
    time.sleep(0.5)
    lab.ask("checkpoint of ended", "jm", f"GET /jobs/{job}/checkpoints/{trigger}")
    lab.ask("cancel ended", "jm", f"PATCH /jobs/{job}?mode=cancel")
    return str(done["operation"]["location"])


def other_lives(lab: Recorder, savepoint: str) -> None:
    restored, batch, crash, loop, burnt = (uuid.uuid4().hex for _ in range(5))
    path = {"execution.state-recovery.path": savepoint}
    lab.statement("insert restored", COUNT, **{"$internal.pipeline.job-id": restored, **path})
    lab.until(f"GET /jobs/{restored}/checkpoints", lambda a: a["counts"]["completed"] > 1, "checkpoints, restored")
    lab.ask("cancel", "jm", f"PATCH /jobs/{restored}?mode=cancel")
    lab.until(f"GET /jobs/{restored}", lambda a: a["state"] == "CANCELED", "job, cancelled")
    lab.ask("checkpoints, cancelled", "jm", f"GET /jobs/{restored}/checkpoints")
    lab.statement(
        None, "INSERT INTO bh VALUES (1, 1)", **{"$internal.pipeline.job-id": batch, "execution.runtime-mode": "batch"}
    )
    lab.until(f"GET /jobs/{batch}", lambda a: a["state"] == "FINISHED", "job, batch")
    lab.ask("checkpoints, off", "jm", f"GET /jobs/{batch}/checkpoints")
    lab.ask("checkpoints config, off", "jm", f"GET /jobs/{batch}/checkpoints/config")
    lab.statement(None, BROKEN, **{"$internal.pipeline.job-id": crash, "restart-strategy.type": "none"})
    lab.until(f"GET /jobs/{crash}", lambda a: a["state"] == "FAILED", "job, failed")
    lab.ask("exceptions, failed", "jm", f"GET /jobs/{crash}/exceptions")
    lab.statement(None, COUNT_BY_TEXT, **{"$internal.pipeline.job-id": loop, **path})
    lab.until(f"GET /jobs/{loop}/exceptions", lambda a: len(a["exceptionHistory"]["entries"]) > 1, "exceptions, loop")
    lab.ask("checkpoints, loop", "jm", f"GET /jobs/{loop}/checkpoints")
    lab.ask(None, "jm", f"PATCH /jobs/{loop}?mode=cancel")
    missing = {"execution.state-recovery.path": "file:///not/there"}
    lab.statement("burn", COUNT, **{"$internal.pipeline.job-id": burnt, **missing})
    lab.ask("exceptions, burnt", "jm", f"GET /jobs/{burnt}/exceptions")
    lab.statement("other operators", "INSERT INTO bh SELECT k, id FROM src", **path)
    for what in ("", "/checkpoints", "/checkpoints/config", "/config", "/exceptions", "/status"):
        lab.ask(f"unknown job{what}", "jm", f"GET /jobs/{NOT_THERE}{what}")
    lab.ask("cancel unknown", "jm", f"PATCH /jobs/{NOT_THERE}?mode=cancel")
    lab.ask(
        "request stop unknown", "jm", f"POST /jobs/{NOT_THERE}/stop", {"targetDirectory": "file:///x", "drain": False}
    )
    lab.ask("unknown path", "jm", "GET /no/such/path")
    lab.ask("bad job id in path", "jm", "GET /jobs/xyz")


if __name__ == "__main__":
    lab = Recorder(sys.argv[1], sys.argv[2], str(Path(sys.argv[3])))
    for name, request in {"jobmanager config": "/jobmanager/config", "overview": "/overview"}.items():
        lab.ask(name, "jm", f"GET {request}")
    session_and_errors(lab)
    other_lives(lab, one_life(lab))
    lab.ask("jobs", "jm", "GET /jobs/overview")
    lab.ask("close session", "gw", f"DELETE /v2/sessions/{lab.session}")
    sys.stdout.write(lab.printed() + "\n")
