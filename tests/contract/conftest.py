from collections.abc import Iterator

import pytest

import services
from airflow_provider_flinksql.local import LocalStatus


@pytest.fixture(scope="session")
def flink23() -> Iterator[LocalStatus]:
    with services.flink("2.3.0") as running:
        yield running


@pytest.fixture(scope="session")
def flink120() -> Iterator[LocalStatus]:
    with services.flink("1.20.3") as running:
        yield running


@pytest.fixture(scope="session", params=["flink23", "flink120"])
def flink(request: pytest.FixtureRequest) -> LocalStatus:
    """Each test once per Flink line; a line that no selected test asks for is not started."""
    return request.getfixturevalue(request.param)
