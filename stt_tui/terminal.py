"""urwid's terminal screen, with each paste delivered as one text and all Ctrl keys passed to the editor.

urwid splits a paste into keys, in time that grows with the square of its length.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from select import select
from typing import Any

from urwid.display.common import InputClosedError
from urwid.display.raw import Screen

PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"
ESCAPE = 0x1B
MAX_PASTE_BYTES = 16_000_000  # a longer paste is delivered in several parts
PASTE_TIMEOUT_S = 5.0  # without input: the end marker is lost, as after a disconnection, so the paste is closed
BURST_BYTES = 64  # more bytes at once are a paste from a terminal without bracketed paste, not typing
TERMINAL_CLOSED_ERRNOS = {errno.EIO, errno.ENXIO, errno.EPIPE, errno.EBADF}


class Terminal(Screen):
    def __init__(self, paste: Callable[[str], None]) -> None:
        super().__init__(bracketed_paste_mode=True, focus_reporting=False)
        self._paste = paste
        self._pasted: bytearray | None = None  # the paste in progress
        self._typed_ahead = b""
        self._alarm: Any = None  # closes the paste after the timeout

    def _start(self, *arguments: Any, **options: Any) -> None:
        self._typed_ahead = _read_typed_ahead(sys.stdin.fileno())  # urwid discards it
        super()._start(*arguments, **options)
        self.tty_signal_keys(
            "undefined", "undefined", "undefined", "undefined", "undefined"
        )  # so that Ctrl+C, Ctrl+Z, Ctrl+S and Ctrl+Q arrive as keys

    def hook_event_loop(self, event_loop: Any, callback: Any) -> None:
        super().hook_event_loop(event_loop, callback)
        if self._typed_ahead:
            codes, self._typed_ahead = list(self._typed_ahead), b""
            event_loop.alarm(0, lambda: self.parse_input(event_loop, callback, codes))

    def parse_input(self, event_loop: Any, callback: Any, codes: list[int], wait_for_more: bool = True) -> Any:
        """Deliver pastes in the input; let urwid parse the other bytes as keys."""
        while codes:
            if self._pasted is not None:
                codes = self._continue_paste(codes)
                continue
            begin = bytes(codes).find(PASTE_START) if ESCAPE in codes else -1
            if begin < 0:
                break
            if begin > 0:
                super().parse_input(event_loop, callback, codes[:begin], wait_for_more=False)
            self._pasted, codes = bytearray(), codes[begin + len(PASTE_START) :]
        self._schedule_paste_timeout(event_loop)
        if len(codes) > BURST_BYTES and ESCAPE not in codes:
            self._paste(bytes(codes).decode(errors="replace"))
            codes = []
        return super().parse_input(event_loop, callback, codes, wait_for_more)

    def _continue_paste(self, codes: list[int]) -> list[int]:
        """Append to the paste; return the bytes after its end."""
        assert self._pasted is not None
        searched = max(0, len(self._pasted) - len(PASTE_END))
        self._pasted += bytes(codes)
        end = self._pasted.find(PASTE_END, searched)
        if end < 0 and len(self._pasted) < MAX_PASTE_BYTES:
            return []
        remaining = self._pasted[end + len(PASTE_END) :] if end >= 0 else b""
        self._paste((self._pasted[:end] if end >= 0 else self._pasted).decode(errors="replace"))
        self._pasted = None if end >= 0 else bytearray()
        return list(remaining)

    def _schedule_paste_timeout(self, event_loop: Any) -> None:
        if self._alarm is not None:
            event_loop.remove_alarm(self._alarm)
        self._alarm = None if self._pasted is None else event_loop.alarm(PASTE_TIMEOUT_S, self._end_paste)

    def _end_paste(self) -> None:
        pasted, self._pasted, self._alarm = self._pasted, None, None
        if pasted:
            self._paste(pasted.decode(errors="replace"))


def _read_typed_ahead(descriptor: int) -> bytes:
    """Return the input typed between the start of the command and the first screen."""
    if not os.isatty(descriptor):
        return b""
    settings, typed = termios.tcgetattr(descriptor), b""
    tty.setcbreak(descriptor, termios.TCSANOW)  # else an incomplete line could not be read
    while select([descriptor], [], [], 0)[0] and (more := os.read(descriptor, 4096)):
        typed += more
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    return typed


@contextmanager
def handle_signals(
    loop: asyncio.AbstractEventLoop, handlers: Mapping[signal.Signals, Callable[[], object]]
) -> Iterator[None]:
    """Call the handlers on the event loop when their signals arrive."""
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def is_terminal_closed(error: BaseException | None) -> bool:
    """Return whether the error means that the terminal was closed."""
    if isinstance(error, OSError):
        return error.errno in TERMINAL_CLOSED_ERRNOS
    return isinstance(error, InputClosedError)
