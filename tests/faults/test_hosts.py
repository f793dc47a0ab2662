"""Workers on several hosts, which share a store and nothing else, not even the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from faults.killed import COVERING
from faults.lab import Lab, Lane, lane
from faults.table import cell

HOUR = 3600.0
NAMES = iter(range(1000))


STORES = ["postgresql", "sqlite"]
which_store_matters_little = pytest.mark.parametrize("job", STORES[:1] if COVERING else STORES, indirect=True)


@pytest.fixture(params=STORES)
def job(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lane]:
    lab.up()
    url = f"sqlite:///{tmp_path}/shared/manifests.db" if request.param == "sqlite" else None
    with lane(lab, f"hosts-{next(NAMES)}", tmp_path / "a", store=url) as ours:
        yield ours


def on_host(job: Lane, name: str, folder: Path, **circumstances: float) -> Lane:
    """The same line for workers of another host, with a home and a copy of the job file of its own."""
    home = folder / name
    home.mkdir(exist_ok=True)
    there = job.where(host=name, **circumstances)
    elsewhere = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "FLINKSQL_HOME": str(home / "flinksql")}
    there = replace(there, folder=home, environment={**there.environment, **elsewhere})
    if not there.path.exists():
        shutil.copy(job.path, there.path)
    return there


def two_minutes_later(job: Lane) -> None:
    """What is claimed was claimed so long ago that whoever did it must be dead."""
    store = job.store
    stored = store.get(job.name)
    assert stored.manifest
    assert stored.manifest.pending
    pending = replace(stored.manifest.pending, claimed_at=stored.manifest.pending.claimed_at - 121)
    store.put(replace(stored.manifest, pending=pending), stored.version)
    store.close()


def upgrade_from(job: Lane, folder: Path) -> tuple[Lane, Lane]:
    """Deployed from host a, then changed; both hosts have the new file."""
    a = on_host(job, "a", folder)
    a.must("deploy", str(a.path))
    job.grows()
    job.change()
    shutil.copy(job.path, folder / "changed.yaml")
    b = on_host(job, "b", folder)
    for host in (a, b):
        shutil.copy(folder / "changed.yaml", host.path)
    return a, b


@which_store_matters_little
@pytest.mark.parametrize("step", ["stop", "submit", "proof"])
def test_an_upgrade_that_died_on_one_host_is_finished_from_another(job, tmp_path, step):
    with cell("people", step, f"host dies, {job.kind}"):
        a, b = upgrade_from(job, tmp_path)
        a.killed(step, "during", "deploy", str(a.path))
        if step == "stop":  # it is not known from here whether the other host's worker still lives
            assert b.run("plan", str(b.path)).entry["error"]["type"] == "Busy"
            two_minutes_later(job)
        finished = b.must("deploy", str(b.path)).entry["action"]
        assert finished == "resume" or step == "proof"  # there is only something to write down, if it has completed
        assert a.must("deploy", str(a.path)).entry["action"] == "none"
        job.judge(2)


@which_store_matters_little
@pytest.mark.parametrize("clock", [-HOUR, HOUR])
def test_an_upgrade_from_a_host_whose_clock_is_wrong(job, tmp_path, clock):
    with cell("people", "clock", f"{clock:+.0f} s, {job.kind}"):
        _, b = upgrade_from(job, tmp_path)
        b = on_host(job, "b", tmp_path, clock=clock)
        assert b.must("deploy", str(b.path)).entry["action"] == "restart"
        job.judge(2)


@pytest.mark.parametrize("clock", [-HOUR, HOUR])
def test_who_is_busy_is_told_by_the_stores_clock(job, tmp_path, clock):
    counts = "store" if job.kind == "postgresql" else "ahead" if clock > 0 else "behind"  # a file has no clock
    with cell("people", "clock", f"{clock:+.0f} s, busy, {job.kind}"):
        a, b = upgrade_from(job, tmp_path)
        a.killed("stop", "during", "deploy", str(a.path))
        b = on_host(job, "b", tmp_path, clock=clock)
        told = b.run("plan", str(b.path)).entry
        if counts == "ahead":  # what was claimed just now was claimed an hour ago, for all this host knows
            assert told["action"] == "resume"
        else:
            assert told["error"]["type"] == "Busy"
            assert ("clock" in told["error"]["message"]) == (counts == "behind")
            two_minutes_later(job)
        (a if counts == "behind" else b).must("deploy", str(b.path))
        job.judge(2)


@pytest.mark.parametrize("clock", [-HOUR, HOUR])
def test_hosts_whose_clocks_differ_start_one_job_from_different_files(job, tmp_path, clock):
    with cell("people", "clock", f"{clock:+.0f} s, 2 differ, {job.kind}"):
        a = on_host(job, "a", tmp_path)
        job.change()
        b = on_host(job, "b", tmp_path, clock=clock)
        ends = [worker.done() for worker in [host.another("deploy", str(host.path)) for host in (a, b)]]
        assert 0 in [end.code for end in ends], [end.err for end in ends]
        a.must("deploy", str(a.path))
        job.judge()
