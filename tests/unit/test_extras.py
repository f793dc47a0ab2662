"""What an extra brings is asked for by its install line."""

import sys

import pytest

from airflow_provider_flinksql.errors import Misconfigured
from airflow_provider_flinksql.stores import open_store


@pytest.mark.parametrize("missing", ["sqlalchemy", "psycopg"])
def test_a_store_whose_packages_are_missing_says_how_to_install_them(missing, monkeypatch):
    monkeypatch.delitem(sys.modules, "airflow_provider_flinksql.stores.sql", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Misconfigured, match=r"pip install 'airflow-provider-flinksql\[sql\]'"):
        open_store("postgresql+psycopg://somebody@nowhere/flinksql")
