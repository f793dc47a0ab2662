"""The imperative shell: look, plan, do one step, write it down, look again. Knows nothing of Airflow."""
