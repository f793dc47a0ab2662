"""What failures have in common, and which are a loop."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flinksql.model.failures import Failures, failures, shape

SECOND = 1000


@pytest.mark.parametrize(
    "one, other",
    [
        ('NumberFormatException: For input string: "x17"', 'NumberFormatException: For input string: "it\'s 4"'),
        ("IOException: Failed to deserialize JSON '{\"a\": 1}'.", "IOException: Failed to deserialize JSON 'no'."),
        ("ConnectException: refused: kafka-1.prod/10.0.0.1:9092", "ConnectException: refused: other/10.0.0.2:9093"),
        ("TimeoutException: no answer from db:5432", "TimeoutException: no answer from 10.1.1.1:5432"),
        ("NullPointerException: row +I[1, null, a b]", "NullPointerException: row -U[2, x, y]"),
        ("Exception: lost a.b.Task@1a2b3c4d", "Exception: lost a.b.Task@ffffff"),
        ("FileNotFoundException: /c/8c8a4a17d1b3f0c2/chk-7", "FileNotFoundException: /c/a6c7e8f90a1b2c3d/chk-12"),
        ("ArithmeticException: 1.5e3 is over by -7", "ArithmeticException: 22.1e9 is over by 12"),
        (f"ParseException: cannot read '{'a' * 90}…", f"ParseException: cannot read '{'b' * 90}…"),
    ],
)
def test_causes_that_differ_in_what_they_quote_are_of_one_shape(one, other):
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("ArithmeticException: / by zero", "NullPointerException"),
        ("StateMigrationException: the new key serializer", "StateMigrationException: the new state serializer"),
        ("ClassCastException: java.lang.Long is no java.lang.String", "ClassCastException: java.lang.Long is no a.B"),
        ("IOException: the writer's file 'a' is closed", "IOException: the reader's file 'a' is closed"),
    ],
)
def test_causes_of_different_kinds_keep_different_shapes(one, other):
    assert shape(one) != shape(other)


quoted = st.text(st.characters(exclude_characters="'\"`\n", exclude_categories=["Cs"]), max_size=20)


@given(quoted, quoted, st.integers(), st.integers(), st.sampled_from("'\"`"))
def test_what_is_quoted_and_counted_is_no_part_of_the_shape(value, other, number, another, quote):
    def cause(value: str, number: int) -> str:
        return f"SomeException: {quote}{value}{quote} at offset {number} of partition {number}"

    assert shape(cause(value, number)) == shape(cause(other, another))


@given(st.text())
def test_a_shape_holds_no_digit(cause):
    assert not re.search(r"\d", shape(cause))


def test_failures_count_in_the_shape_of_the_newest():
    struck = [(90, "E: 9"), (60, "other"), (50, "E: 8"), (10, "E: 7")]
    assert failures(struck, 0, 16) == Failures(3, 10, 90, 40)
    assert failures([], 0, 16) is None


def test_what_the_jobmanager_forgot_went_on_since_the_job_began():
    struck = [(time, "E") for time in range(116, 100, -1)]
    assert failures(struck, 20, 16) == Failures(16, 20, 116, 1)
    assert failures(struck[:-1], 20, 16) == Failures(15, 102, 116, 1)


@pytest.mark.parametrize(
    "times, lasted, is_loop", [(3, 15, True), (2, 60, False), (9, 5, False), (3, 14, False), (16, 15, True)]
)
def test_a_loop_is_three_failures_over_fifteen_seconds(times, lasted, is_loop):
    assert Failures(times, 1000, 1000 + lasted * SECOND).loop(15.0) is is_loop
