"""One embedded Flink for all tests of the command line, and a store and a job file for each."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_flinksql import local
from e2e.commandline import Cluster, Job


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """The home of a ``flinksql local up``: where the command line works if nobody says where."""
    folder = Path(tempfile.mkdtemp(prefix="flinksql-e2e-"))
    try:
        local.up("2.3.0", folder=folder / "local", progress=print)
        yield folder
    finally:
        local.down(folder / "local")
        shutil.rmtree(folder)


@pytest.fixture
def cluster(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cluster]:
    """A whole cluster, a store of its own for each test, and no job left when it ends."""
    for name in ("FLINKSQL_GATEWAY", "FLINKSQL_JOBMANAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLINKSQL_HOME", str(home))
    monkeypatch.setenv("FLINKSQL_STORE", f"sqlite:///{tmp_path}/manifests.db")
    ours = Cluster(home, capsys)
    ours.up()
    yield ours
    ours.up()
    for job_id in ours.live():
        ours.cancel(job_id)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path, f"job-{tmp_path.name[-12:].strip('_')}")
