import importlib.metadata
import json
from importlib import import_module
from importlib.resources import files
from typing import Any

import jsonschema

from airflow_provider_flinksql.provider_info import get_provider_info

INFO = get_provider_info()


def classes() -> list[str]:
    hooks = [kind["hook-class-name"] for kind in INFO["connection-types"]]
    return [*hooks, *INFO["extra-links"]]


def form() -> dict[str, Any]:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    return next(hook.model_dump() for hook in HookMetaService.hook_meta_data() if hook.connection_type == "flink_sql")


def test_airflow_accepts_the_provider_info():
    jsonschema.validate(INFO, json.loads(files("airflow").joinpath("provider_info.schema.json").read_text()))


def test_the_entry_point_leads_here_and_bears_the_name_of_the_distribution():
    (entry,) = importlib.metadata.entry_points(group="apache_airflow_provider", name="provider_info").select(
        module="airflow_provider_flinksql.provider_info"
    )
    assert entry.load()()["package-name"] == entry.dist.name == "airflow-provider-flinksql"


def test_everything_it_names_exists():
    for name in classes():
        module, _, attribute = name.rpartition(".")
        assert isinstance(getattr(import_module(module), attribute), type)
    for kind in ("hooks", "operators", "triggers"):
        for group in INFO[kind]:
            assert [import_module(module) for module in group["python-modules"]]


def test_the_fields_of_the_connection_are_json_schemas():
    for field in INFO["connection-types"][0]["conn-fields"].values():
        jsonschema.Draft202012Validator.check_schema(field["schema"])


def test_airflow_shows_the_connection_form():
    shown = form()
    assert shown["hook_name"] == "Flink SQL"
    assert shown["standard_fields"]["host"]["title"] == "SQL gateway host"
    assert shown["extra_fields"]["auth"]["schema"]["enum"] == ["none", "basic", "bearer", "mtls"]
    assert shown["extra_fields"]["token"]["schema"]["format"] == "password"
    assert "jobmanager_url" in shown["extra_fields"]


def test_airflow_knows_the_options_of_the_section():
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().provider_configs  # reads them; before 3.3, nothing else does
    assert conf.getfloat("flinksql", "defer_after") == 10.0
    assert conf.getfloat("flinksql", "poll_interval") == 5.0
    assert conf.get("flinksql", "manifest_store", fallback=None) is None


def test_every_template_field_is_an_attribute_of_the_operator():
    from airflow_provider_flinksql.operators.deploy import FlinkSqlDeployOperator

    operator = FlinkSqlDeployOperator(task_id="deploy", job="job.yaml")
    assert all(hasattr(operator, name) for name in operator.template_fields)
