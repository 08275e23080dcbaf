"""Recipes of docs/integrations.md: unchanged clients of other speech services against a real server."""
