"""Writes the text of concurrently recognized sources in the order in which the sources were named.

The current source writes immediately; text of later sources waits in memory. An output that fails affects only its own
source: the remaining text of that source goes to the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from stt_cli.output.writers import Output, Outputs
from stt_client.errors import OutputError


class Report(Protocol):
    """Receives messages about outputs."""

    def source_started(self, name: str) -> None:
        """Report that the text of this source follows."""

    def info(self, message: str) -> None: ...

    def output_failed(self, error: OutputError) -> None: ...

    def write_fallback(self, text: str) -> None:
        """Show text whose output failed."""


class OutputSlot:
    """The position of one source in the order."""

    def __init__(self, owner: OrderedOutput) -> None:
        self.name: str | None = None  # None: not started
        self.header = ""
        self.pending = list[str]()
        self.is_complete = False
        self.is_finished = False
        self._owner = owner

    def start(self, name: str, header: str = "") -> None:
        """Allow the source to write; `header` precedes its text."""
        self.name, self.header = name, header
        self._owner.flush()

    def write(self, text: str) -> None:
        self.pending.append(text)
        self._owner.flush()

    def complete(self) -> None:
        """Mark the text of the source as complete."""
        self.is_complete = True


class OrderedOutput:
    def __init__(self, outputs: Outputs, count: int, report: Report) -> None:
        self.has_failed = False  # an output could not be written
        self._outputs = outputs
        self._report = report
        self._slots = [OutputSlot(self) for _ in range(count)]
        self._current = 0
        self._output: Output | None = None  # of the current slot
        self._uses_fallback = False  # the output of the current slot failed

    @contextmanager
    def slot(self, index: int) -> Iterator[OutputSlot]:
        """Yield the slot of a source. It is finished on exit, also after an error."""
        slot = self._slots[index]
        try:
            yield slot
        finally:
            slot.is_finished = True
            self.flush()

    def flush(self) -> None:
        """Write all text up to the first slot that is not finished."""
        while self._current < len(self._slots):
            slot = self._slots[self._current]
            self._write_pending(slot)
            if not slot.is_finished:
                return
            self._close_output(slot)
            self._current += 1

    def close(self) -> None:
        """Close the outputs that sources share. All slots must be finished."""
        try:
            self._report_message(self._outputs.close())
        except OutputError as error:
            self._report_failure(error)
            self._report_message(self._outputs.close())  # keeps the partial text

    def _write_pending(self, slot: OutputSlot) -> None:
        if slot.name is not None and self._output is None and not self._uses_fallback:
            self._report.source_started(slot.name)
            self._open(slot.name, slot.header)
        while slot.pending and (self._output is not None or self._uses_fallback):
            self._write(slot.pending.pop(0))

    def _open(self, name: str, header: str) -> None:
        try:
            self._output = self._outputs.open(name, header)
        except OutputError as error:
            self._report_failure(error)

    def _write(self, text: str) -> None:
        if self._output is not None and not self._uses_fallback:
            try:
                self._output.write(text)
                return
            except OutputError as error:
                self._report_failure(error)
        self._report.write_fallback(text)

    def _close_output(self, slot: OutputSlot) -> None:
        output, self._output = self._output, None
        is_complete, self._uses_fallback = slot.is_complete and not self._uses_fallback, False
        if output is None:
            return
        try:
            self._report_message(output.close(is_complete))
        except OutputError as error:
            self._report_failure(error)
            self._uses_fallback = False
            self._report_message(output.close(is_complete=False))

    def _report_failure(self, error: OutputError) -> None:
        self.has_failed = self._uses_fallback = True
        self._report.output_failed(error)

    def _report_message(self, message: str | None) -> None:
        if message is not None:
            self._report.info(message)
