"""The demo, and the real Airflow that it and the tests run."""
