"""Output never decides: whatever becomes of stdout and stderr, a command goes on, and its exit code tells of the job.

Real processes in front of a JobManager that is made up.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import onejob
from airflow_provider_flinksql.stores import open_store

TESTS = Path(__file__).parents[1]

COMMAND = """
import sys
from airflow_provider_flinksql.cli import main
import onejob
from airflow_provider_flinksql.stores import open_store
store = open_store(sys.argv.pop(1))
found = store.get("orders").manifest
store.close()
onejob.OneJob(found).listen()
sys.exit(main())
"""

COMMANDS = {
    "plan": ("plan", "orders.yaml"),
    "plan of a folder": ("plan", "."),
    "deploy": ("deploy", "orders.yaml"),
    "status": ("status",),
    "status as JSON": ("status", "--json"),
    "status of an unknown job": ("status", "unknown", "--json"),
    "history": ("history", "orders"),
    "snapshots": ("snapshots", "orders"),
    "stop that fails": ("stop", "orders"),
    "savepoint that fails": ("savepoint", "orders", "--json"),
    "export": ("export", "orders"),
    "help": ("--help",),
    "wrong usage": ("deploy",),
}

ENDS = ("open", "no reader", "full", "closed", "a terminal that is gone")


@contextmanager
def opened(end: str) -> Iterator[int | None]:
    """What is given to a process as one of its streams; None: it gets none at all."""
    with ExitStack() as stack:

        def file(number: int) -> int:
            stack.callback(os.close, number)
            return number

        match end:
            case "no reader":
                reads, writes = os.pipe()
                os.close(reads)
                yield file(writes)
            case "full":
                yield file(os.open("/dev/full", os.O_WRONLY))
            case "a terminal that is gone":
                ours, theirs = os.openpty()
                os.close(ours)
                yield file(theirs)
            case _:
                yield None


def run(folder: Path, words: tuple[str, ...], out: str = "open", err: str = "open", **environment: str) -> Any:
    """The ended process; ``stdout`` and ``stderr`` are texts where they were open."""
    place = () if words[0].startswith("-") else (*onejob.WHERE, "--store", f"sqlite:///{folder}/manifests.db")
    python = [sys.executable, "-c", COMMAND, f"sqlite:///{folder}/manifests.db", *words, *place]
    closing = "".join(f" {number}>&-" for number, end in ((1, out), (2, err)) if end == "closed")
    with opened(out) as stdout, opened(err) as stderr:
        return subprocess.run(
            ["/bin/sh", "-c", f'exec "$@"{closing}', "sh", *python],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usual")
    onejob.on_record(folder)
    return folder


PAIRS = (
    ("no reader", "open"),
    ("full", "open"),
    ("closed", "open"),
    ("open", "closed"),
    ("a terminal that is gone", "a terminal that is gone"),
    ("full", "full"),
)
OFTEN = ("stop that fails", "status as JSON")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_exit_code_is_that_of_a_command_that_was_heard(folder, command):
    code = run(folder, COMMANDS[command]).returncode
    turn = list(COMMANDS).index(command) % len(PAIRS)
    for out, err in PAIRS if command in OFTEN else [PAIRS[turn]]:
        done = run(folder, COMMANDS[command], out, err)
        assert done.returncode == code, (out, err, done.stderr)
        for text in filter(None, (done.stdout, done.stderr)):
            assert "Traceback" not in text
            assert "Exception ignored" not in text
            assert "Errno" not in text


def test_it_is_said_that_an_answer_could_not_be_written(tmp_path):
    onejob.on_record(tmp_path)
    done = run(tmp_path, ("status", "--json"), "full")
    assert (done.returncode, done.stderr) == (
        0,
        "The answer could not be written: No space left on device. The exit code tells what became of the jobs.\n",
    )


def test_no_answer_gets_into_stderr_or_progress_into_the_answer(tmp_path):
    onejob.on_record(tmp_path)
    assert run(tmp_path, ("status", "--json"), "closed").stderr == ""
    assert run(tmp_path, ("stop", "orders", "--json"), err="closed").stdout.startswith("{\n")


def test_letters_that_a_terminal_does_not_have_are_written_as_escapes(tmp_path):
    onejob.on_record(tmp_path)
    store = open_store(f"sqlite:///{tmp_path}/manifests.db")
    found = store.get("orders")
    store.put(type(found.manifest)("größe", found.manifest.lineage), 0)
    store.close()
    done = run(tmp_path, ("status",), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


INTERRUPTED = """
import os, sys
class Begun:
    def find_spec(self, name, *_):
        if name == "airflow_provider_flinksql.cli.signals":
            sys.meta_path.remove(self)
            os.write(1, b"begun\\n")
sys.meta_path.insert(0, Begun())
from airflow_provider_flinksql.cli import main
sys.exit(main())
"""
"""A command that says when it has begun: before that Python itself is all that there is to interrupt."""


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a server that takes all requests and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_any_time_ends_it_with_one_line(folder, silent, number, code):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us in the background may ignore it
    words = ["status", "--gateway", silent, "--jobmanager", silent, "--store", f"sqlite:///{folder}/manifests.db"]
    for step in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        time.sleep(step / 60)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        if (process.returncode, err) == (-signal.SIGTERM, ""):
            continue  # nobody listened yet, and nothing was begun
        assert (process.returncode, out, err.count("\n")) == (code, "", 1), err
        assert err.startswith("Interrupted. What was asked of Flink goes on there")
    assert process.returncode == code
    signal.signal(signal.SIGINT, before)
