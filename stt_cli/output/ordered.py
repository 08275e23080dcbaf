"""Lets sources that are recognized at once write in the order in which they were named.

Text that comes before its turn waits in memory. An output that fails ends only its own source: the text that it cannot
take goes to the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from stt_cli.output.writers import Output, Outputs
from stt_client.errors import OutputError


class Report(Protocol):
    """Receives what is to be known about outputs."""

    def begins(self, name: str) -> None:
        """The text of the source of that name comes next."""

    def note(self, sentence: str) -> None: ...

    def failed(self, error: OutputError) -> None: ...

    def rescue(self, text: str) -> None:
        """Show text that its output could not take."""


class OutputSlot:
    """One source's place in the order."""

    def __init__(self, turns: OrderedOutput) -> None:
        self.name: str | None = None  # None: it has not begun
        self.opening = ""
        self.waiting = list[str]()
        self.is_complete = False
        self.is_over = False
        self._turns = turns

    def begin(self, name: str, opening: str = "") -> None:
        """Report that text may come from the source of that name; `opening` precedes it."""
        self.name, self.opening = name, opening
        self._turns.go_on()

    def write(self, text: str) -> None:
        self.waiting.append(text)
        self._turns.go_on()

    def complete(self) -> None:
        """Report that all text of the source has come."""
        self.is_complete = True


class OrderedOutput:
    def __init__(self, outputs: Outputs, count: int, report: Report) -> None:
        self.has_failed = False  # to write all text where it belongs
        self._outputs = outputs
        self._report = report
        self._turns = [OutputSlot(self) for _ in range(count)]
        self._current = 0
        self._output: Output | None = None  # of the current turn
        self._is_rescuing = False  # the text of the current turn

    @contextmanager
    def turn(self, place: int) -> Iterator[OutputSlot]:
        """Yield the source's turn, which is over when the source is, successful or not."""
        turn = self._turns[place]
        try:
            yield turn
        finally:
            turn.is_over = True
            self.go_on()

    def go_on(self) -> None:
        """Write what may be written by now."""
        while self._current < len(self._turns):
            turn = self._turns[self._current]
            self._write_waiting(turn)
            if not turn.is_over:
                return
            self._end(turn)
            self._current += 1

    def close(self) -> None:
        """End what the sources share, once all turns are over."""
        try:
            self._note(self._outputs.close())
        except OutputError as error:
            self._fail(error)
            self._note(self._outputs.close())  # leaves the text where it is

    def _write_waiting(self, turn: OutputSlot) -> None:
        if turn.name is not None and self._output is None and not self._is_rescuing:
            self._report.begins(turn.name)
            self._open(turn.name, turn.opening)
        while turn.waiting and (self._output is not None or self._is_rescuing):
            self._write(turn.waiting.pop(0))

    def _open(self, name: str, opening: str) -> None:
        try:
            self._output = self._outputs.open(name, opening)
        except OutputError as error:
            self._fail(error)

    def _write(self, text: str) -> None:
        if self._output is not None and not self._is_rescuing:
            try:
                self._output.write(text)
                return
            except OutputError as error:
                self._fail(error)
        self._report.rescue(text)

    def _end(self, turn: OutputSlot) -> None:
        output, self._output = self._output, None
        is_complete, self._is_rescuing = turn.is_complete and not self._is_rescuing, False
        if output is None:
            return
        try:
            self._note(output.close(is_complete))
        except OutputError as error:
            self._fail(error)
            self._is_rescuing = False
            self._note(output.close(is_complete=False))

    def _fail(self, error: OutputError) -> None:
        self.has_failed = self._is_rescuing = True
        self._report.failed(error)

    def _note(self, sentence: str | None) -> None:
        if sentence is not None:
            self._report.note(sentence)
