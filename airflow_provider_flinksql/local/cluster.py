"""The embedded cluster of one folder: up, down, status."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.local import distribution, processes, record
from airflow_provider_flinksql.local.config import (
    DEFAULT_FLINK,
    LOG4J,
    PARTS,
    Ports,
    flink_config,
    java_command,
    log_file,
)
from airflow_provider_flinksql.local.record import Record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalStatus:
    """What runs in a folder; ``None`` for what does not."""

    flink: str | None
    jobmanager: str | None
    gateway: str | None
    pids: dict[str, int | None]
    folder: str

    @property
    def up(self) -> bool:
        """Whether all three processes live."""
        return None not in self.pids.values()

    def to_json(self) -> dict[str, Any]:
        """The document of ``flinksql local status --json``."""
        return asdict(self)


def default_folder() -> Path:
    """``local`` in ``FLINKSQL_HOME``, else in ``flinksql`` in the user's data folder (XDG)."""
    home = os.environ.get("FLINKSQL_HOME")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(home) if home else Path(data) / "flinksql").absolute() / "local"


def status(folder: Path | None = None) -> LocalStatus:
    """Who lives, by pid; nobody is asked over HTTP."""
    return _status(_absolute(folder), record.read(_absolute(folder)))


def up(
    flink: str = DEFAULT_FLINK,
    *,
    folder: Path | None = None,
    properties: Mapping[str, str] | None = None,
    parts: Collection[str] = PARTS,
    progress: Callable[[str], None] | None = None,
) -> LocalStatus:
    """Start what of ``parts`` does not run yet, and return when it answers.

    What runs is left alone; what died comes back in the same folder and, where they are free, on the same ports.
    ``properties`` are Flink options on top of ours; without them those of the last ``up`` hold until ``down``.
    """
    folder, say = _absolute(folder), progress or _log.info
    with _locked(folder, say):
        before = record.read(folder)
        _check_same(before, flink, properties, folder)
        planned, missing = _plan(before, flink, properties, parts)
        after = _start(folder, planned, missing, parts, say)
    return _status(folder, after)


def down(folder: Path | None = None) -> None:
    """End every process of the folder. Checkpoints, savepoints, logs and the ports for the next ``up`` stay."""
    folder = _absolute(folder)
    if not folder.is_dir():
        return
    with _locked(folder, _log.info):
        known = record.read(folder)
        archives = distribution.cached(known.flink).archives(folder)
        worth = archives.missing(known.living()) and _has_run_a_job(known)
        patience = 60 if worth else 10  # to write them takes some seconds
        if processes.stop(list(known.processes.values()), patience) and worth:
            archives.keep(PARTS)
        record.write(folder, replace(known, processes={}, properties={}))
        shutil.rmtree(folder / "tmp", ignore_errors=True)


def _has_run_a_job(known: Record) -> bool:
    """Without one it has not loaded what is worth sharing."""
    from airflow_provider_flinksql.local import ready  # httpx, as in _start

    return ready.has_jobs(known)


def _absolute(folder: Path | None) -> Path:
    return folder.absolute() if folder else default_folder()


@contextmanager
def _locked(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # its configuration may hold keys
        for name in ("conf", "logs", "tmp"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"the embedded Flink cannot keep its files in {folder} ({error.strerror}); name another with FLINKSQL_HOME"
        ) from error
    with processes.exclusive(folder / "local.lock", say):
        yield


def _status(folder: Path, known: Record) -> LocalStatus:
    living = known.living()
    urls = {"jobmanager": known.ports and known.ports.rest, "gateway": known.ports and known.ports.gateway}
    jobmanager, gateway = (f"http://127.0.0.1:{port}" if part in living else None for part, port in urls.items())
    pids = {part: living[part].pid if part in living else None for part in PARTS}
    return LocalStatus(known.flink if living else None, jobmanager, gateway, pids, str(folder))


def _check_same(before: Record, flink: str, properties: Mapping[str, str] | None, folder: Path) -> None:
    if not before.living():
        return
    if before.flink != flink:
        raise Misconfigured(f"Flink {before.flink} runs in {folder}, not {flink}; first: flinksql local down")
    if properties is not None and properties != before.properties:
        raise Misconfigured(f"Flink {flink} runs in {folder} with other properties; first: flinksql local down")


def _plan(
    before: Record, flink: str, properties: Mapping[str, str] | None, parts: Collection[str]
) -> tuple[Record, list[str]]:
    """What is to run, with what of it lives already, and which parts are to be started."""
    living = before.living()
    ports = _ports(before.ports, living)
    if "jobmanager" not in living:
        # A TaskManager takes 50 s to miss its JobManager, and until then goes on with jobs that are nobody's any more.
        # The gateway may stay, if the JobManager comes back to where it looks for it.
        moved = before.ports and (ports.rest, ports.rpc) != (before.ports.rest, before.ports.rpc)
        orphans = {part: living.pop(part) for part in PARTS if part in living and (moved or part == "taskmanager")}
        processes.stop(list(orphans.values()))
    missing = [part for part in PARTS if part in parts and part not in living]
    planned = Record(
        flink=flink,
        ports=ports,
        properties=dict(before.properties if properties is None else properties),
        # A new id each time, or the JobManager's memory of the dead one would pass for the new one.
        taskmanager=f"local-{uuid.uuid4().hex[:8]}" if "taskmanager" in missing else before.taskmanager,
        processes=living,
    )
    return planned, missing


def _ports(before: Ports | None, living: Collection[str]) -> Ports:
    """Those of last time, but for the ones that somebody else has taken since."""
    owners = {"rest": "jobmanager", "rpc": "jobmanager", "gateway": "gateway"}
    kept = {
        name: port
        for name, port in (asdict(before).items() if before else ())
        if owners[name] in living or processes.is_free(port)
    }
    for name in owners:
        kept.setdefault(name, processes.free_port(kept.values()))
    return Ports(**kept)


def _start(
    folder: Path, planned: Record, missing: Collection[str], parts: Collection[str], say: Callable[[str], None]
) -> Record:
    from airflow_provider_flinksql.local import ready  # httpx: not for those who only ask for the status

    running = planned
    try:
        if missing:
            java, jars = distribution.java(), distribution.fetch(planned.flink, say)
            say(f"starting {', '.join(missing)} of Flink {planned.flink}")
            _write_config(folder, planned)
            environment = {**os.environ, **jars.environment(), "FLINK_CONF_DIR": str(folder / "conf")}
        for part in missing:
            shared = jars.archives(folder).options(java, part)
            command = java_command(part, java, jars.jars(part), folder, planned.taskmanager, shared)
            output = log_file(folder, part).with_suffix(".out")
            started = processes.spawn(command, output=output, folder=folder, environment=environment)
            running = replace(running, processes={**running.processes, part: started})
            record.write(folder, running)
        ready.await_up(folder, running, [part for part in PARTS if part in parts])
    except BaseException:  # an interrupt too: what does not come up whole leaves nothing behind
        processes.stop([running.processes[part] for part in missing if part in running.processes])
        record.write(folder, planned)
        raise
    return running


def _write_config(folder: Path, planned: Record) -> None:
    import yaml

    if planned.ports is None:
        raise AssertionError("planned without ports")
    options = flink_config(planned.flink, folder, planned.ports, planned.properties)
    (folder / "conf" / "config.yaml").write_text(yaml.safe_dump(options, allow_unicode=True, width=10_000))
    (folder / "conf" / "log4j.properties").write_text(LOG4J)
