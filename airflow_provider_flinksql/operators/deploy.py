"""The operator that makes a Flink SQL job be what its job file says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_flinksql.airflow_errors import airflow_errors
from airflow_provider_flinksql.deploy.flow import Flow, new_lineage, run_spec
from airflow_provider_flinksql.deploy.perform import attempt_of
from airflow_provider_flinksql.deploy.reconcile import Earlier, Limits, Waiting
from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import (
    MOST_OF_A_MESSAGE,
    Fault,
    FlinkSqlError,
    InvalidSpec,
    Misconfigured,
    shown,
    shown_lines,
)
from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook
from airflow_provider_flinksql.jobfile.read import JobFile, read_job
from airflow_provider_flinksql.jobfile.source import begins_in
from airflow_provider_flinksql.killed import OnKill, WorkerKilled
from airflow_provider_flinksql.links import FlinkCheckpointsLink, FlinkJobLink
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.plan import Plan
from airflow_provider_flinksql.model.lifecycle.text import outline
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Consent, Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement, session_statements
from airflow_provider_flinksql.model.submission import CHECKED
from airflow_provider_flinksql.names import location
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings, connect
from airflow_provider_flinksql.triggers.wait import Awaited, FlinkSqlWaitTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

Goal = Literal["running", "finished"]
OnClear = Literal["rerun", "attach"]

AWAITED: dict[type[do.Wait], Awaited] = {
    do.AwaitRunning: "running",
    do.AwaitProof: "proof",
    do.AwaitFinished: "finished",
}


class FlinkSqlDeployOperator(BaseOperator):
    """Deploy one job: nothing when nothing changed, stop and restore when it did, never a second copy.

    Every try, resumption and retry takes the same way through the manifest, so dying at any point loses nothing. A
    streaming job is never stopped because its task was killed or cleared, unless ``on_kill`` says so. The task returns
    a small mapping: ``name``, ``action``, ``job_id``, ``query_version``, ``restored_from``, ``savepoint``, …

    :param job: the path of a job file, relative to the folder of the DAG's file; or the job itself, as a mapping or as
        YAML text. What is in it is never rendered by Jinja
    :param flink_conn_id: a connection of type ``flink_sql``
    :param parameters: values for ``${param.x}`` in the job file (templated)
    :param deferrable: wait in the triggerer where the wait is long
    :param wait_for: ``running`` (and proved healthy) or, for batch jobs, ``finished``; by default what fits the job
    :param defaults: path of a defaults file, relative as ``job``; by default ``job-template.yaml`` beside a job file
    :param flink_properties: Flink options that win over all others
    :param adopt: take over a job of this name that others started, as it runs
    :param restore_from: restore this savepoint or checkpoint, or "none" to start empty; used once per run (templated)
    :param accept: ``cluster-gone`` lets go of a job on a cluster that no longer answers; ``changes-meaning`` and
        ``unknown`` restore a changed query all the same, ``allow-non-restored`` also where some state loses its place
    :param again: deploy a file once more that was refused because it proved broken
    :param expect: the digest of the plan that a person approved (``flinksql plan``); another plan is refused before
        anything is touched (templated)
    :param timeout: how long the task waits in all, deferred or not; by default as long as it takes, which for a job to
        come up is ``health.timeout`` of its file
    :param on_kill: what becomes of the job that this task began when somebody marks the task failed, or its run ends
        without it: ``none``, ``cancel`` or ``stop-with-savepoint``; by default ``none`` for a streaming job, ``cancel``
        for a batch job, which takes no savepoint. Nothing when a worker is shut down or killed, and nothing on success
    :param on_clear: whether a cleared task of a batch job is a new run (``rerun``), ending the one before if it is
        live, or goes on with the run that there is (``attach``)
    """

    template_fields: Sequence[str] = ("parameters", "restore_from", "expect", "sql", "plan")
    template_fields_renderers = {"parameters": "json", "sql": "sql"}  # noqa: RUF012 - Airflow's own type
    operator_extra_links = (FlinkJobLink(), FlinkCheckpointsLink())
    overwrite_rtif_after_execution = True  # sql and plan are known only then
    ui_color = "#f8e1ec"
    restore_words: tuple[str, ...] = ("none",)

    def __init__(
        self,
        *,
        job: str | os.PathLike[str] | Mapping[str, Any],
        flink_conn_id: str = FlinkSqlHook.default_conn_name,
        parameters: Mapping[str, Any] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        wait_for: Goal | None = None,
        defaults: str | os.PathLike[str] | None = None,
        flink_properties: Mapping[str, str] | None = None,
        adopt: bool = False,
        restore_from: str | None = None,
        accept: Consent | Sequence[Consent] = (),
        again: bool = False,
        expect: str | None = None,
        timeout: timedelta | None = None,
        on_kill: OnKill | None = None,
        on_clear: OnClear = "rerun",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _require(on_kill in (None, *get_args(OnKill)), f"on_kill={on_kill!r}; it may be {get_args(OnKill)}")
        wishes = [accept] if isinstance(accept, str) else accept
        _require(set(wishes) <= {*get_args(Consent)}, f"accept={accept!r}; it may be {get_args(Consent)}")
        _require(on_clear in get_args(OnClear), f"on_clear={on_clear!r}; it may be {get_args(OnClear)}")
        self.job = job
        self.flink_conn_id = flink_conn_id
        self.parameters = parameters
        self.deferrable = deferrable
        self.wait_for = wait_for
        self.defaults = defaults
        self.flink_properties = flink_properties
        self.adopt = adopt
        self.restore_from = restore_from
        self.accept = [accept] if isinstance(accept, str) else list(accept)
        self.again = again
        self.expect = expect
        self.timeout = timeout
        self.wish_on_kill = on_kill
        self.on_clear = on_clear
        self.sql = ""
        self.plan = ""
        self.flink_job: tuple[str, str] | None = None
        """JobManager and job id, for the links."""
        self._killed: WorkerKilled | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Deploy, waiting here or deferred."""
        return self._deploy_or_end(context)

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Go on after a deferral. What the event says of the job is but a hint: the same way is taken again."""
        try:
            news, kept = event["news"], event["earlier"]
            earlier = Earlier(**kept["so_far"]).later(time.time() - kept["parked_at"])
            self.plan = str(kept["plan"])
        except (KeyError, TypeError) as error:
            self.log.warning("The triggerer sent something unknown (%s), so all is looked at anew.", shown(repr(error)))
            return self._deploy_or_end(context)
        self.log.info("The triggerer saw: %s", shown(news))
        return self._deploy_or_end(context, earlier)

    def on_kill(self) -> None:
        """Airflow calls it inside a signal handler, and not only when somebody ended the task."""
        if self._killed:
            self._killed()

    def _deploy_or_end(self, context: Context, earlier: Earlier | None = None) -> dict[str, Any]:
        """A kill while this goes on may have begun to end the job; then it is given the time it has."""
        try:
            return self._deploy(context, earlier)
        finally:
            if self._killed:
                self._killed.wait()

    def _deploy(self, context: Context, earlier: Earlier | None = None) -> dict[str, Any]:
        with airflow_errors():
            hook = FlinkSqlHook(self.flink_conn_id)
            settings = hook.settings()
            job = self._read(settings)
            policy = self._policy(context, job.spec)
            key = run_key(context, self.on_clear)
            spec = run_spec(job.spec, key)
            wish, cleared = self._withdrawal(spec, policy), self._if_cleared(spec, policy)
            self._killed = killed = WorkerKilled(
                context["ti"], settings, hook.store_url(), hook.resolve, wish, cleared
            )
            with (
                closing(open_store(killed.store_url)) as store,
                connect(settings, hook.resolve, killed.halt) as (target, io),
            ):
                self._end_earlier_runs(context, job.spec, policy, settings, store, hook.resolve)
                flow = Flow(job, target, store, io, settings.jobmanager, key, self.log.info, warn=self.log.warning)
                flow.planned = self._show_plan
                flow.limits = self._limits(conf.getfloat("flinksql", "defer_after", fallback=10.0))
                try:
                    done = flow.deploy(policy, earlier)
                    if isinstance(done, Waiting) and not self.deferrable:
                        self._remember(flow)
                        self._push_links(context)
                        flow.limits = self._limits(None)
                        done = flow.deploy(policy, done.earlier)
                finally:
                    self._remember(flow)
        if isinstance(done, Waiting):
            self._defer(done, wish)
        if done.url:
            self.log.info("Flink shows job %s at %s", shown(done.job_id), shown(done.url))
        return done.to_json()

    def _read(self, settings: Settings) -> JobFile:
        folder = Path(self.dag.folder)
        job = read_job(
            _source(self.job, folder),
            parameters={key: str(value) for key, value in (self.parameters or {}).items()},
            defaults=folder / self.defaults if self.defaults else None,
            connection_properties=settings.properties,
            operator_properties=self.flink_properties or {},
            folder=folder,
        ).require_used()
        return self._show(job)

    def _show(self, job: JobFile) -> JobFile:
        self.sql = _shown(job.spec)
        return job

    def _policy(self, context: Context, spec: Spec) -> Policy:
        goal: Goal = self.wait_for or ("finished" if spec.mode == "batch" else "running")
        if goal == "finished" and spec.mode == "streaming":
            raise Misconfigured(f"Job {spec.name} is streaming; wait_for='finished' is for jobs with mode: batch.")
        owner, by = deployer(context)
        return Policy(
            owner=owner,
            lineage=new_lineage(),
            by=by,
            adopt=self.adopt,
            restore_from=self._state_to_restore(),
            accept=frozenset(self.accept),
            again=self.again,
            expect=self.expect or None,
            wait_for=goal,
        )

    def _state_to_restore(self) -> str | None:
        given = self.restore_from or None
        return given if given in (None, *self.restore_words) else entered("restore_from", location, str(given))

    def _withdrawal(self, spec: Spec, policy: Policy) -> Withdrawal | None:
        """What ``on_kill`` comes to for this job."""
        wish = self.wish_on_kill or ("cancel" if spec.mode == "batch" else "none")
        if wish == "none":
            return None
        savepoint = wish == "stop-with-savepoint" and spec.mode == "streaming"
        return Withdrawal(spec.name, policy.owner, policy.by, "savepoint" if savepoint else "cancel")

    def _if_cleared(self, spec: Spec, policy: Policy) -> Withdrawal | None:
        """A batch task that is cleared while it runs here begins anew, and not with what ran till then."""
        rerun = spec.mode == "batch" and self.on_clear == "rerun"
        return Withdrawal(spec.name, policy.owner, policy.by, "cancel") if rerun else None

    def _end_earlier_runs(
        self, context: Context, spec: Spec, policy: Policy, settings: Settings, store: Store, resolve: Resolve
    ) -> None:
        """A cleared task may leave a live run behind; two would write to the same place. Each clear raises max_tries"""
        ti = context["ti"]
        if spec.mode != "batch" or self.on_clear == "attach" or ti.try_number == 1:
            return
        keys = [run_key(context, max_tries=before) for before in range(ti.max_tries)]
        for name, stored in store.heads([run_spec(spec, key).name for key in keys]).items():
            earlier = Withdrawal(name, policy.owner, policy.by, "cancel")
            if earlier.subject(stored.manifest):
                self.log.info("This task was cleared; run %s is ended before another one begins.", shown(name))
                withdraw(earlier, settings, store, resolve, say=self.log.info)

    def _limits(self, inline: float | None) -> Limits:
        return Limits(total=self.timeout.total_seconds() if self.timeout else float("inf"), inline=inline)

    def _show_plan(self, made: Plan, manifest: Manifest | None) -> None:
        judged = "" if made.verdict == "none" else f"; what that means for its state: {made.verdict}"
        lines = [f"{made.action}: {made.reason}{judged}", *outline(made.steps, manifest)]
        self.plan = "\n".join(shown(line, MOST_OF_A_MESSAGE) for line in lines)
        self.log.info("Plan: %s", shown_lines(self.plan))

    def _defer(self, waiting: Waiting, wish: Withdrawal | None) -> NoReturn:
        """Only here, and only while nothing is down."""
        attempt = attempt_of(waiting.manifest, waiting.step.number)
        awaiting, so_far, now = AWAITED[type(waiting.step)], waiting.earlier, time.time()
        left = [self.timeout.total_seconds() - so_far.spent] if self.timeout else []
        left += [attempt.spec.time_to_prove - so_far.waited] if awaiting != "finished" else []
        self.defer(
            trigger=FlinkSqlWaitTrigger(
                self.flink_conn_id,
                attempt.job_id,
                awaiting,
                waiting.manifest.id("proof", attempt.number, attempt.proofs) if attempt.proofs else None,
                now + min(left) if left else None,
                conf.getfloat("flinksql", "poll_interval", fallback=5.0),
                # in the event and not in kwargs, which dag.test() loses
                {"so_far": asdict(so_far), "parked_at": now, "plan": self.plan},
                asdict(wish) if wish else None,
            ),
            method_name="execute_complete",
        )

    def _remember(self, flow: Flow) -> None:
        """Which job the links lead to, however this ends."""
        try:
            manifest = flow.store.get(flow.spec.name).manifest
        except FlinkSqlError as error:
            self.log.debug("No links: %s", error)
            return
        heads = (manifest.pending, manifest.current) if manifest else ()
        sent = next((attempt for attempt in heads if attempt and attempt.sent), None)
        self.flink_job = (flow.jobmanager, sent.job_id) if sent else None

    def _push_links(self, context: Context) -> None:
        """Airflow asks for links when a task ends or defers; this one goes on waiting."""
        for link in self.operator_extra_links:
            context["ti"].xcom_push(link.xcom_key, link.address(self))


def _source(job: str | os.PathLike[str] | Mapping[str, Any], folder: Path) -> Path | str | Mapping[str, Any]:
    """The path of a job file, or the job itself: a text is YAML if it has lines, or a key and its value."""
    is_text = isinstance(job, str) and not job.endswith((".yaml", ".yml"))
    if isinstance(job, Mapping) or (is_text and ("\n" in str(job) or ": " in str(job))):
        return job  # type: ignore[return-value]
    path = folder / job
    if "{{" in str(job) or "{%" in str(job):
        raise Misconfigured(
            f"job={str(job)!r} is not rendered: neither the path nor the job in it is a template. Write the path out, "
            "and give what differs from run to run as parameters={…}, which is rendered and fills ${param.x} there."
        )
    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises for what no file can be called
        raise Misconfigured(
            f"job={str(job)!r} is the folder {path}; a task deploys one job. Name one file, or map over all of them: "
            "FlinkSqlDeployOperator.partial(…).expand(job=[…])."
        )
    try:
        path.stat()
    except FileNotFoundError:
        hint = begins_in(Path(job), folder) + ("" if Path(job).is_absolute() else ", the folder of the DAG's file")
        raise InvalidSpec(f"job={str(job)!r}", [Fault("", f"there is no such file{hint}")]) from None
    except (OSError, ValueError):
        pass  # whoever reads it says what is wrong with it
    return path


def entered(field: str, reader: Callable[[str], str], given: str) -> str:
    """What a field of an operator holds once it is rendered; Misconfigured if it cannot be that."""
    try:
        return reader(given)
    except ValueError as error:
        raise Misconfigured(f"{field}: {error}.") from None


def deployer(context: Context) -> tuple[str, str]:
    """Who deploys, to the engine and to people."""
    ti = context["ti"]
    return "/".join(_instance(context)), f"Airflow {ti.dag_id}.{ti.task_id}, run {ti.run_id}, try {ti.try_number}"


def _instance(context: Context) -> tuple[str, str, str, str]:
    """The same for all tries of a task instance: to the engine, they are one deployer."""
    ti = context["ti"]
    return ti.dag_id, str(ti.run_id), ti.task_id, str(ti.map_index)


def run_key(context: Context, on_clear: OnClear = "rerun", max_tries: int | None = None) -> str:
    """Tells batch runs apart. A retry is the same run; a clear is a new one, for it raises ``max_tries``."""
    if on_clear == "attach":
        return "/".join(_instance(context))
    return "/".join([*_instance(context), str(context["ti"].max_tries if max_tries is None else max_tries)])


def _require(right: bool, otherwise: str) -> None:
    if not right:
        raise ValueError(otherwise)


def _shown(spec: Spec) -> str:
    """All that is sent, in its order, with secrets still placeholders."""
    return ";\n\n".join([*session_statements(spec), final_statement(spec, **CHECKED)]) + ";"
