"""Splitting, comparing and filling SQL text."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_flinksql.model.sql import (
    SqlFault,
    Statement,
    created_table,
    fill,
    fill_plain,
    has_line_comment,
    inserts,
    kind_of,
    misplaced,
    normal_form,
    offset_of,
    placeholders,
    position,
    quote_identifier,
    quote_literal,
    split,
    unfilled,
    well_formed,
    without_comments,
)

anything = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
awkward = st.text(" ;'`\"-/*+\n\r\\{}$()eE;:<>=|.a1END", max_size=12)
words = st.sampled_from(["SELECT", "a", "t1", "FROM", "x$y", "été", "1", "42", "e", "E", "N", "_utf8", "AS", "INSERT"])
operators = st.sampled_from(
    ["(", ")", ",", ".", "=", "<", ">", "<>", "<=", "-", "+", "*", "/", "||", "=>", "[", "]", "|"]
)
literals = st.one_of(anything, awkward).map(quote_literal)
identifiers = st.one_of(anything, awkward).filter(bool).map(quote_identifier)
escapes = awkward.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
hints = literals.map(lambda value: f"/*+ OPTIONS('k' = {value}) */")
tokens = st.lists(st.one_of(words, operators, literals, identifiers, escapes, hints), min_size=1, max_size=12)
line_comments = awkward.map(lambda text: "--" + text.replace("\n", " ").replace("\r", " ") + "\n")
block_comments = awkward.map(lambda text: "/* " + text.replace("*/", "").replace("*", "x") + "*/")
gaps = st.lists(
    st.one_of(st.sampled_from([" ", "\n", "\t", "\r\n"]), line_comments, block_comments), min_size=1, max_size=3
)
gap = gaps.map(lambda parts: " " + "".join(parts))
cases = st.just("CASE a WHEN 1 THEN ';' ELSE 'END' END")
inner = st.lists(st.one_of(words, literals, identifiers, hints, cases), min_size=1, max_size=6).map(" ".join)
insert = inner.map(lambda text: f"INSERT INTO t SELECT {text}")
statement_set = st.lists(insert, min_size=1, max_size=3).map(
    lambda all_: "EXECUTE STATEMENT SET BEGIN\n" + ";\n".join(all_) + ";\nEND"
)
old_statement_set = st.lists(insert, min_size=1, max_size=3).map(
    lambda all_: "BEGIN STATEMENT SET;\n" + ";\n".join(all_) + ";\nEND"
)
statements = st.one_of(insert, inner.map(lambda text: "SELECT " + text), statement_set, old_statement_set)


@given(st.lists(statements, max_size=5), st.lists(gap, min_size=6, max_size=6))
def test_joined_statements_split_into_the_same_texts(texts, between):
    script = "".join(f"{space}{text}{space};" for text, space in zip(texts, between, strict=False))
    assert [statement.text for statement in split(script)] == texts


@given(st.lists(statements, min_size=1, max_size=5), st.lists(gap, min_size=5, max_size=5))
def test_a_statement_says_where_it_begins(texts, between):
    script = "".join(f"{space}{text};" for text, space in zip(texts, between, strict=False))
    for statement in split(script):
        start = offset_of(script, statement.line, statement.column)
        assert script[start : start + len(statement.text)] == statement.text


@given(st.lists(insert, min_size=1, max_size=4), gap, st.booleans())
def test_the_inserts_of_a_statement_set_are_found_untouched_and_placed(texts, space, old):
    begin = "BEGIN STATEMENT SET;" if old else "execute statement set begin"
    script = f"{space}{begin}{space}" + "".join(f"{text}{space};{space}" for text in texts) + "end;"
    (whole,) = split(script)
    parts = inserts(whole)
    assert whole.kind == "statement-set"
    assert [part.text for part in parts] == texts
    for part in parts:
        start = offset_of(script, part.line, part.column)
        assert script[start : start + len(part.text)] == part.text


@given(awkward)
def test_any_text_is_split_or_refused_and_no_statement_is_invented(text):
    try:
        found = split(text)
    except SqlFault as fault:
        found = []
        offset = offset_of(text, fault.line, fault.column)
    else:
        offset = 0
    assert 0 <= offset <= len(text)
    assert all(statement.text and statement.text in text for statement in found)


@pytest.mark.parametrize(
    "text", ["SELECT 'a", "SELECT `a", 'SELECT "a', "SELECT 1 /* a", "SELECT E'a\\'", "SELECT '''"]
)
def test_what_is_never_closed_is_refused_where_it_begins(text):
    with pytest.raises(SqlFault, match="never closed") as caught:
        split("SELECT 1;\n" + text)
    assert (caught.value.line, caught.value.column) == (2, 10 if "1" in text else 8)


def test_a_statement_set_without_its_end_is_refused():
    with pytest.raises(SqlFault, match="no END"):
        split("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM b;")


def test_both_line_comments_of_flink_hide_a_semicolon():
    assert [s.text for s in split("SELECT 1 -- ;\n + 2 // ;\r + 3; SELECT 4")] == [
        "SELECT 1 -- ;\n + 2 // ;\r + 3",
        "SELECT 4",
    ]


def test_json_and_urls_in_strings_stay_as_they_are():
    text = """CREATE TABLE t (a STRING) WITH ('x' = '{"a": ["}", ";"]}', 'u' = 'http://h/--;/*')"""
    assert [statement.text for statement in split(text + ";")] == [text]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("insert into t select 1", "insert"),
        ("INSERT OVERWRITE t SELECT 1", "insert"),
        ("((SELECT 1) UNION (SELECT 2))", "query"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "query"),
        ("VALUES (1)", "query"),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1; END", "statement-set"),
        ("BEGIN STATEMENT SET; INSERT INTO t SELECT 1; END", "statement-set"),
        ("CREATE TABLE t AS SELECT 1", "create-table-as"),
        ("/* c */ CREATE /* c */ TABLE IF NOT EXISTS t WITH ('a' = 'b') AS SELECT 1", "create-table-as"),
        ("CREATE OR REPLACE TABLE t AS SELECT 1", "create-table-as"),
        ("REPLACE TABLE t AS SELECT 1", "create-table-as"),
        ("CREATE TEMPORARY TABLE t (a INT, b AS a + 1) WITH ('c' = 'AS')", "ddl"),
        ("CREATE TABLE t (a INT) LIKE u", "ddl"),
        ("CREATE VIEW v AS SELECT 1", "ddl"),
        ("CREATE TEMPORARY FUNCTION f AS 'org.F'", "ddl"),
        ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", "ddl"),
        ("DROP TEMPORARY SYSTEM FUNCTION IF EXISTS f", "ddl"),
        ("ALTER TABLE t SET ('a' = 'b')", "ddl"),
        ("CREATE MODEL m WITH ('a' = 'b')", "ddl"),
        ("ALTER CATALOG c SET ('a' = 'b')", "ddl"),
        ("DROP DATABASE d", "ddl"),
        ("USE CATALOG c", "ddl"),
        ("USE MODULES hive", "ddl"),
        ("load module hive", "ddl"),
        ("UNLOAD MODULE core", "ddl"),
        ("ADD JAR 'x'", "ddl"),
        ("SET 'a' = 'b'", "set"),
        ("SET a.b = s3://c/d", "set"),
        ("RESET", "set"),
        ("SHOW TABLES", "show"),
        ("DESC t", "show"),
        ("EXPLAIN INSERT INTO t SELECT 1", "show"),
        ("EXECUTE INSERT INTO t SELECT 1", "insert"),
        ("EXECUTE PLAN 'x'", "dml"),
        ("STOP JOB 'x'", "other"),
        ("CALL sys.compact('t')", "other"),
        ("ANALYZE TABLE t COMPUTE STATISTICS", "other"),
        ("REMOVE JAR 'x'", "other"),
        ("CREATE MATERIALIZED TABLE t AS SELECT 1", "other"),
        ("CREATE OR ALTER MATERIALIZED TABLE t AS SELECT 1", "other"),
        ("ALTER MATERIALIZED TABLE t SUSPEND", "other"),
        ("CREATE OR TABLE t (a INT)", "other"),
        ("USELESS", "other"),
        ("?", "other"),
    ],
)
def test_a_statement_is_known_by_what_it_does(text, kind):
    assert kind_of(text) == kind
    assert [statement.kind for statement in split(text)] == [kind]


@given(tokens, st.data())
def test_comments_and_white_space_never_change_the_normal_form(parts, data):
    plain = " ".join(parts)
    spaced = "".join(part + data.draw(gap) for part in parts)
    assert normal_form(spaced) == normal_form(plain)


@given(tokens)
def test_the_normal_form_has_a_normal_form_of_its_own_equal_to_it(parts):
    once = normal_form(" ".join(parts))
    assert normal_form(once) == once


@given(tokens, st.one_of(anything, awkward), st.one_of(anything, awkward), tokens)
def test_another_string_literal_is_another_normal_form(before, one, other, after):
    assume(one != other)

    def form(value):
        return normal_form(" ".join([*before, quote_literal(value), *after]))

    assert form(one) != form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT COUNT( * ) FROM t", "SELECT COUNT(*)FROM t;"),
        ("SELECT a , b", "SELECT a,b -- c"),
        ("SELECT /*+ OPTIONS('a' = 'b') */ 1", "SELECT /*+OPTIONS('a'='b')*/ 1 ; ;"),
        ("SELECT a\n--\n+ b", "SELECT a+b"),
    ],
)
def test_layout_does_not_matter(one, other):
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("SELECT `a b`", "SELECT `a  b`"),
        ("SELECT a - -1", "SELECT a"),
        ("SELECT a b", "SELECT ab"),
        ("SELECT a < = b", "SELECT a <= b"),
        ("SELECT 'a' 'b'", "SELECT 'a''b'"),
        ("SELECT a", "SELECT A"),
        ("SELECT /*+ A() */ 1", "SELECT 1"),
        ("SELECT ${env.A} ${env.B}", "SELECT ${env.A}${env.B}"),
        ("SELECT E'a\\'b'", "SELECT E'a\\'  b'"),
    ],
)
def test_what_matters_to_the_parser_matters(one, other):
    assert normal_form(one) != normal_form(other)


def test_the_normal_form_of_nothing_is_nothing():
    assert normal_form(" -- x\n ; ") == ""


@given(st.one_of(anything, awkward), tokens, tokens)
def test_a_value_cannot_leave_its_quotes(value, before, after):
    for quote, written in (("'", quote_literal), ("`", quote_identifier)):
        text = " ".join([*before, f"{quote}x${{param.p}}{quote}", *after])
        assert fill(text, {"param.p": value}) == " ".join([*before, written("x" + value), *after])


@given(st.lists(st.tuples(awkward, awkward), min_size=1, max_size=4))
def test_a_place_in_filled_text_is_found_again_in_the_unfilled(pairs):
    values = {f"param.p{number}": value for number, (_, value) in enumerate(pairs)}
    marks = [f"{quote_literal(text)} '${{param.p{number}}}' MARK{number}" for number, (text, _) in enumerate(pairs)]
    text = "\n".join(marks)
    filled = fill(text, values)
    for number in range(len(pairs)):
        assume(filled.count(f"MARK{number}") == 1)
        assert unfilled(text, values, filled.index(f"MARK{number}")) == text.index(f"MARK{number}")


@pytest.mark.parametrize("value", ["1", "-1.5", "orders", "a.b:c-d", "2024-01-01"])
def test_a_plain_value_may_stand_without_quotes(value):
    assert fill("SELECT ${param.x}, t_${param.x}", {"param.x": value}) == f"SELECT {value}, t_{value}"


@pytest.mark.parametrize(
    "value", ["", "a b", "1; DROP TABLE t", "a--b", "a/b", "'a'", "`a`", "a,b", "é", "1\n", "-", "a-"]
)
def test_any_other_value_needs_quotes(value):
    with pytest.raises(SqlFault, match=r"put it in quotes: '\$\{param.x\}'") as caught:
        fill("SELECT\n ${param.x}", {"param.x": value})
    assert (caught.value.line, caught.value.column) == (2, 2)


def test_a_negative_number_cannot_make_a_comment():
    with pytest.raises(SqlFault):
        fill("SELECT 1 -${param.x} FROM t", {"param.x": "-1"})
    assert fill("SELECT 1 - ${param.x}", {"param.x": "-1"}) == "SELECT 1 - -1"


def test_only_given_names_are_filled_and_comments_are_left_alone():
    text = "SELECT '${param.x}', '${conn.k.password}' -- ${param.x}\n/* ${param.x} */"
    assert fill(text, {"param.x": "it's"}) == "SELECT 'it''s', '${conn.k.password}' -- ${param.x}\n/* ${param.x} */"
    assert list(placeholders(text)) == ["param.x", "conn.k.password"]


def test_a_value_cannot_leave_a_string_that_knows_backslashes():
    assert fill("SELECT E'${param.x}', '${param.x}'", {"param.x": "\\'; --"}) == "SELECT E'\\\\''; --', '\\''; --'"


def test_a_set_without_quotes_ends_at_a_space_and_no_sooner_than_flink_says():
    script = "SET a.b = s3://c/d;SET e=/*f*/g // h\n; SET 'i' = 'j' -- k\n; INSERT INTO t SELECT 1 // SET x = y"
    assert [statement.text for statement in split(script)] == [
        "SET a.b = s3://c/d",
        "SET e=/*f*/g",
        "SET 'i' = 'j'",
        "INSERT INTO t SELECT 1",
    ]
    assert not has_line_comment("SET a.b = s3://c/d")
    assert has_line_comment("SET a.b = c -- d")
    assert has_line_comment("INSERT INTO t SELECT 1; SET a.b // d")


@pytest.mark.parametrize("text", ["SELECT 1 -- a\n+ 2 /* b\nc */ + 3", "SET a = b//c -- d", "SELECT '--' /*+ H */"])
def test_without_comments_everything_else_is_where_it_was(text):
    bare = without_comments(text)
    assert normal_form(bare) == normal_form(text)
    assert [bare.find(word) for word in "123"] == [text.find(word) for word in "123"]
    assert len(bare) == len(text)


def test_a_late_bound_value_is_misplaced_outside_of_strings():
    text = "SELECT `${env.A}`, ${var.b}, \"${conn.c.d}\", '${env.E}', E'${env.F}', ${param.g} /*+ O('${env.H}') */"
    text += " -- ${env.I}"
    assert misplaced(text) == {name: text.index(name) - 2 for name in ("env.A", "var.b", "conn.c.d")}


def test_the_word_execute_is_no_part_of_an_insert():
    (statement,) = split("-- c\n EXECUTE /* d */\n  INSERT INTO t SELECT 1;")
    assert inserts(statement) == (Statement("INSERT INTO t SELECT 1", 3, 3, "insert"),)


def test_a_value_is_not_filled_again():
    assert fill("'${param.a}'", {"param.a": "${param.b}", "param.b": "no"}) == "'${param.b}'"


def test_a_placeholder_in_a_hint_is_filled():
    assert fill("t /*+ OPTIONS('g'='${param.g}') */", {"param.g": "a"}) == "t /*+ OPTIONS('g'='a') */"


def test_other_braces_are_no_placeholders():
    assert placeholders("""SELECT '{"a": "${b}"}', '${}', '$ {param.x}', '${other.x}'""") == {}


@pytest.mark.parametrize("name", ["param.a", "param.a-b.c", "conn.k.password", "conn.k.extra.x", "var.a", "env.A_1"])
def test_a_good_placeholder_is_well_formed(name):
    assert placeholders(f"'${{{name}}}'") == {name: 1}
    assert well_formed(name)


@pytest.mark.parametrize("name", ["param.", "conn.k", "env.a-b", " param.a", "var.a b", "conn..x y"])
def test_a_bad_placeholder_is_found_and_not_well_formed(name):
    assert placeholders(f"'${{{name}}}'") == {name: 1}
    assert not well_formed(name)


def test_plain_text_is_filled_as_it_is():
    assert fill_plain("a/${param.x}/'${param.y}'", {"param.x": "it's"}) == "a/it's/'${param.y}'"


def test_line_comments_are_told_from_strings_and_hints():
    assert has_line_comment("SELECT 1 -- x")
    assert has_line_comment("SELECT 1 // x")
    assert not has_line_comment("SELECT '--', `//`, 1 /* -- */ /*+ h('--') */")


@given(anything, st.integers(0, 30))
def test_position_and_offset_are_inverse(text, offset):
    offset = min(offset, len(text))
    assert offset_of(text, *position(text, offset)) == offset


@pytest.mark.parametrize(
    ("begin", "again", "end"),
    [
        ("", "INSERT INTO t SELECT a, 'it''s', `b` FROM x WHERE c IN (1, 2); -- c\n", ""),
        ("", "INSERT INTO t SELECT 1; ", ""),
        ("EXECUTE STATEMENT SET BEGIN ", "INSERT INTO t SELECT 1; ", "END"),
        ("SELECT '", "''", ""),
        ("SELECT /*", "/*", ""),
        ("SELECT E'", "\\", ""),
        ("CREATE VIEW v ", "AS ", ""),
        ("SELECT '", "${param.x} ${param.", "'"),
    ],
    ids=["lines", "one line", "set", "quotes", "comments", "escapes", "words", "placeholders"],
)
def test_the_time_grows_with_the_length_and_no_faster(begin, again, end):
    def seconds(length):
        text = begin + again * (length // len(again)) + end
        start = time.process_time()
        try:
            for statement in split(text):
                inserts(statement)
                fill(statement.text, {"param.x": "a"})
            normal_form(text)
        except SqlFault:
            normal_form(text)
        return time.process_time() - start

    assert seconds(200_000) < 30 * max(seconds(20_000), 0.01)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE TABLE t (k INT)", "t"),
        ("create or replace temporary table if not exists `a.b` . c.`d``e` (k INT)", "d`e"),
        ("CREATE /* x */ TABLE IF NOT EXISTS t(k INT)", "t"),
        ("CREATE VIEW v AS SELECT 1", None),
        ("CREATE TABLE", None),
        ("DROP TABLE t", None),
    ],
)
def test_a_statement_names_the_table_that_it_creates(statement, name):
    assert created_table(statement) == name
