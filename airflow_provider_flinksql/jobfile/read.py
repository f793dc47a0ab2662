"""Job files: YAML, defaults file and parameters into a Spec, with every fault at once and every position kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from airflow_provider_flinksql.errors import Fault, InvalidSpec, StatementError
from airflow_provider_flinksql.jobfile.keys import Keys, unknown
from airflow_provider_flinksql.jobfile.options import effective
from airflow_provider_flinksql.jobfile.source import (
    Node,
    Scalar,
    Section,
    Source,
    begins_in,
    from_mapping,
    merged,
    read_text,
    read_yaml,
)
from airflow_provider_flinksql.jobfile.sql import Origin, Place, SqlReader
from airflow_provider_flinksql.model.document import kept
from airflow_provider_flinksql.model.nearly import looks_like_jinja
from airflow_provider_flinksql.model.spec import Mode, Spec, StatePolicy
from airflow_provider_flinksql.model.sql import plain_placeholders
from airflow_provider_flinksql.model.statement import creation, locate
from airflow_provider_flinksql.model.submission import CHECKED
from airflow_provider_flinksql.names import JOB_NAME

DEFAULTS_NAME = "job-template.yaml"

Part = Literal["statements", "tables", "setup"]

_KEYS = (
    "name",
    "description",
    "target-table",
    "sql",
    "flinkProperties",
    "mode",
    "enabled",
    "tables",
    "setup",
    "jars",
    "parameters",
    "query-metadata",
    "state",
    "health",
)
_STATE_KEYS = tuple(name.replace("_", "-") for name in kept(StatePolicy))
_HEALTH = {"timeout": "health_timeout", "give-up-after": "give_up_after", "stable-for": "stable_for"}
_ONE_RUN = "this belongs to one run, never into a file: give it on the command line or to the operator"
_REFUSED = {
    "code": "jobs written in Python are not supported yet; write the job in `sql`",
    "meta": "this is flink-sql-runner's own record, not a part of a job file; delete it",
    "restore-from": f"{_ONE_RUN} (--restore-from, restore_from=)",
    "adopt": f"{_ONE_RUN} (--adopt)",
    "accept": f"{_ONE_RUN} (--accept)",
}
_PARAMETER = re.compile(r"[\w.-]+", re.ASCII)
_IDENTIFIER = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_TABLE = re.compile(
    rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER}){{0,2}}(?:\s*(?:\(|/\*\+|PARTITION\b)[^;]*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class JobFile:
    """A Spec and where its author wrote it. ``path`` is None for a job that was not read from a file.

    ``unused`` are the names of given parameters that the job has no placeholder for.
    """

    spec: Spec
    path: Path | None
    origins: Mapping[Part, tuple[Origin, ...]]
    unused: frozenset[str] = frozenset()

    def require_used(self) -> JobFile:
        """This job. InvalidSpec if a parameter that was given for it alone is used nowhere."""
        if self.unused:
            problem = "this was given, and there is no such placeholder in the job"
            faults = [Fault(f"parameters.{name}", problem) for name in sorted(self.unused)]
            raise InvalidSpec(str(self.path or "the job"), faults)
        return self

    def locate(self, index: int, line: int, column: int, part: Part = "statements") -> Place:
        """Where a position in the index-th statement of that part of the Spec was written."""
        return self.origins[part][index].place(line, column)

    def beginning(self, index: int, part: Part = "statements") -> Place:
        """Where the index-th statement of that part of the Spec begins."""
        return replace(self.locate(index, 1, 1, part), column=None)

    def place_of(self, error: StatementError) -> str:
        """Where a refused statement stands, as Flink tells it; without a position, where the statement begins, or the
        one that creates its table."""
        file = str(self.path or "the job")
        part, index = error.place or ("statements", 0)
        option = next((key for key in self.spec.properties if f"'{key}'" in error.reason), None)
        if option and error.table is None:
            return f"{file}, flinkProperties.{option}"
        if part == "jars" or error.digest not in (None, self.spec.digest):
            return f"{file}, {part}[{index}]"  # what ran before has no file any more
        if error.line is None:
            part, index = (error.table and creation(self.spec, error.table)) or (part, index)
            return str(self.beginning(index, part))
        line, column = error.line, error.column or 1
        if part == "statements":
            found = locate(self.spec, line, column, **CHECKED)
            if found is None:
                return str(self.beginning(index))
            index, line, column = found
        return str(self.locate(index, line, column, part))


def job_files(paths: Sequence[Path], defaults: Path | None = None) -> list[Path]:
    """The job files that the paths name: files as they are, folders read to the bottom, without defaults files.

    Hidden files and folders are left out: mounted Kubernetes ConfigMaps keep a second copy of each file in one. So are
    symbolic links to folders, which may lead in circles; those to files are files, as in a ConfigMap.
    """
    found: set[Path] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises for a name that is too long
            found.update(file for file in _below(path) if not _is_defaults(file, defaults))
        else:
            found.add(path)
    return sorted(found)


def _below(folder: Path) -> Iterator[Path]:
    """What has the name of a job file. What of it is no file, or a folder that cannot be read, is told when it is."""
    unread: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unread.append(Path(error.filename))):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(parent, name) for name in names if name[0] != "." and name.endswith((".yaml", ".yml")))
    yield from unread


def _is_defaults(file: Path, defaults: Path | None) -> bool:
    same = defaults is not None and os.path.realpath(file) == os.path.realpath(defaults)
    return same or file.name == DEFAULTS_NAME


def read_job(
    source: Path | str | Mapping[str, Any],
    *,
    parameters: Mapping[str, str] = {},
    defaults: Path | None = None,
    connection_properties: Mapping[str, str] = {},
    operator_properties: Mapping[str, str] = {},
    folder: Path | None = None,
) -> JobFile:
    """Read one job: a Path is a file, a str is YAML text, a Mapping is the job itself.

    ``defaults`` is the defaults file; without it, the one beside a job that is a file. ``folder`` is where the relative
    paths of a job that is not a file begin. InvalidSpec lists all that is wrong.
    """
    faults: list[Fault] = []
    path = source if isinstance(source, Path) else None
    origin = Source(str(path) if path else "the job", path.parent if path else folder or Path())
    job = _section(source, origin, faults)
    if path and not defaults and os.path.lexists(path.parent / DEFAULTS_NAME):  # what is no file there is a fault
        defaults = path.parent / DEFAULTS_NAME
    shared = _defaults(defaults, job, faults)
    layers = (
        _layer("the connection's flink_properties", connection_properties),
        shared.entries.get("flinkProperties"),
        job.entries.get("flinkProperties"),
        _layer("the operator's flink_properties", operator_properties),
    )
    for section in (shared, job):
        faults += unknown(section, _KEYS, refused=_REFUSED)
    keys = Keys(merged(shared, job), faults)
    reader = SqlReader(_parameters(keys.inner("parameters"), parameters), faults)
    spec, origins = _read(keys, layers, reader)
    if not faults:
        faults += _unused(job, parameters, reader)
    if faults:
        raise InvalidSpec(origin.name, faults)
    return JobFile(spec, path, origins, frozenset(name for name in parameters if f"param.{name}" not in reader.used))


def _unused(job: Section, given: Mapping[str, str], reader: SqlReader) -> Iterator[Fault]:
    """Parameters of the job's own that it has no placeholder for. One that was given, too, is told of as that."""
    section = job.entries.get("parameters")
    for name, node in section.entries.items() if isinstance(section, Section) else ():
        if f"param.{name}" not in reader.used and name not in given:
            problem = f"this is used nowhere; write ${{param.{name}}} where it is meant, or delete it"
            yield node.source.fault(f"parameters.{name}", problem, node.line)


def _section(source: Path | str | Mapping[str, Any], origin: Source, faults: list[Fault]) -> Section:
    if isinstance(source, Mapping):
        section = from_mapping(source, origin)
        assert isinstance(section, Section)
        return section
    text = read_text(source, begins_in(source, Path())) if isinstance(source, Path) else source
    return read_yaml(text, origin, faults)


def _defaults(path: Path | None, job: Section, faults: list[Fault]) -> Section:
    """The defaults file with the job's name filled in."""
    if path is None:
        return Section(Source("", Path()))
    source = Source(str(path), path.parent, shared=True)
    try:
        text = read_text(path, begins_in(path, Path()))
        return read_yaml(text.replace("{job_name}", _name(job) or "job"), source, faults)
    except InvalidSpec as error:
        faults += [source.fault(fault.path, fault.message, fault.line) for fault in error.faults]
        return Section(source)


def _name(job: Section) -> str:
    """The job's name, empty where it is not fit to be one."""
    name = job.entries.get("name")
    return name.text if isinstance(name, Scalar) and JOB_NAME.fullmatch(name.text) else ""


def _layer(name: str, properties: Mapping[str, str]) -> Node:
    return from_mapping(properties, Source(name, Path(), shared=True))


def _read(
    keys: Keys, layers: Sequence[Node | None], reader: SqlReader
) -> tuple[Spec, Mapping[Part, tuple[Origin, ...]]]:
    name = _name(keys.section)
    given = keys.scalar("name", required=True)
    if given and not name:
        keys.fault("name", given, "use letters, digits, dot, dash and underscore, at most 100, a letter or digit first")
    mode: Mode = keys.choice("mode", get_args(Mode)) or "streaming"
    target = _target(keys, reader)
    metadata = keys.flag("query-metadata") or False
    sql = keys.scalar("sql", required=True)
    has_target = keys.has("target-table")
    statements = reader.job(sql, target_table=has_target, streaming=mode == "streaming") if sql else []
    if metadata and sql and not has_target:
        flag = keys.section.entries["query-metadata"]
        keys.fault("query-metadata", flag, "only a query with a `target-table` can get these columns; set it to false")
    tables = reader.tables(keys.scalars("tables"))
    setups = enumerate(keys.scalars("setup"))
    setup = [origin for number, item in setups for origin in reader.before(item, f"setup[{number}]")]
    jars = [reader.plain(jar, f"jars[{number}]") for number, jar in enumerate(keys.scalars("jars"))]
    description = keys.scalar("description")
    enabled = keys.flag("enabled")
    spec = Spec(
        name=name,
        statements=_texts(statements),
        tables=_texts(tables),
        setup=_texts(setup),
        jars=tuple(jars),
        target_table=target,
        description=description.text if description else "",
        mode=mode,
        enabled=enabled is not False,
        query_metadata=metadata,
        properties=effective(layers, name, reader, keys.faults),
        state=_state(keys.inner("state", _STATE_KEYS)),
        **_health(keys.inner("health", tuple(_HEALTH))),
    )
    return spec, {"statements": tuple(statements), "tables": tuple(tables), "setup": tuple(setup)}


def _texts(origins: Iterable[Origin]) -> tuple[str, ...]:
    return tuple(origin.text for origin in origins)


def _target(keys: Keys, reader: SqlReader) -> str | None:
    scalar = keys.scalar("target-table")
    if scalar is None:
        return None
    target = reader.fragment(scalar, "target-table").strip()
    if not _TABLE.fullmatch(target):
        keys.fault("target-table", scalar, "this is not a table name such as orders or `catalog`.`database`.`orders`")
    return target


def _state(keys: Keys) -> StatePolicy:
    """The ``state:`` section: its keys and their words are those of StatePolicy."""
    given: dict[str, Any] = {}
    for name, hint in kept(StatePolicy).items():
        key = name.replace("_", "-")
        value = keys.seconds(key) if name == "max_age" else keys.choice(key, get_args(hint))
        if value is not None:
            given[name] = value
    return StatePolicy(**given)


def _health(keys: Keys) -> dict[str, Any]:
    """The ``health:`` section, by the fields of the Spec; what is not given has their defaults."""
    return {name: seconds for key, name in _HEALTH.items() if (seconds := keys.seconds(key)) is not None}


def _parameters(keys: Keys, given: Mapping[str, str]) -> dict[str, str]:
    """``param.x`` -> value. A placeholder in a value is refused: whoever sets parameters could read secrets by it."""
    operator = from_mapping(given, Source("the given parameters", Path(), shared=True))
    assert isinstance(operator, Section)
    values: dict[str, str] = {}
    for layer in (keys, Keys(operator, keys.faults, "parameters.")):
        for key, scalar in layer.pairs():
            if not _PARAMETER.fullmatch(key):
                layer.fault(key, scalar, "use letters, digits, dot, dash and underscore in a parameter's name")
            if plain_placeholders(scalar.text):
                layer.fault(key, scalar, "a parameter cannot hold a placeholder; write it where the parameter is used")
            if layer is keys and looks_like_jinja(scalar.text):
                problem = "a job file is never rendered by Jinja; give this by the operator's parameters="
                layer.fault(key, scalar, problem)
            values[f"param.{key}"] = scalar.text
    return values
