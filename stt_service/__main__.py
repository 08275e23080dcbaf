"""Runs the server: `stt-server`, or `python -m stt_service`."""

from __future__ import annotations

import os

# Before numpy is loaded: its threads would spin beside the models' for a third of a partial's cost, and speed nothing.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Or gRPC writes a line to stderr for each handshake that fails, which any stranger can have it do.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from stt_service.commands import main

if __name__ == "__main__":
    main(prog_name="stt-server")
