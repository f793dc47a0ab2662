"""Flink's own SQL client, started by plain java; the real ``sql-client.sh`` starts two more JVMs before it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_flinksql import local
from airflow_provider_flinksql.local import distribution

OPENED = ("java.lang", "java.util", "java.net", "java.io", "java.nio", "java.time", "java.util.concurrent")


def sql_client(cluster: local.LocalStatus, folder: Path, *statements: str) -> str:
    """What it prints for these statements."""
    address = urlsplit(cluster.jobmanager or "")
    (folder / "config.yaml").write_text(f"rest: {{address: {address.hostname}, port: {address.port}}}\n")
    script = folder / "job.sql"
    script.write_text("".join(f"{statement};\n" for statement in statements))
    fetched = distribution.fetch(local.DEFAULT_FLINK, print)
    jars = [*fetched.jars("gateway"), *(fetched.home / "opt").glob("flink-*.jar")]  # it wants the one for Python, too
    opens = [word for package in OPENED for word in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]
    command = [str(distribution.java()), "-Xmx256m", "-XX:+UseSerialGC", *opens, "-cp", os.pathsep.join(map(str, jars))]
    command += ["org.apache.flink.table.client.SqlClient", "embedded", "-f", str(script)]
    environment = {**os.environ, **fetched.environment(), "FLINK_CONF_DIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    if done.returncode or "[ERROR]" in done.stdout:
        raise RuntimeError((done.stdout + done.stderr)[-2000:])
    return done.stdout
