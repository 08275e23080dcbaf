"""Metrics, logs, resource usage and the start-up banner."""
