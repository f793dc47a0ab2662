from collections.abc import Callable
from typing import Any

import httpx
import pytest

from talking import SPEAKERS, Flow, Recorded, Server


@pytest.fixture(params=["worker", "triggerer"])
def speak(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``speak(flow, server)``: the flow's result against a made-up server; pauses take no time, ``naps`` gets them."""

    def speak(flow: Flow, server: Server, naps: list[float] | None = None, **options: Any) -> Any:
        async def hasty(io: Any) -> Any:
            async def nap(seconds: float) -> None:
                (naps if naps is not None else []).append(seconds)

            io.sleep = nap
            return await flow(io)

        return SPEAKERS[request.param](hasty, transport=httpx.MockTransport(server), **options)

    return speak


@pytest.fixture(params=["2.3.0", "1.20.3"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return Recorded(request.param)
