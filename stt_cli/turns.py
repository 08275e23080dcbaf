"""Lets sources that are recognised at once write in the order in which they were named.

What comes before its turn waits in memory, which its being text bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from stt_cli.outputs import Outputs, Write


class Turn:
    """One source's place in the order."""

    def __init__(self, go_on: Callable[[], None]) -> None:
        self.name: str | None = None  # None: it has not begun
        self.waiting = list[str]()
        self.is_over = False
        self._go_on = go_on

    def begin(self, name: str) -> None:
        """Say that text may come from the source of that name."""
        self.name = name
        self._go_on()

    def write(self, text: str) -> None:
        self.waiting.append(text)
        self._go_on()


class Turns:
    def __init__(self, outputs: Outputs, count: int, begins: Callable[[str], None]) -> None:
        """Take where so many sources write, and what to call when the turn of one begins."""
        self._outputs = outputs
        self._begins = begins
        self._turns = [Turn(self._go_on) for _ in range(count)]
        self._current = 0
        self._output = ExitStack()
        self._write: Write | None = None  # of the current turn

    @contextmanager
    def turn(self, place: int) -> Iterator[Turn]:
        """Yield the source's turn, which is over when the source is, well or not.

        Raises:
            OutputError: when what waits for its turn cannot be written.
        """
        turn = self._turns[place]
        try:
            yield turn
        finally:
            turn.is_over = True
            self._go_on()

    def _go_on(self) -> None:
        """Write what may be written by now."""
        while self._current < len(self._turns):
            turn = self._turns[self._current]
            self._write_waiting(turn)
            if not turn.is_over:
                return
            self._output.close()
            self._write = None
            self._current += 1

    def _write_waiting(self, turn: Turn) -> None:
        if turn.name is not None and self._write is None:
            self._begins(turn.name)
            self._write = self._output.enter_context(self._outputs.open(turn.name))
        while turn.waiting and self._write is not None:
            self._write(turn.waiting.pop(0))
