"""Functions and a connector of our own, compiled for one version of Flink: what changes in them no plan shows."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from jgo.maven import MavenContext

from airflow_provider_flinksql.local import distribution

SOURCES = Path(__file__).parent / "java"
FACTORIES = "META-INF/services/org.apache.flink.table.factories.Factory"


def compile_to(jar: Path, version: str) -> None:
    """By Eclipse's compiler, which needs but a Java that runs programs."""
    fetched = distribution.fetch(version, print)
    maven = MavenContext(repo_cache=distribution.cache_folder() / "maven")
    compiler = Path(maven.project("org.eclipse.jdt", "ecj").at_version("3.41.0").artifact().resolve())
    classes = jar.with_suffix("")
    path = ":".join(map(str, fetched.jars("jobmanager")))
    command = [str(distribution.java()), "-jar", str(compiler), "-11", "-nowarn", "-cp", path, "-d", str(classes)]
    subprocess.run([*command, str(SOURCES)], check=True)
    with zipfile.ZipFile(jar, "w") as made:
        for one in classes.rglob("*.class"):
            made.write(one, one.relative_to(classes))
        made.writestr(FACTORIES, "truth.Parity\n")
