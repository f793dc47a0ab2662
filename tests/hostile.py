"""A Flink that speaks its recorded answers about one job, one field of one of them made into something else."""

import copy
import functools
import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.targets import connect
from onejob import LIFE, SETTLED
from talking import RECORDED

WRONG = {
    "null": "null",
    "a list": "[]",
    "an object": "{}",
    "no letter": '""',
    "a text": '"x"',
    "lines": r'"Job x\nCaused by: a.B: c"',
    "half a character": r'"\ud800"',
    "minus one": "-1",
    "a fraction": "0.5",
    "beyond all numbers": "1e400",
    "a long number": "9" * 400,
    "NaN": "NaN",
    "true": "true",
    "depth": "[" * 100_000 + "]" * 100_000,
    "twice": None,
    "missing": None,
}
"""What a field is made into, as JSON; where that depends on the field, it has no text here."""

Place = tuple[str | int, ...]
HERE = "the field that is made into something else"


def places(answer: Any, place: Place = ()) -> Iterator[Place]:
    """Every field of an answer; of a list the first entry stands for all."""
    yield place
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield from places(value, (*place, key))
    elif isinstance(answer, list) and answer:
        yield from places(answer[0], (*place, 0))


def mutated(answer: Any, place: Place, wrong: str) -> str:
    """The answer as text, with something wrong at one place."""
    if not place:
        return WRONG[wrong] or ""
    answer = copy.deepcopy(answer)
    inner = functools.reduce(lambda value, key: value[key], place[:-1], answer)
    if wrong == "missing":
        del inner[place[-1]]
        return json.dumps(answer)
    inner[place[-1]] = HERE
    instead = WRONG[wrong] or "1"
    if wrong == "twice" and isinstance(place[-1], str):
        instead = f"1, {json.dumps(place[-1])}: 2"
    return json.dumps(answer).replace(json.dumps(HERE), instead)


def recorded(version: str) -> dict[str, dict[str, Any]]:
    """Request, status and body of each answer, by its name."""
    return json.loads((RECORDED / f"flink-{version}.json").read_text())  # type: ignore[no-any-return]


NODES = [
    {"id": 1, "type": "Source: s[1]", "contents": "[1]:TableSourceScan(table=[[c, d, s]], fields=[id])"},
    {"id": 2, "type": "o[2]: Writer", "contents": "[2]:Sink(table=[c.d.o], fields=[id])"},
]
EXPLAINED = (
    "== Optimized Execution Plan ==\nSink(table=[c.d.o], fields=[id])\n"
    "+- TableSourceScan(table=[[c, d, s]], fields=[id])\n\n== Physical Execution Plan ==\n"
    + json.dumps({"nodes": [{**node, "parallelism": 1} for node in NODES]})
)
DDL = "CREATE TABLE `c`.`d`.`s` (\n  `id` BIGINT\n) WITH (\n  'connector' = 'datagen'\n)\n"
STATEMENTS = {"EXPLAIN": EXPLAINED, "SHOW CREATE": DDL, "SET": "table.exec.state.ttl"}
LISTED = {"total": 1, "running": 1, "finished": 0}


class RecordedFlink:
    """JobManager and gateway of one cluster. ``acts`` are what it was asked to do to jobs, in order.

    ``used`` are the names of the answers it gave. Two jobs that run at once fail whoever started the second.
    """

    def __init__(self, folder: Path, answers: dict[str, dict[str, Any]], job_id: str, name: str) -> None:
        self._answers = answers
        self._folder = folder
        self._name = name
        self.jobs = {job_id: "RUNNING"}
        self.acts: list[str] = []
        self.used: dict[str, Any] = {}
        self.asked = 0
        self._statement = ""
        self._submitted = ""
        self._saved: dict[str, str] = {}
        self._restored: dict[str, str | None] = {}
        self.wrong: tuple[str, Place, str] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert self.asked < 3000, f"{request.url} is asked without end: {self.wrong}"
        name, status, body = self._answer(request)
        self.used.setdefault(name, body)
        if self.wrong and self.wrong[0] == name:
            try:
                text = mutated(body, *self.wrong[1:])
            except (KeyError, IndexError, TypeError):
                text = json.dumps(body)  # this time the answer has no such field
            return httpx.Response(status, text=text)
        return httpx.Response(status, json=body)

    def listen(self) -> None:
        """Let whoever connects from now on speak to this Flink."""
        connect.SyncIO = functools.partial(SyncIO, transport=httpx.MockTransport(self))  # type: ignore[misc]

    def _answer(self, request: httpx.Request) -> tuple[str, int, Any]:
        path, method = request.url.path, request.method
        if path.startswith("/v2/"):
            return self._gateway(method, path, request)
        if found := re.fullmatch(r"/jobs/([0-9a-f]{32})(/.*)?", path):
            return self._job(method, found[1], found[2] or "", request)
        return {
            "/jobmanager/config": lambda: self._said("jobmanager config"),
            "/overview": lambda: self._said("overview"),
            "/jobs/overview": self._list,
        }[path]()

    def _said(self, name: str, change: Callable[[Any], Any] = lambda body: body, job_id: str = "") -> Any:
        text = json.dumps(self._answers[name]["body"]).replace("/flink/", f"{self._folder}/")
        old = re.search(r"/jobs/([0-9a-f]{32})", self._answers[name]["request"])
        text = text.replace(old[1], job_id) if old and job_id else text
        text = re.sub(r"flink-web-[0-9a-f-]{36}", f"flink-web-{LIFE}", text)
        return name, self._answers[name]["status"], change(json.loads(text))

    def _list(self) -> Any:
        def change(body: Any) -> Any:
            listed = next(job for job in body["jobs"] if job["name"] == "counted")
            times = {"start-time": SETTLED - 1000, "last-modification": SETTLED, "duration": 60_000}
            jobs = [
                {**listed, **times, "jid": job_id, "name": self._name, "state": state, "tasks": LISTED}
                for job_id, state in self.jobs.items()
            ]
            return {"jobs": jobs}

        return self._said("jobs", change)

    def _job(self, method: str, job_id: str, rest: str, request: httpx.Request) -> Any:
        if job_id not in self.jobs:
            return self._said("unknown job")
        if method == "PATCH":
            self.acts.append("cancel")
            self.jobs[job_id] = "CANCELED"
            return self._said("cancel")
        if method == "POST":
            return self._asked(job_id, rest, json.loads(request.content))
        trigger = rest.rpartition("/")[2]
        if rest.startswith("/savepoints/"):
            if trigger not in self._saved:
                return self._said("savepoint unknown")
            return self._said("stop done", lambda body: {**body, "operation": {"location": self._saved[trigger]}})
        if rest.startswith("/checkpoints/") and trigger != "config":
            return self._said("checkpoint done" if trigger in self._saved else "checkpoint unknown")
        if rest == "/checkpoints":
            return self._checkpoints(job_id)
        return self._said(
            {
                "": "job",
                "/config": "job/config",
                "/checkpoints/config": "job/checkpoints/config",
                "/exceptions": "job/exceptions",
            }[rest],
            job_id=job_id,
        )

    def _checkpoints(self, job_id: str) -> Any:
        if self.jobs[job_id] != "RUNNING":
            return self._said("checkpoints, stopped", job_id=job_id)
        if (path := self._restored.get(job_id)) is None:
            return self._said("checkpoints, running", job_id=job_id)

        def change(body: Any) -> Any:
            body["latest"]["restored"]["external_path"] = path
            return body

        return self._said("checkpoints, restored", change, job_id)

    def _asked(self, job_id: str, rest: str, body: Any) -> Any:
        trigger = body["triggerId"]
        name = {"/stop": "request stop", "/savepoints": "request savepoint", "/checkpoints": "request checkpoint"}[rest]
        self.acts.append(name)
        folder = body.get("targetDirectory") or body.get("target-directory")
        self._saved[trigger] = f"{folder}/savepoint-1"
        if folder:
            metadata = Path(str(folder).removeprefix("file://")) / "savepoint-1" / "_metadata"
            metadata.parent.mkdir(parents=True, exist_ok=True)
            metadata.write_bytes(struct.pack(">iiq", 0x4960672D, 6, 9))
        if rest == "/stop":
            self.jobs[job_id] = "FINISHED"
        return self._said(name, lambda answer: {**answer, "request-id": trigger})

    def _gateway(self, method: str, path: str, request: httpx.Request) -> Any:
        if path.endswith("/statements"):
            asked = json.loads(request.content)
            self._statement = asked["statement"]
            if self._statement.startswith("INSERT"):
                self._submitted = asked["executionConfig"]["$internal.pipeline.job-id"]
                self._restored[self._submitted] = asked["executionConfig"].get("execution.state-recovery.path")
                self._start(self._submitted)
            return "statement", 200, {"operationHandle": "71329222-6ca9-4cf8-86cf-bb400188402b"}
        if "/result/" in path:
            return self._result()
        return self._said("open session" if method == "POST" else "close session")

    def _start(self, job_id: str) -> None:
        self.acts.append("start")
        assert "RUNNING" not in self.jobs.values(), "two jobs of one lineage run together"
        self.jobs[job_id] = "RUNNING"

    def _result(self) -> Any:
        for verb, text in STATEMENTS.items():
            if self._statement.startswith(verb):
                fields = [text, "1 h"] if verb == "SET" else [text]

                def change(body: Any, fields: list[str] = fields) -> Any:
                    results = {**body["results"], "data": [{"kind": "INSERT", "fields": fields}]}
                    return {**body, "resultType": "EOS", "results": results}

                name, status, body = self._said("explain/result", change)
                return f"{name} of {verb}", status, body
        if self._statement.startswith("INSERT"):
            return self._said("insert/result", lambda body: {**body, "jobID": self._submitted})
        return self._said("ddl/result")
