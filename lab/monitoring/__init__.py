"""Metrics, dashboard and alerts against a real Prometheus."""
