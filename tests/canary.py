"""Secrets that are hard to hide, and a search for what is left of them. It shares no code with what hides them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

MARK = "c4n4ry"

_WRITTEN = [
    'say "MARK"',
    "it's MARK's",
    "''MARK''",
    "`MARK`",
    "a\\b\\MARK",
    "MARK\\",
    "\\nMARK\\u0041",
    "two\nlines MARK",
    "MARK\r\n",
    "tab\tMARK",
    "  MARK  two  blanks  ",
    "\u00a0MARK\u2003x",
    "ключ MARK",
    "漢字MARK😀",
    "\u202eMARK\u200b",
    "MARK" + "z" * 600,
    "MARK@12345678",
    "Caused by: java.lang.IllegalStateException: MARK",
    "x\njava.lang.Error: MARK\n\tat MARK.y(Z.java:1)",
    "MARK at line 7, column 9",
    "%63%34MARK%20",
    "MARK***",
    "${env.CANARY_0}MARK",
    '{"k": "MARK", "n": [1, null]}',
    "https://me:MARK@host:80/a//b?c=MARK&d=1#e",
    "C:\\MARK\\x",
    "//MARK//",
    "<MARK/>&amp;",
    "\x1b[31mMARK\x1b[0m",
    "-- MARK",
    "/* MARK */;",
    "MARK=1, x=]})",
    "+ MARK +",
    "ONEMARKTWO",
    "9071352846",
    "@deadbeef",
    "${x}",
]
SECRETS = [written.replace("MARK", f"{MARK}{number:02}") for number, written in enumerate(_WRITTEN)]
ALONE = ["e", "7", "%41", "'", "***", "Internal server error."]
"""What is too short, or too common, to be sought: it may spoil no answer, and is found where it is all of a value."""

ENVIRONMENT = {f"CANARY_{number}": value for number, value in enumerate(SECRETS)}
ENVIRONMENT |= {f"CANARY_ALONE_{number}": value for number, value in enumerate(ALONE)}
STARS = "|".join(["***"] * len(SECRETS))


def all_of_them(kind: str = "env.CANARY_{}") -> str:
    """Placeholders of all, with a bar between any two."""
    return "|".join(f"${{{kind.format(number)}}}" for number in range(len(SECRETS)))


def forms(value: str) -> set[str]:
    """What becomes of a value on its way through SQL, JSON and URLs."""
    found = {value, value.strip(), " ".join(value.split()), re.sub(r"[\\/]+", "/", value)}
    for _ in range(2):
        found |= {one.replace("'", "''") for one in found}
        found |= {json.dumps(one, ensure_ascii=ascii_only)[1:-1] for one in found for ascii_only in (True, False)}
        found |= {encode(one) for one in found for encode in (quote, quote_plus, lambda text: quote(text, safe=""))}
    return found | {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), one) for one in found}


PLAIN = [secret for secret in SECRETS if MARK not in secret]
SOUGHT = re.compile("|".join(map(re.escape, [MARK, *(form for one in PLAIN for form in forms(one))])), re.IGNORECASE)


def left(texts: Mapping[str, str]) -> Iterator[str]:
    """Where something of a secret stands, with what is around it."""
    for name, text in texts.items():
        for match in SOUGHT.finditer(text):
            yield f"{name}: …{text[max(0, match.start() - 80) : match.end() + 40]!r}"


def files(folder: Path) -> dict[str, str]:
    """All files below a folder as text."""
    return {str(file): file.read_bytes().decode(errors="replace") for file in folder.rglob("*") if file.is_file()}
