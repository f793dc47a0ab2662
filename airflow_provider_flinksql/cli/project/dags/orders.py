"""The job of jobs/orders.yaml, deployed every hour: nothing happens while nothing changed."""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

with DAG(
    "orders",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
) as dag:
    FlinkSqlDeployOperator(
        task_id="deploy",
        job=str(Path(__file__).parents[1] / "jobs" / "orders.yaml"),
        deferrable=True,
    )
