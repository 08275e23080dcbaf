"""Shared parts of all measurements: dictations, replay at real-time pace, resource usage, word errors."""
