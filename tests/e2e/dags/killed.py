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
        "flinkProperties": {"parallelism.default": "1"},
    }


LINGERING = counting("left-alone", "streaming") | {
    "sql": "INSERT INTO nowhere SELECT n / (n - n) FROM numbers",
    "flinkProperties": {
        "restart-strategy.type": "fixed-delay",  # it fails at its first row and waits: it never comes up
        "restart-strategy.fixed-delay.delay": "1 h",
    },
}


with DAG("killed", schedule=None):
    for _name, _deferrable in (("deferred", True), ("staying", False)):
        FlinkSqlDeployOperator(task_id=_name, job=counting(_name, "batch"), deferrable=_deferrable)

with DAG("left_alone", schedule=None):
    FlinkSqlDeployOperator(task_id="deploy", job=LINGERING, deferrable=True)
