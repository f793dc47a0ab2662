"""The buttons of a task that lead to its job in Flink's own UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_flinksql.deploy.flow import job_page

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class FlinkJobLink(BaseOperatorLink):
    """Leads to the job. Asked on the worker each time a task ends or defers; kept in an XCom from then on."""

    name = "Flink job"
    page = "overview"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address, for Airflow."""
        return self.address(operator)

    def address(self, operator: BaseOperator) -> str:
        """The address, empty while no job is known."""
        found: tuple[str, str] | None = getattr(operator, "flink_job", None)
        return job_page(*found, self.page) if found else ""


class FlinkCheckpointsLink(FlinkJobLink):
    """Leads to the job's checkpoints."""

    name = "Flink checkpoints"
    page = "checkpoints"
