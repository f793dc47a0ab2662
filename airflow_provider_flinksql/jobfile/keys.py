"""Typed values out of the mappings of a job file; what is wrong is a fault with its path and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_flinksql.errors import Fault
from airflow_provider_flinksql.jobfile.source import Items, Node, Scalar, Section
from airflow_provider_flinksql.model.options import parse_duration
from airflow_provider_flinksql.names import text


def unknown(
    section: Section, known: Sequence[str], prefix: str = "", refused: Mapping[str, str] = {}
) -> Iterator[Fault]:
    """A fault for each key that is not known; ``refused`` says of some why not."""
    for key, node in section.entries.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6) if len(key) < 50 else []
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            yield section.source.fault(prefix + key, refused.get(key) or f"there is no such key; {hint}", node.line)


class Keys:
    """Typed values out of a mapping; what is wrong goes to ``faults``, and the default is returned."""

    def __init__(self, section: Section, faults: list[Fault], prefix: str = "") -> None:
        self.section = section
        self.faults = faults
        self.prefix = prefix

    def fault(self, key: str, node: Node | None, message: str) -> None:
        """A fault of that key."""
        source = node.source if node else self.section.source
        self.faults.append(source.fault(self.prefix + key, message, node.line if node else None))

    def has(self, key: str) -> bool:
        """Whether the key has a value."""
        node = self.section.entries.get(key)
        return node is not None and not (isinstance(node, Scalar) and node.null)

    def scalar(self, key: str, *, required: bool = False) -> Scalar | None:
        """Its text, with its place."""
        node = self.section.entries.get(key)
        if isinstance(node, Scalar) and not node.null and (node.text.strip() or not required):
            return self._sendable(key, node)
        if node is not None and not isinstance(node, Scalar):
            self.fault(key, node, f"this must be a text, not a {_shape(node)}")
        elif required:
            self.fault(key, node, "this key is required" if node is None else "this is empty")
        return None

    def flag(self, key: str) -> bool | None:
        """true or false."""
        scalar = self.scalar(key)
        if scalar and scalar.text not in ("true", "false"):
            self.fault(key, scalar, f"write true or false, not {scalar.text}")
        return scalar.text == "true" if scalar else None

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        """One of these words."""
        scalar = self.scalar(key)
        if scalar and scalar.text not in allowed:
            self.fault(key, scalar, f"write {', '.join(allowed[:-1])} or {allowed[-1]}, not {scalar.text}")
        return scalar.text if scalar else None

    def seconds(self, key: str) -> float | None:
        """A duration in seconds, longer than nothing."""
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
        """The texts of a list."""
        node = self.section.entries.get(key)
        if node is None or not self.has(key):
            return []
        if not isinstance(node, Items):
            self.fault(key, node, "this must be a list: [first, second]")
            return []
        found = []
        for number, item in enumerate(node.items):
            if isinstance(item, Scalar) and item.text.strip() and not item.null:
                found.append(self._sendable(f"{key}[{number}]", item))
            else:
                self.fault(f"{key}[{number}]", item, "this must be a text")
        return found

    def inner(self, key: str, known: tuple[str, ...] = ()) -> Keys:
        """The mapping under that key; ``known`` are the keys it may have."""
        node = self.section.entries.get(key)
        if self.has(key) and not isinstance(node, Section):
            self.fault(key, node, "this must be a mapping of keys and values")
        section = node if isinstance(node, Section) else Section(self.section.source)
        if known:
            self.faults += unknown(section, known, f"{key}.")
        return Keys(section, self.faults, f"{key}.")

    def pairs(self) -> Iterator[tuple[str, Scalar]]:
        """All keys with their texts."""
        for key, node in self.section.entries.items():
            if isinstance(node, Section):
                self.fault(key, node, f"write the key in full: {key}.{next(iter(node.entries), '…')}")
            elif isinstance(node, Items):
                self.fault(key, node, "write a list as one text: a;b")
            elif isinstance(node, Scalar) and node.null:
                self.fault(key, node, "this has no value; give one (the empty text is '') or delete the key")
            elif isinstance(node, Scalar):
                yield key, self._sendable(key, node)

    def _sendable(self, key: str, node: Scalar) -> Scalar:
        try:
            text(node.text)
        except ValueError as error:
            self.fault(key, node, str(error))
        return node


def _shape(node: Node) -> str:
    return "list" if isinstance(node, Items) else "mapping"
