"""The arrows between the layers, read from the imports themselves."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_provider_flinksql"
NAME = "airflow_provider_flinksql"
LONGEST_FILE = 400

GLUE = {"cli", "hooks", "operators", "sensors", "triggers", "plugin"}
GLUE |= {"links", "provider_info", "compat", "airflow_errors", "on_kill"}
ARROWS = {
    "errors": set(),
    "model": {"errors", "names"},
    "files": set(),
    "names": {"errors"},
    "clients": {"errors", "files", "names"},
    "stores": {"errors", "model"},
    "targets": {"errors", "model", "clients"},
    "jobfile": {"errors", "files", "model", "names"},
    "deploy": {"errors", "names", "model", "clients", "stores", "targets", "jobfile"},
    "local": {"errors", "files"},
}
WINGS = {
    "model": set(),
    "model/verdict": {"model"},
    "model/lifecycle": {"model", "model/verdict"},
}
"""Which rooms of the model a room may ask. ``lifecycle`` asks for a verdict, never the other way."""
FOREIGN = {
    "model": {"airflow", "httpx", "sqlalchemy", "obstore", "yaml", "tenacity", "rich", "logging", "random", "time"},
}


def layer(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def ours(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(file) if name.startswith(f"{NAME}.")}


FILES = sorted(PACKAGE.rglob("*.py"))
ENGINE = [file for file in FILES if layer(file) not in GLUE | {"__init__"}]


@pytest.mark.parametrize("file", ENGINE, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_engine_imports_only_along_the_arrows(file):
    allowed = ARROWS[layer(file)] | {layer(file)}
    assert ours(file) <= allowed


def wing(module: str) -> str:
    """``model/verdict`` of ``airflow_provider_flinksql.model.verdict.judge.Change``."""
    parts = module.split(".")
    return "/".join(parts[1:3]) if "/".join(parts[1:3]) in WINGS else parts[1]


@pytest.mark.parametrize("file", [f for f in FILES if layer(f) == "model"], ids=lambda f: str(f.relative_to(PACKAGE)))
def test_the_wings_of_the_model_ask_each_other_one_way(file):
    here = wing(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts))
    assert {wing(name) for name in imports(file) if name.startswith(f"{NAME}.model.")} <= WINGS[here] | {here}


@pytest.mark.parametrize("file", [f for f in FILES if layer(f) == "model"], ids=lambda f: f.name)
def test_the_model_is_pure(file):
    assert {name.split(".")[0] for name in imports(file)} & FOREIGN["model"] == set()


@pytest.mark.parametrize("file", ENGINE, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_the_glue_knows_airflow(file):
    assert not any(name == "airflow" or name.startswith("airflow.") for name in imports(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_is_too_long_to_read(file):
    assert len(file.read_text().splitlines()) <= LONGEST_FILE


def test_no_broad_except_below_the_glue():
    broad = [
        f"{file.name}:{node.lineno}"
        for file in ENGINE
        if file != PACKAGE / "deploy" / "tell.py"  # the caller's own callback may raise anything
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert broad == []


@pytest.mark.parametrize("file", [file for file in FILES if layer(file) == "targets"], ids=lambda file: file.name)
def test_a_target_lets_no_server_speak_without_what_takes_secrets_out(file):
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    clients = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("JobManager", "Gateway")]
    careless = [call.lineno for call in clients if "redact" not in {word.arg for word in call.keywords}]
    assert careless == [] or file.name == "connect.py"  # it asks a cluster that is another one for its name only
