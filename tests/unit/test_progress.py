"""What is said while nothing is: no clock runs here, the timer is called by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_flinksql.cli import output

Timers = list["Timer"]


class Timer:
    """Stands in for threading's."""

    daemon = False

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self.seconds, self.call = seconds, call
        self.started = self.cancelled = False

    def start(self) -> None:
        self.started = True

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    made: Timers = []

    def timer(seconds: float, call: Callable[[], None]) -> Timer:
        made.append(Timer(seconds, call))
        return made[-1]

    monkeypatch.setattr(output, "Timer", timer)
    return made


def test_five_silent_seconds_end_with_what_is_waited_for(timers: Timers, capsys: pytest.CaptureFixture[str]) -> None:
    with output.Progress() as progress:
        progress.expect("Planning clicks")
        progress.expect("Planning orders")
        (timer,) = timers
        assert (timer.seconds, timer.started, timer.daemon, timer.cancelled) == (5.0, True, True, False)
        timer.call()
    assert capsys.readouterr() == ("", "Planning orders takes longer than 5 s; waiting for the cluster.\n")


def test_whoever_spoke_is_not_spoken_for(timers: Timers) -> None:
    with output.Progress() as progress:
        progress.say("Submitting attempt 1.")
        assert timers[0].cancelled


def test_what_is_quick_is_silent(timers: Timers, capsys: pytest.CaptureFixture[str]) -> None:
    with output.Progress() as progress:
        progress.expect("Planning orders")
    assert timers[0].cancelled
    assert capsys.readouterr() == ("", "")
