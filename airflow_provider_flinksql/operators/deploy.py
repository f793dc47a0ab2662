"""The operator that makes a Flink SQL job be what its job file says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_flinksql.deploy.flow import new_lineage, run_spec
from airflow_provider_flinksql.deploy.withdraw import Withdrawal, withdraw
from airflow_provider_flinksql.errors import Fault, InvalidSpec, Misconfigured, shown
from airflow_provider_flinksql.jobfile.read import JobFile, read_job
from airflow_provider_flinksql.jobfile.source import begins_in
from airflow_provider_flinksql.model.policy import Consent, Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.operators.job import FlinkSqlJobOperator, deployer, instance, require, run_key
from airflow_provider_flinksql.stores import Store
from airflow_provider_flinksql.targets import Resolve
from airflow_provider_flinksql.targets.connect import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

Goal = Literal["running", "finished"]
OnClear = Literal["rerun", "attach"]


class FlinkSqlDeployOperator(FlinkSqlJobOperator):
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

    def __init__(
        self,
        *,
        job: str | os.PathLike[str] | Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        wait_for: Goal | None = None,
        defaults: str | os.PathLike[str] | None = None,
        flink_properties: Mapping[str, str] | None = None,
        adopt: bool = False,
        accept: Consent | Sequence[Consent] = (),
        again: bool = False,
        expect: str | None = None,
        on_clear: OnClear = "rerun",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        wishes = [accept] if isinstance(accept, str) else accept
        require(set(wishes) <= {*get_args(Consent)}, f"accept={accept!r}; it may be {get_args(Consent)}")
        require(on_clear in get_args(OnClear), f"on_clear={on_clear!r}; it may be {get_args(OnClear)}")
        self.job = job
        self.parameters = parameters
        self.wait_for = wait_for
        self.defaults = defaults
        self.flink_properties = flink_properties
        self.adopt = adopt
        self.accept = [accept] if isinstance(accept, str) else list(accept)
        self.again = again
        self.expect = expect
        self.on_clear = on_clear

    def _wanted(self, settings: Settings) -> tuple[Spec, JobFile | None]:
        folder = Path(self.dag.folder)
        job = read_job(
            _source(self.job, folder),
            parameters={key: str(value) for key, value in (self.parameters or {}).items()},
            defaults=folder / self.defaults if self.defaults else None,
            connection_properties=settings.properties,
            operator_properties=self.flink_properties or {},
            folder=folder,
        ).require_used()
        return job.spec, job

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

    def _run_key(self, context: Context) -> str:
        return "/".join(instance(context)) if self.on_clear == "attach" else run_key(context)

    def _if_cleared(self, spec: Spec, policy: Policy) -> Withdrawal | None:
        """A batch task that is cleared while it runs here begins anew, and not with what ran till then."""
        rerun = spec.mode == "batch" and self.on_clear == "rerun"
        return Withdrawal(spec.name, policy.owner, policy.by, "cancel") if rerun else None

    def _prepare(
        self, context: Context, spec: Spec, policy: Policy, settings: Settings, store: Store, resolve: Resolve
    ) -> None:
        """A cleared task may leave a live run behind; two would write to the same place. Each clear raises max_tries"""
        ti = context["ti"]
        if spec.mode != "batch" or self.on_clear == "attach" or ti.try_number == 1:
            return
        keys = [run_key(context, max_tries=before) for before in range(ti.max_tries)]
        for name, stored in store.heads([run_spec(spec, key).name for key in keys]).items():
            before = Withdrawal(name, policy.owner, policy.by, "cancel")
            if before.subject(stored.manifest):
                self.log.info("This task was cleared; run %s is ended before another one begins.", shown(name))
                withdraw(before, settings, store, resolve, say=self.log.info)


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
