"""The standard streams and the terminal: usable whatever the caller has closed, filled up or taken away."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

UTF8_MODE = "PYTHONUTF8"
# Names of files that are not UTF-8 stay readable, and JSON stays JSON.
ERRORS = "backslashreplace"


def run_in_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale has another encoding.

    Otherwise prompts and file names of the command line, which are UTF-8 nearly everywhere, would be misread.
    """
    if sys.flags.utf8_mode or UTF8_MODE in os.environ or sys.getfilesystemencoding() == "utf-8" or not sys.executable:
        return
    os.environ[UTF8_MODE] = "1"
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (the same command)


def prepare_streams() -> None:
    """Make stdout and stderr write UTF-8, and let no failure of stderr end a command. Closed ones become /dev/null."""
    for descriptor in range(3):
        _keep_open(descriptor)
    sys.stderr = unfailing(2)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (of which every write fails)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=ERRORS)


def unfailing(descriptor: int, closefd: bool = False) -> TextIO:
    """Return a text stream that discards what cannot be written: messages must not cost the text they are about."""
    raw = _Unfailing(descriptor, "w", closefd=closefd)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=ERRORS, line_buffering=True)


class _Unfailing(io.FileIO):
    """A full disk, a closed terminal, a closed pipe. The content is bytes, or anything with a buffer."""

    def write(self, content: Any, /) -> int:
        with suppress(OSError):
            super().write(content)
        return memoryview(content).nbytes


def abandon_stdout() -> None:
    """Discard what Python still holds for stdout, or it tries once more to write it at exit."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _keep_open(descriptor: int) -> None:
    """Open /dev/null where the caller closed a standard stream, or the next file would take its place."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # gets the lowest number that is free


@contextmanager
def silent_controls() -> Iterator[None]:
    """Keep the terminal from showing Ctrl-C as ^C, which would break the live line; no more than that is changed."""
    if not _is_ours():
        yield
        return
    import termios

    kept = termios.tcgetattr(sys.stdin)
    quiet = [*kept]
    quiet[3] &= ~termios.ECHOCTL
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        if _is_ours():
            with suppress(termios.error):  # the terminal has been closed
                termios.tcsetattr(sys.stdin, termios.TCSANOW, kept)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep libraries from writing across what is drawn: PortAudio tells of an unplugged device on stderr."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.flush()
    theirs, ours = sys.stderr, unfailing(os.dup(2), closefd=True)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = ours
    try:
        yield
    finally:
        sys.stderr = theirs
        os.dup2(ours.fileno(), 2)
        ours.close()


def _is_ours() -> bool:
    """Whether stdin is a terminal and we are in front: whoever is in the background would be stopped for a change."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows; no terminal; no stdin
        return False
