"""How the planner's own text is read: what stands in it, and that nothing is guessed."""

import pytest

from airflow_provider_flinksql.model.verdict.columns import Column, Columns, hides, shown
from airflow_provider_flinksql.model.verdict.graph import parts_of, path_of
from airflow_provider_flinksql.model.verdict.plantext import Unreadable, attributes, conjuncts, named, split, tokens
from airflow_provider_flinksql.model.verdict.schema import hinted, known_of, place_of, read_schema

ROW = ("k", "my amount", "a.b", "x AS y", "it's", "c,d", "(p)")
ENV = Columns({name: Column(f"§0.{place}", "INT") for place, name in enumerate(ROW)})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("k, SUM(my amount) AS EXPR$1", ["k", "SUM(my amount) AS EXPR$1"]),
        ("c,d, (p), it's", ["c,d", "(p)", "it's"]),
        ("x = 'it''s, (a', k", ["x = 'it''s, (a'", "k"]),
        ("SEARCH(k, Sarg[(3..9]]), k", ["SEARCH(k, Sarg[(3..9]])", "k"]),
        ("start('w$) AS s, end('w$) AS e", ["start('w$) AS s", "end('w$) AS e"]),
    ],
)
def test_a_list_is_split_between_its_parts_whatever_stands_in_a_name(text: str, parts: list[str]) -> None:
    assert split(text, ROW) == parts


@pytest.mark.parametrize("text", ["f(k", "k)", "'k", "[k", "k, 'it's'"])
def test_what_is_never_closed_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        tokens(text, ("k",))


@pytest.mark.parametrize(
    ("item", "expression", "name"),
    [
        ("k AS shop", "k", "shop"),
        ("x AS y", "x AS y", "x AS y"),
        ("x AS y AS z AS a", "x AS y", "z AS a"),
        ("CAST(k AS INTEGER) AS my total", "CAST(k AS INTEGER)", "my total"),
        ("k", "k", "k"),
    ],
)
def test_an_alias_begins_at_the_first_as_outside_of_names_and_brackets(item: str, expression: str, name: str) -> None:
    assert named(item, ROW) == (expression, name)


def test_attributes_are_told_apart_by_their_own_brackets() -> None:
    assert attributes("groupBy=[c,d], select=[it's, k]", ROW) == {"groupBy": "c,d", "select": "it's, k"}


@pytest.mark.parametrize("text", ["select=[k, }, v, {]", "select=[k], more", "x, select=[k]"])
def test_attributes_of_which_a_part_is_none_are_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        attributes(text)


def test_what_has_no_attributes_has_none() -> None:
    assert attributes("rowtime field: 6") == {}


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("((k = a.b) AND ((p) < k))", ["k = a.b", "(p) < k"]),
        ("(k = a.b)", ["k = a.b"]),
        ("((k = a.b) OR (k IS NULL AND a.b IS NULL))", ["(k = a.b) OR (k IS NULL AND a.b IS NULL)"]),
        ("", []),
    ],
)
def test_a_condition_is_cut_at_its_ands(condition: str, parts: list[str]) -> None:
    assert conjuncts(condition, ROW) == parts


@pytest.mark.parametrize(
    ("expression", "meaning"),
    [
        ("(my amount + k)", "(§0.1 + §0.0)"),
        ("(a.b > 3)", "(§0.2 > 3)"),
        ("CAST(x AS y AS BIGINT)", "CAST(§0.3 AS BIGINT)"),
        ("(k <> 'my amount')", "(§0.0 <> 'my amount')"),
        ("CASE((k > 0), k, null:INTEGER)", "CASE((§0.0 > 0), §0.0, null:INTEGER)"),
    ],
)
def test_columns_are_found_in_expressions_by_their_whole_names(expression: str, meaning: str) -> None:
    assert ENV.resolved(expression) == meaning


@pytest.mark.parametrize("text", ["unknown", "(k + other)", "my-fn(k) + x", "(k", "'it's'", "kk"])
def test_what_does_not_resolve_equals_itself_only_over_the_same_columns(text: str) -> None:
    other = Columns({**ENV.known, "k": Column("§1.k", "INT")})
    assert shown(ENV.resolved(text)) == text
    assert ENV.resolved(text) == Columns(dict(ENV.known)).resolved(text)
    assert ENV.resolved(text) != other.resolved(text)


@pytest.mark.parametrize("name", ["DAY", "AND", "NULL"])
def test_a_column_named_like_a_word_of_the_planner_is_not_guessed_at(name: str) -> None:
    columns = Columns({name: Column("§0.x"), "k": Column("§0.k")})
    assert columns.of(name).meaning == "§0.x"
    assert "§0.x" not in columns.resolved(f"({name} > k)")
    assert "§0.k" not in columns.resolved(f"({name} > k)")


@pytest.mark.parametrize("name", [",", "(k)", "[k, v]", "'a'"])
def test_a_list_that_a_name_may_divide_otherwise_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        split(f"v{name}k", ("k", "v", name))


@pytest.mark.parametrize("name", ["0", "1.5", "k + v", "k = v"])
def test_a_column_named_like_an_expression_is_not_guessed_at(name: str) -> None:
    columns = Columns({each: Column(f"§0.{place}") for place, each in enumerate(("k", "v", name))})
    assert "§0" not in columns.resolved(f"({name} > k)")


@pytest.mark.parametrize("name", ["1st", "k v", "k-v", "k+v"])
def test_a_name_that_the_planner_would_not_write_so_is_a_name(name: str) -> None:
    columns = Columns({each: Column(f"§0.{place}") for place, each in enumerate(("k", "v", name))})
    assert columns.resolved(f"({name} > k)") == "(§0.2 > §0.0)"


def test_a_column_named_like_a_field_of_another_is_not_guessed_at() -> None:
    columns = Columns({"a": Column("§0.a"), "a.b": Column("§0.ab")})
    assert "§0" not in columns.resolved("(a.b > 3)")


def test_the_field_of_a_row_is_no_column_of_that_name() -> None:
    columns = Columns({"r": Column("§0.r"), "c": Column("§0.c")})
    assert columns.resolved("(r.c + c)") == "(§0.r.c + §0.c)"


def test_columns_that_are_not_known_have_a_digest_of_what_made_them() -> None:
    one, other = Columns(hidden="one"), Columns(hidden="other")
    assert one.digest != other.digest
    assert one.of("k").meaning == Columns(hidden="one").of("k").meaning != other.of("k").meaning


@pytest.mark.parametrize(("meaning", "secret"), [("(§0.k = '***')", True), ("§0.***", False), ("f('a***b')", True)])
def test_a_secret_is_seen_in_a_literal_only(meaning: str, secret: bool) -> None:
    assert hides(meaning) is secret


@pytest.mark.parametrize("parts", [["c", "d", "t"], ["c", "d", "a.b"], ["c", "d", "a`b"], ["c", "d", "`.`"]])
def test_a_path_is_read_back_whatever_its_names(parts: list[str]) -> None:
    assert parts_of(path_of(parts)) == parts


def test_the_options_of_a_hint_are_told_apart_by_their_names() -> None:
    assert hinted("path=file:///a, er=}, sink.parallelism=1") == {
        "path": "file:///a",
        "er": "}",
        "sink.parallelism": "1",
    }


def test_a_place_is_what_says_where_rows_are_without_logins() -> None:
    assert place_of({"format": "json"}) == "-"
    assert place_of({"path": "a"}) != place_of({"path": "b"})
    assert place_of({"url": "jdbc:pg://u:p@h/d?password=x"}) == place_of({"url": "jdbc:pg://u2:q@h/d?password=y"})


def test_a_metadata_column_is_known_by_its_key() -> None:
    created = (
        "CREATE TABLE `c`.`d`.`t` (\n  `k` INT,\n  `f` VARCHAR(9) NOT NULL METADATA FROM 'file.name' VIRTUAL,\n"
        "  `size` BIGINT METADATA\n) WITH (\n  'connector' = 'filesystem'\n)\n"
    )
    schema = read_schema(known_of(created, insert_only=True))
    assert schema.metadata == {"f": "file.name", "size": "size"}
    assert (schema.type_of("f"), schema.type_of("size"), schema.type_of("k")) == (
        "VARCHAR(9) NOT NULL",
        "BIGINT",
        "INT",
    )
