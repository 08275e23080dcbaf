"""Runs the server: `stt-server`, or `python -m stt_service`."""

from __future__ import annotations

import os

from stt_service.signals import exit_on_signals

exit_on_signals()  # before the slow imports, during which a signal would print a traceback
# Set before numpy is loaded: its threads would compete with the models' threads at a third of the cost of a partial,
# without any gain.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# gRPC's own startup messages repeat ours, and any client can cause a line per failed handshake.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from stt_service.cli import main  # noqa: E402

if __name__ == "__main__":
    main(prog_name="stt-server")
