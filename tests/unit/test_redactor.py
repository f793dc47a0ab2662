"""Secrets are found in every form in which a server may write them, and words that only look alike are left alone."""

import json
import re
from functools import reduce
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_flinksql.clients.causes import causes, root_cause
from airflow_provider_flinksql.clients.redactor import LONG, Redactor
from airflow_provider_flinksql.errors import Said


def escaped(text, ensure_ascii=True):
    return json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]


def lower_hex(text):
    return re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quote(text, safe=""))


def html_safe(text):
    """As Gson writes JSON."""
    return re.sub("[<>&='/]", lambda found: f"\\u{ord(found[0]):04X}", escaped(text, ensure_ascii=False))


def code_points(text):
    """As Calcite writes a literal that is not ASCII."""
    return re.sub(r"[^\x00-\x7f]", lambda found: re.sub("(....)", r"\\\1", found[0].encode("utf-16-be").hex()), text)


AT_FIRST = {
    "raw": str,
    "sql": lambda text: text.replace("'", "''"),
    "sql name": lambda text: text.replace("`", "``"),
    "path": lambda text: re.sub(r"[\\/]+", "/", text),
    "small": lambda text: re.sub("[A-Z]", lambda letter: letter[0].lower(), text),
    "capital": lambda text: re.sub("[a-z]", lambda letter: letter[0].upper(), text),
    "folded": lambda text: " ".join(text.split()),
    "code points": code_points,
}
THEN = {
    "json": lambda text: escaped(text, ensure_ascii=False),
    "ascii json": escaped,
    "html-safe json": html_safe,
    "url": quote,
    "query": quote_plus,
    "lower url": lower_hex,
}
WRITTEN = st.tuples(st.sampled_from(sorted(AT_FIRST)), st.lists(st.sampled_from(sorted(THEN)), max_size=3))
SIGNS = "'\"`\\/%+*$@:?&#<>={}[]()|^.~ \n\t\r\x1b\x00"
ODD = st.sampled_from([*SIGNS, *"ключß漢😀", "\u2028", "''", "  ", "%41", "***", "${x}", "\\n"])
VALUES = st.lists(ODD | st.text("abcXYZ0189"), min_size=1, max_size=12).map("".join)
LONG_VALUES = VALUES.filter(lambda value: len(value.strip()) >= LONG and value.strip()[-1] not in "\\/")


@given(LONG_VALUES, WRITTEN, st.sampled_from("<([="), st.sampled_from(">)],"))
@example("a%41bc", ("raw", []), "(", ")")
def test_no_form_of_a_value_is_left(value, written, before, after):
    first, then = written
    form = reduce(lambda text, name: THEN[name](text), then, AT_FIRST[first](value))
    told = Redactor([value])(f"option 'x' is {before}{form}{after}, and odd")
    assert told == f"option 'x' is {before}***{after}, and odd"


@given(st.lists(LONG_VALUES, min_size=2, max_size=4, unique=True))
def test_of_values_that_are_parts_of_each_other_the_longest_is_taken_out(values):
    whole = "|".join(values)
    assert Redactor([*values, whole])(f"({whole})") == "(***)"


@pytest.mark.parametrize("value", ["a", "1", "'", "ab", "a\\b", "%41", "ß"])
def test_a_short_value_is_found_where_it_stands_alone(value):
    doubled, named = value.replace("'", "''"), Redactor()
    named.add(value, "env.X")
    text = f"Could not parse '{doubled}' at line 1 of abacus %411; k={value}, \"{escaped(value)}\" a1b (1)"
    stars = "Could not parse '***' at line 1 of abacus %411; k=***, \"***\" a1b (1)"
    assert Redactor([value])(text) == stars
    assert named.named(text) == stars.replace("***", "${env.X}")


@pytest.mark.parametrize("value", ["", " ", "\n\t "])
def test_there_is_nothing_to_hide_in_blanks(value):
    assert Redactor([value])("a '' b ' ' c\n\t =") == "a '' b ' ' c\n\t ="


def test_of_names_with_one_value_always_the_same_is_told():
    told = set()
    for names in (("env.A", "env.B"), ("env.B", "env.A")):
        redactor = Redactor()
        for name in names:
            redactor.add("hunter2", name)
        told.add(redactor.named("hunter2"))
    assert told == {"${env.A}"}


TRACE = """org.apache.flink.runtime.JobException: Recovery is suppressed
\tat org.apache.flink.runtime.X.y(X.java:1)
Caused by: java.io.IOException: cannot log in with '{}' at flink:9092
\tat org.example.Kafka.open(Kafka.java:7)
"""
AWKWARD = ["flink", "x\nCaused by: java.lang.Error: y", "z" * 600, "a@12345678", "  two  blanks  ", " at line 3"]


@pytest.mark.parametrize("value", AWKWARD)
def test_a_secret_neither_survives_the_shortening_of_a_cause_nor_spoils_it(value):
    said = root_cause(Said(TRACE.format(value), Redactor([value])))
    assert said == f"IOException: cannot log in with '***' at {'***' if value == 'flink' else 'flink'}:9092"


def test_a_copy_of_what_a_server_said_holds_no_secret():
    said = Said(TRACE.format("hunter2"), Redactor(["hunter2"]))
    assert "hunter2" in said.words
    assert not any("hunter2" in str(part) for part in said.__reduce__())
    assert [one.kind for one in causes(said)] == ["JobException", "IOException"]
