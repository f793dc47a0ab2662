"""No secret is left in what Airflow logs or keeps of a task, nor in the store, whatever Flink says."""

import json
import logging
import os
from pathlib import Path

import pytest

import canary

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("kind", ["refused", "staying", "deferring"])
def test_no_task_that_fails_tells_a_secret(flink, connect, load, monkeypatch, capfd, caplog, tmp_path, kind):
    connect(flink)
    monkeypatch.setenv("AIRFLOW__FLINKSQL__DEFER_AFTER", "0")
    extra = {f"s{number}": secret for number, secret in enumerate(canary.SECRETS)}
    monkeypatch.setenv("AIRFLOW_CONN_CANARY", json.dumps({"conn_type": "generic", "extra": extra}))
    for number, secret in enumerate(canary.SECRETS):
        monkeypatch.setenv(f"CANARY_{number}", secret)
        monkeypatch.setenv(f"AIRFLOW_VAR_CANARY_{number}", secret)
    caplog.set_level(logging.DEBUG, "airflow_provider_flinksql")

    capfd.readouterr()
    ended = load(f"canary_{kind}").test()
    said = "".join(capfd.readouterr())
    assert str(ended.state) == "failed"
    assert canary.STARS in said
    assert ("The triggerer saw: " in said) == (kind == "deferring")
    kept = canary.files(tmp_path) | canary.files(Path(os.environ["AIRFLOW_HOME"]))
    assert list(canary.left(kept | {"said": said, "log": caplog.text})) == []
    assert (canary.STARS in "".join(canary.files(tmp_path).values())) == (kind != "refused")
