"""Many deployers at once. ``ROUNDS=20 make faults`` is the full count; without it one tells of most mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from faults.lab import Lab, Lane, lane
from faults.table import cell

ROUNDS = int(os.environ.get("ROUNDS", "1"))
SAME = 8
DIFFERENT = 8 if "ROUNDS" in os.environ else 3
"""Each of them stops the job of the one before and starts it again, one after the other."""


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
        failed = [end for end in ends if end.code]  # whose turn did not come within the patience of a deploy
        assert [end.entry["error"]["type"] for end in failed] == ["Busy"] * len(failed), [end.err for end in failed]
        assert len(failed) < DIFFERENT
        for file in files:
            file.unlink()
        job.judge()
