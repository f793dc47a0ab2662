"""What DAG authors use."""
