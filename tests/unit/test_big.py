"""What is large takes work by its size, and not by the square of it."""

import json
import sys
from functools import partial

import pytest

from airflow_provider_flinksql.jobfile.read import read_job
from airflow_provider_flinksql.model.verdict import graph
from airflow_provider_flinksql.model.verdict.graph import condensed, insert_only


def work(call):
    """How many instructions of Python a call takes: alike on every machine, however busy it is."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def inserts(number):
    return ";\n".join(f"INSERT INTO o{n} SELECT id + {n} FROM s -- {n}" for n in range(number))


def read(folder, **content):
    file = folder / "big.yaml"
    file.write_text(json.dumps({"name": "big", **content}))
    return lambda: read_job(file)


def explained(number):
    """A plan of so many INSERTs, each with one aggregate."""
    names, nodes, physical = "id", [], []
    for n in range(1, 3 * number, 3):
        kinds = ("TableSourceScan(table=[[c, d, s]]", "GroupAggregate(groupBy=[c0]", f"Sink(table=[c.d.o{n}]")
        for place, kind in enumerate(kinds):
            before = [{"id": n + place - 1, "ship_strategy": "HASH"}] if place else []
            contents = f"[{n + place}]:{kind}, select=[{names}])"
            node = {"id": n + place, "type": kind.split("(")[0], "contents": contents, "parallelism": 1}
            nodes.append({**node, "predecessors": before})
        physical.append("TableSourceScan(table=[[c, d, s]], fields=[id], changelogMode=[I])")
    return "\n".join(
        ["== Optimized Physical Plan ==", *physical, "\n== Physical Execution Plan ==", json.dumps({"nodes": nodes})]
    )


BIG = {
    "INSERTs of a file": lambda folder, size: read(folder, sql=inserts(size)),
    "columns of a query": lambda folder, size: read(
        folder, sql="INSERT INTO o SELECT " + ", ".join(f"c{n}" for n in range(size)) + " FROM s"
    ),
    "lines of a query": lambda folder, size: read(
        folder, sql="INSERT INTO o SELECT 1 FROM s WHERE " + "\n OR ".join(f"id = {n} -- {n}" for n in range(size))
    ),
    "tables that are only inserted into": lambda _, size: partial(insert_only, explained(size)),
    "what connectors add": lambda _, size: partial(getattr, graph.read(condensed(explained(size))), "connectors_own"),
}


@pytest.mark.parametrize("what", BIG)
def test_twice_the_size_is_about_twice_the_work(tmp_path, what):
    BIG[what](tmp_path, 30)()  # what is read and compiled once
    once, twice = (work(BIG[what](tmp_path, size)) for size in (80, 160))
    assert 1000 < once < twice < 2.5 * once
