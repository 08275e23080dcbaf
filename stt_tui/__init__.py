"""Realtime STT: the dictation editor."""
