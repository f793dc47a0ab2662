"""Takes secrets out of what servers say, in whatever form a server writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

LONG = 4
"""A value of so many letters does not stand in a text by chance."""

_UNITS = re.compile(r"\s+|[\\/]+|.", re.DOTALL)
_QUOTES = "'\"`"
_PERCENT = "%(?:25)*"
_ESCAPE = rf"(?:\\|{_PERCENT}5[Cc])"
_SPACE = rf"(?i:(?:{_PERCENT}|{_ESCAPE}+u?00)(?:20|2b|0[9a-d]|1[c-f]))|{_ESCAPE}+[nrtf]|\s|\+"
_SLASHES = rf"(?:(?i:(?:{_PERCENT}|{_ESCAPE}+u?00)(?:5c|2f))|[\\/])+"


class Redactor:
    """A callable that gives back a text with stars in the place of values; :meth:`named` puts their names there.

    A value is found as it is and in what servers make of it, also mixed and one inside the other: quotes doubled as in
    SQL, escapes of JSON and of Java, code points, percent signs of a URL, slashes of a path, blanks folded. One that is
    shorter than four letters is found only where it is all that stands between quotes, or follows an equals sign.
    ``folds``: also in other letters, capital or small.
    """

    def __init__(self, values: Iterable[str] = (), *, folds: bool = True) -> None:
        self._folds = re.IGNORECASE if folds else re.NOFLAG
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str, name: str = "") -> None:
        """Take this value out of texts, too."""
        known = self._names.get(value)
        self._names[value] = name if not known else min(known, name)
        self._pattern = None

    def __call__(self, text: str) -> str:
        """The text with ``***`` in the place of each value."""
        return self._replaced(text, lambda _: "***")

    def named(self, text: str) -> str:
        """The text with each value's placeholder in its place: ``${conn.kafka.host}``."""
        names = sorted(self._names.items(), key=_rank)
        return self._replaced(text, lambda found: f"${{{names[int((found.lastgroup or '')[1:])][1]}}}")

    def _replaced(self, text: str, by: Callable[[re.Match[str]], str]) -> str:
        if not self._names:
            return text
        if self._pattern is None:
            values = sorted(self._names.items(), key=_rank)
            found = "|".join(f"(?P<v{number}>{_forms(value)})" for number, (value, _) in enumerate(values))
            self._pattern = re.compile(found, self._folds)
        return self._pattern.sub(by, text)


def _rank(named: tuple[str, str]) -> tuple[int, str, str]:
    """The longest first: a value may be a part of another."""
    return -len(named[0]), *named


def _forms(value: str) -> str:
    """A pattern for all forms of a value; one that never matches if there is nothing in it to hide."""
    return "|".join(_form(text) for text in dict.fromkeys((value, unquote(value))) if text.strip()) or "(?!)"


def _form(value: str) -> str:
    core = value.strip()
    begin, end = value.partition(core)[::2]
    found = "".join(map(_unit, _UNITS.findall(core)))
    found = "".join((_optional(begin), found, _optional(end)))  # servers and we cut blanks off
    if len(core) < LONG:
        return rf"(?<=['\"]){found}(?=\\*['\"])|(?<==){found}(?!\w)"
    return found


def _optional(blanks: str) -> str:
    return f"(?:{_unit(blanks)})?" if blanks else ""


def _unit(unit: str) -> str:
    """All forms of a character, or of a run of blanks or slashes."""
    if unit.isspace():
        return f"(?:{'|'.join([_SPACE, *(_character(blank) for blank in sorted(set(unit)) if not blank.isascii())])})+"
    if unit[0] in "\\/":
        return _SLASHES
    if unit.isascii() and unit.isalnum():
        return unit
    forms = _character(unit)
    return f"(?:{_ESCAPE}*(?:{forms})){{1,2}}" if unit in _QUOTES else f"(?:{forms})"


def _character(one: str) -> str:
    encoded = "".join(f"{_PERCENT}{byte:02x}" for byte in one.encode(errors="surrogatepass"))
    words = one.encode("utf-16-be", errors="surrogatepass").hex()
    points = "".join(rf"{_ESCAPE}+u?{words[at : at + 4]}" for at in range(0, len(words), 4))
    return f"(?i:{encoded}|{points})|{re.escape(one)}"
