"""A terminal with the editor in it for measurements: sends keys and reports the time at which the screen shows them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from select import select
from time import monotonic
from types import TracebackType
from typing import Self

import pyte

STT_TUI = str(Path(sys.executable).with_name("stt-tui"))
PATIENCE_S = 60.0


class Keyboard:
    def __init__(self, arguments: Sequence[str], home: Path, columns: int = 80, rows: int = 24) -> None:
        self._command = [STT_TUI, *arguments]
        self._environment = {**os.environ, "XDG_STATE_HOME": str(home), "TERM": "xterm-256color", "DISPLAY": ""}
        self._environment.pop("TMUX", None)
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._arrived = 0.0  # time of the last output

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self._size)
        self._editor = subprocess.Popen(
            self._command,
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )
        os.close(slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._editor.kill()
        self._editor.wait()
        os.close(self._master)

    def press(self, keys: bytes) -> float:
        """Send the keys; return the time."""
        now = monotonic()
        os.write(self._master, keys)
        return now

    def until(self, holds: Callable[[], object]) -> float:
        """Wait until the condition holds for the screen; return the time of the output that fulfilled it."""
        deadline = monotonic() + PATIENCE_S
        while not holds():
            assert monotonic() < deadline, "\n".join(self.rows)
            self._read(0.1)
        return self._arrived

    def look(self, duration_s: float) -> None:
        """Watch the screen for a while."""
        until = monotonic() + duration_s
        while (left_s := until - monotonic()) > 0:
            self._read(left_s)

    @property
    def rows(self) -> list[str]:
        return list(self._screen.display)

    @property
    def text(self) -> str:
        """All rows but the last, with their spaces."""
        return "\n".join(self._screen.display[:-1])

    def _read(self, timeout_s: float) -> None:
        if select([self._master], [], [], timeout_s)[0]:
            output = os.read(self._master, 65536)
            self._arrived = monotonic()
            self._stream.feed(output)
