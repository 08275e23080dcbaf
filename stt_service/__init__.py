"""Realtime STT: the server."""
