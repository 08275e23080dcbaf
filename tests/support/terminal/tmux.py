"""stt-tui in a real terminal: its own tmux, read as text and driven by keys and mouse sequences."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.02  # between two reads of the screen
STT_TUI = str(Path(sys.executable).with_name("stt-tui"))
# tmux accepts OSC 52 from the program, and passes Ctrl keys to it.
CONFIG = "set -g set-clipboard on\nset -g status off\nset -g remain-on-exit on\nset -sg escape-time 0\n"


class Terminal:
    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self._folder = folder
        self._size = (columns, rows)
        self._runs = 0
        (folder / "tmux.conf").write_text(CONFIG)

    @property
    def _socket(self) -> str:
        """One socket for each run: a tmux that exits keeps its socket for a moment."""
        return str(self._folder / f"tmux-{self._runs}")

    def run(self, *arguments: str) -> None:
        """Start the editor with its journals in the folder, and without the environment variables of tmux."""
        self.close()
        self._runs += 1
        columns, rows = self._size
        variables = {"XDG_STATE_HOME": str(self._folder), "LC_ALL": "C.UTF-8", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
        command = ["env", "-u", "TMUX", "-u", "SERVER_HOST", *(f"{name}={value}" for name, value in variables.items())]
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), *command, STT_TUI, *arguments)

    def tmux(self, *arguments: str, check: bool = True) -> str:
        command = ["tmux", "-S", self._socket, "-f", str(self._folder / "tmux.conf"), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=check, timeout=TIMEOUT_S)
        return done.stdout

    def close(self) -> None:
        self.tmux("kill-server", check=False)

    # Input

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)

    def mouse(self, *events: tuple[int, int, int, str]) -> None:
        """Send mouse events: button, column and row from 0, and M for a press or move or m for a release."""
        self.type("".join(f"\x1b[<{button};{column + 1};{row + 1}{end}" for button, column, row, end in events))

    def paste(self, text: str) -> None:
        """Paste in brackets, as a terminal does."""
        subprocess.run(
            ["tmux", "-S", self._socket, "load-buffer", "-b", "pasted", "-"],
            input=text.encode(),
            check=True,
        )
        self.tmux("paste-buffer", "-p", "-d", "-b", "pasted")

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def pid(self) -> int:
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    # Screen

    @property
    def rows(self) -> list[str]:
        return self.tmux("capture-pane", "-p").split("\n")[:-1]

    @property
    def text(self) -> str:
        """The rows above the status line, down to the last one that has text."""
        return "\n".join(row.rstrip() for row in self.rows[:-1]).rstrip("\n")

    @property
    def status(self) -> str:
        return self.rows[-1].rstrip()

    def terminal_selection(self, rows: int) -> str:
        """Return the first rows as copied by the selection of the terminal."""
        self.tmux("copy-mode")
        for command in ("top-line", "start-of-line", "begin-selection", *["cursor-down"] * (rows - 1), "end-of-line"):
            self.tmux("send-keys", "-X", command)
        self.tmux("send-keys", "-X", "copy-selection-and-cancel")
        return self.tmux("show-buffer")

    @property
    def scrollback(self) -> str:
        """The rows, including those that have scrolled off the screen."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-")

    @property
    def preedits(self) -> list[str]:
        """The dimmed text above the status line."""
        rows = self.tmux("capture-pane", "-p", "-e").split("\n")[:-2]
        return re.findall(r"\x1b\[2m([^\x1b]*)", "\n".join(rows))

    @property
    def has_preedit(self) -> bool:
        return bool(self.preedits)

    @property
    def clipboard(self) -> str:
        """The text that tmux received by OSC 52."""
        return self.tmux("show-buffer", check=False)

    @property
    def is_dead(self) -> bool:
        return self.tmux("display-message", "-p", "#{pane_dead}").strip() == "1"

    def wait_until(self, condition: Callable[[Terminal], object], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the condition is true for the terminal.

        Raises:
            AssertionError: The condition is false until the timeout; the message is the screen.
        """
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            assert time.monotonic() < deadline, "\n".join(self.rows)
            time.sleep(POLL_INTERVAL_S)


@contextmanager
def terminal(folder: Path, columns: int = 80, rows: int = 12) -> Iterator[Terminal]:
    opened = Terminal(folder, columns, rows)
    try:
        yield opened
    finally:
        opened.close()
