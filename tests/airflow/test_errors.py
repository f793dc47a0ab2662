import logging

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_flinksql import errors
from airflow_provider_flinksql.airflow_errors import airflow_errors

FOR_GOOD = [
    errors.InvalidSpec("job.yaml", [errors.Fault("name", "this key is required", 1)]),
    errors.InvalidQuery("no such table", 2, 3),
    errors.Blocked("say so with --adopt"),
    errors.Misconfigured("no store"),
    errors.Unseen("/mnt/state"),
    errors.UnsupportedScheme("s3"),
    errors.Refused("no", 400),
    errors.NotFound("gone", 404),
    errors.Unauthorized("who", 401),
]
AGAIN = [
    errors.Busy("another deploy"),
    errors.NoFreeSlots("orders holds 8"),
    errors.Unreachable("no answer"),
    errors.Refused("later", 503),
    errors.DeadlineExceeded("too long"),
    errors.SavepointFailed("it goes on"),
    errors.JobFailed("division by zero"),
    errors.StatementFailed("catalog down"),
]


@pytest.mark.parametrize("error", FOR_GOOD, ids=lambda error: type(error).__name__)
def test_what_a_retry_cannot_mend_fails_at_once_with_its_whole_message(error):
    with pytest.raises(AirflowFailException) as raised, airflow_errors():
        raise error
    assert str(raised.value) == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("error", AGAIN, ids=lambda error: type(error).__name__)
def test_what_a_retry_may_mend_is_left_to_the_retries_of_the_task(error):
    with pytest.raises(type(error)) as raised, airflow_errors():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("error", [FOR_GOOD[3], AGAIN[2]], ids=["for good", "again"])
def test_causes_are_told_at_debug_only(error, caplog):
    caplog.set_level(logging.DEBUG, "airflow_provider_flinksql")
    def deep_inside():
        raise error from OSError("the cause")

    with pytest.raises(Exception) as raised, airflow_errors():
        deep_inside()
    assert raised.value.__suppress_context__
    assert raised.value.__cause__ is None
    assert "deep_inside" not in [entry.name for entry in raised.traceback]
    assert [(record.levelname, "the cause" in caplog.text) for record in caplog.records] == [("DEBUG", True)]


def test_other_errors_pass_untouched():
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("a bug")
