"""Errors of the editor itself, as a sentence; the traceback goes to a file, and never across the screen."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from pathlib import Path

FILE = "last-error.txt"  # in the state folder; the next one takes its place


def describe(error: BaseException, folder: Path) -> str:
    """Return what happened, and where the traceback is that a report should have."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    written = _record(error, folder / FILE)
    return f"An error in stt-tui itself ({reason.splitlines()[0]})" + (f"; please report {written}" if written else "")


def _record(error: BaseException, path: Path) -> Path | None:
    """Write the traceback, for its owner only; return the file if there is one."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", errors="replace") as file:
            file.writelines(traceback.format_exception(error))
        return path
    return None
