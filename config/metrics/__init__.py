"""Metrics for Prometheus: what each process counts, and the state of the work in the database."""
