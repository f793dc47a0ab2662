"""Two JobManagers and the ZooKeeper that says which of them leads: Flink's own, from Flink's own jars."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import yaml

import services
from airflow_provider_flinksql import local
from airflow_provider_flinksql.local import config, distribution, processes
from faults import judge
from faults.lab import Lab, until
from faults.nursery import Nursery

ZOOKEEPER = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain"
TICK = 500
"""Milliseconds; a session lasts two of them at least."""
SESSION = "2000"
"""After so many milliseconds of silence another JobManager leads."""
JOBMANAGERS = ("one", "two")


@dataclass
class Pair(Lab):
    """A laboratory with high availability.

    Who asks for its JobManager is sent to one of those that live, in turn, as by a load balancer. Each answers for the
    one that leads.
    """

    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, processes.Process] = field(default_factory=dict)
    turns: Iterator[int] = field(default_factory=count)

    def url(self, part: str) -> str:
        """Where a part listens."""
        if part == "jobmanager":
            living = [one for one in JOBMANAGERS if self.running[one].alive] or list(JOBMANAGERS)
            part = living[next(self.turns) % len(living)]
        return f"http://127.0.0.1:{self.ports[part]}"

    def kill(self, part: str) -> None:
        """SIGKILL; of the JobManagers the one that leads."""
        process = self.running[self.leader() if part == "jobmanager" else part]
        os.kill(process.pid, 9)
        until(lambda: not process.alive)

    def leader(self) -> str:
        """Who granted the last leadership to itself, as its log says."""
        granted = "was granted leadership"
        told = {one: (self.folder / one / "logs" / "jobmanager.log").read_text() for one in JOBMANAGERS}
        leaders = [one for one, log in told.items() if self.running[one].alive and granted in log]
        assert len(leaders) == 1, f"{leaders} lead"
        return leaders[0]

    def up(self) -> None:
        """What died comes back, and all answer."""
        with self.lock:
            for part in ("zookeeper", *JOBMANAGERS, "taskmanager", "gateway"):
                if part not in self.running or not self.running[part].alive:
                    self.start(part)
            for one in JOBMANAGERS:
                until(lambda url=f"http://127.0.0.1:{self.ports[one]}": _slots(url), 60, f"slots at {one}")
            until(lambda: _answer(f"{self.url('gateway')}/v1/info"), 60, "an answer of the gateway")

    def start(self, part: str) -> None:
        """One process."""
        jars, java = distribution.fetch(local.DEFAULT_FLINK, print), distribution.java()
        home = self.folder / part
        for name in ("conf", "logs", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        if part == "zookeeper":
            path = ":".join(map(str, jars.jars(part)))
            command = [str(java), "-Xmx96m", "-XX:TieredStopAtLevel=1", "-Dzookeeper.admin.enableServer=false"]
            command += ["-cp", path, ZOOKEEPER, str(self.ports[part]), str(home / "data"), str(TICK)]
        else:
            kind = "jobmanager" if part in JOBMANAGERS else part
            self._configure(home, part)
            shared = jars.archives(home).options(java, kind)
            command = config.java_command(kind, java, jars.jars(kind), home, "taskmanager", shared)
        environment = {**os.environ, **jars.environment(), "FLINK_CONF_DIR": str(home / "conf")}
        output = home / "logs" / f"{part}.out"
        self.running[part] = processes.spawn(command, output=output, folder=home, environment=environment)

    def _configure(self, home: Path, part: str) -> None:
        """What the documentation says: the gateway, too, finds the leader by ZooKeeper."""
        properties = {
            "taskmanager.numberOfTaskSlots": "8",
            "high-availability.type": "zookeeper",
            "high-availability.zookeeper.quorum": f"127.0.0.1:{self.ports['zookeeper']}",
            "high-availability.zookeeper.client.session-timeout": SESSION,
            "high-availability.cluster-id": "/pair",
            "high-availability.storageDir": f"file://{self.folder}/ha",
            "execution.checkpointing.dir": f"file://{self.folder}/checkpoints",
            "execution.checkpointing.savepoint-dir": f"file://{self.folder}/savepoints",
        }
        ports = config.Ports(self.ports.get(part, 0), 0, self.ports["gateway"])
        options = config.flink_config(local.DEFAULT_FLINK, home, ports, properties)
        (home / "conf" / "config.yaml").write_text(yaml.safe_dump(options))
        (home / "conf" / "log4j.properties").write_text(config.LOG4J)


@contextmanager
def pair() -> Iterator[Pair]:
    """The laboratory of two, up."""
    ports: dict[str, int] = {}
    for part in ("zookeeper", *JOBMANAGERS, "gateway"):
        ports[part] = processes.free_port(ports.values())
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="pair-"))
        stack.callback(shutil.rmtree, folder)
        database = stack.enter_context(services.postgresql())
        nursery = Nursery()
        stack.callback(nursery.close)
        watch = judge.Watch(lambda: lab.url("jobmanager"), folder)
        lab = Pair(folder, parse_qs(urlsplit(database).query)["host"][0], watch, nursery, threading.Lock(), ports)
        stack.callback(lambda: processes.stop(list(lab.running.values())))
        lab.up()
        stack.enter_context(watch)
        yield lab


def _slots(url: str) -> bool:
    return bool(_answer(f"{url}/overview").get("slots-total"))


def _answer(url: str) -> dict[str, object]:
    try:
        answer = httpx.get(url, timeout=5)
        return dict(answer.json()) if answer.is_success else {}
    except httpx.HTTPError:
        return {}
