"""Each bug on this list, planted into the engine, is found by the machines: so they would find it in a change, too."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from airflow_provider_flinksql.deploy import reconcile
from airflow_provider_flinksql.errors import Duplicate
from airflow_provider_flinksql.model.lifecycle import (
    after,
    candidates,
    deaths,
    plan,
    prove,
    situation,
    streaming,
)
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.situation import Situation
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.seen import Seen
from laws.machines import (
    Burns,
    Cancels,
    Crashes,
    Failover,
    GoingBack,
    Jobs,
    Outside,
    Steps,
    Stops,
    Submits,
    Unseen,
    Workers,
)
from laws.store import MemoryStore

FIND = settings(
    max_examples=400,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

Plant = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, tuple[type[Jobs], Plant]] = {}


def bug(machine: type[Jobs]) -> Callable[[Plant], Plant]:
    def planted(plant: Plant) -> Plant:
        BUGS[plant.__name__] = (machine, plant)
        return plant

    return planted


def everywhere(patch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """Also where the name was imported to."""
    for module in [one for at, one in sys.modules.items() if at.startswith("airflow_provider_flinksql.")]:
        if hasattr(module, name):
            patch.setattr(module, name, value)


@bug(Workers)
def no_compare_and_swap(patch):
    patch.setattr(MemoryStore, "may_write", lambda *_: True)


@bug(Outside)
def no_search_for_the_name(patch):
    patch.setattr(Seen, "strangers", lambda *_: ())


@bug(Submits)
def number_raised_without_evidence(patch):
    def give_up(spec, manifest, attempt, seen, policy):
        return do.Next(do.GiveUp(attempt.number), "it did not arrive, surely")

    patch.setattr(prove, "_missing", give_up)


@bug(Unseen)
def duplicate_is_done(patch):
    class Done(BaseException):
        pass

    run = reconcile.Deploy._run

    async def believe_it(self, step, spec, stored, seen, policy):
        try:
            await self.target.submit(stored.manifest, stored.manifest.pending)
        except Duplicate:
            raise Done from None
        return stored

    async def until_done(self, spec, policy):
        try:
            return await run(self, spec, policy)
        except Done:
            return reconcile.Deployed(self.store.get(spec.name).manifest, plan.Plan("none", "none", ""))

    patch.setattr(reconcile.Deploy, "_submit", believe_it)
    patch.setattr(reconcile.Deploy, "_run", until_done)


@bug(Crashes)
def absence_is_an_end(patch):
    patch.setattr(situation, "_absent", lambda *_: Situation("ended", "not found: 404", "gone"))


@bug(Failover)
def no_grace_for_a_failover(patch):
    absent = situation._absent
    patch.setattr(situation, "_absent", lambda a, s, p: absent(a, replace(s, high_availability=False), p))


@bug(Stops)
def stop_id_used_again(patch):
    def without_its_number(self, kind, attempt, n=0):
        return uuid.uuid5(uuid.UUID(self.lineage), f"{kind}/{attempt}/{0 if kind == 'stop' else n}").hex

    patch.setattr(Manifest, "id", without_its_number)


@bug(Stops)
def failed_stop_is_a_stop(patch):
    stopped = after._stopped
    patch.setattr(
        after, "_stopped", lambda m, n, outcome: stopped(m, n, replace(outcome, ended=True, location="/sp/x"))
    )


@bug(Stops)
def pin_skipped(patch):
    def start(spec, manifest, seen, policy, wanted):
        found = real(spec, manifest, seen, policy, wanted)
        return do.Next(do.Submit(found.step.number), found.why) if isinstance(found.step, do.Pin) else found

    real = plan.start
    patch.setattr(plan, "start", start)


@bug(Submits)
def pinned_anew_at_each_submit(patch):
    def choose_again(step, spec, manifest, seen, policy, outcome=None):
        if isinstance(step, do.Submit) and not manifest.pending.fresh:
            manifest = real(do.Pin(step.number), spec, manifest, seen, policy)
        return real(step, spec, manifest, seen, policy, outcome)

    real = after.after
    everywhere(patch, "after", choose_again)


@bug(Burns)
def incarnation_ignored(patch):
    look = reconcile.Deploy._look

    async def always_the_same(self, *arguments, **options):
        return replace(await look(self, *arguments, **options), incarnation="1")

    patch.setattr(reconcile.Deploy, "_look", always_the_same)


@bug(Crashes)
def landing_never_recorded(patch):
    patch.setattr(after, "_landed", lambda m, _number, _seen: m)


@bug(Outside)
def late_submit_left_running(patch):
    patch.setattr(plan, "late_submit", lambda *_: None)


@bug(Burns)
def burnt_before_it_is_sent(patch):
    patch.setattr(do.Burn, "written_first", True)


@bug(Crashes)
def running_is_up(patch):
    def believe_it(spec, attempt, seen, now):
        return do.Next(do.Confirm(attempt.number), "it says RUNNING")

    patch.setattr(prove, "_prove", believe_it)


@bug(Stops)
def outstanding_stop_forgotten(patch):
    patch.setattr(plan, "outstanding_stop", lambda _: None)


@bug(Crashes)
def sent_before_it_is_written(patch):
    patch.setattr(do.Submit, "written_first", False)


@bug(Stops)
def restores_what_it_was_restored_from(patch):
    real = candidates.pick

    def same_again(manifest, seen, policy, *, fresh):
        return (manifest.current and not fresh and manifest.current.pinned) or real(manifest, seen, policy, fresh=fresh)

    patch.setattr(after, "pick", same_again)


@bug(Crashes)
def query_change_starts_empty_without_a_word(patch):
    patch.setattr(streaming, "carries", lambda *_: False)


@bug(Crashes)
def query_change_restores_whatever_the_planner_says(patch):
    patch.setattr(streaming, "carries", lambda *_: True)


@bug(Steps)
def plan_promises_less_than_is_done(patch):
    def proved_at_once(step, spec, manifest, seen, policy):
        manifest, seen = real(step, spec, manifest, seen, policy)
        return manifest, replace(seen, details=tuple((i, replace(d, proof="completed")) for i, d in seen.details))

    real = plan.assume
    patch.setattr(plan, "assume", proved_at_once)


@bug(GoingBack)
def never_goes_back(patch):
    patch.setattr(prove, "proven_broken", lambda *_: None)


@bug(GoingBack)
def refused_file_is_tried_at_each_deploy(patch):
    everywhere(patch, "in_force", lambda spec, manifest, policy: (spec, policy))


@bug(Submits)
def gives_up_after_one_death(patch):
    patch.setattr(deaths, "MOST", 1)


@bug(GoingBack)
def what_the_gateway_refused_is_forgotten(patch):
    patch.setattr(reconcile, "rejected", lambda m, _number, _cause: m)


@bug(Cancels)
def a_cancel_takes_the_only_state_with_it(patch):
    everywhere(patch, "lost_by_cancel", lambda *_: None)


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_found(name, monkeypatch):
    machine, plant = BUGS[name]
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=FIND)
