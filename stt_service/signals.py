"""Ends the process on SIGTERM or Ctrl-C with one sentence, from its first moment on. Imports nothing slow.

Python's own way is a traceback of whatever was being imported or computed. A server that serves drains instead:
`commands.py` takes the signals over then.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_on_signals() -> None:
    """Let the first signal end the process."""
    for number in STOP_SIGNALS:
        signal.signal(number, _end)


def exit_code(number: int) -> int:
    """Return what a shell reports for a process that a signal ended."""
    return 128 + number


def sentence(number: int, when: str = "") -> str:
    """Return what is said of the end."""
    return f"Stopped by {signal.Signals(number).name}{when}."


def _end(number: int, _frame: FrameType | None) -> None:
    _write(sentence(number))
    os._exit(exit_code(number))


def _write(line: str) -> None:
    """Write to stderr if it takes the line now: nobody may be reading it."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"{line}\n".encode())
    except OSError:  # it is closed
        pass
