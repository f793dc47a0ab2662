"""The demo as a newcomer runs it, without a terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_flinksql import local

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", "--folder", str(folder), *arguments]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)


def processes_in(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder, or work in it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if process.name.isdigit() and (str(folder) in line or str(folder) in str((process / "cwd").readlink())):
                found.append(line)
        except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
            continue
    return found


def test_three_runs_start_do_nothing_and_restart_with_each_number_once(tmp_path):
    done = run(tmp_path / "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["done: start, ", "done: none, ", "done: restart, ", "each exactly once over all three runs", "user admin"]
    assert [words for words in told if words not in done.stdout] == []
    assert "restored from: file:" in done.stdout
    assert not local.status(tmp_path / "demo" / "flink").up
    assert processes_in(tmp_path) == []


def test_the_check_fails_where_the_third_run_starts_empty(tmp_path):
    done = run(tmp_path / "demo", "--restore-from", "none")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a gap or a repeat" in done.stdout
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize("name", ["flinksql_quickstart.py", "flinksql_batch.py"])
def test_the_example_dags_allow_retries(name):
    assert '"retries": 2' in (ROOT / "example_dags" / name).read_text()
