"""The Flink options of a job: connection, defaults file, job file and operator, each with what its SETs say."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_flinksql.errors import Fault
from airflow_provider_flinksql.jobfile.keys import Keys
from airflow_provider_flinksql.jobfile.source import Node, Scalar, Section
from airflow_provider_flinksql.jobfile.sql import Place, SqlReader, Written
from airflow_provider_flinksql.model.options import owned, present_name, unfit
from airflow_provider_flinksql.model.settings import concerns_the_client

_DEFAULTS, _JOB = 1, 2


def effective(layers: Sequence[Node | None], job: str, reader: SqlReader, faults: list[Fault]) -> dict[str, str]:
    """The options under their present names. ``layers`` are the ``flinkProperties`` of connection, defaults file, job
    file and operator; later ones win. A SET belongs to the layer of the file that it is in or that names its file."""
    result: dict[str, str] = {}
    settings = _standing(reader, job)
    for number, layer in enumerate(layers):
        written = {name: one for (shared, name), one in settings.items() if number == (_DEFAULTS if shared else _JOB)}
        given = _given(layer, job, reader, faults)
        for name, one in written.items():
            if name in given and given[name][0] != one.value:
                place = Place(given[name][1].source.name, given[name][1].line)
                problem = f"flinkProperties ({place}) gives this option another value; put it there alone"
                reader.fault(one.origin, f"SET {one.key}: {problem}")
        result |= {name: one.value or "" for name, one in written.items()}
        result |= {name: value for name, (value, _) in given.items()}
    return result


def _standing(reader: SqlReader, job: str) -> dict[tuple[bool, str], Written]:
    """The SETs that no RESET takes back, by whether the defaults file says so and the option's name."""
    found: dict[tuple[bool, str], Written] = {}
    for one in reader.settings:
        if one.key is None:
            found.clear()
            continue
        name = present_name(one.key)
        if one.value is None:
            found.pop((True, name), None)
            found.pop((False, name), None)
            continue
        if concerns_the_client(name) or _names_the_job(name, one.value, job):
            continue
        if problem := _problem(one.key, one.value):
            reader.fault(one.origin, f"SET {one.key}: {problem}")
        before = found.setdefault((one.shared, name), one)
        if before.value != one.value:
            reader.fault(one.origin, f"SET {one.key}: {before.line} gives this option another value; keep one")
    return found


def _given(layer: Node | None, job: str, reader: SqlReader, faults: list[Fault]) -> dict[str, tuple[str, Scalar]]:
    """The values of one mapping of options, and where they stand, by the present names of the options."""
    result: dict[str, tuple[str, Scalar]] = {}
    spelling: dict[str, str] = {}
    if layer is None:
        return result
    keys = Keys(Section(layer.source, None, {"flinkProperties": layer}), faults).inner("flinkProperties")
    for key, scalar in keys.pairs():
        value = reader.plain(scalar, f"flinkProperties.{key}")
        if _names_the_job(key, value, job):
            continue
        if problem := _problem(key, value):
            keys.fault(key, scalar, problem)
        name = present_name(key)
        if result.setdefault(name, (value, scalar))[0] != value:
            keys.fault(key, scalar, f"this is another name of {spelling[name]}, which has another value; keep {name}")
        spelling.setdefault(name, key)
    return result


def _names_the_job(key: str, value: str, job: str) -> bool:
    """What the templates of flink-sql-runner say, and is so in any case."""
    return key == "pipeline.name" and value == (job or value)


def _problem(key: str, value: str) -> str | None:
    if "${" in key:
        return "the name of an option is not filled in; write it out"
    reason = owned(key)
    return f"this option is not yours to set: {reason}" if reason else unfit(key, value)
