"""The embedded Flink, on every version it is promised for."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import services
from airflow_provider_flinksql import local
from airflow_provider_flinksql.errors import Misconfigured, OperationFailed
from airflow_provider_flinksql.local import distribution, processes, record

COUNT_FOR_EVER = """
    CREATE TABLE numbers (n BIGINT) WITH (
      'connector' = 'datagen', 'rows-per-second' = '10',
      'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '20000')
    ;
    CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')
    ;
    INSERT INTO nowhere SELECT n FROM numbers
"""


@pytest.fixture(scope="module", params=["2.3.0", "1.20.3"])
def cluster(request) -> Iterator[local.LocalStatus]:
    """One of our own: these tests kill its processes."""
    with services.flink(request.param) as running:
        yield running


@pytest.fixture
def running(cluster) -> local.LocalStatus:
    """The cluster whole again, whatever the last test killed."""
    return local.up(cluster.flink, folder=Path(cluster.folder))


def get(url: str) -> dict[str, Any]:
    return httpx.get(url, timeout=10).raise_for_status().json()


def kill(status: local.LocalStatus, *parts: str) -> None:
    for part in parts:
        os.kill(status.pids[part], signal.SIGKILL)
    until(lambda: not any(local.status(Path(status.folder)).pids[part] for part in parts))


def until(fact: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def submit(status: local.LocalStatus, script: str, **options: str) -> str:
    """Run the statements in one gateway session; the id of the last one's job."""
    gateway = httpx.Client(base_url=f"{status.gateway}/v2", timeout=60)
    session = "/sessions/" + gateway.post("/sessions", json={}).raise_for_status().json()["sessionHandle"]
    job = None
    for statement in script.split(";"):
        asked = gateway.post(f"{session}/statements", json={"statement": statement, "executionConfig": options})
        result = f"{session}/operations/{asked.raise_for_status().json()['operationHandle']}/result/0?rowFormat=JSON"
        job = until(
            lambda result=result: (
                (page := gateway.get(result).raise_for_status().json())["resultType"] != "NOT_READY" and page
            )
        ).get("jobID")
    gateway.delete(session)
    gateway.close()
    assert job
    return job


def all_tasks_run(status: local.LocalStatus, job: str) -> bool:
    return {vertex["status"] for vertex in get(f"{status.jobmanager}/jobs/{job}")["vertices"]} == {"RUNNING"}


def checkpoint_of(status: local.LocalStatus, job: str) -> Path | None:
    completed = get(f"{status.jobmanager}/jobs/{job}/checkpoints")["latest"]["completed"]
    return Path(completed["external_path"].removeprefix("file:")) if completed else None


def test_all_three_answer_in_the_version_asked_for(cluster, running):
    assert running.up
    overview = get(f"{running.jobmanager}/overview")
    assert overview["flink-version"] == cluster.flink
    assert overview["slots-available"] == local.SLOTS
    assert get(f"{running.gateway}/info")["version"] == cluster.flink


def test_all_three_take_less_than_a_gigabyte(running):
    resident = [int(_memory(pid).partition("VmRSS:")[2].split()[0]) for pid in running.pids.values()]
    assert sum(resident) < 1_000_000  # kB


def _memory(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def test_nothing_listens_beyond_this_machine(running):
    inodes = {
        os.stat(fd).st_ino
        for pid in running.pids.values()
        for fd in Path(f"/proc/{pid}/fd").iterdir()
        if fd.exists() and fd.is_socket()
    }
    heard = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[9]) in inodes
    ]
    assert len(heard) >= 3
    loopback = ("0100007F", "0000000000000000FFFF00000100007F")
    assert [address for address in heard if address.partition(":")[0] not in loopback] == []


def test_up_twice_is_one_cluster(running):
    assert local.up(running.flink, folder=Path(running.folder)) == running


def test_up_twice_at_once_is_one_cluster(running):
    kill(running, *local.PARTS)
    with ThreadPoolExecutor() as pool:
        attempts = [pool.submit(_up_in_a_process_of_its_own, running) for _ in range(2)]
    first, second = (attempt.result() for attempt in attempts)
    assert first == second
    now = local.status(Path(running.folder))
    assert now.up
    assert sorted(map(int, first.split())) == sorted(pid for pid in now.pids.values() if pid)
    assert _java_of(Path(running.folder)) == sorted(pid for pid in now.pids.values() if pid)


def _up_in_a_process_of_its_own(status: local.LocalStatus) -> str:
    code = (
        "import sys; from pathlib import Path; from airflow_provider_flinksql import local\n"
        "print(*local.up(sys.argv[1], folder=Path(sys.argv[2])).pids.values())"
    )
    command = [sys.executable, "-c", code, status.flink, status.folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout


def _java_of(folder: Path) -> list[int]:
    """Every process that was started with this folder, recorded or not."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"-Djava.io.tmpdir={folder}/tmp".encode() in arguments:
                found.append(int(entry.name))
    return sorted(found)


@pytest.mark.parametrize("dead", local.PARTS)
def test_what_died_is_started_again_at_the_same_address(running, dead):
    kill(running, dead)
    broken = local.status(Path(running.folder))
    assert not broken.up
    assert [part for part, pid in broken.pids.items() if pid is None] == [dead]

    repaired = local.up(running.flink, folder=Path(running.folder))

    assert (repaired.jobmanager, repaired.gateway) == (running.jobmanager, running.gateway)
    # Without its JobManager a TaskManager runs what nobody knows of any more: it goes with it.
    restarted = {"jobmanager", "taskmanager"} if dead == "jobmanager" else {dead}
    assert {part for part in local.PARTS if repaired.pids[part] != running.pids[part]} == restarted
    job = submit(repaired, COUNT_FOR_EVER)
    until(lambda: all_tasks_run(repaired, job))
    httpx.patch(f"{repaired.jobmanager}/jobs/{job}").raise_for_status()


def test_a_taken_port_is_given_up_and_the_rest_follows(running):
    kill(running, "jobmanager")
    port = httpx.URL(running.jobmanager).port
    with socket.create_server(("127.0.0.1", port)):
        moved = local.up(running.flink, folder=Path(running.folder))
    assert moved.jobmanager != running.jobmanager
    assert get(f"{moved.jobmanager}/overview")["slots-total"] == local.SLOTS
    assert set(moved.pids.values()).isdisjoint(running.pids.values())


def test_state_survives_down_and_up(running):
    folder = Path(running.folder)
    job = submit(running, COUNT_FOR_EVER, **{"execution.checkpointing.interval": "500ms"})
    checkpoint = until(lambda: checkpoint_of(running, job))
    assert folder / "checkpoints" / job in checkpoint.parents
    assert (
        get(f"{running.jobmanager}/jobs/{job}/checkpoints/config")["externalization"]["delete_on_cancellation"] is False
    )

    local.down(folder)
    newest = max((folder / "checkpoints" / job).glob("chk-*/_metadata"), key=lambda file: file.stat().st_mtime).parent
    again = local.up(running.flink, folder=folder)

    assert (again.jobmanager, again.gateway) == (running.jobmanager, running.gateway)
    restored = submit(again, COUNT_FOR_EVER, **{"execution.state-recovery.path": f"file://{newest}"})
    until(lambda: all_tasks_run(again, restored))
    come_from = get(f"{again.jobmanager}/jobs/{restored}/checkpoints")["latest"]["restored"]["external_path"]
    assert come_from.removeprefix("file:") == str(newest)
    httpx.patch(f"{again.jobmanager}/jobs/{restored}").raise_for_status()


def test_savepoints_go_into_the_folder_unless_told_otherwise(running):
    job = submit(running, COUNT_FOR_EVER)
    until(lambda: all_tasks_run(running, job))
    request = httpx.post(f"{running.jobmanager}/jobs/{job}/stop", json={"drain": False}).raise_for_status().json()
    asked = f"{running.jobmanager}/jobs/{job}/savepoints/{request['request-id']}"
    answer = until(lambda: (said := get(asked))["status"]["id"] == "COMPLETED" and said)
    assert Path(running.folder, "savepoints") in Path(answer["operation"]["location"].removeprefix("file:")).parents


def test_down_leaves_no_process(running):
    folder = Path(running.folder)
    assert len(_java_of(folder)) == 3
    local.down(folder)
    assert _java_of(folder) == []
    assert local.status(folder).to_json() == {
        "flink": None,
        "jobmanager": None,
        "gateway": None,
        "pids": {"jobmanager": None, "taskmanager": None, "gateway": None},
        "folder": str(folder),
    }
    local.down(folder)  # twice is once


def test_what_a_cluster_has_loaded_is_shared_with_the_next(tmp_path, monkeypatch):
    home = tmp_path / "flink"
    home.mkdir()
    for part in distribution.fetch(local.DEFAULT_FLINK, print).home.iterdir():
        if part.name != "archives":
            (home / part.name).symlink_to(part)
    monkeypatch.setattr(distribution, "cached", lambda _: distribution.Distribution(home))

    def loads_from() -> set[str]:
        with services.flink() as running:
            all_tasks_run(running, submit(running, COUNT_FOR_EVER))
            maps = {part: Path(f"/proc/{pid}/maps").read_text() for part, pid in running.pids.items()}
        return {archive for text in maps.values() for archive in re.findall(r"\S+/([a-z]+)-[^/]+\.jsa", text)}

    assert loads_from() == {"java"}
    assert loads_from() == {"java", "jobmanager", "taskmanager", "gateway"}


def test_a_process_that_does_not_listen_to_reason_is_killed(running):
    os.kill(running.pids["gateway"], signal.SIGSTOP)  # a stopped process cannot answer SIGTERM
    recorded = record.read(Path(running.folder)).processes["gateway"]
    processes.stop([recorded], patience=0.5)
    assert not recorded.alive


def test_another_version_is_refused_while_one_runs(running):
    other = "1.20.3" if running.flink == "2.3.0" else "2.3.0"
    with pytest.raises(Misconfigured, match=rf"Flink {running.flink} runs in .*flinksql local down"):
        local.up(other, folder=Path(running.folder))
    assert local.status(Path(running.folder)) == running


def test_other_properties_are_refused_while_it_runs(running):
    with pytest.raises(Misconfigured, match="other properties"):
        local.up(running.flink, folder=Path(running.folder), properties={"jobstore.expiration-time": "10"})


def test_properties_reach_the_cluster_and_hold_until_down(tmp_path, cluster):
    try:
        wanted = {"jobstore.expiration-time": "10"}
        first = local.up(cluster.flink, folder=tmp_path, properties=wanted, parts=["jobmanager"])
        assert {"key": "jobstore.expiration-time", "value": "10"} in get(f"{first.jobmanager}/jobmanager/config")
        kill(first, "jobmanager")
        second = local.up(cluster.flink, folder=tmp_path, parts=["jobmanager"])
        assert {"key": "jobstore.expiration-time", "value": "10"} in get(f"{second.jobmanager}/jobmanager/config")
        assert second.pids["taskmanager"] is None
        assert not second.up
    finally:
        local.down(tmp_path)


def test_the_one_that_died_is_named_with_its_reason_and_nothing_stays(tmp_path, running):
    taken = str(httpx.URL(running.jobmanager).port)
    with pytest.raises(OperationFailed, match=r"the jobmanager died .*(BindException|bind)") as refused:
        local.up(running.flink, folder=tmp_path, properties={"rest.port": taken})
    assert "\n" not in str(refused.value)
    assert _java_of(tmp_path) == []
    assert local.status(tmp_path).flink is None


def test_a_version_that_nobody_has_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(Misconfigured, match=r"flink-sql-gateway:9\.9\.9.*--flink"):
        local.up("9.9.9", folder=tmp_path)
