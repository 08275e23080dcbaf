"""Copies text to the clipboard: with the desktop's tool (pyperclip), else through tmux, else by the terminal (OSC 52).

A copy takes at most `TIMEOUT_S` per way. Tools do not inherit stdout and stderr: xclip keeps running to serve the text,
and would keep them open.
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

TIMEOUT_S = 2.0  # a desktop tool needs 0.2 s; without its display it may hang
TERMINAL_BYTES = 74_000  # xterm and others ignore sequences of more than 100,000 characters
COPY_PROGRAM = "import sys, pyperclip; pyperclip.copy(sys.stdin.buffer.read().decode())"

Write = Callable[[str], object]


class CopyResult(Enum):
    """Destination of the text."""

    DESKTOP = "the desktop's clipboard"
    TMUX = "tmux and the terminal around it"
    TERMINAL = "the terminal (OSC 52)"  # the terminal does not confirm it
    SUPERSEDED = "nowhere: replaced by a newer text"
    NOWHERE = "nowhere"


def clipboard_tools(environment: Mapping[str, str] = os.environ) -> dict[CopyResult, Sequence[str]]:
    """Return commands that copy their stdin, in order of preference."""
    found: dict[CopyResult, Sequence[str]] = {CopyResult.DESKTOP: [sys.executable, "-c", COPY_PROGRAM]}
    if environment.get(
        "TMUX"
    ):  # By default tmux ignores OSC 52 from inside. Version 3.2 and newer has `load-buffer -w`.
        found[CopyResult.TMUX] = ["tmux", "load-buffer", "-w", "-"]
    return found


def to_terminal(text: str) -> None:
    """Write to the controlling terminal, even if stdout and stderr are redirected.

    Raises:
        OSError: There is no terminal.
    """
    with Path("/dev/tty").open("wb", buffering=0) as terminal:
        terminal.write(text.encode())


def osc52(text: str) -> str:
    """Return the escape sequence that copies text to the clipboard of the terminal's machine, also over SSH."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"


class Clipboard:
    """Copies one text at a time. Of several waiting texts only the newest is copied."""

    def __init__(
        self,
        tools: Mapping[CopyResult, Sequence[str]],
        terminal: Write | None = to_terminal,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._tools = dict(tools)
        self._terminal = terminal
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._requests = 0

    async def copy(self, text: str) -> CopyResult:
        """Copy the text; return where it went."""
        self._requests += 1
        request = self._requests
        async with self._lock:
            if request != self._requests:
                return CopyResult.SUPERSEDED
            for destination, command in list(self._tools.items()):
                if await _run_tool(command, text, self._timeout_s):
                    return destination
                del self._tools[destination]  # not tried again
            return await self._to_terminal(text)

    async def _to_terminal(self, text: str) -> CopyResult:
        if self._terminal is None or len(text.encode()) > TERMINAL_BYTES:
            return CopyResult.NOWHERE
        try:
            async with asyncio.timeout(self._timeout_s):  # a terminal stopped with Ctrl-S blocks
                await run_in_thread(partial(self._terminal, osc52(text)))
        except (OSError, TimeoutError):
            return CopyResult.NOWHERE
        return CopyResult.TERMINAL


async def _run_tool(command: Sequence[str], text: str, timeout_s: float) -> bool:
    """Return whether the command copied the text. It is killed after the timeout."""
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
