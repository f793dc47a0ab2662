"""Operators for jobs on record, without their files: restart, savepoint and stop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_flinksql.airflow_errors import airflow_errors
from airflow_provider_flinksql.clients.http import run_sync
from airflow_provider_flinksql.deploy.flow import Flow, new_lineage
from airflow_provider_flinksql.deploy.onrecord import LATEST_CHECKPOINT, on_record, restarting, stopping, streaming_spec
from airflow_provider_flinksql.deploy.reconcile import Deployed
from airflow_provider_flinksql.deploy.savepoint import TakeSavepoint
from airflow_provider_flinksql.hooks.flinksql import FlinkSqlHook
from airflow_provider_flinksql.jobfile.read import JobFile
from airflow_provider_flinksql.model.manifest import StopKind
from airflow_provider_flinksql.model.policy import Policy
from airflow_provider_flinksql.model.spec import Spec
from airflow_provider_flinksql.names import recorded_name
from airflow_provider_flinksql.operators.job import FlinkSqlJobOperator, deployer, entered, run_key
from airflow_provider_flinksql.stores import Store
from airflow_provider_flinksql.targets.connect import Settings, connect

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flinksql.clients.http import IO
    from airflow_provider_flinksql.targets.session import SessionTarget


class FlinkSqlRestartOperator(FlinkSqlJobOperator):
    """Stop a job with a savepoint and start it again as it is on record; one that is stopped is started.

    A retry goes on with the restart that was begun and makes no second one; a cleared task restarts once more. Returns
    what :class:`FlinkSqlJobOperator` returns, and waits as that does.

    :param name: the job (templated)
    :param restore_from: a savepoint or checkpoint to start from; ``latest-checkpoint`` cancels the job and goes on from
        its newest checkpoint, for state too large for a savepoint; "none" starts empty (templated)
    """

    template_fields: Sequence[str] = ("name", "restore_from", "sql", "plan")
    restore_words = ("none", LATEST_CHECKPOINT)

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name

    def _wanted(self, settings: Settings) -> tuple[Spec, JobFile | None]:
        with closing(FlinkSqlHook(self.flink_conn_id).open_store()) as store:
            return streaming_spec(on_record(store, _name(self.name))), None

    def _policy(self, context: Context, spec: Spec) -> Policy:
        return Policy(run_key(context), new_lineage(), deployer(context)[1], **restarting(self._state_to_restore()))


class FlinkSqlStopOperator(BaseOperator):
    """Stop a job with a savepoint, as ``flinksql stop`` does; the next deploy restores it. No job file is needed.

    A job that does not run is left alone. Returns ``name``, ``action``, ``job_id``, ``savepoint``, …

    :param name: the job (templated)
    :param drain: fire all timers and end all windows first; a later start from that savepoint needs ``restore_from``
    :param cancel: take no savepoint, for jobs that cannot take one
    :param flink_conn_id: a connection of type ``flink_sql``
    """

    template_fields: Sequence[str] = ("name",)
    ui_color = "#f8e1ec"

    def __init__(
        self,
        *,
        name: str,
        drain: bool = False,
        cancel: bool = False,
        flink_conn_id: str = FlinkSqlHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if drain and cancel:
            raise ValueError("drain takes a savepoint, cancel takes none: say one of them")
        self.name = name
        self.drain = drain
        self.cancel = cancel
        self.flink_conn_id = flink_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Stop it, and wait until it has ended."""
        kind: StopKind | None = "drain" if self.drain else "cancel" if self.cancel else None
        with airflow_errors(), _opened(self.flink_conn_id) as (settings, store, target, io):
            manifest = on_record(store, _name(self.name))
            recorded = manifest.pending or manifest.current
            if recorded is None:
                return {"name": self.name, "action": "none", "reason": "it does not run"}
            flow = Flow(recorded.spec, target, store, io, settings.jobmanager, say=self.log.info)
            owner, by = deployer(context)
            done = flow.run(Policy(owner, new_lineage(), by, stop=stopping(recorded.spec, kind)))
            assert isinstance(done, Deployed)  # no limit was set after which to wait elsewhere
            return flow.result(done).to_json()


class FlinkSqlSavepointOperator(BaseOperator):
    """Take a savepoint of a running job, which goes on.

    A retry waits for the savepoint that was asked for, and takes no second one; a cleared task takes another. Returns
    ``name``, ``job_id``, ``attempt``, ``number``, ``savepoint`` (its location), ``size`` (bytes) and ``seconds``.

    :param name: the job (templated)
    :param flink_conn_id: a connection of type ``flink_sql``
    """

    template_fields: Sequence[str] = ("name",)
    ui_color = "#f8e1ec"

    def __init__(self, *, name: str, flink_conn_id: str = FlinkSqlHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.flink_conn_id = flink_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Take it, and wait until it is complete."""
        with airflow_errors(), _opened(self.flink_conn_id) as (_, store, target, io):
            taking = TakeSavepoint(target, store, io, time.monotonic, self.log.info)
            policy = Policy(run_key(context), new_lineage(), deployer(context)[1])
            return run_sync(taking.run(_name(self.name), policy)).to_json()


def _name(name: str) -> str:
    """The name of a job, if it can be one."""
    return entered("name", recorded_name, name)


@contextmanager
def _opened(conn_id: str) -> Iterator[tuple[Settings, Store, SessionTarget, IO]]:
    """All that a connection leads to, for as long as a task needs it."""
    hook = FlinkSqlHook(conn_id)
    settings = hook.settings()
    with closing(hook.open_store()) as store, connect(settings, hook.resolve) as (target, io):
        yield settings, store, target, io
