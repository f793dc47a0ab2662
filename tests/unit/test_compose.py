"""docker-compose.yaml is checked by parsing only, as it says itself."""

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]


def test_all_parts_are_there():
    assert {"postgres", "jobmanager", "taskmanager", "gateway"} < set(SERVICES)
    assert {name.removeprefix("airflow-") for name in AIRFLOW} == {"api", "scheduler", "dag-processor", "triggerer"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_and_ports_stay_on_this_machine(name):
    image, _, version = SERVICES[name]["image"].partition(":")
    assert image
    assert version[:1].isdigit()
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_connection_names_the_other_services():
    connection = json.loads(SERVICES["airflow-scheduler"]["environment"]["AIRFLOW_CONN_FLINK_SQL_DEFAULT"])
    assert connection["conn_type"] == "flink_sql"
    assert connection["host"] in SERVICES
    assert connection["extra"]["jobmanager_url"].split("/")[2].split(":")[0] in SERVICES
