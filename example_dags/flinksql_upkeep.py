"""Upkeep of a job on record: once a week a savepoint to keep, and a restart, which goes on from one of its own."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_flinksql.operators.upkeep import FlinkSqlRestartOperator, FlinkSqlSavepointOperator

with DAG(
    "flinksql_upkeep",
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={"name": Param("flinksql-quickstart", type="string", description="The job's name")},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    doc_md=__doc__,
):
    save = FlinkSqlSavepointOperator(task_id="save", name="{{ params.name }}")
    save >> FlinkSqlRestartOperator(task_id="restart", name="{{ params.name }}", deferrable=True)
