"""Jobs that fail with all secrets of :mod:`canary` in what Flink says; they come from all places where some may be."""

from airflow.sdk import DAG

import canary
from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

KINDS = ("env.CANARY_{}", "conn.canary.s{}", "var.canary_{}")
ALL = "|".join(f"${{{KINDS[number % 3].format(number)}}}" for number in range(len(canary.SECRETS)))
JOB = {
    "mode": "batch",
    "setup": [
        "CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', "
        "'number-of-rows' = '2000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '2000')",
        f"CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector' = 'print', 'print-identifier' = '{ALL}')",
    ],
    "sql": "INSERT INTO nowhere SELECT CASE WHEN n < 60 THEN n "  # not before it is waited for
    f"ELSE CAST(CAST(n AS STRING) || '{ALL}' AS BIGINT) END FROM numbers",
    "flinkProperties": {"restart-strategy.type": "none", "parallelism.default": "1"},
}
REFUSED = f"INSERT INTO nowhere SELECT n FROM numbers /*+ OPTIONS('rows-per-second'='{ALL}') */"

for _kind in ("deferring", "staying"):
    with DAG(f"canary_{_kind}", schedule=None):
        FlinkSqlDeployOperator(task_id="deploy", job=JOB | {"name": _kind}, deferrable=_kind == "deferring")
with DAG("canary_refused", schedule=None):
    FlinkSqlDeployOperator(task_id="deploy", job=JOB | {"name": "refused", "sql": REFUSED})
