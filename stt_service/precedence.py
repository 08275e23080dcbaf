"""Who goes first where there are fewer cores than work: the event loop, which is needed by all streams and briefly."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import get_native_id

# A ninth of the event loop's weight: docs/performance.md has what it gives. Decodes wait for one another anyway.
NICENESS = 10


def behind_the_loop() -> None:
    """Let this thread, and those that it starts, run behind the event loop. On systems without it nothing happens."""
    with suppress(AttributeError, OSError):  # no niceness by thread: macOS, Windows
        os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)
