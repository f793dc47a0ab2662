"""YAML read as written: every scalar stays text, and everything knows where it stands.

PyYAML's own loading would turn ``on``, ``010`` and ``12:30:00`` into other things, let the last of two equal keys win
and forget lines and columns; so only its parser is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_flinksql.errors import Fault, InvalidSpec
from airflow_provider_flinksql.files import MOST, TOO_LARGE, read_file

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 20_000  # of a file with all its aliases written out
_DEEPEST = 50
_NULLS = ("", "~", "null", "Null", "NULL")
_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")


@dataclass(frozen=True)
class Source:
    """A text that was read.

    ``folder`` is where its relative paths begin; ``shared`` marks a defaults file and what that names; ``named_in`` is
    the value of a job or defaults file that names this one.
    """

    name: str
    folder: Path
    shared: bool = False
    named_in: Scalar | None = None

    def fault(self, path: str, message: str, line: int | None = None) -> Fault:
        """A fault at that line. Those of another file than the report is about name their file."""
        if self.named_in:
            return self.named_in.source.fault(path, f"{self.name}, line {line}: {message}", self.named_in.line)
        if not self.shared:
            return Fault(path, message, line)
        return Fault(path, f"{message} ({self.name}{f', line {line}' if line else ''})")


@dataclass(frozen=True)
class Node:
    """``line`` (from 1) is that of its key, or its own in a list; None in a job that came as a Python mapping."""

    source: Source
    line: int | None = None


@dataclass(frozen=True)
class Scalar(Node):
    """``first`` is line and column (from 1) of the first character of the text, ``indent`` what a literal block's lines
    begin with; ``exact`` is False where the text's lines are not the file's (folded, or quoted over several lines)."""

    text: str = ""
    null: bool = False
    first: tuple[int, int] = (1, 1)
    indent: int = 0
    exact: bool = True
    folded: bool = False


@dataclass(frozen=True)
class Items(Node):
    """A list."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Section(Node):
    """A mapping, in the order of the file."""

    entries: Mapping[str, Node] = field(default_factory=dict)


def begins_in(written: Path, folder: Path) -> str:
    """What a message about a missing file adds to a relative path: where it begins."""
    return "" if written.is_absolute() else f"; a relative path begins in {folder.absolute()}"


def read_text(path: Path, hint: str = "") -> str:
    """The text of a UTF-8 file; InvalidSpec in plain words where it cannot be read, with a hint where there is none."""
    try:
        text = read_file(path).decode("utf-8-sig")
    except FileNotFoundError:
        link = os.path.lexists(path)
        problem = Fault("", "this is a symbolic link to nothing" if link else f"there is no such file{hint}")
    except IsADirectoryError:
        problem = Fault("", _of_folder(path))
    except OSError as error:
        problem = Fault("", f"the file cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = Fault("", f"the file is not UTF-8 text: byte 0x{error.object[error.start]:02x}", line)
    else:
        if "\0" not in text:
            return text.replace("\r\n", "\n")
        problem = Fault("", "the file is not text: it holds a NUL", text.count("\n", 0, text.index("\0")) + 1)
    raise InvalidSpec(str(path), [problem])


def _of_folder(path: Path) -> str:
    try:
        with os.scandir(path):
            return "this is a folder, not a file"
    except OSError as error:
        return f"the folder cannot be read: {error.strerror}"


def read_yaml(text: str, source: Source, faults: list[Fault]) -> Section:
    """The mapping a YAML text holds. InvalidSpec if it is none; lesser faults are appended to ``faults``."""
    try:
        _refuse_bulk(text, source)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidSpec(source.name, [Fault("", _syntax(error), mark.line + 1 if mark else None)]) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidSpec(source.name, [Fault("", "this is not text: it holds half a character", line)]) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        reason = getattr(error, "reason", str(error))
        raise InvalidSpec(source.name, [Fault("", f"this is not YAML text: {reason}", line)]) from None
    if root is None:
        raise InvalidSpec(source.name, [Fault("", "the file is empty")])
    if not isinstance(root, yaml.MappingNode):
        raise InvalidSpec(source.name, [Fault("", "this is not a mapping of keys such as `name:` and `sql:`", 1)])
    section = _Walk(text, source, faults).node(root, "", 1, 0)
    assert isinstance(section, Section)
    return section


def _refuse_bulk(text: str, source: Source) -> None:
    """Before nodes are composed: libyaml's composer does not survive deep nesting, and each node is a kilobyte."""
    if len(text) > MOST:
        raise InvalidSpec(source.name, [Fault("", f"this is not a job file: {TOO_LARGE}")])
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST or nodes > _MOST_NODES:
            why = "it is nested too deeply" if depth > _DEEPEST else f"it holds more than {_MOST_NODES:,} values"
            line = event.start_mark.line + 1 if event.start_mark else None
            raise InvalidSpec(source.name, [Fault("", f"this is not a job file: {why}", line)])


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if error.context == "expected a single document in the stream":
        return "a second document begins here; write one file per job"
    problem = " ".join(part for part in (error.context, error.problem) if part)
    hint = "; indent with spaces, not with tabs" if "\\t" in problem else ""
    return f"this is not YAML: {problem}{hint}"


class _Walk:
    """Turns PyYAML's nodes into ours."""

    def __init__(self, text: str, source: Source, faults: list[Fault]) -> None:
        self.lines = text.split("\n")
        self.source = source
        self.faults = faults
        self.nodes = 0

    def node(self, node: yaml.Node, path: str, line: int, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > _MOST_NODES or depth > _DEEPEST:
            what = "its aliases expand without end" if depth > _DEEPEST else "its aliases expand to far too much"
            raise InvalidSpec(self.source.name, [Fault(path.split("[")[0], what, line)])
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            self.fault(path, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} has no meaning here", line)
        if isinstance(node, yaml.MappingNode):
            return Section(self.source, line, dict(self.entries(node, path, depth)))
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            children = (self.node(item, f"{path}[{n}]", item.start_mark.line + 1, depth + 1) for n, item in items)
            return Items(self.source, line, tuple(children))
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node, line)

    def entries(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, Node]]:
        seen: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.fault(path, "a key must be text", line)
            elif key.tag == "tag:yaml.org,2002:merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in seen:
                self.fault(_join(path, key.value), f"this key stands twice, first in line {seen[key.value]}", line)
            else:
                seen[key.value] = line
                yield key.value, self.node(value, _join(path, key.value), line, depth + 1)
        for other in merged:
            if isinstance(other, yaml.MappingNode):
                self.nodes += 1
                inherited = self.node(other, path, other.start_mark.line + 1, depth + 1)
                assert isinstance(inherited, Section)
                yield from ((key, value) for key, value in inherited.entries.items() if key not in seen)
                seen.update(dict.fromkeys(inherited.entries, 0))
            else:
                self.fault(path, "`<<` merges mappings only", other.start_mark.line + 1)

    def scalar(self, node: yaml.ScalarNode, line: int) -> Scalar:
        start, end = node.start_mark, node.end_mark
        null = not node.style and node.value in _NULLS
        result = Scalar(self.source, line, node.value, null, (start.line + 1, start.column + 1))
        if node.style == "|":
            indent = self.block_indent(node.value, start.line + 1)
            return replace(result, first=(start.line + 2, indent + 1), indent=indent)
        if node.style == ">" or end.line > start.line:
            return replace(result, exact=False, folded=True)
        quoted = node.style in ("'", '"')
        return replace(result, first=(start.line + 1, start.column + 1 + quoted))

    def block_indent(self, text: str, first: int) -> int:
        """How far a literal block's lines are indented in the file, seen in the first that is not blank."""
        for number, line in enumerate(text.split("\n"), first):
            if line and number < len(self.lines):
                return max(0, len(self.lines[number]) - len(line))
        return 0

    def fault(self, path: str, message: str, line: int) -> None:
        self.faults.append(self.source.fault(path, message, line))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def from_mapping(value: object, source: Source, depth: int = 0) -> Node:
    """A job given as Python values, as if it had been read from YAML without positions."""
    if depth > _DEEPEST:
        raise InvalidSpec(source.name, [Fault("", "this is not a job file: it is nested too deeply")])
    if isinstance(value, Mapping):
        entries = {str(key): from_mapping(item, source, depth + 1) for key, item in value.items()}
        return Section(source, None, entries)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Items(source, None, tuple(from_mapping(item, source, depth + 1) for item in value))
    return Scalar(source, None, _text(value), null=value is None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def merged(below: Section, above: Section) -> Section:
    """Both mappings as one: mappings merge key by key, of anything else the upper one's is taken."""
    entries = dict(below.entries)
    for key, node in above.entries.items():
        other = entries.get(key)
        both = isinstance(other, Section) and isinstance(node, Section)
        entries[key] = merged(other, node) if both else node  # type: ignore[arg-type]
    return Section(above.source, above.line, entries)
