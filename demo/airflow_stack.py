"""A real Airflow of one's own: API server, scheduler, DAG processor and triggerer as processes, for demo and tests."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

COMPONENTS = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],  # logs are read from the folder they all share
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
ENDED = ("success", "failed")
USER = "admin"


@dataclass
class Airflow:
    """A running Airflow. ``login`` is user and password of its UI at ``url``."""

    url: str
    login: tuple[str, str]
    home: Path
    processes: dict[str, subprocess.Popen[bytes]]
    _environment: dict[str, str] = field(repr=False)
    _http: httpx.Client = field(repr=False)

    def start(self, component: str) -> None:
        """One more process of this kind; the one before, dead or alive, is kept beside it in ``processes``."""
        before = self.processes[component]
        self.processes[f"{component} {before.pid}"] = before
        self.processes[component] = _start(self.home, self._environment, component, *COMPONENTS[component])

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, logical_date: str | None = None) -> str:
        """Start a run, as soon as the DAG is known; the run's id."""
        until(lambda: self._http.get(f"/api/v2/dags/{dag_id}").status_code == 200, 120, f"DAG {dag_id} is not read")
        self.ask("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
        body = {"logical_date": logical_date, "conf": dict(conf or {})}
        return str(self.ask("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def wait(
        self, dag_id: str, run_id: str, timeout: float = 180, changed: Callable[[str], None] = lambda _: None
    ) -> str:
        """The state in which the run ended; ``changed`` hears of each state of its tasks on the way."""
        end, said = time.monotonic() + timeout, ""
        while time.monotonic() < end:
            tasks = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
            states = ", ".join(f"{task['task_id']}: {task['state'] or 'waiting'}" for task in tasks)
            if states != said:
                said = states
                changed(states)
            state = str(self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state in ENDED:
                return state
            time.sleep(0.5)
        raise TimeoutError(f"run {run_id} of {dag_id} did not end within {timeout:g} s ({said})")

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> list[str]:
        """What one try of a task logged, line by line."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return [str(line.get("event", line)) for line in self.ask("GET", path)["content"]]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """A value that a task left behind."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.ask("GET", path, params={"deserialize": "true"})["value"]

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """The task instance, with its rendered fields."""
        found: dict[str, Any] = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")
        return found

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """The task's extra links."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        return dict(self.ask("GET", path)["extra_links"])

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """One request to the REST API."""
        response = self._http.request(method, f"/api/v2{path}", **content)
        if response.is_error:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json()


@contextmanager
def airflow(
    home: Path, dags: Path, env: Mapping[str, str], progress: Callable[[str], None] = lambda _: None
) -> Iterator[Airflow]:
    """An Airflow in folder ``home`` that reads its DAGs from ``dags``; all its processes are gone afterwards.

    ``env`` is added to its environment: connections, options.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = _environment(home, dags, port, url) | dict(env)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        progress("Airflow: preparing its database")
        _run_to_end(home, environment, "db", "migrate")
        progress("Airflow: starting " + ", ".join(COMPONENTS))
        for name, options in COMPONENTS.items():
            processes[name] = _start(home, environment, name, *options)
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
            until(lambda: _healthy(http, processes, home), 240, f"Airflow does not get healthy; see {home}/*.log")
            login = USER, json.loads((home / "passwords.json").read_text())[USER]
            answer = http.post("/auth/token", json={"username": login[0], "password": login[1]})
            answer.raise_for_status()
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield Airflow(url, login, home, processes, environment, http)
    finally:
        _end(processes)


def free_port() -> int:
    """A port below those that outgoing connections are given."""
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port between 20000 and 32000")


def until(done: Callable[[], bool], timeout: float, otherwise: str, pause: float = 0.3) -> None:
    """Ask again until the answer is yes."""
    end = time.monotonic() + timeout
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} (waited {timeout:g} s)")
        time.sleep(pause)


def _environment(home: Path, dags: Path, port: int, url: str) -> dict[str, str]:
    """Nothing of an Airflow that the user may have configured."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    options = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 2,
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": url,
        "API__WORKERS": 1,
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "DAG_PROCESSOR__REFRESH_INTERVAL": 5,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
    }
    return own | {"AIRFLOW_HOME": str(home), "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"} | {
        f"AIRFLOW__{name}": str(value) for name, value in options.items()
    }


def _start(home: Path, environment: Mapping[str, str], *command: str) -> subprocess.Popen[bytes]:
    with (home / f"{command[0]}.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "airflow", *command],
            cwd=home,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it is ended with its children, and not by a Ctrl-C of ours
        )


def _run_to_end(home: Path, environment: Mapping[str, str], *command: str) -> None:
    process = _start(home, environment, *command)
    try:
        code = process.wait(timeout=120)
    finally:
        _end({command[0]: process})
    if code:
        raise RuntimeError(f"airflow {' '.join(command)} failed:\n{_tail(home, command[0])}")


def _healthy(http: httpx.Client, processes: Mapping[str, subprocess.Popen[bytes]], home: Path) -> bool:
    for name, process in processes.items():
        if process.poll() is not None:
            raise RuntimeError(f"airflow {name} ended by itself:\n{_tail(home, name)}")
    try:
        parts = http.get("/api/v2/monitor/health").json()
    except (httpx.TransportError, ValueError):
        return False
    wanted = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all((parts.get(part) or {}).get("status") == "healthy" for part in wanted)


def _tail(home: Path, name: str) -> str:
    return "\n".join((home / f"{name}.log").read_text(errors="replace").splitlines()[-20:])


def _end(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """End each with its children; whoever does not go within 10 seconds is killed."""
    for process in processes.values():
        _signal(process, signal.SIGTERM)
    end = time.monotonic() + 10
    for process in processes.values():
        try:
            process.wait(timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
