"""Fault by step: what was done to whom and when, and how it went, as kept by the run itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """One fault and the plain re-run after it: how long that took, and what the judge had against it."""

    seconds: float
    wrong: str = ""


@dataclass
class Table:
    """Rows are steps of a flow, columns are what happened at them."""

    cells: dict[tuple[str, str, str], Cell] = field(default_factory=dict)
    wanted: set[tuple[str, str, str]] = field(default_factory=set)

    def want(self, flow: str, step: str, faults: Iterable[str]) -> None:
        """Cells that must be filled before the run is over."""
        self.wanted |= {(flow, step, fault) for fault in faults}

    def put(self, flow: str, step: str, fault: str, cell: Cell) -> None:
        """Fill a cell."""
        self.cells[flow, step, fault] = cell
        if path := os.environ.get("FLINKSQL_FAULT_LOG"):  # for whoever watches a long run
            with open(path, "a") as log:
                print(f"{flow} / {step} / {fault}: {cell.seconds:.1f} s {cell.wrong}", file=log)

    @property
    def empty(self) -> list[tuple[str, str, str]]:
        return sorted(self.wanted - self.cells.keys())

    def wrong(self, flow: str) -> list[str]:
        """What the judge said of a flow."""
        return [f"{' / '.join(at)}: {cell.wrong}" for at, cell in self.cells.items() if at[0] == flow and cell.wrong]

    def __str__(self) -> str:
        keys = list(dict.fromkeys([*self.cells, *sorted(self.wanted)]))
        lines = []
        for flow in dict.fromkeys(flow for flow, _, _ in keys):
            faults = list(dict.fromkeys(fault for of, _, fault in keys if of == flow))
            steps = list(dict.fromkeys(step for of, step, _ in keys if of == flow))
            wide = {fault: max(9, len(fault)) for fault in faults}
            width = max(map(len, [flow, *steps]))
            lines += ["", f"{flow:<{width}}  {'  '.join(f'{fault:>{wide[fault]}}' for fault in faults)}"]
            for step in steps:
                said = [f"{self._said(flow, step, fault):>{wide[fault]}}" for fault in faults]
                lines.append(f"{step:<{width}}  {'  '.join(said)}")
        return "\n".join(lines)

    def _said(self, flow: str, step: str, fault: str) -> str:
        cell = self.cells.get((flow, step, fault))
        if cell is None:
            return "EMPTY" if (flow, step, fault) in self.wanted else "-"
        return "WRONG" if cell.wrong else f"ok {cell.seconds:.1f} s"


SURROUNDINGS = Table()
"""Of the faults of all that a worker stands on: servers, stores, people, other hosts."""


@contextmanager
def cell(who: str, step: str, fault: str) -> Iterator[None]:
    """Keeps how it went in the table of the surroundings."""
    SURROUNDINGS.want(who, step, [fault])
    begun = time.monotonic()
    try:
        yield
    except BaseException as error:
        SURROUNDINGS.put(who, step, fault, Cell(time.monotonic() - begun, str(error) or repr(error)))
        raise
    SURROUNDINGS.put(who, step, fault, Cell(time.monotonic() - begun))
