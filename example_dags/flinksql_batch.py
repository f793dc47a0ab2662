"""A batch job, once per day: retried it attaches to its own Flink job, cleared it runs again."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

with DAG(
    "flinksql_batch",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"output": Param("file:///tmp/flinksql-batch", type="string", description="Folder the files go to")},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    doc_md=__doc__,
):
    FlinkSqlDeployOperator(
        task_id="summarize",
        job={
            "name": "orders-per-shop",
            "mode": "batch",
            "setup": [
                "CREATE TEMPORARY TABLE orders (shop INT, amount DECIMAL(9, 2)) WITH ("
                "'connector' = 'datagen', 'number-of-rows' = '1000', 'fields.shop.min' = '1', 'fields.shop.max' = '5')",
                "CREATE TEMPORARY TABLE summary (`day` STRING, shop INT, orders BIGINT, amount DECIMAL(38, 2)) WITH ("
                "'connector' = 'filesystem', 'format' = 'csv', 'path' = '${param.output}/${param.day}')",
            ],
            "sql": "INSERT OVERWRITE summary "
            "SELECT '${param.day}', shop, COUNT(*), SUM(amount) FROM orders GROUP BY shop",
        },
        parameters={"output": "{{ params.output }}", "day": "{{ ds }}"},
        deferrable=True,
    )
