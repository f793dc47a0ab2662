"""A DAG for each job of ``dags.json`` beside it, whose one task deploys the job file of that name."""

import json
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

for _name, _options in json.loads((Path(__file__).parent / "dags.json").read_text()).items():
    with DAG(_name, schedule=None, default_args={"retries": 5, "retry_delay": timedelta(seconds=1)}):
        FlinkSqlDeployOperator(task_id="deploy", job=f"{_name}.yaml", flink_conn_id=_name, **_options)
