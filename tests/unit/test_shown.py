"""What files, servers and users hold never reaches a terminal, a log or a message as it is."""

import ast
import contextlib
import inspect
import json
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_flinksql import errors
from airflow_provider_flinksql.cli import main, output
from airflow_provider_flinksql.cli.parser import make_parser
from airflow_provider_flinksql.deploy.reconcile import Deploy
from airflow_provider_flinksql.deploy.savepoint import TakeSavepoint
from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import (
    MOST_OF_A_MESSAGE,
    MOST_OF_A_VALUE,
    Fault,
    FlinkSqlError,
    InvalidSpec,
    Misconfigured,
    shown,
    shown_lines,
)
from airflow_provider_flinksql.stores import Stored

PACKAGE = Path(__file__).parents[2] / "airflow_provider_flinksql"
EVIL = "\x00\x07\x08\x0b\x1b\r\n\t\x7f\x85\x9b\xad\u061c\u200b\u200d\u200e\u202a\u202e\u2028\u2029\u2066\u2069\ufeff"
EVIL += "\ud800\udfff\U000e0041"
SEQUENCES = (
    "\x1b[2J",
    "\x1b]0;gone\x07",
    "\x1b]8;;http://evil\x1b\\",
    "\u202egpj.exe",
    "\n2026-01-01 INFO all is well",
)
NASTY = st.lists(st.text(EVIL + "aß订%{}[]'\\", max_size=12) | st.text(max_size=8) | st.sampled_from(SEQUENCES)).map(
    "".join
)
OF_RICH = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")
"""What colours a terminal and moves its cursor."""


def printable(text: str) -> bool:
    """Whether each of its lines is text, and nothing else."""
    return all(line.isprintable() for line in text.split("\n"))


class Terminal:
    """A stream that says it is a terminal and keeps what is written."""

    encoding = "utf-8"

    def __init__(self, tty: bool) -> None:
        self.text, self._tty = "", tty

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture(params=[False, True], ids=["pipe", "terminal"])
def screen(request, monkeypatch):
    """What both streams get, rich's own sequences taken out."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal(request.param)

    def see(printing) -> str:
        stream.text = ""
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        printing()
        return OF_RICH.sub("", stream.text).replace("\r", "") if stream.isatty() else stream.text

    return see


def nasty(test):
    return settings(deadline=None, max_examples=40)(given(text=NASTY)(test))


@nasty
def test_what_is_shown_is_one_line_of_text_and_a_second_time_the_same(text):
    once = shown(text)
    assert once.isprintable()
    assert len(once) <= MOST_OF_A_VALUE
    assert shown(once) == once
    assert shown("a b") == "a b"


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 400, 401, 10_000_000])
def test_what_is_too_long_keeps_how_it_begins_and_ends(length):
    text = shown("a" + "x" * length + "b")
    assert (text[0], text[-1]) == ("a", "b")
    assert len(text) == min(length + 2, MOST_OF_A_VALUE)
    assert ("…" in text) == (length + 2 > MOST_OF_A_VALUE)


@nasty
def test_of_many_lines_none_passes_for_one_of_the_log(text):
    first, *others = shown_lines(text).split("\n")
    assert all(line.isprintable() for line in [first, *others])
    assert all(line.startswith("    ") for line in others)


def made(kind, text):
    """An error of that class that says the text wherever it is given one."""
    if kind is InvalidSpec:
        return kind(text, [Fault(text, text, 3), Fault("", text)])
    given = {"message": text, "reason": text, "status": 500, "detail": text}
    wanted = [name for name in inspect.signature(kind).parameters if name in given]
    return kind(**{name: given[name] for name in wanted})


def kinds(kind=FlinkSqlError):
    return [kind, *(one for below in kind.__subclasses__() for one in kinds(below))]


@pytest.mark.parametrize("kind", sorted(set(kinds()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
@nasty
def test_no_error_says_more_than_text(kind, text):
    said = str(made(kind, text * 100))
    assert printable(said)
    assert len(said) <= MOST_OF_A_MESSAGE
    assert said.count("\n") == (2 if kind is InvalidSpec else 0)


def test_every_class_of_error_was_tried():
    defined = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, FlinkSqlError)]
    assert set(defined) <= set(kinds())


def test_a_long_value_in_a_fault_is_cut_and_what_is_wrong_with_it_is_not():
    said = str(Fault("mode", f"write streaming or batch, not {'x' * 1000}; or leave it out", 3))
    assert max(map(len, said.split())) <= MOST_OF_A_VALUE
    assert said.startswith("line 3: mode: write streaming or batch, not x")
    assert said.endswith("; or leave it out")


@pytest.mark.parametrize(("faults", "told"), [(1, 1), (30, 30), (31, 30), (442, 30)])
def test_thirty_faults_are_told_and_how_many_more_there_are(faults, told):
    error = InvalidSpec("job.yaml", [Fault(f"key{n}", "is wrong", n + 1) for n in range(faults)])
    head, *lines = str(error).split("\n")
    assert head == f"job.yaml: {faults} fault{'' if faults == 1 else 's'}"
    more = [f"  … and {faults - told} more"] if faults > told else []
    assert lines == [*(f"  line {n + 1}: key{n}: is wrong" for n in range(told)), *more]
    assert len(error.faults) == faults


@pytest.mark.parametrize("faults", [1, 2, 5, 30, 400])
@pytest.mark.parametrize("length", [10, 100, 1000, 100_000])
def test_long_faults_share_the_room_that_there_is(faults, length):
    said = str(InvalidSpec("job.yaml", [Fault("sql", f"<{'x' * length}>", n) for n in range(1, faults + 1)]))
    assert len(said) <= MOST_OF_A_MESSAGE
    lines = said.split("\n")[1:]
    assert all(line.startswith(f"  line {n}: sql: <x") for n, line in enumerate(lines[:30], 1))
    assert all(line.endswith("x>") for line in lines[:30])
    assert lines[30:] == ([f"  … and {faults - 30} more"] if faults > 30 else [])


PRINTING = {
    "an error": lambda text: output.complain(Misconfigured(text), text),
    "a refused file": lambda text: output.complain(InvalidSpec(text, [Fault(text, text)])),
    "a note": output.note,
    "an answer": lambda text: output.answer(text, text),
    "a table": lambda text: output.table(("A", "B"), [(text, None), (1, text)]),
    "paragraphs": lambda text: output.paragraphs(("STATE",), [((text,), [text]), ((1,), [])]),
    "a document": lambda text: output.document(name=text, deep=[{text: text}]),
    "progress": lambda text: in_progress(text),
    "a usage error": lambda text: misused(text),
}


def in_progress(text):
    with output.Progress() as progress:
        progress.say(text)
        progress.say(f"{text}.")
        progress.answer(text, text)


def misused(text):
    for arguments in ([text], ["status", f"--{text}"], ["stop", "--param", text], ["rollback", "x", "--to", text]):
        with contextlib.suppress(SystemExit):
            make_parser().parse_args(arguments)


@pytest.mark.parametrize("what", PRINTING)
@pytest.mark.parametrize("text", [*SEQUENCES, EVIL, EVIL[::-1], "x" * 100_000])
def test_nothing_that_harms_a_terminal_is_printed(screen, what, text):
    seen = screen(lambda: PRINTING[what](f"<{text}>"))
    assert printable(seen)
    assert "<" in seen
    assert max(map(len, seen.split("\n"))) <= (10**6 if what == "a document" else 3 * MOST_OF_A_MESSAGE)


@pytest.mark.parametrize("what", ["a note", "an answer", "progress"])
@pytest.mark.parametrize("text", SEQUENCES)
def test_each_text_is_a_line_of_its_own(screen, what, text):
    seen = screen(lambda: PRINTING[what](text))
    assert "\ngpj" not in seen
    assert "\n2026" not in seen


@nasty
def test_documents_hold_true_values(text):
    stream = Terminal(tty=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        output.document(name=text)
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # two halves are a character
    assert json.loads(stream.text) == {"version": 1, "name": joined}
    assert stream.text.isascii()
    assert printable(stream.text)


# What is easily forgotten


def calls(file):
    return [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]


FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(function):
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_one_module_prints(file):
    printing = [node.lineno for node in calls(file) if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert printing == [] or file == PACKAGE / "cli" / "output.py"


def our_errors(file):
    """Names under which errors of ours are caught: what they say is escaped already."""
    handlers = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ExceptHandler)]
    classes = {kind.__name__ for kind in kinds()}
    types = {handler.name: {name_of(kind) for kind in ast.walk(handler.type) if isinstance(kind, ast.Name)}
             for handler in handlers if handler.name and handler.type}  # fmt: skip
    return {name for name, caught in types.items() if caught <= classes}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_whatever_is_logged_is_shown(file):
    levels = ("debug", "info", "warning", "error", "exception", "critical", "log")
    logged = [
        node
        for node in calls(file)
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and name_of(node.func.value) in ("log", "_log", "logger")
    ]
    for node in logged:
        form, *values = node.args
        assert isinstance(form, ast.Constant), f"{file}:{node.lineno}: give values as arguments"
        for value in values:
            safe = isinstance(value, ast.Call) and name_of(value.func) in ("shown", "shown_lines")
            safe |= isinstance(value, ast.Name) and (value.id.isupper() or value.id in our_errors(file))
            safe |= isinstance(value, ast.Attribute) and value.attr in ("number", "status")
            safe |= isinstance(value, ast.Name) and value.id == "status"
            assert safe, f"{file}:{node.lineno}: {ast.unparse(value)} is not shown()"
        assert not any(keyword.arg == "exc_info" for keyword in node.keywords), "a trace says what others said"


@nasty
def test_whatever_a_flow_says_is_a_line(text):
    """It goes to the log of a task as it is."""
    told: list[str] = []
    deploy = Deploy(None, None, None, time.monotonic, told.append, warn=told.append)
    for say in (deploy.say, deploy.warn, TakeSavepoint(None, None, None, time.monotonic, told.append).say):
        say(f"{text} " * 500)
    empty = SimpleNamespace(get=lambda _: Stored(None, 0, 0.0))
    withdraw(Withdrawal(text, "me", "me", "cancel"), None, empty, None, say=told.append)
    assert len(told) == 4
    assert all(line.isprintable() and len(line) <= MOST_OF_A_MESSAGE for line in told)


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("evil", ["a\x1b[2Jb", "a\nb: all is well", "a\u202eb", "\udcff", "x" * 200], ids=ascii)
def test_what_files_are_called_and_hold_is_printed_as_text(tmp_path, capfd, evil, json):
    (tmp_path / evil).mkdir()
    (tmp_path / evil / "bad.yaml").write_text(f"name: x\n{evil.encode(errors='ignore').decode()}: 1\nsql: [")
    (tmp_path / evil / f"{evil}.yaml").write_text('name: \'a\x85b\u2028c\'\nsql: "\\x1b[2J"\nmode: "\\u202e"\n')
    tables = "tables: ['x\u202e*.sql', 'y\u2066']\n"
    (tmp_path / evil / "none.yaml").write_text(f"name: a\nsql: INSERT INTO a SELECT 1\n{tables}")
    options = ["--gateway=http://127.0.0.1:1", "--jobmanager=http://127.0.0.1:1", f"--store=sqlite:///{tmp_path}/m.db"]
    assert main(["plan", str(tmp_path), *options, *(["--json"] if json else [])]) == 1
    out, err = capfd.readouterr()
    assert printable(out)
    assert printable(err)
    assert f"\n{err}".count("\nerror: ") == 3
