"""Job files: YAML, defaults file and parameters into a Spec."""
