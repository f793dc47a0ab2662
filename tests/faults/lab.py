"""A real Flink, a real store and workers that are real processes, each on a wire of its own."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx

import services
from airflow_provider_flinksql import local
from airflow_provider_flinksql.stores import Store, open_store
from faults import judge
from faults.nursery import Nursery
from faults.proxy import http_proxy, postgresql_proxy
from faults.wire import Fault, Moment, Wire

T = TypeVar("T")

NUMBERS = (
    "CREATE TEMPORARY TABLE s (id BIGINT, p AS PROCTIME()) WITH ('connector'='datagen','rows-per-second'='{speed}',"
    "{more}'fields.id.kind'='sequence','fields.id.start'='1','fields.id.end'='{end}')"
)
SINK = (
    "CREATE TEMPORARY TABLE o (id BIGINT, w BIGINT) WITH ('connector'='filesystem','format'='csv',"
    "'path'='file://{out}')"
)
COUNTED = "INSERT INTO o SELECT id, COUNT(*) OVER (ORDER BY p ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM s"
"""The source's place and the count are one state: restored together, the count equals the number for ever."""


def until(fact: Callable[[], T], seconds: float = 40, what: str = "") -> T:
    """What ``fact`` finds once it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or fact}: {found}")
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Done:
    """How a worker ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def entry(self) -> dict[str, Any]:
        (entry,) = json.loads(self.out)["jobs"]
        return dict(entry)


class Worker:
    """One ``flinksql`` process."""

    def __init__(self, nursery: Nursery, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._began = time.monotonic()
        self._files = [Path(tempfile.mkstemp(prefix="worker-")[1]) for _ in range(2)]
        out, err = map(str, self._files)
        self.pid, self._code = nursery.start((*words, "--json"), environment, out, err)

    def kill(self) -> None:
        """As the kernel does it: nothing is cleaned up."""
        os.kill(self.pid, signal.SIGKILL)

    def done(self, seconds: float = 240) -> Done:
        """Waits for its end, and ends it where it does not come."""
        try:
            code = self._code.result(seconds)
        except TimeoutError:
            self.kill()
            code = self._code.result()
        took = time.monotonic() - self._began
        out, err = (file.read_text() for file in self._files)
        for file in self._files:
            file.unlink()
        return Done(code, out, err, took)


@dataclass
class Lab:
    """One cluster and one PostgreSQL for many lanes."""

    folder: Path
    database: str
    watch: judge.Watch
    nursery: Nursery
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def flink(self) -> local.LocalStatus:
        return local.status(self.folder)

    def url(self, part: str) -> str:
        """Where a part listens, or listened before it was killed."""
        from airflow_provider_flinksql.local import record

        ports = record.read(self.folder).ports
        assert ports
        return f"http://127.0.0.1:{ports.rest if part == 'jobmanager' else ports.gateway}"

    def pid(self, part: str) -> int:
        pid = self.flink.pids[part]
        assert pid, f"{part} does not live"
        return pid

    def kill(self, part: str) -> None:
        """SIGKILL, seen to be over."""
        os.kill(self.pid(part), signal.SIGKILL)
        until(lambda: self.flink.pids[part] is None)
        if part == "jobmanager":
            self.watch.jobmanager_died()

    def up(self) -> None:
        """What died comes back on the same ports."""
        with self.lock:
            local.up(folder=self.folder)


@contextmanager
def laboratory(**properties: str) -> Iterator[Lab]:
    """Everything that the tests of faults stand on."""
    with ExitStack() as stack:
        defaults = {"taskmanager.numberOfTaskSlots": "16"}
        flink = stack.enter_context(services.flink(**{**defaults, **properties}))
        database = stack.enter_context(services.postgresql())
        folder = Path(flink.folder)
        watch = stack.enter_context(judge.Watch(lambda: str(flink.jobmanager), folder / "logs"))
        nursery = Nursery()
        stack.callback(nursery.close)
        yield Lab(folder, parse_qs(urlsplit(database).query)["host"][0], watch, nursery)


@dataclass
class Lane:
    """One job, its file and the wire of its workers."""

    lab: Lab
    name: str
    folder: Path
    outputs: Path
    wire: Wire
    environment: dict[str, str]
    store_url: str
    mode: str = "streaming"
    interval: int = 500
    """Milliseconds between checkpoints, each of which costs servers as much as a request."""
    changed: int = 0
    seen: int = 0
    committed: judge.Rows = field(default_factory=judge.Rows)
    restores: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of jobs of which the second was found to be restored from the first."""

    @property
    def kind(self) -> str:
        """Of the store: ``sqlite`` or ``postgresql``."""
        return self.store_url.partition(":")[0].partition("+")[0]

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def out(self) -> Path:
        return self.outputs / f"out-{self.name}"

    def write(self, **changes: Any) -> None:
        """Write the job file anew."""
        batch = self.mode == "batch"
        few = {"speed": 10, "end": 20, "more": "'number-of-rows'='20',"}
        source = NUMBERS.format_map(few if batch else {"speed": 20, "end": 20000, "more": ""})
        interval = f"{self.interval + self.changed} ms"
        options = {"execution.checkpointing.interval": interval, "parallelism.default": "1"}
        content = {
            "name": self.name,
            "mode": self.mode,
            "sql": "INSERT INTO o SELECT id, id FROM s" if batch else COUNTED,
            "setup": [source, SINK.format(out=self.out)],
            "flinkProperties": ({"parallelism.default": "1"} if batch else options) | changes.pop("options", {}),
            **changes,
        }
        self.path.write_text(json.dumps(content))

    def change(self) -> None:
        """A harmless change of the file, which restarts the job from a savepoint."""
        self.changed += 1
        self.write()

    def rename(self, name: str) -> None:
        """Goes on with another job."""
        self.name, self.seen, self.changed = name, 0, 0
        self.committed, self.restores = judge.Rows(), set()
        self.write()

    def start(self, *words: str, fault: Fault | None = None) -> Worker:
        """A worker on this lane's wire."""
        self.wire.begin(fault)
        return Worker(self.lab.nursery, words, self.environment)

    def another(self, *words: str) -> Worker:
        """One more worker on the line, beside those that are."""
        return Worker(self.lab.nursery, words, self.environment)

    def where(self, **circumstances: Any) -> Lane:
        """The same line for workers in other circumstances: see the nursery."""
        return replace(self, environment={**self.environment, "CIRCUMSTANCES": json.dumps(circumstances)})

    def run(self, *words: str) -> Done:
        """A worker that nobody disturbs."""
        return self.start(*words).done()

    def must(self, *words: str) -> Done:
        """The same, and it succeeds."""
        done = self.run(*words)
        assert done.code == 0, f"flinksql {' '.join(words)}: exit {done.code}: {done.out}{done.err}"
        return done

    def killed(self, step: str, moment: Moment, *words: str) -> Done:
        """A worker that is killed at this step."""
        box: list[Worker] = []
        worker = self.start(*words, fault=Fault(step, moment, lambda: box[0].kill()))
        box.append(worker)
        done = worker.done()
        assert self.wire.struck.is_set(), f"{step} was not met: exit {done.code}, {self.wire.passed}: {done.err}"
        assert done.code == -signal.SIGKILL, f"it survived {moment} {step}: {done.code}, {done.err}"
        return done

    @property
    def store(self) -> Store:
        return open_store(self.store_url)

    # --- what people do, and what there is to see, at the JobManager itself ---

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.lab.url('jobmanager')}{path}", timeout=10).raise_for_status().json()

    def live(self) -> list[judge.Life]:
        return [life for life in self.lab.watch.of(self.name) if life.live]

    def cancel(self) -> None:
        """By hand, all that lives of this name."""
        for life in self.live():
            httpx.patch(f"{self.lab.url('jobmanager')}/jobs/{life.id}", params={"mode": "cancel"}, timeout=10)
        until(lambda: not self.live(), what=f"end of {self.name}")

    def rows(self) -> judge.Rows:
        return self.committed.read(self.out)

    def grows(self) -> int:
        """The job writes: the last number, once it is more than at the last look."""
        self.seen = until(lambda: (last := self.rows().last) > self.seen and last, what=f"rows of {self.name}")
        return self.seen

    # --- the judgement ---

    def judge(self, started: int | None = None, running: bool = True, strangers: Collection[str] = ()) -> None:
        """Never two at once, one in the end, no row lost, none twice. ``started``: how many there were in all."""
        if running:
            self.grows()
        lives = [life for life in self.lab.watch.of(self.name) if life.id not in strangers]
        logged = [life for life in self.lab.watch.logged(self.name) if life.id not in strangers]
        wrong = [*judge.overlaps(lives), *judge.overlaps(logged)]
        if started is not None and len(lives) != started:
            wrong.append(f"{len(lives)} jobs started instead of {started}: {lives}")
        if [life.live for life in lives].count(True) != running:
            wrong.append(f"{self.name}: wanted {'one' if running else 'none'} live: {lives}")
        for before, after in pairwise(life.id for life in lives):
            if (before, after) not in self.restores:
                wrong += judge.wrongly_restored(self.lab.url("jobmanager"), before, after)
                self.restores.add((before, after))
        wrong += self.output() + self.savepoints()
        assert not wrong, "\n".join(wrong)

    def output(self) -> list[str]:
        """What is wrong with the rows."""
        rows = self.rows()
        faults = {"lost": rows.lost, "doubled": rows.doubled, "miscounted": rows.miscounted}
        return [f"{count} rows {what} of {rows.last}" for what, count in faults.items() if count]

    def savepoints(self) -> list[str]:
        """Savepoints that nobody knows of."""
        store = self.store
        try:
            return [
                f"the savepoint {where} is not on record"
                for where in judge.unrecorded_savepoints(store, self.name, self.lab.folder / "savepoints")
            ]
        finally:
            store.close()


@contextmanager
def lane(
    lab: Lab, name: str, folder: Path, mode: str = "streaming", store: str | None = None, interval: int = 500
) -> Iterator[Lane]:
    """A job of this name on a wire of its own; its jobs end with it. ``store``: another than the PostgreSQL."""
    wire = Wire()

    def visible() -> str:
        if wire.jobmanager_hidden:
            raise ConnectionRefusedError
        return lab.url("jobmanager")

    with ExitStack() as stack:
        gateway = stack.enter_context(http_proxy(wire, lambda: lab.url("gateway")))
        jobmanager = stack.enter_context(http_proxy(wire, visible))
        port = stack.enter_context(postgresql_proxy(wire, f"{lab.database}/.s.PGSQL.5432"))
        environment = {
            **os.environ,
            "FLINKSQL_GATEWAY": gateway,
            "FLINKSQL_JOBMANAGER": jobmanager,
            "FLINKSQL_STORE": store or f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres",
        }
        folder.mkdir(parents=True, exist_ok=True)
        direct = store or f"postgresql+psycopg://postgres@/postgres?host={lab.database}"
        ours = Lane(lab, name, folder, folder, wire, environment, direct, mode, interval)
        ours.write()
        try:
            yield ours
        finally:
            ours.cancel()
