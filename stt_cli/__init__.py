"""Realtime STT: the command line client."""
