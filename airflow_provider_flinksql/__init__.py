"""Flink SQL, streaming and batch, as declared jobs inside Airflow schedules."""

__version__ = "0.1.0"
