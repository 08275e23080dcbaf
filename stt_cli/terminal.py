"""Keeps to itself the terminal on which a line is drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
            termios.tcsetattr(sys.stdin, termios.TCSANOW, kept)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep libraries from writing across what is drawn: PortAudio tells of an unplugged device on stderr."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.flush()
    theirs, ours = sys.stderr, os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
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
