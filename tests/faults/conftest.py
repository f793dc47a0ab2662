"""What takes long and mostly waits happens while the other tests run, and is waited for at the end."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from faults.killed import killing
from faults.lab import Lab, laboratory
from faults.stories import telling
from faults.table import Table
from faults.tasks import OVER

FIRST = ("services_fail", "high_availability", "hosts", "crowd")
"""Those that need the processors least come first."""
LAST = ("airflow_faults", "worker_killed", "tables")
"""Those that wait for what happens meanwhile; the tables are full after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of our modules; within one nothing changes."""
    order = {f"test_{name}": place for place, name in enumerate((*FIRST, *LAST), 1)}
    items.sort(key=lambda item: order.get(item.path.stem, 0))


@pytest.fixture(scope="session", autouse=True)
def meanwhile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Begins with the first test what the last ones ask for, on servers that nobody harms."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    stories = [item.callspec.params["story"] for item in items if "told" in item.fixturenames]
    kills = any("killed" in item.fixturenames for item in items)
    with ExitStack() as stack:
        if not stories and not kills:
            yield {}
            return
        lab = stack.enter_context(laboratory(**{"taskmanager.numberOfTaskSlots": "32"}))
        told = stack.enter_context(telling(lab, tmp_path_factory.mktemp("airflow"), stories))
        table = stack.enter_context(killing(lab, tmp_path_factory.mktemp("killed"), told.values())) if kills else None
        stack.callback(OVER.set)  # before anything waits for an end
        yield {"told": told, "killed": table}


@pytest.fixture(scope="session")
def told(meanwhile: dict[str, Mapping[str, Future[None]]]) -> Mapping[str, Future[None]]:
    """How each story of Airflow ended."""
    return meanwhile["told"]


@pytest.fixture(scope="session")
def killed(meanwhile: dict[str, Callable[[], Table]]) -> Callable[[], Table]:
    """Waits for the table of killed workers."""
    return meanwhile["killed"]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One for all tests that bear with what the others do to it: each begins by bringing back what died."""
    with laboratory() as ours:
        yield ours
