import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import services
from airflow_provider_flinksql.local import LocalStatus

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "example_dags"


@contextmanager
def no_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session", autouse=True)
def tables_of_airflow() -> None:
    """Where warnings are errors, Airflow 3.1 must not meet those of its own models first while a test reads one."""
    with no_errors():
        import airflow.models.connection
        import airflow.models.dagrun
        import airflow.models.taskinstance  # noqa: F401
        from sqlalchemy.orm import configure_mappers

        configure_mappers()


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that would have to hear of a worker's end."""
    from airflow_provider_flinksql.triggers import wait

    monkeypatch.setattr(wait, "SETTLING", 0.0)


@pytest.fixture(scope="session")
def flink() -> Iterator[LocalStatus]:
    with services.flink("2.3.0") as running:
        yield running


@pytest.fixture(scope="session")
def other_flink() -> Iterator[LocalStatus]:
    with services.flink("1.20.3") as running:
        yield running


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """A migrated Airflow whose DAG folder holds the examples and the DAGs of these tests."""
    from airflow.configuration import conf
    from airflow.utils.db import initdb

    dags = Path(conf.get("core", "dags_folder"))
    shutil.copytree(EXAMPLES, dags, dirs_exist_ok=True)
    shutil.copytree(HERE / "dags", dags, dirs_exist_ok=True)
    with no_errors():
        initdb()
    return dags


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """``connect(flink)``: the connection ``flink_sql_default`` leads there, with a manifest store of this test."""

    def connect(flink: LocalStatus, **extra: Any) -> None:
        extra = {"jobmanager_url": flink.jobmanager, "manifest_store": f"sqlite:///{tmp_path}/manifests.db"} | extra
        connection = {"conn_type": "flink_sql", "host": flink.gateway, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_FLINK_SQL_DEFAULT", json.dumps(connection))

    return connect


@pytest.fixture
def load(airflow_database: Path) -> Callable[[str], Any]:
    """``load(dag_id)``: the DAG as a worker reads it."""

    def load(dag_id: str) -> Any:
        try:
            from airflow.dag_processing.dagbag import DagBag
        except ModuleNotFoundError:  # Airflow 3.1
            from airflow.models.dagbag import DagBag

        bag = DagBag(airflow_database)
        assert bag.import_errors == {}
        return bag.dags[dag_id]

    return load


@pytest.fixture
def running_job() -> Iterator[Callable[..., str]]:
    """``running_job(flink, end=60)``: a job that counts, 20 a second; cancelled afterwards."""
    from airflow_provider_flinksql.clients.flink import JobManager
    from airflow_provider_flinksql.clients.gateway import Gateway
    from airflow_provider_flinksql.clients.http import SyncIO, run_sync

    started: list[tuple[str, str]] = []

    async def start(io: SyncIO, end: int, config: dict[str, str]) -> str:
        async with await Gateway(io).open_session() as session:
            await session.execute(
                "CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', "
                f"'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{end}')"
            )
            await session.execute("CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')")
            return (await session.execute("INSERT INTO nowhere SELECT n FROM numbers", config)).job_id or ""

    def run(flink: LocalStatus, end: int = 20000, **config: str) -> str:
        with SyncIO(flink.gateway) as io:
            job_id = run_sync(start(io, end, {"parallelism.default": "1"} | config))
        started.append((flink.jobmanager, job_id))
        return job_id

    yield run
    for jobmanager, job_id in started:
        with SyncIO(jobmanager) as io:
            run_sync(JobManager(io).cancel(job_id))
