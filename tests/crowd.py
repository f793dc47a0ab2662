"""Many jobs of one cluster: the record of them, and a JobManager that tells of them in Flink's recorded words."""

import copy
import functools
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from airflow_provider_flinksql.clients.flink import incarnation
from airflow_provider_flinksql.clients.http import SyncIO
from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.stores import open_store
from airflow_provider_flinksql.targets import connect
from onejob import GATEWAY, JOB, JOBMANAGER, SETTLED
from talking import RECORDED

ROOT = uuid.UUID("5a1c2a52-0000-4000-8000-000000000001")
_DETAILS = {"checkpoints": "checkpoints, running", "checkpoints/config": "job/checkpoints/config"}


class Crowd:
    """``size`` jobs that run, each in its attempt number ``attempts``; ``unwell`` of them are restarting.

    ``ended`` of their earlier attempts are listed, too. ``asked`` is what the JobManager was asked, ``together`` how
    many questions at most at one time.
    """

    def __init__(
        self, size: int, attempts: int = 1, ended: int = 0, unwell: int = 0, version: str = "2.3.0", **changes: Any
    ) -> None:
        self._recorded = json.loads((RECORDED / f"flink-{version}.json").read_text())
        self._config = self._recorded["jobmanager config"]["body"]
        life = incarnation({entry["key"]: entry["value"] for entry in self._config})
        spec = read_job(JOB).spec
        self.manifests = [self._manifest(spec, number, attempts, life, changes) for number in range(size)]
        running = [self._listed(one, attempts, "RESTARTING" if n < unwell else "RUNNING", SETTLED)
                   for n, one in enumerate(self.manifests)]
        past = ((one, n) for n in range(attempts - 1, 0, -1) for one in self.manifests)
        over = [self._listed(one, n, "FINISHED", SETTLED - 1000) for one, n in islice(past, ended)]
        self._jobs = running + over
        self.asked: list[str] = []
        self.together = 0
        self._now = 0
        self._lock = threading.Lock()

    @staticmethod
    def _manifest(spec: Any, number: int, attempts: int, life: str, changes: Any) -> Manifest:
        name = f"orders-{number:04}"
        manifest = Manifest(name, str(uuid.uuid5(ROOT, name)), last_number=attempts)
        attempt = Attempt(
            number=attempts,
            spec=replace(spec, name=name),
            query_version=1,
            job_id=manifest.id("job", attempts),
            fresh=True,
            owner="somebody",
            by="ann@host",
            state="confirmed",
            claimed_at=SETTLED / 1000,
            sent_at=SETTLED / 1000,
            cluster=JOBMANAGER,
            incarnation=life,
            landed=True,
            settled_at=SETTLED,
            had_state=True,
        )
        return replace(manifest, current=replace(attempt, **changes))

    def _listed(self, manifest: Manifest, number: int, state: str, changed: int) -> dict[str, Any]:
        line = copy.deepcopy(self._recorded["jobs"]["body"]["jobs"][0])
        tasks = {**line["tasks"], "total": 2, "running": 2 if state == "RUNNING" else 0}
        times = {"start-time": changed - 1000, "last-modification": changed, "duration": 60_000}
        said = {"jid": manifest.id("job", number), "name": manifest.name, "state": state}
        return {**line, **times, **said, "tasks": tasks}

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and body of what Flink says to a GET."""
        if path == "/jobmanager/config":
            return 200, self._config
        if path == "/jobs/overview":
            return 200, {"jobs": self._jobs}
        found = re.fullmatch(r"/jobs/[0-9a-f]{32}/(checkpoints|checkpoints/config|exceptions)", path)
        if found is None:
            return 404, {"errors": [f"Unable to load requested file {path}."]}
        if found[1] == "exceptions":
            return 200, self._recorded["job/exceptions"]["body"]
        return 200, self._recorded[_DETAILS[found[1]]]["body"]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.asked.append(request.url.path)
            self._now += 1
            self.together = max(self.together, self._now)
        status, body = self.answer(request.url.path)
        with self._lock:
            self._now -= 1
        return httpx.Response(status, json=body)

    def listen(self) -> None:
        """Let whoever connects from now on speak to this JobManager."""
        connect.SyncIO = functools.partial(SyncIO, transport=httpx.MockTransport(self))  # type: ignore[misc]

    def record(self, folder: Path, files: int | None = None) -> str:
        """Writes the manifests, and the job files below ``jobs``; returns the URL of the store."""
        url = f"sqlite:///{folder}/manifests.db"
        store = open_store(url)
        (folder / "jobs").mkdir()
        for manifest in self.manifests:
            store.put(manifest, 0)
        for manifest in self.manifests[:files]:
            (folder / "jobs" / f"{manifest.name}.yaml").write_text(json.dumps({**JOB, "name": manifest.name}))
        store.close()
        return url


@contextmanager
def served(crowd: Crowd) -> Iterator[str]:
    """The JobManager as a server on this machine; yields its URL. Its requests are counted in ``crowd.asked``."""
    bodies: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            crowd.asked.append(path)
            status, body = crowd.answer(path)
            key = path if path == "/jobs/overview" else ""
            content = bodies.get(key) or json.dumps(body).encode()
            if key:
                bodies[key] = content
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


WHERE = ("--gateway", GATEWAY, "--jobmanager", JOBMANAGER)
