"""DAGs of the tests. What differs between two tests comes in by ``conf``."""

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator
from airflow_provider_flinksql.operators.upkeep import (
    FlinkSqlRestartOperator,
    FlinkSqlStopOperator,
)

NUMBERS = """CREATE TEMPORARY TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20',
  'number-of-rows' = '60', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '60')"""
NOWHERE = "CREATE TEMPORARY TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole')"
BREAKING = {
    "name": "breaking",
    "mode": "batch",
    "setup": [NUMBERS, NOWHERE],
    "sql": "INSERT INTO nowhere SELECT 100 / (n - 30) FROM numbers",
}

for _deferrable in (True, False):
    _kind = "deferring" if _deferrable else "staying"
    with DAG(f"stream_{_kind}", schedule=None):
        FlinkSqlDeployOperator(
            task_id="deploy",
            job="jobs/quickstart.yaml",
            parameters={key: f"{{{{ dag_run.conf.{key} }}}}" for key in ("output", "interval")},
            flink_properties={"pipeline.max-parallelism": "8"},
            deferrable=_deferrable,
        )
    with DAG(f"breaking_{_kind}", schedule=None):
        FlinkSqlDeployOperator(task_id="deploy", job=BREAKING, deferrable=_deferrable)

with DAG("lingering", schedule=None):
    FlinkSqlDeployOperator(
        task_id="deploy",
        job={
            "name": "lingering",
            "setup": [NUMBERS, NOWHERE],
            "sql": "INSERT INTO nowhere SELECT n / (n - n) FROM numbers",
            "flinkProperties": {
                "restart-strategy.type": "fixed-delay",  # it fails at its first row and waits: it never comes up
                "restart-strategy.fixed-delay.delay": "1 h",
            },
            "health": {"timeout": "1m"},
        },
        deferrable=True,
    )

for _deferrable in (True, False):
    with DAG(f"hasty_{'deferring' if _deferrable else 'staying'}", schedule=None):
        FlinkSqlDeployOperator(
            task_id="deploy",
            job=BREAKING
            | {
                "name": "hasty",
                "setup": [NUMBERS.replace("60", "20000"), NOWHERE],  # takes longer than any machine to look at it
                "sql": "INSERT INTO nowhere SELECT n FROM numbers",
            },
            timeout=timedelta(seconds=1),
            deferrable=_deferrable,
        )

with DAG("mapped", schedule=None):
    FlinkSqlDeployOperator.partial(
        task_id="deploy",
        job={
            "name": "mapped",
            "mode": "batch",
            "setup": [NUMBERS, NOWHERE],  # it takes some seconds, so it does defer
            "sql": "INSERT INTO nowhere SELECT n + CHAR_LENGTH('${param.shop}') FROM numbers",
        },
        deferrable=True,
    ).expand(parameters=[{"shop": "north"}, {"shop": "south"}])

with DAG("given_as_text", schedule=None):
    FlinkSqlDeployOperator(
        task_id="deploy",
        job=f"""
name: given-as-text
mode: batch
setup:
  - |
    {NOWHERE}
sql: INSERT INTO nowhere VALUES (CHAR_LENGTH('{{{{ not jinja }}}} ${{param.day}}'))
""",
        parameters={"day": "{{ ds }}"},
        timeout=timedelta(minutes=2),
    )

with DAG("with_a_secret", schedule=None):
    FlinkSqlDeployOperator(
        task_id="deploy",
        job={
            "name": "with-a-secret",
            "mode": "batch",
            "setup": [
                "CREATE TEMPORARY TABLE kept (s STRING) WITH ('connector' = 'filesystem', 'path' = '${param.output}', "
                "'format' = '${param.format}', 'csv.null-literal' = '${conn.vault.password}')",
            ],
            "sql": "INSERT INTO kept VALUES ('${env.CANARY_ENV}')",
        },
        parameters={"output": "{{ dag_run.conf.output }}", "format": "{{ dag_run.conf.format }}"},
    )

with DAG("misused", schedule=None):
    FlinkSqlDeployOperator(task_id="missing_file", job="jobs/no-such.yaml", retries=2)
    FlinkSqlDeployOperator(task_id="unused", job={"name": "u", "sql": "INSERT INTO a SELECT 1"}, parameters={"b": "c"})
    FlinkSqlDeployOperator(task_id="streaming_to_the_end", job="jobs/quickstart.yaml", wait_for="finished", retries=2)

with DAG("living", schedule=None):
    _name = "{{ dag_run.conf.name }}"
    _back = FlinkSqlRestartOperator(task_id="back", name=_name, restore_from="{{ dag_run.conf.savepoint }}")
    _back >> FlinkSqlStopOperator(task_id="stop", name=_name)
