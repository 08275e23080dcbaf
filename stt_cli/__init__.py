"""Realtime STT's command line: `stt-cli`."""
