"""What people read of a plan and of its steps."""

import re

import pytest

from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.text import describe, outline
from airflow_provider_flinksql.model.manifest import Manifest

RECORD = Manifest("orders", "6f0c5c1e-7a3b-4d6e-9a59-0a2d5b1c7e11", last_number=2)
ID = RECORD.id("job", 2)
PHRASES = {
    do.Check(): "check the file on the cluster: jars, tables, setup, the query, free slots",
    do.Claim(2, 1, False): "write down attempt 2, query version 1",
    do.Claim(2, 2, True): "write down attempt 2, query version 2, which starts empty",
    do.Supersede(2, 1, False): "write down attempt 2, query version 1",
    do.RequestStop(2, 1, "savepoint", 3): f"stop job {ID} with a savepoint",
    do.RequestStop(2, 1, "drain", None): f"drain job {ID} and stop it with a savepoint",
    do.RequestStop(2, 1, "cancel", None): f"cancel job {ID}",
    do.AwaitEnd(2, 1): f"wait until job {ID} has ended",
    do.End(2): "write down that attempt 2 is over",
    do.Pin(2): "choose what attempt 2 restores, and write it down",
    do.Submit(2): f"start job {ID}",
    do.Landed(2): "write down that attempt 2 arrived on the cluster",
    do.AwaitRunning(2): f"wait until all tasks of job {ID} run",
    do.RequestProof(2, 1): "ask it for a checkpoint, as the proof that it is healthy",
    do.AwaitProof(2): "wait for that proof",
    do.AwaitFinished(2): f"wait until job {ID} has finished",
    do.Confirm(2): "write down that attempt 2 is up",
    do.GiveUp(2): "give attempt 2 up",
    do.Refuse(2): "write down that attempt 2 proved broken: what ran before it is to run again",
    do.Burn(2): "burn the id of attempt 2, so that a late submit starts nothing",
    do.Cancel(2): "cancel a job of attempt 2 that should not run",
    do.AwaitGone(2): f"wait until it is certain what becomes of job {ID}",
    do.Record(): "write the file down; the job is not touched",
    do.Adopt("0" * 32): f"write down job {'0' * 32} as this job, as it runs",
}


def kinds_of(base: type[do.Step]) -> set[type[do.Step]]:
    return {kind for one in base.__subclasses__() for kind in {one, *kinds_of(one)}} - {do.Wait}


@pytest.mark.parametrize(("step", "phrase"), PHRASES.items(), ids=str)
def test_a_plan_is_read_as_phrases(step: do.Step, phrase: str) -> None:
    assert outline([step], RECORD) == [phrase]


def test_there_is_a_phrase_for_every_step() -> None:
    assert {type(step) for step in PHRASES} == kinds_of(do.Step)


@pytest.mark.parametrize("step", [step for step in PHRASES if step not in (do.Check(), do.Record())], ids=str)
def test_a_step_that_is_taken_is_said_in_a_sentence(step: do.Step) -> None:
    said = describe(step, "because", RECORD)
    assert type(step).__name__ + "(" not in said
    assert re.fullmatch(r"[A-Z].*\.", said)


def test_of_a_job_that_is_not_on_record_the_attempt_is_named() -> None:
    assert outline([do.Submit(1)], None) == ["start job of attempt 1"]
