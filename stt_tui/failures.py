"""Internal errors as one sentence; the traceback goes to a file, never over the screen."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from pathlib import Path

TRACEBACK_FILE = "last-error.txt"  # in the state folder; overwritten by the next error


def describe(error: BaseException, folder: Path) -> str:
    """Return a sentence with the error and the file that has the traceback for a bug report."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    written = _record(error, folder / TRACEBACK_FILE)
    return f"Internal error in stt-tui ({reason.splitlines()[0]})" + (f"; please report {written}" if written else "")


def _record(error: BaseException, path: Path) -> Path | None:
    """Write the traceback, readable by its owner only; return the file, or None if it cannot be written."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", errors="replace") as file:
            file.writelines(traceback.format_exception(error))
        return path
    return None
