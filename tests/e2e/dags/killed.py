"""Jobs that go on until somebody ends their task."""

from typing import Any

from airflow.sdk import DAG

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator


def counting(name: str, mode: str) -> dict[str, Any]:
    return {
        "name": name,
        "mode": mode,
        "setup": [
            "CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1', "
            "'number-of-rows' = '10000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', "
            "'fields.n.end' = '10000')",
            "CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')",
        ],
        "sql": "INSERT INTO nowhere SELECT n FROM numbers",
        "parameters": {"slots": "1"},
        "flinkProperties": {"parallelism.default": "${param.slots}"},
    }


with DAG("killed", schedule=None):
    for _name, _deferrable in (("deferred", True), ("staying", False)):
        FlinkSqlDeployOperator(task_id=_name, job=counting(_name, "batch"), deferrable=_deferrable)

with DAG("left_alone", schedule=None):
    FlinkSqlDeployOperator(
        task_id="deploy",
        job=counting("left-alone", "streaming"),
        parameters={"slots": "{{ dag_run.conf.slots }}"},
        deferrable=True,
    )
