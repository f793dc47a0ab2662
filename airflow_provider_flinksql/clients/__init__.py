"""One file per server we talk to. Clients know neither Airflow nor our model: plain values and our errors."""
