"""The long table is filled while the other tests run: they mostly wait, each for a server that starts again."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from faults.killed import killing
from faults.lab import Lab, laboratory
from faults.table import Table


@pytest.fixture(scope="session", autouse=True)
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Table]]:
    """Waits for the table of killed workers, which is begun with the first test if any test asks for it."""
    asked = any("table" in item.fixturenames for item in request.session.items if isinstance(item, pytest.Function))
    with ExitStack() as stack:
        yield stack.enter_context(killing(tmp_path_factory.mktemp("killed"))) if asked else Table



@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One for all tests that bear with what the others do to it: each begins by bringing back what died."""
    with laboratory() as ours:
        yield ours
