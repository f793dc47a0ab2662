"""What is published, installed as a user installs it: in an environment that knows nothing of this repository."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from e2e.commandline import Cluster, Job

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return built


@pytest.fixture(scope="module")
def bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel in it."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([UV, "venv", "--quiet", "--allow-existing", "--python", sys.executable, venv], check=True)
    python, constraints = str(venv / "bin" / "python"), str(ROOT / "constraints.txt")
    install = [UV, "pip", "install", "--quiet", "--python", python, "-c", constraints]
    subprocess.run([*install, f"{wheel}[local]"], check=True)
    return venv / "bin"


def run(*words: str | Path, home: Path, code: int = 0) -> str:
    """What a program answers, started from a folder that holds nothing of ours."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"AIRFLOW_HOME": str(home), "HOME": str(home)}
    done = subprocess.run([str(word) for word in words], cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_example_dags_and_the_project(wheel: Path) -> None:
    names = {name.partition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    assert {"example_dags/flinksql_quickstart.py", "cli/project/dags/orders.py", "py.typed"} <= names


def test_an_installed_copy_plans_a_job(bin: Path, cluster: Cluster, job: Job, tmp_path: Path) -> None:
    assert run(bin / "flinksql", "--version", home=tmp_path).startswith("flinksql 0.")
    planned = json.loads(run(bin / "flinksql", "plan", job.path, "--json", home=tmp_path, code=2))
    assert [entry["action"] for entry in planned["jobs"]] == ["start"]


def test_airflow_knows_an_installed_copy(bin: Path, tmp_path: Path) -> None:
    assert "flink_sql" in run(bin / "airflow", "providers", "get", "airflow-provider-flinksql", "--full", home=tmp_path)
