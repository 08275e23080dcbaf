"""What a terminal must leave alone while a line is drawn on it."""

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


def _is_ours() -> bool:
    """Whether stdin is a terminal and we are in front: whoever is in the background would be stopped for a change."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows; no terminal; no stdin
        return False
