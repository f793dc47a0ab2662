"""Job files: YAML, defaults file and parameters into a Spec, with every fault at once and every position kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from airflow_provider_flinksql.errors import Fault, InvalidSpec
from airflow_provider_flinksql.jobsql import Origin, Place, SqlReader
from airflow_provider_flinksql.model.options import owned, parse_duration, present_name, unfit
from airflow_provider_flinksql.model.spec import Mode, Spec, StatePolicy
from airflow_provider_flinksql.model.sql import plain_placeholders
from airflow_provider_flinksql.yamlsource import (
    Items,
    Node,
    Scalar,
    Section,
    Source,
    from_mapping,
    merged,
    read_text,
    read_yaml,
)

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
_STATE_KEYS = tuple(field.name.replace("_", "-") for field in fields(StatePolicy))
_HEALTH = {"timeout": "health_timeout", "give-up-after": "give_up_after", "stable-for": "stable_for"}
_ONE_RUN = "this belongs to one run, never into a file: give it on the command line or to the operator"
_REFUSED = {
    "code": "jobs written in Python are not supported yet; write the job in `sql`",
    "meta": "this is flink-sql-runner's own record, not a part of a job file; delete it",
    "restore-from": f"{_ONE_RUN} (--restore-from, restore_from=)",
    "adopt": f"{_ONE_RUN} (--adopt)",
    "accept": f"{_ONE_RUN} (--accept)",
}
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PARAMETER = re.compile(r"[\w.-]+", re.ASCII)
_IDENTIFIER = r"(?:`(?:[^`]|``)+`|[\w$]+)"
_TABLE = re.compile(
    rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER}){{0,2}}(?:\s*(?:\(|/\*\+|PARTITION\b)[^;]*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class JobFile:
    """A Spec and where its author wrote it. ``path`` is None for a job that was not read from a file."""

    spec: Spec
    path: Path | None
    origins: Mapping[Part, tuple[Origin, ...]]

    def locate(self, index: int, line: int, column: int, part: Part = "statements") -> Place:
        """Where a position in the index-th statement of that part of the Spec was written."""
        return self.origins[part][index].place(line, column)

    def locate_session(self, index: int, line: int, column: int) -> Place | None:
        """The same for the index-th of ``session_statements(spec)``; None for an ADD JAR."""
        before = index - len(self.spec.jars)
        written = [*self.origins["tables"], *self.origins["setup"]]
        return written[before].place(line, column) if before >= 0 else None


def job_files(paths: Sequence[Path], defaults: Path | None = None) -> list[Path]:
    """The job files that the paths name: files as they are, folders read to the bottom, without defaults files.

    Hidden files and folders are left out: mounted Kubernetes ConfigMaps keep a second copy of each file in one.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files = (file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
            shown = (file for file in files if not any(part[0] == "." for part in file.relative_to(path).parts))
            found.update(file for file in shown if not _is_defaults(file, defaults))
        else:
            found.add(path)
    return sorted(found)


def _is_defaults(file: Path, defaults: Path | None) -> bool:
    return file.name == DEFAULTS_NAME or (defaults is not None and file.resolve() == defaults.resolve())


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
    if path and not defaults and (path.parent / DEFAULTS_NAME).is_file():
        defaults = path.parent / DEFAULTS_NAME
    shared = _defaults(defaults, job, faults)
    layers = (
        _layer("the connection's flink_properties", connection_properties),
        shared.entries.get("flinkProperties"),
        job.entries.get("flinkProperties"),
        _layer("the operator's flink_properties", operator_properties),
    )
    for section in (shared, job):
        faults += _unknown(section, _KEYS)
    spec, origins = _read(_Keys(merged(shared, job), faults), layers, parameters)
    if faults:
        raise InvalidSpec(origin.name, faults)
    return JobFile(spec, path, origins)


def _section(source: Path | str | Mapping[str, Any], origin: Source, faults: list[Fault]) -> Section:
    if isinstance(source, Mapping):
        section = from_mapping(source, origin)
        assert isinstance(section, Section)
        return section
    return read_yaml(read_text(source) if isinstance(source, Path) else source, origin, faults)


def _defaults(path: Path | None, job: Section, faults: list[Fault]) -> Section:
    """The defaults file with the job's name filled in."""
    if path is None:
        return Section(Source("", Path()))
    source = Source(str(path), path.parent, shared=True)
    try:
        return read_yaml(read_text(path).replace("{job_name}", _name(job) or "job"), source, faults)
    except InvalidSpec as error:
        faults += [source.fault(fault.path, fault.message, fault.line) for fault in error.faults]
        return Section(source)


def _name(job: Section) -> str:
    """The job's name, empty where it is not fit to be one."""
    name = job.entries.get("name")
    return name.text if isinstance(name, Scalar) and JOB_NAME.fullmatch(name.text) else ""


def _layer(name: str, properties: Mapping[str, str]) -> Node:
    return from_mapping(properties, Source(name, Path(), shared=True))


def _unknown(section: Section, known: Sequence[str], prefix: str = "") -> Iterator[Fault]:
    for key, node in section.entries.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            refused = None if prefix else _REFUSED.get(key)
            yield section.source.fault(prefix + key, refused or f"there is no such key; {hint}", node.line)


class _Keys:
    """Typed values out of a mapping; what is wrong goes to ``faults``, and the default is returned."""

    def __init__(self, section: Section, faults: list[Fault], prefix: str = "") -> None:
        self.section = section
        self.faults = faults
        self.prefix = prefix

    def fault(self, key: str, node: Node | None, message: str) -> None:
        source = node.source if node else self.section.source
        self.faults.append(source.fault(self.prefix + key, message, node.line if node else None))

    def has(self, key: str) -> bool:
        node = self.section.entries.get(key)
        return node is not None and not (isinstance(node, Scalar) and node.null)

    def scalar(self, key: str, *, required: bool = False) -> Scalar | None:
        node = self.section.entries.get(key)
        if isinstance(node, Scalar) and not node.null and (node.text.strip() or not required):
            return node
        if node is not None and not isinstance(node, Scalar):
            self.fault(key, node, f"this must be a text, not a {_shape(node)}")
        elif required:
            self.fault(key, node, "this key is required" if node is None else "this is empty")
        return None

    def flag(self, key: str) -> bool | None:
        scalar = self.scalar(key)
        if scalar and scalar.text not in ("true", "false"):
            self.fault(key, scalar, f"write true or false, not {scalar.text}")
        return scalar.text == "true" if scalar else None

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        scalar = self.scalar(key)
        if scalar and scalar.text not in allowed:
            self.fault(key, scalar, f"write {', '.join(allowed[:-1])} or {allowed[-1]}, not {scalar.text}")
        return scalar.text if scalar else None

    def seconds(self, key: str) -> float | None:
        scalar = self.scalar(key)
        if scalar is None:
            return None
        try:
            seconds = parse_duration(scalar.text)
        except ValueError as error:
            self.fault(key, scalar, str(error))
            return None
        if scalar.text.strip().isdigit():  # milliseconds to Flink, seconds to everybody else
            self.fault(key, scalar, f"give {scalar.text} a unit: {scalar.text}s, {scalar.text}min")
        elif not seconds:
            self.fault(key, scalar, "this must be longer than nothing")
        return seconds

    def scalars(self, key: str) -> list[Scalar]:
        node = self.section.entries.get(key)
        if node is None or not self.has(key):
            return []
        if not isinstance(node, Items):
            self.fault(key, node, "this must be a list: [first, second]")
            return []
        found = []
        for number, item in enumerate(node.items):
            if isinstance(item, Scalar) and item.text.strip() and not item.null:
                found.append(item)
            else:
                self.fault(f"{key}[{number}]", item, "this must be a text")
        return found

    def inner(self, key: str, known: tuple[str, ...] = ()) -> _Keys:
        node = self.section.entries.get(key)
        if self.has(key) and not isinstance(node, Section):
            self.fault(key, node, "this must be a mapping of keys and values")
        section = node if isinstance(node, Section) else Section(self.section.source)
        if known:
            self.faults += _unknown(section, known, f"{key}.")
        return _Keys(section, self.faults, f"{key}.")

    def pairs(self) -> Iterator[tuple[str, Scalar]]:
        for key, node in self.section.entries.items():
            if isinstance(node, Section):
                self.fault(key, node, f"write the key in full: {key}.{next(iter(node.entries), '…')}")
            elif isinstance(node, Items):
                self.fault(key, node, "write a list as one text: a;b")
            elif isinstance(node, Scalar) and node.null:
                self.fault(key, node, "this has no value; give one (the empty text is '') or delete the key")
            elif isinstance(node, Scalar):
                yield key, node


def _shape(node: Node) -> str:
    return "list" if isinstance(node, Items) else "mapping"


def _read(
    keys: _Keys, layers: Iterable[Node | None], parameters: Mapping[str, str]
) -> tuple[Spec, Mapping[Part, tuple[Origin, ...]]]:
    name = _name(keys.section)
    given = keys.scalar("name", required=True)
    if given and not name:
        keys.fault("name", given, "use letters, digits, dot, dash and underscore, at most 100, a letter or digit first")
    reader = SqlReader(_parameters(keys.inner("parameters"), parameters), keys.faults)
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
        properties=_properties(layers, name, reader, keys.faults),
        state=_state(keys.inner("state", _STATE_KEYS)),
        **_health(keys.inner("health", tuple(_HEALTH))),
    )
    return spec, {"statements": tuple(statements), "tables": tuple(tables), "setup": tuple(setup)}


def _texts(origins: Iterable[Origin]) -> tuple[str, ...]:
    return tuple(origin.text for origin in origins)


def _target(keys: _Keys, reader: SqlReader) -> str | None:
    scalar = keys.scalar("target-table")
    if scalar is None:
        return None
    target = reader.fragment(scalar, "target-table").strip()
    if not _TABLE.fullmatch(target):
        keys.fault("target-table", scalar, "this is not a table name such as orders or `catalog`.`database`.`orders`")
    return target


def _state(keys: _Keys) -> StatePolicy:
    """The ``state:`` section: its keys and their words are those of StatePolicy."""
    given: dict[str, Any] = {}
    for name, hint in get_type_hints(StatePolicy).items():
        key = name.replace("_", "-")
        value = keys.seconds(key) if name == "max_age" else keys.choice(key, get_args(hint))
        if value is not None:
            given[name] = value
    return StatePolicy(**given)


def _health(keys: _Keys) -> dict[str, float]:
    """The ``health:`` section, by the fields of the Spec; what is not given has their defaults."""
    return {name: seconds for key, name in _HEALTH.items() if (seconds := keys.seconds(key)) is not None}


def _parameters(keys: _Keys, given: Mapping[str, str]) -> dict[str, str]:
    """``param.x`` -> value. A placeholder in a value is refused: whoever sets parameters could read secrets by it."""
    operator = from_mapping(given, Source("the given parameters", Path(), shared=True))
    assert isinstance(operator, Section)
    values: dict[str, str] = {}
    for layer in (keys, _Keys(operator, keys.faults, "parameters.")):
        for key, scalar in layer.pairs():
            if not _PARAMETER.fullmatch(key):
                layer.fault(key, scalar, "use letters, digits, dot, dash and underscore in a parameter's name")
            if plain_placeholders(scalar.text):
                layer.fault(key, scalar, "a parameter cannot hold a placeholder; write it where the parameter is used")
            values[f"param.{key}"] = scalar.text
    return values


def _properties(layers: Iterable[Node | None], job: str, reader: SqlReader, faults: list[Fault]) -> dict[str, str]:
    """The effective Flink options under their present names; later layers win."""
    effective: dict[str, str] = {}
    for layer in layers:
        if layer is not None:
            holder = Section(layer.source, None, {"flinkProperties": layer})
            effective |= _one_layer(_Keys(holder, faults).inner("flinkProperties"), job, reader)
    return effective


def _one_layer(keys: _Keys, job: str, reader: SqlReader) -> dict[str, str]:
    result: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for key, scalar in keys.pairs():
        value = reader.plain(scalar, f"flinkProperties.{key}")
        if key == "pipeline.name" and value == (job or value):
            continue  # what the templates of flink-sql-runner say
        reason = owned(key)
        if reason:
            keys.fault(key, scalar, f"this option is not yours to set: {reason}")
        elif problem := unfit(key, value):
            keys.fault(key, scalar, problem)
        name = present_name(key)
        if result.setdefault(name, value) != value:
            keys.fault(key, scalar, f"this is another name of {spelling[name]}, which has another value; keep {name}")
        spelling.setdefault(name, key)
    return result
