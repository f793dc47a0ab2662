"""Stored documents: dataclasses as plain JSON values and back, each value checked against its type hint.

What a newer version of this package wrote beside what is known here is kept and written back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

ABSENT = "absent"
"""Key of a field's metadata: what it is where a document does not have it, if that is not its default."""

APART = "apart"
"""Key of a field's metadata: whether it is kept somewhere else than in the document."""

LARGEST = 2**63
"""Numbers from here on are none that this package ever wrote; neither clocks nor databases take them."""

Reader = Callable[[Any], Any]


class Unlike(ValueError):
    """A document is not what it should be; the text says where and how: ``stops[0].number is a list``."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(f"{path or 'it'} {what}")
        self.what, self.path = what, path

    def within(self, name: str) -> Unlike:
        """The same, as seen from what holds it under this name or ``[index]``."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Unlike(self.what, f"{name}{dot}{self.path}")


@dataclass(frozen=True, kw_only=True)
class Document:
    """Base of everything that is stored. ``more`` is what is unknown here, by its key; it makes no difference."""

    more: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False, metadata={APART: True})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; secrets are still placeholders."""
        which: Any = type(self)
        return {**self.more, **{name: _plain(getattr(self, name)) for name in kept(which)}}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The inverse of :meth:`to_json`; raises Unlike. A field that has a default may be missing."""
        which: Any = cls
        read: Self = _document(which)(data)
        return read

    def as_today(self) -> Self:
        """What was read as it would be written today; raises Unlike where its values contradict each other."""
        return self


@cache
def kept(cls: Any) -> dict[str, Any]:
    """The fields of such a class that a document holds, and their type hints."""
    hints = get_type_hints(cls)
    return {each.name: hints[each.name] for each in fields(cls) if not each.metadata.get(APART)}


def _plain(value: Any) -> Any:
    if isinstance(value, Document):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


@cache
def _document(cls: Any) -> Reader:
    known = kept(cls)
    readers = [(name, _taken_as_is(hint), _reader(hint)) for name, hint in known.items()]
    required = frozenset(e.name for e in fields(cls) if e.default is MISSING and e.default_factory is MISSING)
    absent = {each.name: each.metadata[ABSENT] for each in fields(cls) if ABSENT in each.metadata}

    def read(data: Any) -> Any:
        if type(data) is not dict:
            raise Unlike(f"is {_kind(data)}, not an object")
        values = dict(absent)
        for name, as_is, reader in readers:
            if name in data:
                value = data[name]
                if type(value) in as_is:
                    values[name] = value
                    continue
                try:
                    values[name] = reader(value)
                except Unlike as wrong:
                    raise wrong.within(name) from None
            elif name in required:
                raise Unlike(f"has no {name}")
        if more := data.keys() - known.keys():
            values["more"] = {key: data[key] for key in more}
        return cls(**values).as_today()

    return read


def _taken_as_is(hint: Any) -> frozenset[type[Any]]:
    """The types whose values need no further look: the most frequent ones, of up to a hundred thousand in one read."""
    of = set(get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint])
    return frozenset(of & {str, bool, NoneType})


def _reader(hint: Any) -> Reader:
    """What reads one value of this type."""
    origin, of = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _optional(_reader(next(each for each in of if each is not NoneType)))
    if origin is Literal:
        return _one_of(of)
    if origin is tuple and of[-1] is not Ellipsis:
        return _row(tuple(map(_reader, of)))
    if origin is tuple:
        return _list(_reader(of[0]))
    if origin is Mapping:
        return _mapping(_reader(of[1]))
    if is_dataclass(hint) and isinstance(hint, type):
        return _document(hint)
    return {str: _text, bool: _flag, int: _whole, float: _number}[hint]


def _optional(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _one_of(words: tuple[Any, ...]) -> Reader:
    known = frozenset(words)

    def read(value: Any) -> Any:
        if _text(value) not in known:
            raise Unlike(f"is {value[:40]!r}, which is not known here")
        return value

    return read


def _row(readers: tuple[Reader, ...]) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise Unlike(f"is {_kind(value)}, not a list of {len(readers)}")
        return tuple(_at(index, reader, each) for index, (reader, each) in enumerate(zip(readers, value, strict=True)))

    return read


def _list(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise Unlike(f"is {_kind(value)}, not a list")
        try:
            return tuple(map(reader, value))
        except Unlike:  # once more, to say where
            return tuple(_at(index, reader, each) for index, each in enumerate(value))

    return read


def _mapping(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise Unlike(f"is {_kind(value)}, not an object")
        try:
            return dict(zip(value, map(reader, value.values()), strict=True))
        except Unlike:  # once more, to say where
            return {key: _at(key, reader, each) for key, each in value.items()}

    return read


def _at(place: int | str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except Unlike as wrong:
        raise wrong.within(f"[{place!r}]") from None


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise Unlike(f"is {_kind(value)}, not a text")
    return value


def _flag(value: Any) -> Any:
    if type(value) is not bool:
        raise Unlike(f"is {_kind(value)}, not true or false")
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int or abs(value) >= LARGEST:
        raise Unlike(f"is {_kind(value)}, not a whole number")
    return value


def _number(value: Any) -> Any:
    if type(value) not in (int, float) or not abs(value) < LARGEST:  # nor NaN
        raise Unlike(f"is {_kind(value)}, not a number")
    return value


def _kind(value: Any) -> str:
    """A JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    words = {str: "a text", list: "a list", dict: "an object", float: "a fraction"}
    if isinstance(value, int | float) and not abs(value) < LARGEST:  # NaN, too
        return "a number out of range"
    return words.get(type(value), "a number")
