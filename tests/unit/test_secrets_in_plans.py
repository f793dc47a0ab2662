"""What the planner says is read first and then rid of secrets, so that none of any form is kept, and none breaks it."""

import json

import pytest

from airflow_provider_flinksql.model.verdict.graph import condensed, read
from airflow_provider_flinksql.model.verdict.schema import known_of, place_of, read_schema
from airflow_provider_flinksql.targets.secrets import Secrets

SECRETS = [
    "hunter2",
    "1",
    "a",
    "12345",
    'say "yes"',
    "it's",
    "a\\b",
    "two\nlines",
    "  blanks  ",
    "ключ",
    "@deadbeef",
    "%41",
]


def known(secret: str) -> Secrets:
    secrets = Secrets(lambda _: secret)
    secrets.fill("SELECT '${conn.vault.password}'")
    return secrets


def explained(secret: str) -> str:
    """EXPLAIN as Flink writes it: literals with doubled quotes in the physical plan, bare in the graph."""
    doubled = secret.replace("'", "''")
    contents = f"[2]:Calc(select=[k], where=[(s = '{secret}')])"
    nodes = [
        {
            "id": 1,
            "type": "Source: o[1]",
            "contents": "[1]:TableSourceScan(table=[[c, d, o]], fields=[k, s])",
            "parallelism": 1,
        },
        {
            "id": 2,
            "type": "Calc[2]",
            "contents": contents,
            "parallelism": 1,
            "predecessors": [{"id": 1, "ship_strategy": "FORWARD"}],
        },
    ]
    physical = f"Calc(select=[k], where=[=(s, _UTF-16LE'{doubled}':VARCHAR(9))])"
    sink = f"Sink(table=[c.d.p], fields=[k], hints=[[[OPTIONS options:{{path={secret}}}]]])"
    return (
        f"== Optimized Physical Plan ==\n{physical}\n\n== Optimized Execution Plan ==\n{sink}\n\n"
        f"== Physical Execution Plan ==\n{json.dumps({'nodes': nodes})}"
    )


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_kept_of_a_plan_and_none_breaks_it(secret: str) -> None:
    secrets = known(secret)
    graph = read(condensed(explained(secret), secrets.out_of_a_plan, secrets.named))
    assert [operator.text for operator in graph.operators] == [
        "TableSourceScan(table=[[c, d, o]], fields=[k, s])",
        "Calc(select=[k], where=[(s = '***')])",
    ]


@pytest.mark.parametrize("secret", [secret for secret in SECRETS if len(secret) > 1 and "\n" not in secret])
def test_no_digest_of_a_secret_is_kept(secret: str) -> None:
    secrets = known(secret)
    graph = read(condensed(explained(secret), secrets.out_of_a_plan, secrets.named))
    assert graph.places == (place_of({"path": "${conn.vault.password}"}),)
    doubled = secret.replace("'", "''")
    created = f"CREATE TABLE `c`.`d`.`t` (\n  `k` INT\n) WITH (\n  'connector' = 'x',\n  'path' = '{doubled}'\n)"
    schema = read_schema(known_of(secrets.named(created), insert_only=True))
    assert schema.place == place_of({"path": "${conn.vault.password}"})
