"""Measurements that are run by hand; README.md lists them with their commands."""
