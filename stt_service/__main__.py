"""Runs the server: `stt-server`, or `python -m stt_service`."""

from __future__ import annotations

from stt_service.commands import main

if __name__ == "__main__":
    main(prog_name="stt-server")
