"""Many deployers at once. ``ROUNDS=20 make faults`` is the full count; without it one tells of most mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from faults.lab import Done, Lab, Lane, lane
from faults.table import cell

ROUNDS = int(os.environ.get("ROUNDS", "1"))
SAME = 8
DIFFERENT = 8 if "ROUNDS" in os.environ else 3
"""Each of them that comes to its turn stops the job of the one before, and starts it again."""


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def job(lab: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lane]:
    lab.up()
    folder = tmp_path_factory.mktemp("crowd")
    url = f"sqlite:///{folder}/manifests.db" if request.param == "sqlite" else None
    with lane(lab, "crowd", folder, store=url) as ours:
        yield ours


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_eight_deploy_the_same_at_once(job, round_):
    with cell("people", f"deploy, {job.kind}", "8 at once"):
        job.cancel()
        job.rename(f"same-{job.kind}-{round_}")
        ends = [worker.done() for worker in [job.another("deploy", str(job.path)) for _ in range(SAME)]]
        assert [end.code for end in ends] == [0] * SAME, [end.err for end in ends if end.code]
        job.judge(1)


def was_not_its_turn(end: Done) -> bool:
    """Whether a deploy waited in vain for the others, or another one put its own file in the place of what it began."""
    error = end.entry["error"]
    replaced = error["type"] == "Blocked" and "Nothing more was started" in error["message"]
    return replaced or error["type"] == "Busy"


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_some_deploy_different_files_at_once(job, round_):
    with cell("people", f"deploy, {job.kind}", f"{DIFFERENT} differ"):
        job.cancel()
        job.rename(f"differ-{job.kind}-{round_}")
        files = []
        for number in range(DIFFERENT):
            job.write(options={"execution.checkpointing.interval": f"{400 + 20 * number} ms"})
            files.append(job.path.rename(job.folder / f"{number}.yaml"))
        ends = [worker.done() for worker in [job.another("deploy", str(file)) for file in files]]
        failed = [end for end in ends if end.code]
        assert all(map(was_not_its_turn, failed)), [end.err for end in failed]
        assert len(failed) < DIFFERENT
        for file in files:
            file.unlink()
        job.judge()
