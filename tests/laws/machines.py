"""State machines that deploy, die, and let the cluster change, with the real engine between them and the fakes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.reconcile import Deploy, Deployed, Limits
from airflow_provider_flinksql.errors import Blocked, FlinkSqlError, JobFailed
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.plan import plan
from airflow_provider_flinksql.model.lifecycle.rollback import refusal
from airflow_provider_flinksql.model.manifest import Attempt, Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.seen import Seen
from airflow_provider_flinksql.model.spec import Spec, StatePolicy
from airflow_provider_flinksql.model.submission import RETENTION
from airflow_provider_flinksql.stores import Stored
from laws.jobmanager import Job, alike
from laws.others import FakeApplications, FakeOperator
from laws.session import FakeSessionCluster
from laws.world import Broken, Died, World

NAME = "orders"
LINEAGE = "5a1c2a52-0000-4000-8000-000000000001"
STRANGER = "f" * 32
LIMITS = Limits(total=600)
CRASHES = ("die", "lost", "late", "die-late")
CHANGES = ("restart", "fail", "cancel by hand", "stop in the UI", "cut", "other worker")
BETWEEN = ("somebody starts one", "a ghost")
WAITS = ("1 s pass", "8 s pass", "70 s pass", "130 s pass")
REQUESTS = ("list", "details", "check", "submit", "stop", "cancel", "job", "outcome", "burn", "proof")
PLACES = (
    *((f"{what}{end}", n) for what in REQUESTS for end in ("", ": answer") for n in (0, 1)),
    *((what, n) for what in ("write", "written") for n in range(12)),
)


def spec(
    query: str = "a",
    interval: str = "5 s",
    description: str = "",
    on_query_change: str = "fresh",
    stop_with: str = "savepoint",
    on_savepoint_failure: str = "keep-running",
    on_failure: str = "rollback",
    enabled: bool = True,
    retention: str = "RETAIN_ON_CANCELLATION",
) -> Spec:
    state = StatePolicy(
        on_query_change=on_query_change,  # type: ignore[arg-type]
        stop_with=stop_with,  # type: ignore[arg-type]
        on_savepoint_failure=on_savepoint_failure,  # type: ignore[arg-type]
        on_failure=on_failure,  # type: ignore[arg-type]
    )
    properties = {"execution.checkpointing.interval": interval, "execution.checkpointing.timeout": "20 s"}
    properties[RETENTION] = retention
    return Spec(
        NAME,
        (f"INSERT INTO t SELECT {query} FROM s",),
        description=description,
        properties=properties,
        state=state,
        enabled=enabled,
        health_timeout=10.0,
        give_up_after=2.0,
    )


specs = st.builds(
    spec,
    query=st.sampled_from(["a", "a", "also_a", "b", "crash", "crash_later", "crash_at_submit", "refused"]),
    interval=st.sampled_from(["5 s", "9 s"]),
    description=st.sampled_from(["", "words"]),
    on_query_change=st.sampled_from(["fresh", "carry-or-fresh", "carry"]),
    stop_with=st.sampled_from(["savepoint", "savepoint", "checkpoint"]),
    on_savepoint_failure=st.sampled_from(["keep-running", "checkpoint"]),
    on_failure=st.sampled_from(["rollback", "rollback", "hold"]),
    enabled=st.sampled_from([True, True, True, False]),
)


@dataclass
class Stepwise(Deploy):
    """Law 1: doing the first step of a plan leaves the rest as the plan, while nothing else changes."""

    rest: tuple[do.Step, ...] | None = None

    async def _do(self, step: do.Step, spec: Spec, stored: Stored, seen: Seen, policy: Policy) -> Stored:
        steps = plan(spec, stored.manifest, seen, policy).steps
        if steps[0] != step or (self.rest is not None and _acts(steps) != _acts(self.rest)):
            raise Broken(f"the rest of the plan was {self.rest}, now it is {steps}")
        self.rest = steps[1:]
        return await super()._do(step, spec, stored, seen, policy)


def _acts(steps: tuple[do.Step, ...]) -> tuple[do.Step, ...]:
    """A wait may turn out short; Check is of this worker's session."""
    return tuple(step for step in steps if not isinstance(step, (do.Wait, do.Check)))


class Jobs(RuleBasedStateMachine):
    """What all machines share: one job, its world, and how it must look once nothing goes wrong any more."""

    high_availability = False
    settling: type[Deploy] = Deploy
    cluster: type[FakeSessionCluster] = FakeSessionCluster

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.high_availability)
        self.wanted = spec()
        self.intruding = False
        self.failed = False
        self.consents = 0
        self.world.events = {f"{seconds} s pass": partial(self.world.pass_time, seconds) for seconds in (1, 8, 70, 130)}
        self.world.events |= {
            "savepoints fail": partial(setattr, self.world.jobmanager, "fate", "fails"),
            "savepoints work": partial(setattr, self.world.jobmanager, "fate", "works"),
            "restart": self.world.restart,
            "fail": lambda: self._end_live("FAILED"),
            "cancel by hand": self._cancel,
            "stop in the UI": self._stop_in_ui,
            "somebody starts one": self._stranger,
            "a ghost": self.world.haunt,
            "land and end unseen": self._unseen,
            "land": self.world.land,
            "forget": self.world.jobmanager.forget,
            "cut": self.world.cut,
            "other worker": self._other_worker,
        }

    # --- deploys ------------------------------------------------------------------------------------------------

    def run(
        self, wanted: Spec, owner: str = "me", kind: type[Deploy] = Deploy, **consent: object
    ) -> Deployed | FlinkSqlError | Died:
        self.world.budget = 3000
        policy = Policy(owner, LINEAGE, owner, **consent)  # type: ignore[arg-type]
        world = self.world
        deploy = kind(self.cluster(world), world.store, world, world.clock, lambda _: None, LIMITS)
        try:
            return run_sync(deploy.run(wanted, policy))  # type: ignore[return-value]
        except (FlinkSqlError, Died) as error:
            return error
        except BaseException:
            self.failed = True
            raise

    def _other_worker(self) -> None:
        if not self.intruding:
            self.intruding = True
            try:
                changed = {**self.wanted.properties, "restart-strategy.type": "none"}
                self.run(replace(self.wanted, properties=changed), "other")
            finally:
                self.intruding = False

    # --- what the outside does ----------------------------------------------------------------------------------

    def live(self) -> list[Job]:
        return [job for job in self.world.jobmanager.listed() if job.live]

    def _end_live(self, state: str) -> None:
        for job in self.live():
            self.world.jobmanager.end(job, state)

    def _cancel(self) -> None:
        for job in self.live():
            self.world.jobmanager.cancel(job.id)

    def _stop_in_ui(self) -> None:
        for job in self.live():
            if job.state == "RUNNING" and not job.broken:
                self.world.jobmanager.write(job, "savepoint", f"/elsewhere/{job.id}-{{id}}", "by hand")
                self.world.jobmanager.end(job, "FINISHED")

    def _unseen(self) -> None:
        self.world.land()
        self._end_live("FAILED")
        self.world.jobmanager.forget()

    def _stranger(self) -> None:
        if STRANGER not in self.world.jobmanager.ids and not self.world.flights:
            self.world.jobmanager.submit(Job(STRANGER, NAME, self.wanted, "/theirs"))

    # --- what must be so in the end -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Nothing goes wrong any more: runs of the same file make the job what it says, or say who must decide."""
        world, wanted = self.world, self.wanted
        world.mishaps, world.jobmanager.fate, world.cut_until = [], "works", 0.0
        adopted = world.recorded[-1].adopted if world.recorded else ()
        for job in [
            job
            for job in world.jobmanager.jobs.values()
            if job.live and job.attempt is None and job.id not in adopted and not job.excused
        ]:
            world.jobmanager.end(job, "CANCELED")
        result = None
        for n in range(8):
            again = self._gave_up(result)
            result = self.run(wanted, f"me, again {n}" if again else "me", self.settling, again=again)
            if isinstance(result, Deployed | Blocked):
                break
        self.check(result)

    def _gave_up(self, result: object) -> bool:
        """Whether a job is not started any more: after three deaths, and then a person's word does it all the same."""
        if not (isinstance(result, JobFailed) and "not started again by itself" in str(result)):
            return False
        manifest = self.world.store.get(NAME).manifest
        ended = [*self.world.store.history(NAME), *([manifest.current] if manifest and manifest.current else [])]
        if sum(attempt.outcome == "failed" for attempt in ended) < 3:
            raise Broken(f"given up too early: {result}")
        return True

    def check(self, result: object) -> None:
        try:
            self._check(result)
        except BaseException:
            self.failed = True
            raise

    def _check(self, result: object) -> None:
        wanted, newest = self.wanted, self.world.truth.newest
        manifest = self.world.store.get(NAME).manifest
        heads = [a for a in (manifest.current, manifest.pending) if a] if manifest else []
        others = [a.spec.statements[0] for a in heads if a.spec.query_digest != wanted.query_digest]
        changed = any(not (alike(other) and alike(wanted.statements[0])) for other in others)
        query = wanted.statements[0]
        if manifest and refusal(wanted, manifest, Policy("me", LINEAGE)):
            self._check_gone_back(result, wanted, manifest)
        elif isinstance(result, Blocked):
            adopted = bool(manifest and manifest.current and manifest.current.checkpoint_folder is None)
            lost = adopted or (
                newest and (newest.cause == "by hand" or newest.location not in self.world.jobmanager.disk)
            )
            deleted = any(job.deletes and (job.broken or wanted.state.stop_with == "checkpoint") for job in self.live())
            if not ((changed and wanted.state.on_query_change == "carry") or lost or deleted):
                raise Broken(f"blocked without need: {result}") from result
            if not any(way in str(result) for way in ("--restore-from", "--cancel")):
                raise Broken(f"no way out is named: {result}")
        elif not isinstance(result, Deployed):
            if not (("crash" in query and isinstance(result, JobFailed)) or "refused" in query):
                raise Broken(f"does not come to rest: {type(result).__name__} {result}")
            if manifest and "crash" in query:
                self._check_held(wanted, manifest)
        else:
            self._check_deployed(wanted)

    def _check_gone_back(self, result: object, wanted: Spec, manifest: Manifest) -> None:
        """A refused file: what ran before it runs, and nobody touches that for the sake of the file."""
        if "crash" not in wanted.statements[0]:
            raise Broken(f"a good file is refused: {manifest.refused}")
        before = manifest.current.spec if manifest.current else wanted
        if isinstance(result, Blocked) and "--again" in str(result):
            self._check_deployed(before, wanted)
        elif "crash" not in before.statements[0]:  # else it would have been refused itself, or wrote state
            raise Broken(f"what ran before does not come up: {type(result).__name__} {result}")

    def _check_held(self, wanted: Spec, manifest: Manifest) -> None:
        """What proved broken without having written anything gives way to what was stopped for it."""
        broken, before = manifest.pending, manifest.current
        refused = "at_submit" in wanted.statements[0] and wanted.state.on_failure == "rollback"
        last = before and before.stop and before.stop.purpose == manifest.last_number
        if refused and last and before and before.spec.digest != wanted.digest:
            raise Broken(f"attempt {manifest.last_number} was refused, and what was stopped for it does not run")
        if broken is None or before is None or before.stop is None or before.spec.digest == broken.spec.digest:
            return
        job = self.world.jobmanager.jobs.get(broken.job_id)
        made_room = before.stop.purpose == broken.number and before.stop.state == "completed"
        if made_room and wanted.state.on_failure == "rollback" and job and job.live and not job.kept:
            raise Broken(f"{job.id} crashes on, and what ran before it could run again")

    def _check_deployed(self, wanted: Spec, refused: Spec | None = None) -> None:
        world = self.world
        live = [job for job in world.jobmanager.jobs.values() if job.live]
        manifest = world.store.get(NAME).manifest
        if wanted.enabled:
            finished = manifest and manifest.current and manifest.current.outcome == "finished"
            if not finished and [job.spec.digest for job in live] != [wanted.digest]:
                raise Broken(f"deployed, and what lives is {[(j.id, j.state, j.spec.statements) for j in live]}")
            if "later" in wanted.statements[0]:
                return  # it was well once, and may have crashed since
            if any(job.broken for job in live):
                raise Broken("deployed, and the job crashes again and again")
        elif live:
            raise Broken(f"stopped, and {live[0].id} lives")
        version = world.store.get(NAME).version
        world.requests.clear()
        again = self.run(refused or wanted)
        if not isinstance(again, Blocked if refused else Deployed) or world.store.get(NAME).version != version:
            raise Broken(f"an unchanged file wrote something: {again}")
        if acted := set(world.requests) - {"list", "details"}:
            raise Broken(f"an unchanged file did something: {acted}")
        self._check_savepoints()

    def _check_savepoints(self) -> None:
        manifest = self.world.store.get(NAME).manifest
        attempts: list[Attempt] = self.world.store.history(NAME)
        attempts += [a for a in (manifest.current, manifest.pending) if a] if manifest else []
        known = {stop.location for a in attempts for stop in a.stops}
        known |= {a.snapshot.location for a in attempts if a.snapshot}
        for kept in self.world.jobmanager.disk.values():
            if kept.cause == "stop" and kept.location not in known:
                raise Broken(f"{kept.location} was taken, and nobody wrote it down")

    def teardown(self) -> None:
        if not self.failed:
            self.settle()


class Crashes(Jobs):
    """The worker dies, answers are lost, submits land late; the cluster itself is well."""

    specs = specs
    places: tuple[tuple[str, int], ...] = PLACES
    mishaps: tuple[str, ...] = (*CRASHES, "land", "forget", "savepoints fail")
    at_submit: tuple[str, ...] = CRASHES
    fewest = 0
    changes: tuple[str, ...] = ("land", "forget", "savepoints fail", "savepoints work", *WAITS)

    @initialize(data=st.data())
    def first(self, data: st.DataObject) -> None:
        self.wanted = replace(data.draw(self.specs, label="first"), enabled=True)
        self.run(self.wanted)

    @rule(data=st.data(), again=st.booleans())
    def deploy(self, data: st.DataObject, again: bool) -> None:
        if not again:
            self.wanted = data.draw(self.specs, label="wanted")
        self._among_mishaps(data)

    @rule(data=st.data())
    def happens(self, data: st.DataObject) -> None:
        for event in data.draw(st.lists(st.sampled_from(self.changes), min_size=1, max_size=3), label="events"):
            self.world.events[event]()

    @rule()
    def come_to_rest(self) -> None:
        self.settle()

    def _among_mishaps(self, data: st.DataObject, owner: str = "me", **consent: object) -> None:
        """What goes wrong where; the submit, on which most depends, is hit most often."""
        anywhere = st.tuples(st.sampled_from(self.places), st.sampled_from(self.mishaps))
        submit = st.tuples(st.just(("submit", 0)), st.sampled_from(self.at_submit))
        drawn = data.draw(
            st.lists(st.one_of(anywhere, anywhere, submit), min_size=self.fewest, max_size=3), label="mishaps"
        )
        self.world.mishaps = [(what, n, action) for (what, n), action in drawn]
        self.run(self.wanted, owner, **consent)
        self.world.mishaps = []


class Steps(Crashes):
    """Whatever happened before, a deploy that nothing disturbs goes as its plan says."""

    settling = Stepwise
    specs = specs.filter(lambda wanted: "crash" not in wanted.statements[0])


class Consents(Crashes):
    """People say which state is to be used, for one run only."""

    @rule(data=st.data())
    def consent(self, data: st.DataObject) -> None:
        self.consents += 1
        disk = self.world.jobmanager.disk
        places = ["none", *(kept.location for kept in self.world.truth.counted if kept.location in disk)]
        place = data.draw(st.sampled_from(places), label="restore from")
        self._among_mishaps(data, f"me, word {self.consents}", restore_from=place)


class Submits(Consents):
    """Nothing but the fate of submits, closely."""

    specs = st.builds(spec, query=st.sampled_from(["a", "a", "b"]), enabled=st.sampled_from([True, True, False]))
    places = (("submit", 1), ("submit: answer", 0), ("burn", 0), ("burn: answer", 0), *(("write", n) for n in range(6)))
    mishaps = (*CRASHES, "restart", "land")
    changes = ("land", "fail", "forget", "restart", "1 s pass", "70 s pass")


class Unseen(Submits):
    """A submit lands, and its job ends and is forgotten, while nobody looks."""

    places = (("submit: answer", 0),)
    mishaps = ("die", "lost")
    at_submit = ("die-late",)
    changes = ("land and end unseen", "1 s pass")


class Burns(Submits):
    """What is still on its way is not wanted any more."""

    fewest = 1
    at_submit = ("die-late",)
    places = (("burn", 0), ("burn: answer", 0))
    mishaps = ("die", "restart")


class Stops(Crashes):
    """Savepoints fail, and the worker dies around them; people ask for restarts."""

    specs = st.builds(
        spec,
        interval=st.sampled_from(["5 s", "9 s"]),
        stop_with=st.sampled_from(["savepoint", "savepoint", "checkpoint"]),
        on_savepoint_failure=st.sampled_from(["keep-running", "checkpoint"]),
        enabled=st.sampled_from([True, True, False]),
    )
    places = (("stop", 0), ("stop: answer", 0), ("outcome", 0), ("outcome", 1), *(("written", n) for n in range(6)))
    mishaps = ("savepoints fail", "savepoints fail", "die", "lost")
    changes = ("savepoints fail", "savepoints work", "forget", "130 s pass")

    @rule(data=st.data(), kind=st.sampled_from(["savepoint", "checkpoint"]))
    def restart(self, data: st.DataObject, kind: str) -> None:
        self.consents += 1
        self._among_mishaps(data, f"me, restart {self.consents}", restart=kind)


class GoingBack(Consents):
    """Files that prove broken, at once or after a while, and the worker dies over it."""

    specs = st.builds(
        spec,
        query=st.sampled_from(["a", "also_a", "b", "crash", "crash_later", "crash_at_submit"]),
        on_query_change=st.sampled_from(["fresh", "carry-or-fresh"]),
        stop_with=st.sampled_from(["savepoint", "savepoint", "checkpoint"]),
        on_failure=st.sampled_from(["rollback", "rollback", "hold"]),
    )
    places = (("submit: answer", 0), ("submit: answer", 1), *(("written", n) for n in range(12)))
    mishaps = ("die", "lost")
    at_submit = ("die", "lost")
    changes = ("8 s pass", "1 s pass", "fail")


class Cancels(Crashes):
    """Jobs that are not up and delete their checkpoints on a cancel, savepoints that fail, no leave to start empty."""

    specs = st.builds(
        spec,
        query=st.sampled_from(["a", "crash_later"]),
        interval=st.sampled_from(["5 s", "9 s"]),
        on_query_change=st.just("carry"),
        stop_with=st.sampled_from(["savepoint", "savepoint", "checkpoint"]),
        on_savepoint_failure=st.just("checkpoint"),
        enabled=st.sampled_from([True, True, False]),
        retention=st.sampled_from(["DELETE_ON_CANCELLATION", "DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION"]),
    )
    places = (("cancel", 0), ("outcome", 0), *(("written", n) for n in range(6)))
    mishaps = ("savepoints fail", "die", "lost")
    at_submit = ("die",)
    changes = ("savepoints fail", "savepoints work", "8 s pass", "1 s pass")

    def __init__(self) -> None:
        super().__init__()
        self.world.all_is_wanted = True


class Workers(Crashes):
    """Two workers at once."""

    places = tuple(("write", n) for n in range(12))
    mishaps = ("other worker",)


class Outside(Consents):
    """The cluster changes, too, also in the middle of a deploy."""

    mishaps = (*Crashes.mishaps, *CHANGES)
    changes = (*Crashes.changes, *CHANGES, *BETWEEN)

    @rule()
    def adopt(self) -> None:
        """The file says what runs there."""
        stranger = self.world.jobmanager.jobs.get(STRANGER)
        if stranger and stranger.live:
            self.wanted = replace(stranger.spec, enabled=True)
            self.run(self.wanted, adopt=True)


class Failover(Outside):
    """The same with high availability: what is not listed may come back."""

    high_availability = True


class Applications(Unseen):
    """A cluster for each job, which draws its id: a submit cannot be sent again."""

    cluster = FakeApplications
    places = PLACES
    mishaps = CRASHES
    changes = ("land", "savepoints fail", "savepoints work", *WAITS)


class Operator(Crashes):
    """One request replaces the running job."""

    cluster = FakeOperator
