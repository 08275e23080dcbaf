"""Puts text on the clipboard: by the desktop's tool (pyperclip), else through tmux, else by the terminal (OSC 52).

Nothing waits for it longer than `TIMEOUT_S`, and no tool keeps our outputs open: xclip stays behind to serve the text.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path

from stt_client.concurrency import run_in_thread

TIMEOUT_S = 2.0  # a desktop's tool takes a tenth; one that waits for a display that is gone takes for ever
TERMINAL_BYTES = 74_000  # xterm and others pass over a sequence of more than 100,000 characters
COPY = "import sys, pyperclip; pyperclip.copy(sys.stdin.buffer.read().decode())"

Write = Callable[[str], object]


class CopyResult(Enum):
    """Where the text went."""

    DESKTOP = "the desktop's clipboard"
    TMUX = "tmux and the terminal around it"
    TERMINAL = "the terminal (OSC 52)"  # which does not tell whether it takes it
    SUPERSEDED = "nowhere: a newer text took its place"
    NOWHERE = "nowhere"


def tools(environment: Mapping[str, str] = os.environ) -> dict[CopyResult, Sequence[str]]:
    """Return the commands that may take text on their stdin, best first."""
    found: dict[CopyResult, Sequence[str]] = {CopyResult.DESKTOP: [sys.executable, "-c", COPY]}
    if environment.get("TMUX"):  # it ignores OSC 52 from within unless told otherwise; this it takes (3.2 and newer)
        found[CopyResult.TMUX] = ["tmux", "load-buffer", "-w", "-"]
    return found


def to_terminal(text: str) -> None:
    """Write to the terminal that the process runs in, wherever its outputs go.

    Raises:
        OSError: when there is none.
    """
    with Path("/dev/tty").open("wb", buffering=0) as terminal:
        terminal.write(text.encode())


def osc52(text: str) -> str:
    """Return what has a terminal put the text on the clipboard of the machine it is on, also over SSH."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"


class Clipboard:
    """One text after the other; where several wait, only the newest goes."""

    def __init__(
        self,
        tools: Mapping[CopyResult, Sequence[str]],
        terminal: Write | None = to_terminal,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._tools = dict(tools)
        self._terminal = terminal
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._asked = 0

    async def copy(self, text: str) -> CopyResult:
        """Put the text on the clipboard; return where it went."""
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if mine != self._asked:
                return CopyResult.SUPERSEDED
            for way, command in list(self._tools.items()):
                if await _takes(command, text, self._timeout_s):
                    return way
                del self._tools[way]  # what failed once is not there
            return await self._to_terminal(text)

    async def _to_terminal(self, text: str) -> CopyResult:
        if self._terminal is None or len(text.encode()) > TERMINAL_BYTES:
            return CopyResult.NOWHERE
        try:
            async with asyncio.timeout(self._timeout_s):  # a terminal that was stopped with Ctrl-S takes nothing
                await run_in_thread(partial(self._terminal, osc52(text)))
        except (OSError, TimeoutError):
            return CopyResult.NOWHERE
        return CopyResult.TERMINAL


async def _takes(command: Sequence[str], text: str, timeout_s: float) -> bool:
    """Return whether the command took the text; it is killed when it takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    except OSError:
        return False
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(text.encode())
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode == 0
