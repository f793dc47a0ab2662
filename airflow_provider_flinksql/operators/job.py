"""What the operators share that bring a job up: one way through the manifest, waiting on the worker or deferred."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_flinksql.airflow_errors import airflow_errors
from airflow_provider_flinksql.deploy.flow import Flow, run_spec
from airflow_provider_flinksql.deploy.reconcile import Limits, SoFar, Waiting
from airflow_provider_flinksql.deploy.withdraw import Withdrawal
from airflow_provider_flinksql.errors import MOST_OF_A_MESSAGE, FlinkSqlError, Misconfigured, shown, shown_lines
from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook
from airflow_provider_flinksql.jobfile.read import JobFile
from airflow_provider_flinksql.links import FlinkCheckpointsLink, FlinkJobLink
from airflow_provider_flinksql.model.lifecycle import steps as do
from airflow_provider_flinksql.model.lifecycle.plan import Plan
from airflow_provider_flinksql.model.lifecycle.text import outline
from airflow_provider_flinksql.model.manifest import Manifest
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.model.statement import final_statement, session_statements
from airflow_provider_flinksql.model.submission import CHECKED
from airflow_provider_flinksql.names import location
from airflow_provider_flinksql.on_kill import OnKill, WorkerKilled
from airflow_provider_flinksql.stores import Store, open_store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings, connect
from airflow_provider_flinksql.triggers.wait import Awaited, FlinkSqlWaitTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

AWAITED: dict[type[do.Wait], Awaited] = {
    do.AwaitRunning: "running",
    do.AwaitProof: "proof",
    do.AwaitFinished: "finished",
}


class FlinkSqlJobOperator(BaseOperator):
    """Make one job be as it should be; subclasses say what should run, and on whose word.

    Every try, resumption and retry takes the same way through the manifest, so dying at any point loses nothing. A
    streaming job is never stopped because its task was killed or cleared, unless ``on_kill`` says so. The task returns
    a small mapping: ``name``, ``action``, ``job_id``, ``query_version``, ``restored_from``, ``savepoint``, …

    :param flink_conn_id: a connection of type ``flink_sql``
    :param deferrable: wait in the triggerer where the wait is long
    :param restore_from: what the job is restored from; used once per run (templated)
    :param timeout: how long the task waits in all, deferred or not; by default as long as it takes, which for a job to
        come up is ``health.timeout`` of its file
    :param on_kill: what becomes of the job that this task began when somebody marks the task failed, or its run ends
        without it: ``none``, ``cancel`` or ``stop-with-savepoint``; by default ``none`` for a streaming job, ``cancel``
        for a batch job, which takes no savepoint. Nothing when a worker is shut down or killed, and nothing on success
    """

    template_fields: Sequence[str] = ("restore_from", "sql", "plan")
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - Airflow's own type
    operator_extra_links = (FlinkJobLink(), FlinkCheckpointsLink())
    overwrite_rtif_after_execution = True  # sql and plan are known only then
    ui_color = "#f8e1ec"
    restore_words: tuple[str, ...] = ("none",)

    def __init__(
        self,
        *,
        flink_conn_id: str = FlinkSqlHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        restore_from: str | None = None,
        timeout: timedelta | None = None,
        on_kill: OnKill | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require(on_kill in (None, *get_args(OnKill)), f"on_kill={on_kill!r}; it may be {get_args(OnKill)}")
        self.flink_conn_id = flink_conn_id
        self.deferrable = deferrable
        self.restore_from = restore_from
        self.timeout = timeout
        self.wish_on_kill = on_kill
        self.sql = ""
        self.plan = ""
        self.flink_job: tuple[str, str] | None = None
        """JobManager and job id, for the links."""
        self._killed: WorkerKilled | None = None

    def _wanted(self, settings: Settings) -> tuple[Spec, JobFile | None]:
        """What should run, and the file that says so, if it is not what is on record."""
        raise NotImplementedError

    def _policy(self, context: Context, spec: Spec) -> Policy:
        """Who asks, and what for."""
        raise NotImplementedError

    def _run_key(self, context: Context) -> str:
        """What tells runs of a batch job apart."""
        return run_key(context)

    def _if_cleared(self, spec: Spec, policy: Policy) -> Withdrawal | None:
        """What becomes of the job when the task is cleared while it runs."""
        return None

    def _prepare(
        self, context: Context, spec: Spec, policy: Policy, settings: Settings, store: Store, resolve: Resolve
    ) -> None:
        """Whatever has to be over before the job is looked at."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Deploy, waiting here or deferred."""
        return self._deploy_or_end(context)

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Go on after a deferral. What the event says of the job is but a hint: the same way is taken again."""
        try:
            news, kept = event["news"], event["earlier"]
            so_far = SoFar(**kept["so_far"]).later(time.time() - kept["parked_at"])
            self.plan = str(kept["plan"])
        except (KeyError, TypeError) as error:
            self.log.warning("The triggerer sent something unknown (%s), so all is looked at anew.", shown(repr(error)))
            return self._deploy_or_end(context)
        self.log.info("The triggerer saw: %s", shown(news))
        return self._deploy_or_end(context, so_far)

    def on_kill(self) -> None:
        """Airflow calls it inside a signal handler, and not only when somebody ended the task."""
        if self._killed:
            self._killed()

    def _deploy_or_end(self, context: Context, so_far: SoFar | None = None) -> dict[str, Any]:
        """A kill while this goes on may have begun to end the job; then it is given the time it has."""
        try:
            return self._deploy(context, so_far)
        finally:
            if self._killed:
                self._killed.wait()

    def _deploy(self, context: Context, so_far: SoFar | None = None) -> dict[str, Any]:
        with airflow_errors():
            hook = FlinkSqlHook(self.flink_conn_id)
            settings = hook.settings()
            wanted, file = self._wanted(settings)
            self.sql = _sent(wanted)
            policy, key = self._policy(context, wanted), self._run_key(context)
            spec = run_spec(wanted, key)
            wish, cleared = self._withdrawal(spec, policy), self._if_cleared(spec, policy)
            self._killed = killed = WorkerKilled(
                context["ti"], settings, hook.store_url(), hook.resolve, wish, cleared
            )
            with (
                closing(open_store(killed.store_url)) as store,
                connect(settings, hook.resolve, killed.halt) as (target, io),
            ):
                self._prepare(context, wanted, policy, settings, store, hook.resolve)
                flow = Flow(wanted, target, store, io, settings.jobmanager, file, key)
                flow.say, flow.warn, flow.planned = self.log.info, self.log.warning, self._show_plan
                flow.limits = self._limits(conf.getfloat("flinksql", "defer_after", fallback=10.0))
                try:
                    done = flow.deploy(policy, so_far)
                    if isinstance(done, Waiting) and not self.deferrable:
                        self._remember(flow)
                        self._push_links(context)
                        flow.limits = self._limits(None)
                        done = flow.deploy(policy, done.so_far)
                finally:
                    self._remember(flow)
        if isinstance(done, Waiting):
            self._defer(done, wish)
        if done.url:
            self.log.info("Flink shows job %s at %s", shown(done.job_id), shown(done.url))
        return done.to_json()

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

    def _limits(self, inline: float | None) -> Limits:
        return Limits(total=self.timeout.total_seconds() if self.timeout else float("inf"), inline=inline)

    def _show_plan(self, made: Plan, manifest: Manifest | None) -> None:
        judged = "" if made.verdict == "none" else f"; what that means for its state: {made.verdict}"
        lines = [f"{made.action}: {made.reason}{judged}", *outline(made.steps, manifest)]
        self.plan = "\n".join(shown(line, MOST_OF_A_MESSAGE) for line in lines)
        self.log.info("Plan: %s", shown_lines(self.plan))

    def _defer(self, waiting: Waiting, wish: Withdrawal | None) -> NoReturn:
        """Only here, and only while nothing is down."""
        attempt = waiting.manifest.attempt(waiting.step.number)
        awaiting, so_far, now = AWAITED[type(waiting.step)], waiting.so_far, time.time()
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
        sent = next((attempt for attempt in (manifest.heads if manifest else ()) if attempt.sent), None)
        self.flink_job = (flow.jobmanager, sent.job_id) if sent else None

    def _push_links(self, context: Context) -> None:
        """Airflow asks for links when a task ends or defers; this one goes on waiting."""
        for link in self.operator_extra_links:
            context["ti"].xcom_push(link.xcom_key, link.address(self))


def deployer(context: Context) -> tuple[str, str]:
    """Who deploys, to the engine and to people."""
    ti = context["ti"]
    return "/".join(instance(context)), f"Airflow {ti.dag_id}.{ti.task_id}, run {ti.run_id}, try {ti.try_number}"


def instance(context: Context) -> tuple[str, str, str, str]:
    """DAG, run, task and map index: the same for all tries of a task instance. To the engine, they are one deployer."""
    ti = context["ti"]
    return ti.dag_id, str(ti.run_id), ti.task_id, str(ti.map_index)


def run_key(context: Context, max_tries: int | None = None) -> str:
    """Tells batch runs apart. A retry is the same run; a clear is a new one, for it raises ``max_tries``."""
    return "/".join([*instance(context), str(context["ti"].max_tries if max_tries is None else max_tries)])


def entered(field: str, reader: Callable[[str], str], given: str) -> str:
    """What a field of an operator holds once it is rendered; Misconfigured if it cannot be that."""
    try:
        return reader(given)
    except ValueError as error:
        raise Misconfigured(f"{field}: {error}.") from None


def require(right: bool, otherwise: str) -> None:
    """Raise ValueError where an argument of an operator is none that it takes: Airflow then shows the DAG as broken."""
    if not right:
        raise ValueError(otherwise)


def _sent(spec: Spec) -> str:
    """All that is sent, in its order, with secrets still placeholders."""
    return ";\n\n".join([*session_statements(spec), final_statement(spec, **CHECKED)]) + ";"
