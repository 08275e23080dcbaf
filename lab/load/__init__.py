"""Latency and resources under load, overload and abuse."""
