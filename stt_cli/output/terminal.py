"""Makes the standard streams and the terminal usable, also when they are closed, full or lost."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

UTF8_MODE = "PYTHONUTF8"
# File names that are not UTF-8 stay readable, and JSON stays valid.
ENCODING_ERRORS = "backslashreplace"


def run_in_utf8() -> None:
    """Restart the process in Python's UTF-8 mode if the locale has another encoding.

    Otherwise prompts and file names on the command line, which are UTF-8 nearly everywhere, would be misread.
    """
    if sys.flags.utf8_mode or UTF8_MODE in os.environ or sys.getfilesystemencoding() == "utf-8" or not sys.executable:
        return
    os.environ[UTF8_MODE] = "1"
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (the same command)


def prepare_streams() -> None:
    """Make stdout and stderr write UTF-8, ignore errors of stderr, and open /dev/null for closed streams."""
    for descriptor in range(3):
        _ensure_open(descriptor)
    sys.stderr = discarding_stream(2)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (every write fails)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=ENCODING_ERRORS)


def discarding_stream(descriptor: int, closefd: bool = False) -> TextIO:
    """Return a text stream that ignores write errors, so that a lost message never costs recognized text."""
    raw = _DiscardingFile(descriptor, "w", closefd=closefd)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=ENCODING_ERRORS, line_buffering=True)


class _DiscardingFile(io.FileIO):
    """Ignores write errors: full disk, closed terminal, closed pipe. Accepts bytes and buffers."""

    def write(self, content: Any, /) -> int:
        with suppress(OSError):
            super().write(content)
        return memoryview(content).nbytes


def discard_stdout() -> None:
    """Discard buffered stdout, which Python would try to write again at exit."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _ensure_open(descriptor: int) -> None:
    """Open /dev/null if the caller closed a standard stream; the next opened file would replace it."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # gets the lowest free descriptor


@contextmanager
def hide_control_echo() -> Iterator[None]:
    """Stop the terminal from printing Ctrl-C as ^C, which would break the live line. Change no other setting."""
    if not _is_in_foreground():
        yield
        return
    import termios

    original = termios.tcgetattr(sys.stdin)
    changed = [*original]
    changed[3] &= ~termios.ECHOCTL
    termios.tcsetattr(sys.stdin, termios.TCSANOW, changed)
    try:
        yield
    finally:
        if _is_in_foreground():
            with suppress(termios.error):  # the terminal is closed
                termios.tcsetattr(sys.stdin, termios.TCSANOW, original)


@contextmanager
def silence_library_stderr() -> Iterator[None]:
    """Discard what libraries write to stderr on a terminal, such as PortAudio's errors about unplugged devices."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.flush()
    original, ours = sys.stderr, discarding_stream(os.dup(2), closefd=True)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = ours
    try:
        yield
    finally:
        sys.stderr = original
        os.dup2(ours.fileno(), 2)
        ours.close()


def _is_in_foreground() -> bool:
    """Return whether stdin is a terminal with this process in the foreground. Changes from the background stop it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows; no terminal; no stdin
        return False
