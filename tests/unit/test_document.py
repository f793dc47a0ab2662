"""Stored documents: whatever a newer version added stays, and what is not understood is told and never taken."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_flinksql.model.document import Unlike
from airflow_provider_flinksql.model.explained import Explained
from airflow_provider_flinksql.model.lifecycle.after import assume
from airflow_provider_flinksql.model.lifecycle.plan import next_step
from airflow_provider_flinksql.model.manifest import Attempt, Deaths, Manifest, Refused, Savepoint, Stop
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Detail, Seen, Sighting
from airflow_provider_flinksql.model.snapshot import Snapshot
from airflow_provider_flinksql.model.spec import Spec

LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"
Path = tuple[str | int, ...]

FEW = settings(max_examples=30, deadline=None)

NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1)
MOMENTS = st.floats(-1e12, 1e12)
WORDS = st.text("aé'\"\\\n\x00 ", max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | MOMENTS | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)

st.register_type_strategy(int, NUMBERS)
st.register_type_strategy(float, MOMENTS)
st.register_type_strategy(str, WORDS)


def short(element: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(element, max_size=2).map(tuple)


def built(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, more=st.just({}), **fields)


PAIRS = short(st.tuples(WORDS, WORDS))
SPECS = built(Spec, **{name: short(WORDS) for name in ("statements", "tables", "setup", "jars")})
SNAPSHOTS = built(Snapshot)
ATTEMPTS = built(
    Attempt,
    number=st.integers(1, 9),
    spec=SPECS,
    pinned=st.none() | SNAPSHOTS,
    snapshot=st.none() | SNAPSHOTS,
    stops=short(built(Stop)),
    savepoints=short(built(Savepoint)),
    replaced=short(SPECS),
    explained=st.none() | built(Explained, sources=PAIRS, defaults=PAIRS),
    deaths=st.none() | built(Deaths),
)  # fmt: skip
MANIFESTS = built(
    Manifest,
    lineage=st.uuids().map(str),
    current=st.none() | ATTEMPTS,
    pending=st.none() | ATTEMPTS,
    last_number=st.integers(9, 99),
    adopted=short(WORDS),
    closed=st.just(()),
    refused=st.none() | built(Refused),
)


def stored(manifest: Manifest) -> Any:
    return json.loads(json.dumps(manifest.to_json()))


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every value in a document, the document itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def spelled(path: Path) -> str:
    keys = zip(("", *path), path, strict=False)
    words = (f"[{key!r}]" if isinstance(key, int) or before == "properties" else f".{key}" for before, key in keys)
    return "".join(words).removeprefix(".")


def attempted(document: Any) -> tuple[Manifest | None, str]:
    """The manifest, or why it cannot be read. Anything else that is raised is a fault."""
    try:
        return Manifest.from_json(document), ""
    except Unlike as wrong:
        return None, str(wrong)


def objects(document: Any) -> list[Path]:
    """The objects whose keys are fields."""
    return [path for path in places(document) if isinstance(at(document, path), dict) and "properties" not in path]


def extended(document: Any, draw: Any) -> list[Path]:
    """Some objects of the document get what nobody here knows; where."""
    chosen: list[Path] = draw(st.lists(st.sampled_from(objects(document)), min_size=1, max_size=5, unique=True))
    for path in chosen:
        at(document, path)[draw(st.sampled_from(["hold", "more", "closed", "más"]))] = draw(VALUES)
    return chosen


@FEW
@given(MANIFESTS)
def test_what_is_written_is_read_as_it_was(manifest):
    again = Manifest.from_json(stored(manifest))
    assert again == manifest
    assert again.more == {}


@FEW
@given(MANIFESTS, st.data())
def test_what_a_newer_version_added_comes_back(manifest, data):
    document = stored(manifest)
    extended(document, data.draw)
    assert Manifest.from_json(document).to_json() == document


@FEW
@given(MANIFESTS, st.data())
def test_a_field_that_is_missing_has_its_default_or_is_told(manifest, data):
    document = stored(manifest)
    path = data.draw(st.sampled_from([each for each in places(document) if each and isinstance(each[-1], str)]))
    del at(document, path[:-1])[path[-1]]
    read, told = attempted(document)
    if read is None:
        assert told.endswith(f"has no {path[-1]}") or path[-1] in ("version", "last_number")
    else:
        again = stored(read)
        at(again, path[:-1]).pop(path[-1], None)
        assert again == document


@pytest.mark.parametrize(
    "change, told",
    [
        ({"version": 2}, "it is of version 2, and this package reads version 1: upgrade"),
        ({"version": True}, "version is True, which never was one"),
        ({"lineage": "me"}, "lineage is no UUID"),
        ({"last_number": 0}, "current.number is 1, and the last one was 0"),
        ({"last_number": 10**400}, "last_number is a number out of range, not a whole number"),
        ({"last_number": float("nan")}, "last_number is a number out of range, not a whole number"),
        ({"adopted": {}}, "adopted is an object, not a list"),
        ({"adopted": ["a", 1]}, "adopted[1] is a number, not a text"),
        ({"current": {"number": 1}}, "current has no spec"),
        ({"current": []}, "current is a list, not an object"),
    ],
)
def test_what_is_wrong_is_said_in_few_words(change, told):
    with pytest.raises(Unlike) as raised:
        Manifest.from_json({**stored(replace(UP, more={})), **change})
    assert told in str(raised.value)


@pytest.mark.parametrize("value", [None, 1, "text", [], True])
def test_a_document_that_is_no_object_is_told(value):
    with pytest.raises(Unlike, match="not an object"):
        Manifest.from_json(value)


HERE, LIFE, JOB = "http://jobmanager:8081", "life", Manifest("orders", LINEAGE).id("job", 1)
WAS = Spec("orders", ("INSERT INTO t SELECT a FROM s",), properties={"execution.checkpointing.interval": "1s"})
RUNS = Attempt(
    1, WAS, 1, JOB, True, "me", state="confirmed", cluster=HERE, incarnation=LIFE, landed=True, sent_at=1.0,
    settled_at=1, had_state=True, savepoint_folder="file:///sp", checkpoint_folder=f"file:///chk/{JOB}",
    pinned=Snapshot("file:///x", "savepoint", "stop 1"), stops=(Stop(1, "savepoint", state="failed"),),
    savepoints=(Savepoint(1, "file:///sp/1", "me", 1.0),), deaths=Deaths(1, 1.0, "oom"),
    explained=Explained("2.3.0", "{}", (("t", "{}"),)),
)  # fmt: skip
UP = Manifest("orders", LINEAGE, RUNS, last_number=1, refused=Refused("d", 1, 1, "broken", 1.0, "me"))


@pytest.mark.parametrize("value", [None, True, 7, 2.5, "text", [], [1], {}, {"a": 1}, float("inf"), 10**30])
def test_any_value_in_any_place_is_read_as_it_is_or_told_with_its_place(value):
    document = stored(replace(UP, pending=replace(RUNS, replaced=(WAS,), snapshot=RUNS.pinned), adopted=("a",)))
    told = 0
    for path in list(places(document))[1:]:
        changed = copy.deepcopy(document)
        at(changed, path[:-1])[path[-1]] = value
        read, why = attempted(changed)
        if read is not None:
            again = at(read.to_json(), path)
            assert again == value or value.items() <= again.items()  # an object whose fields all have defaults
        else:
            told += 1
            assert why.startswith((spelled(path), "it is of version", "current.number is"))
    assert told > 40


@FEW
@given(st.data())
def test_what_a_newer_version_added_outlives_every_step_of_an_upgrade(data):
    """As far as what it was added to does: it is looked for in every attempt, record and Spec that is still there."""
    document = stored(UP)
    chosen = extended(document, data.draw)
    left: Manifest | None = Manifest.from_json(document)
    wanted = replace(WAS, properties={**WAS.properties, "table.exec.state.ttl": "1 d"})
    policy, history, done = Policy("me", LINEAGE, accept=frozenset({"unknown"})), [], []
    job = Sighting(JOB, "orders", "RUNNING", True, changed_at=1, stable_ms=60_000, attempt=1)
    details = ((JOB, Detail(checkpoint_at=5, checkpoint_id=3, checkpointing=True)),)
    seen = Seen(HERE, LIFE, now=9_999.0, jobs=(job,), details=details)
    while found := next_step(wanted, left, seen, policy):
        done.append(type(found.step).__name__)
        expected, seen = assume(found.step, wanted, left, seen, policy)
        assert expected.more == left.more
        history += [attempt.to_json() for attempt in expected.closed]
        left = Manifest.from_json(json.loads(json.dumps(replace(expected, closed=()).to_json())))
    assert done[0] == "Check"
    assert {"Claim", "RequestStop", "AwaitEnd", "Pin", "Submit", "Confirm"} <= set(done)
    assert history[0]["explained"] is None  # nothing is judged by it any more
    for path in chosen:
        if path[:2] == ("current", "explained"):
            continue
        root, where = (history[0], path[1:]) if path[:1] == ("current",) else (left.to_json(), path)
        added = {key: value for key, value in at(document, path).items() if key not in at(stored(UP), path)}
        assert added.items() <= at(root, where).items()


def test_what_was_added_to_a_spec_makes_no_difference():
    newer = replace(UP, current=replace(RUNS, spec=replace(WAS, more={"hold": True})))
    up = Sighting(JOB, "orders", "RUNNING", True, changed_at=1, stable_ms=60_000, attempt=1)
    seen = Seen(HERE, LIFE, now=9_999.0, jobs=(up,))
    assert next_step(WAS, newer, seen, Policy("me", LINEAGE)) is None
