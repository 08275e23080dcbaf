"""Exits on SIGTERM or Ctrl-C with a one-line message, from the start of the process on. Imports nothing slow.

Python would print a traceback of the current import or computation. Once the server serves, `cli.py` handles the
signals: the server drains.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def exit_on_signals() -> None:
    """Exit on the first signal."""
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def exit_code(number: int) -> int:
    """Return the exit code that a shell reports for a process stopped by this signal."""
    return 128 + number


def exit_message(number: int, when: str = "") -> str:
    """Return the message to print before the exit."""
    return f"Stopped by {signal.Signals(number).name}{when}."


def _exit(number: int, _frame: FrameType | None) -> None:
    _write(exit_message(number))
    os._exit(exit_code(number))


def _write(line: str) -> None:
    """Write to stderr if that does not block: its reader may have stopped."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{line}\n".encode())
    except OSError:  # it is closed
        pass
