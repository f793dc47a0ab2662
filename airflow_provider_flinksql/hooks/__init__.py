"""Airflow's way to a Flink cluster."""
