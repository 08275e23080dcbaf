"""The terminal as urwid drives it, with pastes taken whole and every Ctrl key left to the editor.

urwid takes a paste apart into keys, in time that grows with its square.
"""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Callable
from select import select
from typing import Any

from urwid.display.raw import Screen

PASTE_BEGINS, PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
ESCAPE = 0x1B
MAX_PASTE_BYTES = 16_000_000  # what is longer comes in pieces
PASTE_S = 5.0  # without a byte of it: its end was lost, as with a connection, and keys are keys again
BURST_BYTES = 64  # no person types so much at once: a paste into a terminal that does not bracket it


class Terminal(Screen):
    def __init__(self, paste: Callable[[str], None]) -> None:
        super().__init__(bracketed_paste_mode=True, focus_reporting=False)
        self._paste = paste
        self._pasted: bytearray | None = None  # since a paste began
        self._typed_ahead = b""
        self._alarm: Any = None  # ends a paste

    def _start(self, *arguments: Any, **options: Any) -> None:
        self._typed_ahead = _typed_ahead(sys.stdin.fileno())  # urwid throws it away
        super()._start(*arguments, **options)
        self.tty_signal_keys(
            "undefined", "undefined", "undefined", "undefined", "undefined"
        )  # Ctrl+C, Ctrl+Z, Ctrl+S and Ctrl+Q are keys

    def hook_event_loop(self, event_loop: Any, callback: Any) -> None:
        super().hook_event_loop(event_loop, callback)
        if self._typed_ahead:
            codes, self._typed_ahead = list(self._typed_ahead), b""
            event_loop.alarm(0, lambda: self.parse_input(event_loop, callback, codes))

    def parse_input(self, event_loop: Any, callback: Any, codes: list[int], wait_for_more: bool = True) -> Any:
        """Take the pastes out of the input; let urwid make keys of the rest."""
        while codes:
            if self._pasted is not None:
                codes = self._go_on(codes)
                continue
            begin = bytes(codes).find(PASTE_BEGINS) if ESCAPE in codes else -1
            if begin < 0:
                break
            if begin > 0:
                super().parse_input(event_loop, callback, codes[:begin], wait_for_more=False)
            self._pasted, codes = bytearray(), codes[begin + len(PASTE_BEGINS) :]
        self._await_end(event_loop)
        if len(codes) > BURST_BYTES and ESCAPE not in codes:
            self._paste(bytes(codes).decode(errors="replace"))
            codes = []
        return super().parse_input(event_loop, callback, codes, wait_for_more)

    def _go_on(self, codes: list[int]) -> list[int]:
        """Add to the paste; return what comes after its end."""
        assert self._pasted is not None
        searched = max(0, len(self._pasted) - len(PASTE_ENDS))
        self._pasted += bytes(codes)
        end = self._pasted.find(PASTE_ENDS, searched)
        if end < 0 and len(self._pasted) < MAX_PASTE_BYTES:
            return []
        rest = self._pasted[end + len(PASTE_ENDS) :] if end >= 0 else b""
        self._paste((self._pasted[:end] if end >= 0 else self._pasted).decode(errors="replace"))
        self._pasted = None if end >= 0 else bytearray()
        return list(rest)

    def _await_end(self, event_loop: Any) -> None:
        if self._alarm is not None:
            event_loop.remove_alarm(self._alarm)
        self._alarm = None if self._pasted is None else event_loop.alarm(PASTE_S, self._end_paste)

    def _end_paste(self) -> None:
        pasted, self._pasted, self._alarm = self._pasted, None, None
        if pasted:
            self._paste(pasted.decode(errors="replace"))


def _typed_ahead(descriptor: int) -> bytes:
    """Return what was typed since the command was given, while the screen was on its way."""
    if not os.isatty(descriptor):
        return b""
    settings, typed = termios.tcgetattr(descriptor), b""
    tty.setcbreak(descriptor, termios.TCSANOW)  # a line without its end can be read only so
    while select([descriptor], [], [], 0)[0] and (more := os.read(descriptor, 4096)):
        typed += more
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    return typed
