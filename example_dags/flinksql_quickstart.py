"""A streaming job, deployed. Run it twice: nothing happens. Change the interval: it goes on where it stopped."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

with DAG(
    "flinksql_quickstart",
    schedule=None,
    max_active_runs=1,
    params={
        "output": Param("file:///tmp/flinksql-quickstart", type="string", description="Folder the numbers go to"),
        "interval": Param("1s", type="string", description="Time between two checkpoints"),
        "restore_from": Param(None, type=["null", "string"], description='A savepoint, or "none" to start empty'),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    doc_md=__doc__,
):
    FlinkSqlDeployOperator(
        task_id="deploy",
        job="jobs/quickstart.yaml",
        parameters={"output": "{{ params.output }}", "interval": "{{ params.interval }}"},
        restore_from="{{ params.restore_from or '' }}",
        deferrable=True,
    )
