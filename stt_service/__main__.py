"""Runs the server: `stt-server`, or `python -m stt_service`."""

from __future__ import annotations

import os

from stt_service.signals import end_on_signals

end_on_signals()  # before what takes long to import: a signal meanwhile is no traceback
# Before numpy is loaded: its threads would spin beside the models' for a third of a partial's cost, and speed nothing.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What it says of the start we say better, and any stranger can have it write a line for a handshake that fails.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from stt_service.cli import main  # noqa: E402

if __name__ == "__main__":
    main(prog_name="stt-server")
