"""A download that another program does, made visible: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def follow(
    title: str,
    received: Callable[[], int],
    expected: Callable[[], int | None],
    running: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Show how ``received`` bytes grow to the ``expected`` until it is no longer ``running``."""
    if sys.stderr.isatty():
        _bar(title, received, expected, running)
    else:
        _lines(title, received, expected, running, say)


def _bar(
    title: str, received: Callable[[], int], expected: Callable[[], int | None], running: Callable[[], bool]
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(title, total=None)
        while running():
            total = expected()
            progress.update(bar, total=total, completed=min(received(), total or 0))
            time.sleep(0.1)
        progress.update(bar, completed=expected() or 0)


def _lines(
    title: str,
    received: Callable[[], int],
    expected: Callable[[], int | None],
    running: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    say(f"downloading {title}")
    quiet_until = time.monotonic() + 5
    while running():
        if time.monotonic() > quiet_until and (total := expected()):
            say(f"downloading {title}: {min(received(), total) >> 20} of {total >> 20} MiB")
            quiet_until += 5
        time.sleep(0.1)
