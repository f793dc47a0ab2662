"""``make soak MINUTES=n``: faults at random for so long, and what they did. Exits 1 if anything needed a hand."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import judge
from faults.flows import FirstDeploy, Flow, Recovery, Stop, Upgrade
from faults.lab import Lab, Lane, laboratory, lane
from faults.wire import MOMENTS, Fault

FLOWS: tuple[type[Flow], ...] = (FirstDeploy, Upgrade, Recovery, Stop)
WHO = {"worker": 6, "answer": 2, "gateway": 1, "jobmanager": 1, "pause": 1}
"""Whom it hits, and how often: killed, or its answer lost, or stopped for some seconds."""


@dataclass
class Toll:
    """What one kind of fault did, over all its times."""

    times: int = 0
    overlaps: int = 0
    lost: int = 0
    doubled: int = 0
    repairs: int = 0
    slowest: float = 0.0
    """Seconds from the fault to the end of the re-run."""
    notes: list[str] = field(default_factory=list)


class Soak:
    """One fault at a time, so that each is judged by itself."""

    def __init__(self, lab: Lab, ours: Lane, seed: int) -> None:
        self.lab = lab
        self.lane = ours
        self.random = random.Random(seed)
        self.tolls: dict[str, Toll] = defaultdict(Toll)
        self._steps: dict[str, list[str]] = {}

    def run(self, until: float) -> None:
        """Job after job, each with some faults in a row."""
        jobs = 0
        while time.monotonic() < until:
            jobs += 1
            self.lane.cancel()
            self.lane.rename(f"soak-{jobs}")
            flow = self.random.choice(FLOWS)()
            faults = 0
            while time.monotonic() < until and faults < 5 and self._once(flow):
                faults += 1

    def _once(self, flow: Flow) -> bool:
        ours = self.lane
        fault, wrong, took = f"{flow.name}: none", "", 0.0
        try:
            flow.prepare(ours)
            if flow.name in self._steps:
                fault = self._strike(flow)
            begun = ours.wire.struck_at or time.monotonic()
            ours.must(*flow.words(ours))
            took = time.monotonic() - begun
            self._steps.setdefault(flow.name, list(ours.wire.passed))
            ours.judge(running=flow.name != "stop")
        except AssertionError as error:
            wrong = str(error)
        self._pay(fault, took, wrong)
        return not wrong

    def _strike(self, flow: Flow) -> str:
        """A worker that meets a fault, if it gets so far; what fault it was."""
        ours = self.lane
        step, moment = self.random.choice(self._steps[flow.name]), self.random.choice(MOMENTS)
        who = self.random.choices(tuple(WHO), tuple(WHO.values()))[0]
        acts: list[Callable[[], object]] = []
        words = flow.words(ours)
        worker = ours.start(*words, fault=Fault(step, moment, lambda: acts[0](), who == "worker"))
        kinds = {"worker": worker.kill, "pause": self._pause, "answer": lambda: None}
        acts.append(kinds.get(who) or (lambda: self._die(who)))
        worker.done()
        self.lab.up()
        return f"{flow.name}: {who} {moment} {step}" if ours.wire.struck.is_set() else f"{flow.name}: none"

    def _die(self, part: str) -> None:
        self.lab.kill(part)
        threading.Timer(0.5, self.lab.up).start()

    def _pause(self) -> None:
        pid = self.lab.pid(self.random.choice(["jobmanager", "gateway"]))
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(self.random.uniform(1, 8), lambda: os.kill(pid, signal.SIGCONT)).start()

    def _pay(self, fault: str, took: float, wrong: str) -> None:
        rows, toll = self.lane.rows(), self.tolls[fault]
        toll.times += 1
        toll.overlaps += len(judge.overlaps(self.lab.watch.of(self.lane.name)))
        toll.lost += rows.lost
        toll.doubled += rows.doubled
        toll.repairs += bool(wrong)
        toll.slowest = max(toll.slowest, took)
        toll.notes += [wrong] if wrong else []
        print(f"{fault}: {took:.1f} s {wrong}", file=sys.stderr, flush=True)

    def report(self) -> bool:
        """The table; whether all is well."""
        head = ["times", "overlaps", "lost rows", "doubled rows", "manual repairs", "slowest recovery"]
        width = max(map(len, self.tolls), default=5)
        print(f"{'fault':<{width}}  {'  '.join(head)}")
        for fault, toll in sorted(self.tolls.items()):
            values = (toll.times, toll.overlaps, toll.lost, toll.doubled, toll.repairs, f"{toll.slowest:.1f} s")
            shown = [f"{value:>{len(title)}}" for title, value in zip(head, values, strict=True)]
            print(f"{fault:<{width}}  {'  '.join(shown)}")
        for fault, toll in sorted(self.tolls.items()):
            for note in toll.notes:
                print(f"\n{fault}:\n{note}")
        return not any(toll.overlaps or toll.lost or toll.doubled or toll.repairs for toll in self.tolls.values())


def main() -> int:
    """Soak for so many minutes."""
    parser = argparse.ArgumentParser(description="Faults at random, and what they did.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)
    with (
        laboratory() as lab,
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        lane(lab, "soak", Path(folder)) as ours,
    ):
        soak = Soak(lab, ours, arguments.seed)
        soak.run(time.monotonic() + 60 * arguments.minutes)
        return 0 if soak.report() else 1


if __name__ == "__main__":
    sys.exit(main())
